use std::pin::Pin;

use bailiwick_audit::Door;
use bailiwick_identity::Bundle;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::Shared;
use super::session::{Held, Holding, RETRY, Renewals, Session};
use crate::pem;
use crate::wire::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use crate::wire::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use crate::wire::tls::data_source::Specifier;
use crate::wire::tls::secret::Type;
use crate::wire::tls::spiffe_cert_validator_config::TrustDomain;
use crate::wire::tls::{
    CertificateValidationContext, DataSource, Secret, SpiffeCertValidatorConfig, TlsCertificate,
    TypedExtensionConfig,
};

/// The type of everything that is given.
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const VALIDATOR: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
/// The certificate of the first identity.
const DEFAULT: &str = "default";
/// The roots of the own domain.
const ROOTS: &str = "ROOTCA";
/// The roots of all domains, each for its own ids.
const ALL: &str = "ALL";
/// No request names more secrets.
const MAX_NAMES: usize = 100;

/// How the log names this door.
const DOOR: Door = Door::SecretDiscovery;

/// Envoy's secret discovery service: certificates of the proxy that asks, by name of the identity.
pub(crate) struct SecretDiscovery(pub(crate) Shared);

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for SecretDiscovery {
    type StreamSecretsStream = Messages<DiscoveryResponse>;
    type DeltaSecretsStream = Messages<DeltaDiscoveryResponse>;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let session = Session::of(DOOR, &request, &self.0).await?;
        let (sender, receiver) = mpsc::channel(1);
        let talk = Talk {
            session,
            renewals: Renewals::default(),
            holding: None,
            names: None,
            version: 0,
        };
        tokio::spawn(talk.run(request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        let session = Session::of(DOOR, &request, &self.0).await?;
        let request = request.into_inner();
        check(&request)?;
        let holding = Renewals::default().due(&session).await?;
        let holding = holding.ok_or_else(|| Status::unavailable("nothing was made"))?;
        let secrets = given(&session, &holding, &request.resource_names).await?;
        Ok(Response::new(response(1, &secrets)))
    }

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented(
            "secrets are given by StreamSecrets: set `api_type: GRPC` in the sds_config",
        ))
    }
}

/// One conversation with an Envoy.
struct Talk {
    session: Session,
    renewals: Renewals,
    holding: Option<Holding>,
    /// What it subscribed to.
    names: Option<Vec<String>>,
    version: u64,
}

