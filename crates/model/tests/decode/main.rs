//! What decoding keeps, and how it words what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use bailiwick_model::{Decoded, DecodedKind, Interner, Object, Value, decode};

mod any;

fn read(json: &str) -> Decoded {
    decode(
        serde_json::from_str(json).unwrap(),
        &mut Interner::default(),
    )
}

/// Compares `severity id pointer: message (help)` of every issue.
fn check(json: &str, expected: &[&str]) {
    let issues: Vec<String> = read(json)
        .issues
        .iter()
        .map(|issue| {
            let help = issue
                .help
                .as_ref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            format!(
                "{} {} {}: {}{help}",
                issue.severity, issue.id, issue.pointer, issue.message
            )
        })
        .collect();
    assert_eq!(issues, expected, "{json}");
}

fn rule(rule: &str) -> String {
    format!(
        r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"x"}},"rules":[{rule}]}}"#
    )
}

#[test]
fn what_yaml_turned_into_something_else_is_explained() {
    check(
        &rule(r#"{"verbs":[false],"apiGroups":[""],"resources":["pods"]}"#),
        &[
            "high wrong-type /rules/0/verbs/0: the API server refuses this ClusterRole: `rules[0].verbs[0]` must be a text, \
           but it is the boolean false (put quotes around it: kubectl reads an unquoted `no`, `n`, `off` or `false` as false)",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":8}}"#,
        &[
            "medium wrong-type /metadata/name: the API server refuses this Namespace: `metadata.name` must be a text, but it \
             is the number 8 (put quotes around it: unquoted it is a number to kubectl, `010` is 8 and `1e3` is 1000)",
            "medium refused-by-api-server /metadata: the API server refuses this Namespace: `metadata.name` is missing or \
             empty (give the object a name)",
        ],
    );
    check(
        &rule(r#"{"verbs":"get","apiGroups":[""],"resources":["pods"]}"#),
        &[
            "high wrong-type /rules/0/verbs: the API server refuses this ClusterRole: `rules[0].verbs` must be a list, but \
             it is a text (write it as a list, each item on a line of its own after `- `)",
            "high refused-by-api-server /rules/0: the API server refuses this ClusterRole: `rules[0].verbs` is missing or \
             empty (name at least one verb, or `\"*\"` for all)",
        ],
    );
}

#[test]
fn a_misspelt_field_says_what_it_widens() {
    check(
        &rule(
            r#"{"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourcenames":["a"]}"#,
        ),
        &[
            "high unknown-field /rules/0/resourcenames: `rules[0].resourcenames` is not a field of a rule: kubectl refuses \
           the object, other clients drop the field, and then the rule applies to all objects instead of the named ones \
           (write `resourceNames`: upper and lower case matter in field names)",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a","lables":{}},"automountServiceAccounttoken":false}"#,
        &[
            "high unknown-field /metadata/lables: `metadata.lables` is not a field of metadata: kubectl refuses the object, \
             other clients drop the field, and then it has no labels, and selectors pass it by (did you mean `labels`?)",
            "high unknown-field /automountServiceAccounttoken: `automountServiceAccounttoken` is not a field of a \
             ServiceAccount: kubectl refuses the object, other clients drop the field, and then pods mount its token \
             unless they say otherwise (write `automountServiceAccountToken`: upper and lower case matter in field names)",
        ],
    );
}

#[test]
fn what_a_server_has_stored_counts() {
    let binding = |metadata: &str| {
        format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{{{metadata}}},
                "roleRef":{{"kind":"Role","name":"r"}},"subjects":[{{"kind":"User","apiGroup":"v1","name":"alice"}}]}}"#
        )
    };
    let stored = binding(r#""name":"b","namespace":"n","uid":"u","resourceVersion":"7""#);
    check(
        &stored,
        &[
            "low stored-but-invalid /subjects/0: this RoleBinding is stored and counts, but the API server would not take it \
           today: `subjects[0]` has an `apiGroup` that does not belong to its kind (write `apiGroup: rbac.authorization.k8s.io`)",
        ],
    );
    assert!(read(&stored).object.is_some());
    let manifest = read(&binding(r#""name":"b","namespace":"n","uid":"u""#));
    assert_eq!(
        (manifest.object, manifest.issues[0].id),
        (None, "refused-by-api-server")
    );
    assert!(
        read(&binding(r#""uid":"u","resourceVersion":"7""#))
            .object
            .is_none(),
        "nothing can be kept without a name"
    );
}

#[test]
fn kinds_and_versions_that_no_server_knows() {
    check(
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Rolebinding"}"#,
        &[
            "high unknown-kind /kind: no API server knows the kind `Rolebinding` in `rbac.authorization.k8s.io` \
           (write `RoleBinding`: upper and lower case matter in kinds)",
        ],
    );
    check(
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Permission"}"#,
        &[
            "high unknown-kind /kind: no API server knows the kind `Permission` in `rbac.authorization.k8s.io`",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"Role"}"#,
        &[
            "high wrong-api-version /apiVersion: no API server knows a Role in `v1` \
           (write `apiVersion: rbac.authorization.k8s.io/v1`)",
        ],
    );
    check(
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1beta1","kind":"Role"}"#,
        &[
            "high removed-api-version /apiVersion: `rbac.authorization.k8s.io/v1beta1` of Role is gone since Kubernetes 1.22: \
           API servers refuse this object (write `apiVersion: rbac.authorization.k8s.io/v1`)",
        ],
    );
    check(
        r#"{"apiVersion":"acme.example/v1","kind":"Role","spec":1}"#,
        &[
            "info custom-resource /kind: `Role` of `acme.example/v1` is no kind of Kubernetes itself and is not read",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"configMap"}"#,
        &[
            "low unknown-kind /kind: no API server knows the kind `configMap` in the core API \
           (write `ConfigMap`: upper and lower case matter in kinds)",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"configMap","metadata":{"namespace":"kube-system","name":"aws-auth"}}"#,
        &[
            "high unknown-kind /kind: no API server knows the kind `configMap` in the core API \
           (write `ConfigMap`: upper and lower case matter in kinds)",
        ],
    );
    check(
        r#"{"apiVersion":"v1","kind":"List","items":[]}"#,
        &[
            "high unknown-kind /kind: no API server knows the kind `List` in the core API \
           (a list holds its objects under `items`)",
        ],
    );
    check(
        r#"{"kind":"Role"}"#,
        &[
            "high not-an-object : `apiVersion` is missing, so nobody can tell what this is \
           (say of which API it is, such as `apiVersion: v1`)",
        ],
    );
    check(
        "[]",
        &[
            "high not-an-object : a Kubernetes object must be a mapping, but this is a list \
           (start with `apiVersion:` and `kind:`)",
        ],
    );
}

#[test]
fn kinds_that_say_nothing_about_access_are_passed_by_quietly() {
    for (version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Endpoints"),
        ("networking.k8s.io/v1", "IngressClass"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ] {
        let decoded = read(&format!(r#"{{"apiVersion":"{version}","kind":"{kind}"}}"#));
        assert_eq!(decoded.issues, [], "{kind}");
        assert!(
            matches!(decoded.kind, DecodedKind::NotKept { .. }),
            "{kind}"
        );
    }
}

#[test]
fn a_generated_name_is_none() {
    check(
        r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"generateName":"a-"}}"#,
        &[
            "medium generated-name /metadata: this ServiceAccount gets a name only when it is created, so it is not counted \
           (give it a `name`; `kubectl apply` does not take `generateName` either)",
        ],
    );
}

#[test]
fn a_million_unknown_fields_cost_no_time() {
    let fields = |indent: &str| -> String {
        (0..200_000)
            .map(|n| format!(",\"{indent}field-number-{n}\":0"))
            .collect()
    };
    let start = std::time::Instant::now();
    let decoded = read(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"{}}},
            "spec":{{"template":{{"spec":{{"containers":[{{}}]{}}}}}}}}}"#,
        fields("x"),
        fields("y"),
    ));
    assert!(decoded.object.is_some() && decoded.issues.len() == 51);
    assert!(
        start.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn issues_of_one_object_are_counted_after_fifty() {
    let verbs = vec!["1"; 1000].join(",");
    let decoded = read(&rule(&format!(
        r#"{{"verbs":[{verbs}],"apiGroups":[""],"resources":["pods"]}}"#
    )));
    assert_eq!(decoded.issues.len(), 51);
    let last = decoded.issues.last().unwrap();
    assert_eq!(
        last.message,
        "950 further issues of this object are not listed"
    );
    assert!(last.lost && decoded.object.is_none());
}

#[test]
fn a_float_that_is_whole_passes_for_an_integer_as_with_kubectl() {
    let generation = |number: &str| {
        read(&format!(
            r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"n","generation":{number}}}}}"#
        ))
        .object
        .is_some()
    };
    assert!(generation("1000.0") && generation("1e3"));
    assert!(!generation("0.5") && !generation("1e300") && !generation("9223372036854775808"));
}

#[test]
fn a_refused_object_is_still_named() {
    let about = |json: &str| read(json).about.map(|object| object.to_string());
    let binding = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b","namespace":"n"}}"#;
    assert_eq!(about(binding).as_deref(), Some("RoleBinding n/b"));
    assert!(read(binding).object.is_none());
    let nowhere = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a"}}"#;
    assert_eq!(about(nowhere).as_deref(), Some("ServiceAccount default/a"));
    let cluster = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"a","namespace":"n"}}"#;
    assert_eq!(about(cluster).as_deref(), Some("ClusterRole a"));
}

