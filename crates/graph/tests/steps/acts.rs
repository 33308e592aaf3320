//! What the attacker does, an edge a function; each tells whether it worked.

use bailiwick_testkit::servers::Reply;
use serde_json::{Value, json};

use crate::certificates::{Wish, approve_by_patch, approve_by_put, arrives, ask};
use crate::stage::{Stage, eventually};

pub(crate) type Act = fn(&Stage) -> bool;

/// The edges whose steps are taken.
pub(crate) const ACTS: &[(&str, Act)] = &[
    ("aggregate", aggregate),
    ("ask-access", |stage| {
        let spec = json!({
            "user": "amy",
            "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods"},
        });
        let path = "authorization.k8s.io/v1/namespaces/shop/localsubjectaccessreviews";
        let body = json!({"metadata": {"namespace": "shop"}, "spec": spec});
        is(201, &stage.post(&format!("{APIS}/{path}"), &body))
    }),
    ("ask-tokens", |stage| {
        let body = json!({"spec": {"token": "any"}});
        is(
            201,
            &stage.post(
                &format!("{APIS}/authentication.k8s.io/v1/tokenreviews"),
                &body,
            ),
        )
    }),
    ("aws-auth", |stage| {
        let path = format!("{CORE}/kube-system/configmaps/aws-auth");
        admitted(&stage.patch(&path, &json!({"data": {"mapRoles": ""}})))
    }),
    ("bind", |stage| {
        is(
            201,
            &stage.post(
                &format!("{RBAC}/namespaces/shop/rolebindings?{DRY}"),
                &binding("mine"),
            ),
        )
    }),
    ("bootstrap-mint", |stage| {
        let secret = json!({
            "metadata": {"name": "bootstrap-token-abcdef"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef"},
        });
        is(
            201,
            &stage.post(&format!("{CORE}/kube-system/secrets?{DRY}"), &secret),
        )
    }),
    ("csr-approve", |stage| {
        let wish = Wish {
            signer: "kubernetes.io/kube-apiserver-client",
            user: "amy",
            group: "kubeadm:cluster-admins",
        };
        ask(stage, &wish).is_some_and(|name| approve_by_patch(stage, &name))
    }),
    ("csr-approve-node", |stage| {
        ask(stage, &NODE).is_some_and(|name| approve_by_put(stage, &name))
    }),
    ("csr-auto-node", csr_auto_node),
    ("dangling-account", |stage| {
        let account = json!({"metadata": {"name": "gone"}});
        is(
            201,
            &stage.post(&format!("{CORE}/shop/serviceaccounts?{DRY}"), &account),
        )
    }),
    ("ephemeral-container", |stage| {
        let path = format!("{CORE}/shop/pods/web/ephemeralcontainers?{DRY}");
        let containers = json!({"spec": {"ephemeralContainers": [
            {"name": "eve", "image": "eve", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"},
        ]}});
        is(200, &stage.patch(&path, &containers))
    }),
    ("ephemeral-container-node", |stage| {
        is(200, &add_container(stage, "front"))
    }),
    ("escalate", |stage| {
        is(
            200,
            &stage.patch(
                &format!("{RBAC}/clusterroles/r?{DRY}"),
                &json!({"rules": [everything()]}),
            ),
        )
    }),
    ("exec", |stage| {
        admitted(&stage.post(&format!("{CORE}/shop/pods/web/exec?command=id"), &json!({})))
    }),
    ("full-control", |stage| {
        is(
            200,
            &stage.get(&format!("{APIS}/apps/v1/namespaces/shop/deployments")),
        )
    }),
    ("impersonate-claims", |stage| {
        sends_extra_values(stage, "scopes")
    }),
    ("impersonate-claims-constrained", |stage| {
        sends_extra_values(stage, "example.com/scopes")
    }),
    ("impersonate-constrained", |stage| {
        let headers = [("impersonate-user", "amy")];
        let get = |path: &str| stage.eve.request("GET", path, &headers, None).unwrap();
        is(200, &get(&format!("{CORE}/shop/secrets"))) && is(403, &get("/api/v1/secrets"))
    }),
    ("impersonate-group", |stage| {
        let headers = [
            ("impersonate-user", "amy"),
            ("impersonate-group", "system:masters"),
        ];
        is(
            200,
            &stage
                .eve
                .request("GET", "/api/v1/secrets", &headers, None)
                .unwrap(),
        )
    }),
    ("impersonate-service-account", |stage| {
        who(stage, "system:serviceaccount:shop:web").is_some_and(|groups| groups.len() == 3)
    }),
    // The name, and of the groups the one that everybody is in.
    ("impersonate-user", |stage| {
        who(stage, "amy").is_some_and(|groups| groups == ["system:authenticated"])
    }),
    ("mutating-policy", |stage| {
        let path = |what: &str| format!("{APIS}/admissionregistration.k8s.io/v1/{what}?{DRY}");
        admitted(&stage.post(&path("mutatingadmissionpolicies"), &json!({})))
            && admitted(&stage.post(&path("mutatingadmissionpolicybindings"), &json!({})))
    }),
    ("namespace-label", |stage| {
        let labels =
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
        is(200, &stage.patch(&format!("{CORE}/shop?{DRY}"), &labels))
    }),
    ("nodes-proxy", |stage| {
        admitted(&stage.get("/api/v1/nodes/n1/proxy/pods"))
    }),
    ("persistent-volume", |stage| {
        let volume = json!({
            "metadata": {"name": "root"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/"},
            },
        });
        is(
            201,
            &stage.post(&format!("/api/v1/persistentvolumes?{DRY}"), &volume),
        )
    }),
    ("pod-certificate", |stage| {
        let path = "certificates.k8s.io/v1/namespaces/shop/podcertificaterequests";
        admitted(&stage.post(&format!("{APIS}/{path}?{DRY}"), &json!({})))
    }),
    ("pod-create", |stage| {
        let pod = json!({"metadata": {"name": "eve"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
        is(201, &stage.post(&format!("{CORE}/shop/pods?{DRY}"), &pod))
    }),
    ("pod-patch", |stage| {
        let containers =
            json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "eve"}]);
        let headers = [("content-type", "application/json-patch+json")];
        let path = format!("{CORE}/shop/pods/web?{DRY}");
        is(
            200,
            &stage
                .eve
                .request("PATCH", &path, &headers, Some(&containers.to_string()))
                .unwrap(),
        )
    }),
    ("port-forward", |stage| {
        admitted(&stage.post(&format!("{CORE}/shop/pods/web/portforward"), &json!({})))
    }),
    ("proxy", |stage| {
        admitted(&stage.get(&format!("{CORE}/shop/services/web/proxy/")))
    }),
    ("read-logs", |stage| {
        admitted(&stage.get(&format!("{CORE}/shop/pods/web/log")))
    }),
    ("read-secrets", |stage| {
        let reply = stage.get(&format!(
            "{CORE}/shop/secrets?fieldSelector=metadata.name%3Dkey"
        ));
        is(200, &reply) && reply.json().unwrap()["items"].as_array().unwrap().len() == 1
    }),
    ("secret-mint", secret_mint),
    ("secrets-echo", |stage| {
        let path = format!("{CORE}/shop/secrets/key?{DRY}&propagationPolicy=Orphan");
        secret_shown(&stage.eve.request("DELETE", &path, &[], None).unwrap())
    }),
    ("share", |stage| {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
        let others =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "amy"});
        let body = json!({"metadata": {"name": "shared"}, "roleRef": role, "subjects": [others]});
        let path = format!("{RBAC}/namespaces/shop/rolebindings?{DRY}");
        is(201, &stage.post(&path, &body))
    }),
    ("subject-edit", |stage| {
        let subjects = json!({"subjects": [eve()]});
        is(
            200,
            &stage.patch(
                &format!("{RBAC}/namespaces/shop/rolebindings/admins?{DRY}"),
                &subjects,
            ),
        )
    }),
    ("template-change", |stage| {
        let account = json!({"spec": {"template": {"spec": {"serviceAccountName": "web"}}}});
        is(
            200,
            &stage.patch(
                &format!("{APIS}/apps/v1/namespaces/shop/deployments/web?{DRY}"),
                &account,
            ),
        )
    }),
    ("token-request", token_request),
    ("traffic", |stage| {
        let path = "discovery.k8s.io/v1/namespaces/shop/endpointslices/any";
        let headers = [("content-type", "application/json")];
        let slice = json!({"metadata": {"name": "any"}, "addressType": "IPv4", "endpoints": []})
            .to_string();
        admitted(
            &stage
                .eve
                .request("PUT", &format!("{APIS}/{path}"), &headers, Some(&slice))
                .unwrap(),
        )
    }),
    ("trust-bundle", |stage| {
        admitted(&stage.post(
            &format!("{APIS}/certificates.k8s.io/v1/clustertrustbundles?{DRY}"),
            &json!({}),
        ))
    }),
];