impl Talk {
    async fn run(
        mut self,
        mut requests: Streaming<DiscoveryRequest>,
        sender: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) {
        let mut changes = self.session.changes();
        let mut pause = None;
        loop {
            // On the heap while it runs: a conversation waits for most of its life, and there are many.
            let outcome = tokio::select! {
                request = requests.next() => match request {
                    Some(Ok(request)) => Box::pin(self.heard(request)).await,
                    Some(Err(_)) | None => return,
                },
                () = changes.wait(pause.unwrap_or(RETRY), self.session.clock()), if self.names.is_some() => Box::pin(self.renewed()).await,
                () = sender.closed() => return,
            };
            match outcome {
                Ok(response) => {
                    if let Some(response) = response
                        && sender.send(Ok(response)).await.is_err()
                    {
                        return;
                    }
                    pause = Some(self.renewals.left(&self.session));
                }
                // An Envoy that holds something keeps it while the authority is in trouble.
                Err(status) if status.code() == Code::Unavailable && self.version > 0 => {
                    pause = Some(RETRY);
                }
                Err(status) => {
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            }
        }
    }

    /// An Envoy asks for the first time, or for other names, or says how it liked the last answer.
    async fn heard(
        &mut self,
        request: DiscoveryRequest,
    ) -> Result<Option<DiscoveryResponse>, Status> {
        check(&request)?;
        let first = request.response_nonce.is_empty();
        let same = self.names.as_ref() == Some(&request.resource_names);
        // Of an answer that is older than the last one nothing follows.
        let stale = !first && request.response_nonce != self.version.to_string();
        if stale || (!first && same) {
            return Ok(None);
        }
        self.names = Some(request.resource_names);
        if let Some(holding) = self.renewals.due(&self.session).await? {
            self.holding = Some(holding);
        }
        self.answer().await.map(Some)
    }

    async fn renewed(&mut self) -> Result<Option<DiscoveryResponse>, Status> {
        match self.renewals.due(&self.session).await? {
            Some(holding) => {
                self.holding = Some(holding);
                self.answer().await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn answer(&mut self) -> Result<DiscoveryResponse, Status> {
        let names = self.names.as_deref().unwrap_or_default();
        let holding = self.holding.as_ref();
        let holding = holding.ok_or_else(|| Status::unavailable("nothing was made"))?;
        let secrets = given(&self.session, holding, names).await?;
        self.version += 1;
        Ok(response(self.version, &secrets))
    }
}

fn check(request: &DiscoveryRequest) -> Result<(), Status> {
    if !request.type_url.is_empty() && request.type_url != SECRET {
        let kind: String = request.type_url.chars().take(200).collect();
        return Err(Status::invalid_argument(format!(
            "`{kind}` is not given here, only {SECRET}"
        )));
    }
    if request.resource_names.len() > MAX_NAMES {
        return Err(Status::invalid_argument(format!(
            "more than {MAX_NAMES} names"
        )));
    }
    Ok(())
}

fn response(version: u64, secrets: &[Secret]) -> DiscoveryResponse {
    let resources = secrets.iter().map(|secret| prost_types::Any {
        type_url: SECRET.to_owned(),
        value: secret.encode_to_vec(),
    });
    DiscoveryResponse {
        version_info: version.to_string(),
        resources: resources.collect(),
        type_url: SECRET.to_owned(),
        nonce: version.to_string(),
    }
}

/// The secrets of these names; a name that the caller does not have is a denial.
async fn given(
    session: &Session,
    holding: &Holding,
    names: &[String],
) -> Result<Vec<Secret>, Status> {
    match secrets(holding, names) {
        Ok(secrets) => Ok(secrets),
        Err(why) => {
            let (caller, _) = session.plans().await?;
            Err(session.denied(&caller, why).await)
        }
    }
}

/// The secrets of these names; all that the caller has when it names none.
fn secrets(holding: &Holding, names: &[String]) -> Result<Vec<Secret>, String> {
    if names.is_empty() {
        let ids = holding.identities.iter().map(|held| held.plan.id.as_str());
        let mut all: Vec<String> = ids.map(str::to_owned).collect();
        all.push(holding.bundle.trust_domain().id().to_string());
        return secrets(holding, &all);
    }
    names.iter().map(|name| secret(holding, name)).collect()
}

fn secret(holding: &Holding, name: &str) -> Result<Secret, String> {
    let content = match name {
        DEFAULT => holding.identities.first().map(|held| certificate(held)),
        ROOTS => Some(roots(&holding.bundle)),
        ALL => Some(all_roots(holding)),
        _ => by_id(holding, name),
    };
    let Some(content) = content else {
        let name: String = name.chars().take(200).collect();
        return Err(format!(
            "the caller has no `{name}`: ask for `{DEFAULT}`, `{ROOTS}`, `{ALL}`, one of its SPIFFE IDs or `spiffe://DOMAIN`"
        ));
    };
    Ok(Secret {
        name: name.to_owned(),
        r#type: Some(content),
    })
}

fn by_id(holding: &Holding, name: &str) -> Option<Type> {
    let mut identities = holding.identities.iter();
    if let Some(held) = identities.find(|held| held.plan.id.as_str() == name) {
        return Some(certificate(held));
    }
    let mut bundles = bundles(holding);
    let named = |bundle: &&Bundle| bundle.trust_domain().id().as_str() == name;
    bundles.find(named).map(roots)
}

fn bundles(holding: &Holding) -> impl Iterator<Item = &Bundle> {
    std::iter::once(&*holding.bundle).chain(&holding.federated)
}

fn certificate(held: &Held) -> Type {
    let key = pem::encode("PRIVATE KEY", &held.key.pkcs8);
    Type::TlsCertificate(TlsCertificate {
        certificate_chain: inline(pem::certificates(&held.chain).into_bytes()),
        private_key: inline(key.as_bytes().to_vec()),
    })
}

fn roots(bundle: &Bundle) -> Type {
    Type::ValidationContext(CertificateValidationContext {
        trusted_ca: inline(pem::certificates(bundle.x509_authorities()).into_bytes()),
        custom_validator_config: None,
    })
}

/// Envoy checks each id with the roots of its own domain alone.
fn all_roots(holding: &Holding) -> Type {
    let domain = |bundle: &Bundle| TrustDomain {
        name: bundle.trust_domain().to_string(),
        trust_bundle: inline(pem::certificates(bundle.x509_authorities()).into_bytes()),
    };
    let config = SpiffeCertValidatorConfig {
        trust_domains: bundles(holding).map(domain).collect(),
    };
    Type::ValidationContext(CertificateValidationContext {
        trusted_ca: None,
        custom_validator_config: Some(TypedExtensionConfig {
            name: "envoy.tls.cert_validator.spiffe".to_owned(),
            typed_config: Some(prost_types::Any {
                type_url: VALIDATOR.to_owned(),
                value: config.encode_to_vec(),
            }),
        }),
    })
}

fn inline(bytes: Vec<u8>) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineBytes(bytes)),
    })
}
