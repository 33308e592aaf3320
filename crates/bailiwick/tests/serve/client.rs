//! Somebody who asks at the doors, and what is asked there.

use std::sync::Arc;

use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use crate::program::{Home, Program};

/// An answer: status, headers, and the body as JSON or as text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Value,
}

/// Somebody who asks, with a certificate or without.
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    pub(crate) fn new(home: &Home, program: &Program, name: Option<&str>) -> Self {
        Self::at(home, &program.address, name)
    }

    pub(crate) fn at(home: &Home, address: &str, name: Option<&str>) -> Self {
        let read = |name: String| std::fs::read(home.path(&name)).unwrap();
        let authority = Certificate::from_pem(&read("ca.crt".into())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&[authority]));
        if let Some(name) = name.map(|name| name.replace([':', '/'], "_")) {
            let certificate = Certificate::from_pem(&read(format!("{name}.crt"))).unwrap();
            let key = PrivateKey::from_pem(&read(format!("{name}.key"))).unwrap();
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self {
            agent,
            base: format!("https://{address}"),
        }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.try_send(method, path, headers, body).unwrap()
    }

    /// Says where the connection ends instead of an answer.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap())?;
        let text = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    /// A message of gRPC and its answer. HTTP/1 does: what counts comes before the trailers.
    pub(crate) fn grpc(&self, path: &str, message: &[u8]) -> Vec<u8> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .content_type("application/grpc");
        let mut response = request.send(message).unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers().get("grpc-status")
            ),
            (200, None)
        );
        response.body_mut().read_to_vec().unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    }
}

const DOORS: &str = "\
accessReview: {mode: guard}
authzen: {base: 'https://pdp.example.org/', entities: entities.yaml}
policies: [policies]
";

/// The users and records of the certification scenario of AuthZEN.
pub(crate) fn entities() -> Value {
    json!({
        "subjects": [
            {"type": "user", "id": "alice"},
            {"type": "user", "id": "bob", "properties": {"role": "admin"}},
        ],
        "resources": [
            {"type": "record", "id": "record-1", "properties": {"status": "active"}},
            {"type": "record", "id": "record-2", "properties": {"status": "archived"}},
        ],
        "actions": ["read", "write", "delete"],
    })
}

pub(crate) fn home(entities: &Value, policy: &str) -> (Home, Program) {
    let home = Home::new(&["api", "shop", "asker", "stranger"]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home.write(
        "entities.yaml",
        &json!({"applications": {"shop": entities}}).to_string(),
    );
    std::fs::create_dir(home.path("policies")).unwrap();
    let document = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterPolicy",
        "metadata": {"name": "shop"}, "spec": {"cedar": policy},
    });
    home.write("policies/shop.json", &document.to_string());
    home.configure("127.0.0.1:0", DOORS);
    let program = home.serve();
    (home, program)
}

pub(crate) const REVIEW: &str = "/kubernetes/authorize";
pub(crate) const EVALUATION: &str = "/access/v1/evaluation";
pub(crate) const EVALUATIONS: &str = "/access/v1/evaluations";

pub(crate) fn review(spec: &Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
}

pub(crate) fn question(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": resource},
    })
}

pub(crate) fn search(client: &Client, what: &str, question: &Value) -> Value {
    let answer = client.post(&format!("/access/v1/search/{what}"), question);
    assert_eq!(answer.status, 200, "{question}: {}", answer.body);
    answer.body
}