pub(crate) const CORE: &str = "/api/v1/namespaces";
pub(crate) const APIS: &str = "/apis";
pub(crate) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
pub(crate) const DRY: &str = "dryRun=All";
const NODE: Wish = Wish {
    signer: "kubernetes.io/kube-apiserver-client-kubelet",
    user: "system:node:n1",
    group: "system:nodes",
};

pub(crate) fn is(status: u16, reply: &Reply) -> bool {
    reply.status == status
}

/// Whether the authorizer let the request pass; what became of it then is another matter.
pub(crate) fn admitted(reply: &Reply) -> bool {
    reply.status != 403
}

/// Whether an answer holds the password of the Secret `key`, or of a list with it.
pub(crate) fn secret_shown(reply: &Reply) -> bool {
    let answer = reply.json().unwrap();
    let kind = answer["kind"].as_str().unwrap_or_default();
    reply.status == 200 && matches!(kind, "Secret" | "SecretList")
}

/// The groups of a request that names this user.
pub(crate) fn who(stage: &Stage, user: &str) -> Option<Vec<String>> {
    let headers = [
        ("impersonate-user", user),
        ("content-type", "application/json"),
    ];
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = stage
        .eve
        .request("POST", path, &headers, Some(&body))
        .unwrap();
    let answer = reply.json().unwrap();
    let info = answer.pointer("/status/userInfo")?;
    let groups = info["groups"].as_array()?.iter();
    (info["username"] == user).then(|| {
        groups
            .map(|group| group.as_str().unwrap().to_owned())
            .collect()
    })
}

