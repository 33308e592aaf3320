use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::*;
use crate::wire::discovery::{DiscoveryRequest, DiscoveryResponse};
use crate::wire::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use crate::wire::tls::data_source::Specifier;
use crate::wire::tls::secret::Type;
use crate::wire::tls::{DataSource, Secret};

fn ask(names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        resource_names: names.iter().map(ToString::to_string).collect(),
        response_nonce: nonce.to_owned(),
        ..DiscoveryRequest::default()
    }
}

/// A conversation, as an Envoy leads it.
struct Envoy {
    asks: mpsc::Sender<DiscoveryRequest>,
    answers: Streaming<DiscoveryResponse>,
}

impl Envoy {
    async fn connect(house: &House, names: &[&str]) -> Self {
        let mut client = SecretDiscoveryServiceClient::new(house.channel().await);
        let (asks, asked) = mpsc::channel(8);
        asks.send(ask(names, "")).await.unwrap();
        let answers = client.stream_secrets(ReceiverStream::new(asked)).await;
        let answers = answers.unwrap().into_inner();
        Self { asks, answers }
    }

    async fn hear(&mut self) -> Result<DiscoveryResponse, Status> {
        Ok(soon(self.answers.message()).await?.expect("an answer"))
    }

    async fn hears_nothing(&mut self) {
        let answer = tokio::time::timeout(Duration::from_millis(400), self.answers.message()).await;
        assert!(answer.is_err(), "{answer:?}");
    }
}

fn secrets(response: &DiscoveryResponse) -> Vec<Secret> {
    let resources = response.resources.iter();
    resources
        .map(|resource| Secret::decode(resource.value.as_slice()).unwrap())
        .collect()
}

fn text(source: Option<&DataSource>) -> String {
    match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::InlineBytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn names_of_secrets() {
    let two = vec![rule("a", json!({})), rule("b", json!({"id": "/b"}))];
    let house = house(two).await;
    let names = ["default", "ROOTCA", "ALL", "spiffe://td/b", "spiffe://td"];
    let mut envoy = Envoy::connect(&house, &names).await;
    let secrets = secrets(&envoy.hear().await.unwrap());
    let given: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(given, names);
    for secret in &secrets {
        match (secret.name.as_str(), secret.r#type.as_ref().unwrap()) {
            ("default" | "spiffe://td/b", Type::TlsCertificate(certificate)) => {
                let chain = text(certificate.certificate_chain.as_ref());
                assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
                let key = text(certificate.private_key.as_ref());
                assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            }
            ("ROOTCA" | "spiffe://td", Type::ValidationContext(context)) => {
                let roots = text(context.trusted_ca.as_ref());
                // The root that signs and the one that will.
                assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2);
            }
            ("ALL", Type::ValidationContext(context)) => {
                let config = context.custom_validator_config.as_ref().unwrap();
                assert_eq!(config.name, "envoy.tls.cert_validator.spiffe");
            }
            (name, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_refused() {
    let house = house(vec![rule("a", json!({}))]).await;
    for name in ["spiffe://td/b", "spiffe://other", "x", ""] {
        let mut envoy = Envoy::connect(&house, &["default", name]).await;
        let status = envoy.hear().await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{name}");
    }
}

#[tokio::test]
async fn an_envoy_hears_again_of_changes_alone() {
    let house = house(vec![rule("a", json!({}))]).await;
    let mut envoy = Envoy::connect(&house, &["default"]).await;
    let first = envoy.hear().await.unwrap();
    // It took the answer, or refused it: in both cases it has been told.
    envoy
        .asks
        .send(ask(&["default"], &first.nonce))
        .await
        .unwrap();
    envoy.hears_nothing().await;
    let mut refusal = ask(&["default"], &first.nonce);
    refusal.error_detail = Some(crate::wire::discovery::Status::default());
    envoy.asks.send(refusal).await.unwrap();
    envoy.hears_nothing().await;
    // It subscribes to more.
    let more = ask(&["default", "ROOTCA"], &first.nonce);
    envoy.asks.send(more).await.unwrap();
    let second = envoy.hear().await.unwrap();
    assert_eq!(secrets(&second).len(), 2);
    assert_ne!(second.nonce, first.nonce);
    // An answer to the older message changes nothing.
    envoy
        .asks
        .send(ask(&["default"], &first.nonce))
        .await
        .unwrap();
    envoy.hears_nothing().await;
    house
        .rules
        .send_replace(set(vec![rule("a", json!({"dnsNames": ["localhost"]}))]));
    let third = envoy.hear().await.unwrap();
    assert_ne!(secrets(&third)[0], secrets(&second)[0]);
    house.rules.send_replace(set(Vec::new()));
    assert_eq!(
        envoy.hear().await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn secrets_without_a_stream() {
    let house = house(vec![rule("a", json!({}))]).await;
    let mut client = SecretDiscoveryServiceClient::new(house.channel().await);
    let answer = client
        .fetch_secrets(ask(&[], ""))
        .await
        .unwrap()
        .into_inner();
    let names: Vec<String> = secrets(&answer)
        .into_iter()
        .map(|secret| secret.name)
        .collect();
    assert_eq!(names, ["spiffe://td/a", "spiffe://td"]);
    let mut other = ask(&[], "");
    other.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".into();
    let status = client.fetch_secrets(other).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