#[test]
fn what_is_kept() {
    let check = |json: &str, expected: &str| {
        let object = read(json).object.unwrap();
        let kept: Value = serde_json::from_str(&serde_json::to_string(&object).unwrap()).unwrap();
        assert_eq!(kept.get("object").unwrap().to_string(), expected);
    };
    check(
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding",
            "metadata":{"name":"b","uid":"u","labels":{"z":"1","a":null},
              "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x","bailiwick.dev/owner":"team"},
              "ownerReferences":[{"apiVersion":"v1","kind":"A","name":"a","uid":"1"},
                {"apiVersion":"v1","kind":"B","name":"b","uid":"2","controller":true}]},
            "roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[{"kind":"User","name":"alice"},
              {"kind":"ServiceAccount","name":"s","namespace":"n"}]}"#,
        r#"{"metadata":{"name":"b","uid":"u","labels":[["a",""],["z","1"]],"annotations":[["bailiwick.dev/owner","team"]],"controller":["B","b"]},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"r"},"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"alice"},{"kind":"ServiceAccount","name":"s","namespace":"n"}]}"#,
    );
    check(
        r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"c"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{
            "serviceAccount":"old","automountServiceAccountToken":true,"imagePullSecrets":[{"name":"pull"}],
            "containers":[{"name":"app","env":[{"name":"A","value":"b"},{"valueFrom":{"secretKeyRef":{"name":"env","key":"k"}}}]}],
            "initContainers":[{"envFrom":[{"secretRef":{"name":"from"}},{"configMapRef":{"name":"no"}}]}],
            "volumes":[{"secret":{"secretName":"vol"}},{"csi":{"driver":"vault.example","nodePublishSecretRef":{"name":"csi"}}},
              {"cephfs":{"secretRef":{"name":"env"}}},{"azureFile":{"secretName":"azure"}},{"configMap":{"name":"no"}},
              {"projected":{"sources":[{"secret":{"name":"proj"}},
                {"serviceAccountToken":{"path":"t","audience":"vault","expirationSeconds":900}}]}}]}}}}}}"#,
        r#"{"kind":"CronJob","metadata":{"name":"c","namespace":"default"},"pod":{"serviceAccountName":"old","automountServiceAccountToken":true,"tokens":[{"audience":"vault","expirationSeconds":900}],"secrets":["env","from","proj","vol"],"nodeSecrets":["azure","csi","env","pull"],"csiDrivers":["vault.example"],"quietContainers":["app"]}}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n","serviceAccount":"old",
            "serviceAccountName":"new","containers":[{"name":"c"}]}}"#,
        r#"{"kind":"Pod","metadata":{"name":"p","namespace":"default"},"nodeName":"n","pod":{"serviceAccountName":"new","quietContainers":["c"]}}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p",
            "annotations":{"container.apparmor.security.beta.kubernetes.io/debug":"unconfined"}},
            "spec":{"hostUsers":false,"securityContext":{"runAsUser":1000,"windowsOptions":{"hostProcess":false}},
            "volumes":[{"name":"logs","hostPath":{"path":"/var/log/"}},{"name":"own","emptyDir":{}}],
            "containers":[{"name":"plain","env":[{"name":"PASSWORD","value":"planted"}]},
              {"name":"agent","securityContext":{"privileged":true,"runAsNonRoot":false,
                "capabilities":{"add":["SYS_PTRACE"],"drop":["ALL"]},"appArmorProfile":{"type":"Localhost","localhostProfile":"x"}},
               "volumeMounts":[{"name":"own","mountPath":"/a"},{"name":"logs","mountPath":"/b","subPath":"pods","readOnly":true},
                 {"name":"logs","mountPath":"/c","readOnly":true,"recursiveReadOnly":"Enabled"}]}],
            "initContainers":[{"name":"proxy","restartPolicy":"Always","securityContext":{"runAsUser":0}}],
            "ephemeralContainers":[{"name":"debug"}]}}"#,
        r#"{"kind":"Pod","metadata":{"name":"p","namespace":"default"},"pod":{"hostUsers":false,"security":{"runAsUser":1000,"hostProcess":false},"containers":[{"list":"containers","position":1,"name":"agent","security":{"privileged":true,"capabilities":["SYS_PTRACE"],"runAsNonRoot":false,"appArmor":"confined"},"hostPaths":[{"position":1,"path":"/var/log/pods","readOnly":true},{"position":2,"path":"/var/log/","readOnly":true,"recursive":true}]},{"list":"initContainers","position":0,"name":"proxy","sidecar":true,"security":{"runAsUser":0}},{"list":"ephemeralContainers","position":0,"name":"debug","security":{"appArmor":"unconfined"}}],"quietContainers":["plain"]}}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"hostNetwork":true,"hostIPC":true,
            "shareProcessNamespace":true,"runtimeClassName":"sandbox","nodeSelector":{"b":"1","a":"2"},
            "tolerations":[{"operator":"Exists","key":"node.kubernetes.io/not-ready"},{"key":"a","operator":"Exists"},
              {"key":"b","value":"c","effect":"NoSchedule"}],
            "volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"disk","readOnly":true}},
              {"name":"flex","flexVolume":{"driver":"shop/disk"}}],
            "containers":[{"name":"c","volumeMounts":[{"name":"data","mountPath":"/d","subPath":"a"}]}]}}"#,
        r#"{"kind":"Pod","metadata":{"name":"p","namespace":"default"},"pod":{"hostNetwork":true,"hostIPC":true,"shareProcessNamespace":true,"runtimeClassName":"sandbox","tolerations":[{"key":"a"},{"key":"b","value":"c","effect":"NoSchedule"}],"nodeSelector":[["a","2"],["b","1"]],"flexDrivers":["shop/disk"],"containers":[{"list":"containers","position":0,"name":"c","claims":[{"position":0,"claim":"disk","below":"a","readOnly":true}]}]}}"#,
    );
    check(
        r#"{"apiVersion":"security.openshift.io/v1","kind":"SecurityContextConstraints","metadata":{"name":"s"},"priority":null,
            "allowPrivilegedContainer":true,"allowHostDirVolumePlugin":true,"allowHostPID":true,"allowHostIPC":false,
            "allowHostNetwork":true,"allowHostPorts":false,"allowPrivilegeEscalation":false,"userNamespaceLevel":"RequirePodLevel",
            "allowedCapabilities":["*"],"defaultAddCapabilities":null,"requiredDropCapabilities":["KILL"],"volumes":["*"],
            "runAsUser":{"type":"MustRunAsRange","uidRangeMin":0},"seLinuxContext":{"type":"MustRunAs"},
            "fsGroup":{"type":"RunAsAny"},"users":["amy"],"groups":["system:masters"]}"#,
        r#"{"metadata":{"name":"s"},"privileged":true,"hostPaths":true,"hostPID":true,"hostNetwork":true,"noEscalation":true,"ownUsers":true,"allowedCapabilities":["*"],"runAs":"root","users":["amy"],"groups":["system:masters"]}"#,
    );
    check(
        r#"{"apiVersion":"gateway.networking.k8s.io/v1beta1","kind":"Gateway","metadata":{"name":"g"},
            "spec":{"gatewayClassName":"c","defaultScope":"All","allowedListeners":{"namespaces":{"from":"Same"}},"infrastructure":{"annotations":{"a":"b","networking.istio.io/service-type":"ClusterIP"}},
             "listeners":[{"name":"web","port":443,"protocol":"HTTPS","hostname":"*.example","tls":{"mode":"Terminate"}},
              {"name":"tls","port":8443,"protocol":"TLS","tls":{"mode":"Passthrough"},"allowedRoutes":{
               "namespaces":{"from":"Selector","selector":{"matchLabels":{"a":"b"}}},"kinds":[{"kind":"TLSRoute"},{"group":"x.y","kind":"TLSRoute"}]}}]}}"#,
        r#"{"metadata":{"name":"g","namespace":"default"},"class":"c","listeners":[{"name":"web","hostname":"*.example","port":443,"protocol":"HTTPS","namespaces":"same"},{"name":"tls","port":8443,"protocol":"TLS","passthrough":true,"namespaces":{"selector":{"matchLabels":[["a","b"]]}},"kinds":["TLSRoute",""]}],"sets":"same","isDefault":true,"infrastructure":[["networking.istio.io/service-type","ClusterIP"]]}"#,
    );
    check(
        r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"r"},
            "spec":{"hostnames":["shop.example"],"useDefaultGateways":"All","parentRefs":[{"name":"g","kind":"Service","group":""},{"name":"g","namespace":"edge","sectionName":"web","port":443},{"name":"l","kind":"ListenerSet"}],
             "rules":[{"matches":[{"path":{"value":"/"}}],"backendRefs":[{"name":"a","port":80,"weight":0},{"name":"b","namespace":"back","port":80}],
              "filters":[{"type":"RequestMirror","requestMirror":{"backendRef":{"name":"c","port":81}}}]}]}}"#,
        r#"{"kind":"HTTPRoute","metadata":{"name":"r","namespace":"default"},"parents":[{"position":1,"namespace":"edge","name":"g","section":"web","port":443},{"position":2,"isSet":true,"namespace":"default","name":"l"}],"toDefaults":true,"hostnames":["shop.example"],"backends":[{"at":"/spec/rules/0/backendRefs/1","namespace":"back","name":"b","port":80},{"at":"/spec/rules/0/filters/0/requestMirror/backendRef","namespace":"default","name":"c","port":81}]}"#,
    );
    check(
        r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"ListenerSet","metadata":{"name":"l"},
            "spec":{"parentRef":{"name":"g","namespace":"edge"},"listeners":[{"name":"web","port":80,"protocol":"HTTP"}]}}"#,
        r#"{"metadata":{"name":"l","namespace":"default"},"gateway":["edge","g"],"listeners":[{"name":"web","port":80,"protocol":"HTTP","namespaces":"same"}]}"#,
    );
    check(
        r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"ReferenceGrant","metadata":{"name":"r"},
            "spec":{"from":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","namespace":"shop"}],"to":[{"group":"","kind":"Service"}]}}"#,
        r#"{"metadata":{"name":"r","namespace":"default"},"from":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","namespace":"shop"}],"to":[{"kind":"Service"}]}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},
            "spec":{"providerID":"aws:///a/i-1","taints":[{"key":"a","effect":"NoExecute"}]},
            "status":{"nodeInfo":{"kernelVersion":"6.1.90","containerRuntimeVersion":"containerd://1.7.1","architecture":"amd64"}}}"#,
        r#"{"metadata":{"name":"n"},"taints":[{"key":"a","effect":"NoExecute"}],"providerID":"aws:///a/i-1","kernel":"6.1.90","runtime":"containerd://1.7.1"}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"},
            "spec":{"local":{"path":"/srv"},"claimRef":{"namespace":"shop","name":"disk"}}}"#,
        r#"{"metadata":{"name":"v"},"path":"/srv","local":true,"claimNamespace":"shop","claimName":"disk"}"#,
    );
    check(
        r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"m"},
            "webhooks":[{"name":"a.b.c","failurePolicy":"Ignore","clientConfig":{"service":{"namespace":"shop","name":"guard"}}}]}"#,
        r#"{"metadata":{"name":"m"},"mutating":true,"webhooks":[{"name":"a.b.c","serviceNamespace":"shop","serviceName":"guard","failsOpen":true}]}"#,
    );
    check(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"a",
            "kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{}}"}},
            "type":"kubernetes.io/service-account-token","data":{"token":"aGlkZGVu"}}"#,
        r#"{"metadata":{"name":"s","namespace":"default","annotations":[["kubernetes.io/service-account.name","a"]]},"type":"kubernetes.io/service-account-token"}"#,
    );
    check(
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gadgets.acme.example"},
            "spec":{"group":"acme.example","scope":"Cluster","names":{"plural":"gadgets","kind":"Gadget","shortNames":["gd"]},
              "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}}},
                {"name":"v0","served":false,"storage":false,"subresources":{"scale":{}}}]}}"#,
        r#"{"metadata":{"name":"gadgets.acme.example"},"group":"acme.example","plural":"gadgets","kind":"Gadget","shortNames":["gd"],"namespaced":false,"versions":["v1"],"subresources":["status"]}"#,
    );
}

#[test]
fn equal_names_are_shared() {
    let mut names = Interner::default();
    let mut role = |name: &str| {
        let json = rule(r#"{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}"#)
            .replace("\"x\"", name);
        match decode(serde_json::from_str(&json).unwrap(), &mut names).object {
            Some(Object::Role(role)) => role,
            other => panic!("{other:?}"),
        }
    };
    let (a, b) = (role("\"a\""), role("\"b\""));
    assert!(std::sync::Arc::ptr_eq(
        &a.rules[0].verbs[0],
        &b.rules[0].verbs[0]
    ));
}
