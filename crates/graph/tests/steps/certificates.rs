//! Certificates by CertificateSigningRequest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::stage::{Stage, eventually};

pub(crate) const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// What to ask for.
pub(crate) struct Wish {
    pub(crate) signer: &'static str,
    pub(crate) user: &'static str,
    pub(crate) group: &'static str,
}

/// The certificate of an authority of one's own, in PEM.
pub(crate) fn authority() -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "eve");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// Asks for a certificate; gives the name of the request where that is allowed.
pub(crate) fn ask(stage: &Stage, wish: &Wish) -> Option<String> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::OrganizationName, wish.group);
    params
        .distinguished_name
        .push(DnType::CommonName, wish.user);
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let body = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "eve-"},
        "spec": {
            "request": STANDARD.encode(request),
            "signerName": wish.signer,
            "usages": ["digital signature", "client auth"],
        },
    });
    let reply = stage.post(PATH, &body);
    let name = reply
        .json()
        .unwrap()
        .pointer("/metadata/name")?
        .as_str()?
        .to_owned();
    (reply.status == 201).then_some(name)
}

/// Approves a request by PATCH, and has the certificate shown by a second one that changes nothing.
pub(crate) fn approve_by_patch(stage: &Stage, name: &str) -> bool {
    let path = format!("{PATH}/{name}/approval");
    let approval = json!({"status": {"conditions": [approved()]}});
    stage.patch(&path, &approval).status == 200
        && eventually(|| is_issued(&stage.patch(&path, &json!({})).json().unwrap()))
}

/// Approves a request by PUT.
pub(crate) fn approve_by_put(stage: &Stage, name: &str) -> bool {
    let admin = stage.cluster.admin();
    let path = format!("{PATH}/{name}");
    let mut object = admin.get(&path).unwrap().json().unwrap();
    object["status"]["conditions"] = json!([approved()]);
    let headers = [("content-type", "application/json")];
    let approval = format!("{path}/approval");
    let reply = stage
        .eve
        .request("PUT", &approval, &headers, Some(&object.to_string()))
        .unwrap();
    reply.status == 200 && arrives(stage, name)
}

/// Whether the certificate is issued in the end.
pub(crate) fn arrives(stage: &Stage, name: &str) -> bool {
    let path = format!("{PATH}/{name}");
    eventually(|| is_issued(&stage.cluster.admin().get(&path).unwrap().json().unwrap()))
}

fn approved() -> Value {
    json!({"type": "Approved", "status": "True", "reason": "Test", "message": "test"})
}

fn is_issued(request: &Value) -> bool {
    request.pointer("/status/certificate").is_some()
}

/// A request for a certificate of `system:masters` that seems approved, and its key.
pub(crate) fn approved_for_masters() -> (Value, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params
        .distinguished_name
        .push(DnType::CommonName, "mallory");
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let object = json!({
        "metadata": {"name": "eve", "uid": "eve"},
        "spec": {
            "request": STANDARD.encode(request),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["digital signature", "client auth"],
            "username": "eve",
        },
        "status": {"conditions": [{"type": "Approved", "status": "True", "reason": "Test"}]},
    });
    (object, key.serialize_pem())
}

/// The certificate in an object, be it protobuf: the text stands there as it is.
pub(crate) fn issued_in(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (inner, _) = rest.split_once("-----END CERTIFICATE-----")?;
    Some(format!(
        "-----BEGIN CERTIFICATE-----{inner}-----END CERTIFICATE-----\n"
    ))
}