/// Adds a container to a pod that mounts what it likes of the node (this API server has no `--allow-privileged`).
pub(crate) fn add_container(stage: &Stage, pod: &str) -> Reply {
    let container = json!({
        "name": "eve",
        "image": "eve",
        "imagePullPolicy": "Always",
        "terminationMessagePolicy": "File",
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
    });
    stage.patch(
        &format!("{CORE}/shop/pods/{pod}/ephemeralcontainers?{DRY}"),
        &json!({"spec": {"ephemeralContainers": [container]}}),
    )
}

pub(crate) fn eve() -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"})
}

fn binding(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deploy"},
        "subjects": [eve()],
    })
}

pub(crate) fn everything() -> Value {
    json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
}

fn aggregate(stage: &Stage) -> bool {
    let reply = stage.patch(
        &format!("{RBAC}/clusterroles/part"),
        &json!({"rules": [everything()]}),
    );
    reply.status == 200 && eventually(|| is(200, &stage.get("/api/v1/secrets")))
}

/// Nobody but the controller approves.
fn csr_auto_node(stage: &Stage) -> bool {
    // With the word changed the request is made all the same, and waits for ever.
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "group": "certificates.k8s.io", "resource": "certificatesigningrequests",
            "subresource": "nodeclient", "verb": "create",
        }},
    });
    let reply = stage.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &review,
    );
    let allowed = reply.json().unwrap()["status"]["allowed"] == true;
    allowed && ask(stage, &NODE).is_some_and(|name| arrives(stage, &name))
}

fn secret_mint(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let path = format!("{CORE}/shop/secrets");
    let secret = json!({
        "metadata": {
            "name": "minted",
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
        "type": "kubernetes.io/service-account-token",
    });
    let of_minted = format!("{path}/minted");
    admin.request("DELETE", &of_minted, &[], None).unwrap();
    is(201, &stage.post(&path, &secret))
        && is(200, &stage.get(&of_minted))
        && eventually(|| stage.get(&of_minted).json().unwrap()["data"]["token"].is_string())
}

fn token_request(stage: &Stage) -> bool {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"});
    let reply = stage.post(
        &format!("{CORE}/shop/serviceaccounts/web/token?{DRY}"),
        &body,
    );
    let answer = reply.json().unwrap();
    let Some(token) = answer.pointer("/status/token").and_then(Value::as_str) else {
        return false;
    };
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = stage
        .cluster
        .admin()
        .post(path, &review)
        .unwrap()
        .json()
        .unwrap();
    answer["status"]["user"]["username"] == "system:serviceaccount:shop:web"
}

/// Whether somebody is taken for amy with an extra value of his choice.
fn sends_extra_values(stage: &Stage, key: &str) -> bool {
    let header = format!("impersonate-extra-{}", key.replace('/', "%2F"));
    let headers = [
        ("impersonate-user", "amy"),
        (header.as_str(), "any"),
        ("content-type", "application/json"),
    ];
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = format!("{APIS}/authentication.k8s.io/v1/selfsubjectreviews");
    let body = body.to_string();
    let reply = stage.eve.request("POST", &path, &headers, Some(&body));
    let answer = reply.unwrap().json().unwrap();
    answer["status"]["userInfo"]["extra"][key] == json!(["any"])
}
