//! Searches over the API of the cluster.

use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, search};
use crate::program::Home;

/// Two worlds: roles alone, and a policy that narrows them.
#[test]
fn searches_over_the_cluster() {
    let home = Home::new(&["api", "asker"]);
    let role = |kind: &str, name: &str, rules: &str| {
        format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{}}}, rules: [{rules}]}}\n",
            if kind == "Role" {
                ", namespace: shop"
            } else {
                ""
            }
        )
    };
    let binding = |kind: &str, of: &str, name: &str, subjects: &str| {
        format!(
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{}}}, \
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {of}, name: {name}}}, subjects: [{subjects}]}}\n",
            if kind == "RoleBinding" {
                ", namespace: shop"
            } else {
                ""
            }
        )
    };
    let manifests = [
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: bank}}\n".to_owned(),
        role("ClusterRole", "reader", "{apiGroups: [''], resources: [pods], verbs: [get, list]}"),
        binding("ClusterRoleBinding", "ClusterRole", "reader", "{kind: Group, name: dev}, {kind: User, name: anna}, {kind: User, name: eve}"),
        role("Role", "keeper", "{apiGroups: [''], resources: [secrets], resourceNames: [key], verbs: [get]}"),
        binding("RoleBinding", "Role", "keeper", "{kind: User, name: anna}, {kind: ServiceAccount, name: web}"),
        role("ClusterRole", "probe", "{nonResourceURLs: [/metrics, /logs/*], verbs: [get]}"),
        binding("ClusterRoleBinding", "ClusterRole", "probe", "{kind: User, name: anna}"),
    ];
    home.write("manifests.yaml", &manifests.concat());
    home.revoke(Some(("eve", "left")));
    let doors = "authzen: {base: 'https://pdp.example.org'}\npolicies: [revocations.yaml]\n";
    home.configure("127.0.0.1:0", doors);
    let text = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    home.write(
        "serve.yaml",
        &text.replace(
            "doors: [evaluation], application: kubernetes",
            "doors: [evaluation, search], application: kubernetes",
        ),
    );
    let program = home.serve();
    let asker = Client::new(&home, &program, Some("asker"));
    let check = |what: &str, question: &Value, expected: &Value| {
        let found = search(&asker, what, question);
        assert_eq!(&found["results"], expected, "{what} {question}");
        assert_eq!(found["context"]["complete"], true);
        // Whatever is found is allowed when it is asked for by itself.
        for result in expected.as_array().unwrap() {
            let mut one = question.clone();
            match what {
                "action" => one["action"] = result.clone(),
                what => {
                    one[what]["id"] = result["id"].clone();
                    if let Some(namespace) = result.pointer("/properties/namespace") {
                        one[what]["properties"]["namespace"] = namespace.clone();
                    }
                }
            }
            assert_eq!(asker.post(EVALUATION, &one).body["decision"], true, "{one}");
        }
    };
    let who = |kind: &str, verb: &str, resource: &Value| json!({"subject": {"type": kind}, "action": {"name": verb}, "resource": resource});
    let pods = json!({"type": "pods", "id": "web", "properties": {"namespace": "bank"}});
    let key = json!({"type": "secrets", "id": "key", "properties": {"namespace": "shop"}});
    check(
        "subject",
        &who("user", "get", &pods),
        &json!([{"type": "user", "id": "anna"}]),
    );
    check(
        "subject",
        &who("group", "list", &pods),
        &json!([{"type": "group", "id": "dev"}]),
    );
    check(
        "subject",
        &who("serviceaccount", "get", &key),
        &json!([{"type": "serviceaccount", "id": "shop/web"}]),
    );
    check("subject", &who("user", "delete", &pods), &json!([]));
    check("subject", &who("spaceship", "get", &pods), &json!([]));
    let anna = json!({"type": "user", "id": "anna"});
    let what = |subject: &Value, verb: &str, kind: &str| json!({"subject": subject, "action": {"name": verb}, "resource": {"type": kind}});
    let named = |namespace: &str, id: &str| json!({"type": "secrets", "id": id, "properties": {"namespace": namespace}});
    check(
        "resource",
        &what(&anna, "get", "secrets"),
        &json!([named("shop", "key")]),
    );
    // The empty name is every name: everywhere, and in each namespace.
    let found = search(&asker, "resource", &what(&anna, "get", "pods"))["results"].clone();
    let places: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["id"] == "")
        .collect();
    assert_eq!(places.len(), 3, "{found}");
    check(
        "resource",
        &what(&anna, "get", "path"),
        &json!([{"type": "path", "id": "/metrics"}]),
    );
    check(
        "resource",
        &what(&json!({"type": "user", "id": "eve"}), "get", "pods"),
        &json!([]),
    );
    let how = |subject: &Value, resource: &Value| json!({"subject": subject, "resource": resource});
    check(
        "action",
        &how(&anna, &pods),
        &json!([{"name": "get"}, {"name": "list"}]),
    );
    check(
        "action",
        &how(&anna, &json!({"type": "path", "id": "/logs/kubelet"})),
        &json!([{"name": "get"}]),
    );
    check(
        "action",
        &how(&json!({"type": "serviceaccount", "id": "shop/web"}), &key),
        &json!([{"name": "get"}]),
    );
    check(
        "action",
        &how(&json!({"type": "group", "id": "nobody"}), &pods),
        &json!([]),
    );
}
