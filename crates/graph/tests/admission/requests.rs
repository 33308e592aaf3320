//! The requests that are asked about.

use bailiwick_core::ResourceRequest;
use bailiwick_rbac::Scope;
use serde_json::{Value, json};

pub(crate) const CORE: &str = "/api/v1/namespaces";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
pub(crate) const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// A request in both forms.
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) request: ResourceRequest,
    pub(crate) scope: Scope,
}

/// All of them.
pub(crate) fn asked() -> Vec<Asked> {
    let pod = |name: &str| json!({"metadata": {"name": name, "labels": {"app": "new"}}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "a", "image": "a"}]}});
    let label = json!({"metadata": {"labels": {"more": "yes"}}});
    let named = |name: &str| json!({"metadata": {"name": name}});
    let dry = "dryRun=All";
    let inside = |method, path: String, body, verb: &str, resource: &str, namespace: &str| Asked {
        method,
        path,
        body,
        request: ResourceRequest::new(verb, "", resource).in_namespace(namespace),
        scope: Scope::Namespace,
    };
    let on_web = |mut asked: Asked| {
        asked.request = asked.request.named("web");
        asked
    };
    let outside =
        |method, path: String, body, verb: &str, group: &str, resource: &str, name: &str| Asked {
            method,
            path,
            body,
            request: ResourceRequest::new(verb, group, resource).named(name),
            scope: Scope::Cluster,
        };
    let policy = json!({
        "metadata": {"name": "unseen"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["events"]}]},
            "validations": [{"expression": "true"}],
        },
    });
    let web = format!("{CORE}/shop/pods/web");
    vec![
        inside(
            "POST",
            format!("{CORE}/shop/pods?{dry}"),
            pod("new"),
            "create",
            "pods",
            "shop",
        ),
        inside(
            "POST",
            format!("{CORE}/pay/pods?{dry}"),
            pod("new"),
            "create",
            "pods",
            "pay",
        ),
        on_web(inside(
            "PATCH",
            format!("{web}?{dry}"),
            label.clone(),
            "patch",
            "pods",
            "shop",
        )),
        on_web(inside(
            "DELETE",
            format!("{web}?{dry}"),
            Value::Null,
            "delete",
            "pods",
            "shop",
        )),
        on_web(inside(
            "POST",
            format!("{web}/exec?command=id&stdout=true"),
            Value::Null,
            "create",
            "pods/exec",
            "shop",
        )),
        on_web(inside(
            "GET",
            format!("{web}/proxy/"),
            Value::Null,
            "get",
            "pods/proxy",
            "shop",
        )),
        on_web(inside(
            "GET",
            web.clone(),
            Value::Null,
            "get",
            "pods",
            "shop",
        )),
        on_web(inside(
            "PATCH",
            format!("{web}/ephemeralcontainers?{dry}"),
            json!({"spec": {"ephemeralContainers": [{"name": "b", "image": "b", "terminationMessagePolicy": "File"}]}}),
            "patch",
            "pods/ephemeralcontainers",
            "shop",
        )),
        on_web(inside(
            "POST",
            format!("{CORE}/shop/serviceaccounts/web/token?{dry}"),
            json!({"spec": {}}),
            "create",
            "serviceaccounts/token",
            "shop",
        )),
        Asked {
            request: ResourceRequest::new("patch", "", "namespaces")
                .in_namespace("shop")
                .named("shop"),
            ..inside(
                "PATCH",
                format!("{CORE}/shop?{dry}"),
                label.clone(),
                "patch",
                "namespaces",
                "shop",
            )
        },
        outside(
            "POST",
            format!("{RBAC}/clusterroles?{dry}"),
            named("new"),
            "create",
            "rbac.authorization.k8s.io",
            "clusterroles",
            "",
        ),
        outside(
            "GET",
            "/api/v1/nodes/n1/proxy/".to_owned(),
            Value::Null,
            "get",
            "",
            "nodes/proxy",
            "n1",
        ),
        outside(
            "PATCH",
            format!("{ADMISSION}/validatingwebhookconfigurations/other?{dry}"),
            label,
            "patch",
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations",
            "other",
        ),
        outside(
            "POST",
            format!("{ADMISSION}/validatingadmissionpolicies?{dry}"),
            policy,
            "create",
            "admissionregistration.k8s.io",
            "validatingadmissionpolicies",
            "",
        ),
        outside(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
            json!({"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}),
            "create",
            "authorization.k8s.io",
            "selfsubjectaccessreviews",
            "",
        ),
    ]
}
