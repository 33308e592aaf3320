use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use bailiwick_identity::{Bundle, BundleError, BundleMap, IdError, SpiffeId, TrustDomain};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Uri};
use tonic::{Request, Status, Streaming};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::tls::why_refused;
use crate::wire::issuer::agent_health_client::AgentHealthClient;
use crate::wire::issuer::{CheckRequest, CheckResponse};
use crate::wire::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use crate::wire::{
    JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, WitBundlesRequest,
    X509BundlesRequest, X509svidRequest, X509svidResponse,
};

/// Where a Workload API is: the value of `SPIFFE_ENDPOINT_SOCKET` (Workload Endpoint 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:///run/spire/agent.sock`.
    Unix(PathBuf),
    /// `tcp://127.0.0.1:8000`.
    Tcp(SocketAddr),
}

/// A text that says no place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no address of a Workload API: write unix:///PATH or tcp://IP:PORT")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.chars().take(200).collect());
        let plain = |rest: &str| !rest.contains(['?', '#', '\0']);
        if let Some(path) = text.strip_prefix("unix://") {
            let absolute = path.starts_with('/') && path.len() > 1 && plain(path);
            return absolute.then(|| Self::Unix(path.into())).ok_or_else(wrong);
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            return address.parse().map(Self::Tcp).map_err(|_| wrong());
        }
        Err(wrong())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Why a Workload API gave nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers.
    #[error("no Workload API answers at {endpoint} ({why}): is `bailiwick agent` running?")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// Why not.
        why: String,
    },
    /// The socket is not for this user.
    #[error("this user may not open {0}: its agent lets others in with --socket-mode 0666")]
    Forbidden(Endpoint),
    /// Nobody answers at a server of identities, or it is not the one that it has to be.
    #[error("no server of identities to be believed answers at {address}: {why}")]
    Server {
        /// Where.
        address: String,
        /// Why not.
        why: String,
    },
    /// It refused, or failed.
    #[error("it answers: {}", .0.message())]
    Status(Box<Status>),
    /// It sent something that it must not send.
    #[error("it sent {0}")]
    Protocol(String),
}

/// What went wrong at the bottom: what is around it says only that something did.
pub(crate) fn innermost<'e>(
    mut error: &'e (dyn std::error::Error + 'static),
) -> &'e (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    let checked = error.downcast_ref().and_then(why_refused);
    checked.unwrap_or(error)
}

impl ClientError {
    /// Whether the other side is well and gives us nothing.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == tonic::Code::PermissionDenied)
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<IdError> for ClientError {
    fn from(error: IdError) -> Self {
        Self::Protocol(format!("no SPIFFE ID: {error}"))
    }
}

impl From<BundleError> for ClientError {
    fn from(error: BundleError) -> Self {
        Self::Protocol(format!("no bundle: {error}"))
    }
}

/// An identity that was fetched.
pub struct Fetched {
    /// Who we are.
    pub id: SpiffeId,
    /// Leaf first, in DER.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8 in DER.
    pub key: Zeroizing<Vec<u8>>,
    /// What others of the same domain are checked with.
    pub bundle: Bundle,
    /// Keys of the domains that it federates with.
    pub federated: BundleMap,
    /// What it is for.
    pub hint: String,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({})", self.id)
    }
}

/// A client of a Workload API, this one's or any other.
#[derive(Clone, Debug)]
pub struct Client(SpiffeWorkloadApiClient<Channel>, Channel);

/// How an agent of a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Whether it ever heard its server.
    pub ready: bool,
    /// For how many seconds the server has not been reached; 0 while it is.
    pub stale: u64,
    /// Why it is not.
    pub trouble: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let failed = |error: tonic::transport::Error| {
            let (endpoint, innermost) = (endpoint.clone(), innermost(&error));
            let io = innermost.downcast_ref::<io::Error>();
            if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
                return ClientError::Forbidden(endpoint);
            }
            let why = innermost.to_string();
            ClientError::Connect { endpoint, why }
        };
        let channel = match endpoint {
            Endpoint::Unix(path) => {
                let path = path.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                Channel::from_static("http://localhost")
                    .connect_with_connector(connector)
                    .await
                    .map_err(failed)?
            }
            Endpoint::Tcp(address) => {
                let uri = format!("http://{address}");
                let channel = Channel::from_shared(uri)
                    .map_err(|error| ClientError::Protocol(error.to_string()))?;
                channel.connect().await.map_err(failed)?
            }
        };
        Ok(Self(SpiffeWorkloadApiClient::new(channel.clone()), channel))
    }

    /// How the agent is that serves this API; `None` where it is no agent of a node.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn agent_state(&self) -> Result<Option<AgentState>, ClientError> {
        let mut client = AgentHealthClient::new(self.1.clone());
        match client.check(CheckRequest {}).await {
            Ok(answer) => {
                let CheckResponse {
                    ready,
                    stale,
                    trouble,
                } = answer.into_inner();
                Ok(Some(AgentState {
                    ready,
                    stale,
                    trouble,
                }))
            }
            Err(status) if status.code() == tonic::Code::Unimplemented => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// Identities, again whenever they change. The first message is there at once.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn watch_x509(&mut self) -> Result<Watch, ClientError> {
        let request = with_header(X509svidRequest {});
        Ok(Watch(self.0.fetch_x509svid(request).await?.into_inner()))
    }

    /// Identities as they are now, the default one first.
    ///
    /// # Errors
    /// When the API refuses, or sends what cannot be read.
    pub async fn fetch_x509(&mut self) -> Result<Vec<Fetched>, ClientError> {
        self.watch_x509().await?.next().await
    }

    /// Tokens for `audience`: the id and the token of each identity, or of `id` alone.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn fetch_jwt(
        &mut self,
        audience: Vec<String>,
        id: Option<&SpiffeId>,
    ) -> Result<Vec<(SpiffeId, Zeroizing<String>)>, ClientError> {
        let request = with_header(JwtsvidRequest {
            audience,
            spiffe_id: id.map(ToString::to_string).unwrap_or_default(),
        });
        let svids = self.0.fetch_jwtsvid(request).await?.into_inner().svids;
        let read = |svid: crate::wire::Jwtsvid| {
            Ok((SpiffeId::parse(&svid.spiffe_id)?, Zeroizing::new(svid.svid)))
        };
        svids.into_iter().map(read).collect()
    }

    /// Checks a token: who shows it, and its claims as JSON.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn validate_jwt(
        &mut self,
        audience: &str,
        token: &str,
    ) -> Result<(SpiffeId, serde_json::Value), ClientError> {
        let request = with_header(ValidateJwtsvidRequest {
            audience: audience.to_owned(),
            svid: token.to_owned(),
        });
        let answer = self.0.validate_jwtsvid(request).await?.into_inner();
        let id = SpiffeId::parse(&answer.spiffe_id)?;
        let claims = answer.claims.map(json_struct).unwrap_or_default();
        Ok((id, claims))
    }

    /// Bundles as they are now, keys for certificates and for tokens together.
    ///
    /// # Errors
    /// When the API refuses, or sends what cannot be read.
    pub async fn bundles(&mut self) -> Result<Vec<Bundle>, ClientError> {
        let missing = || ClientError::Protocol("nothing".into());
        let request = with_header(X509BundlesRequest {});
        let mut x509 = self.0.fetch_x509_bundles(request).await?.into_inner();
        let x509 = x509.message().await?.ok_or_else(missing)?;
        let request = with_header(JwtBundlesRequest {});
        let mut jwt = self.0.fetch_jwt_bundles(request).await?.into_inner();
        let jwt = jwt.message().await?.ok_or_else(missing)?;
        let mut bundles = Vec::new();
        for (name, ders) in x509.bundles {
            let domain = TrustDomain::parse(&name)?;
            let json = jwt.bundles.get(&name);
            let mut bundle = match json {
                Some(json) => Bundle::from_json(domain, json)?,
                None => Bundle::new(domain),
            };
            for der in certificates(&ders)? {
                bundle.add_x509(der)?;
            }
            bundles.push(bundle);
        }
        Ok(bundles)
    }
}

impl Client {
    /// Bundles with the keys of WIT-SVIDs alone, which are experimental; `None` of an API that does not have them.
    ///
    /// # Errors
    /// When the API refuses, or sends what cannot be read.
    pub async fn wit_bundles(&mut self) -> Result<Option<Vec<Bundle>>, ClientError> {
        let request = with_header(WitBundlesRequest {});
        let wit = match self.0.fetch_wit_bundles(request).await {
            Err(status) if status.code() == tonic::Code::Unimplemented => return Ok(None),
            wit => wit?.into_inner().message().await?,
        };
        let wit = wit.ok_or_else(|| ClientError::Protocol("nothing".into()))?;
        let read = |(name, json): (String, String)| {
            Ok(Bundle::from_json(
                TrustDomain::parse(&name)?,
                json.as_bytes(),
            )?)
        };
        let bundles: Result<_, ClientError> = wit.bundles.into_iter().map(read).collect();
        bundles.map(Some)
    }
}

/// Identities as they change.
pub struct Watch(Streaming<X509svidResponse>);

impl Watch {
    /// The next full state.
    ///
    /// # Errors
    /// When the API ends the stream, refuses, or sends what cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Fetched>, ClientError> {
        let message = self.0.message().await?;
        let message = message.ok_or_else(|| ClientError::Protocol("nothing more".into()))?;
        if message.svids.is_empty() {
            return Err(ClientError::Protocol("a message without identities".into()));
        }
        let mut federated = BundleMap::default();
        for (name, ders) in message.federated_bundles {
            federated.insert(x509_bundle(TrustDomain::parse(&name)?, &ders)?);
        }
        let svids = message.svids.into_iter();
        svids.map(|svid| fetched(svid, federated.clone())).collect()
    }
}

fn x509_bundle(domain: TrustDomain, ders: &[u8]) -> Result<Bundle, ClientError> {
    let mut bundle = Bundle::new(domain);
    for der in certificates(ders)? {
        bundle.add_x509(der)?;
    }
    Ok(bundle)
}

fn fetched(svid: crate::wire::X509svid, federated: BundleMap) -> Result<Fetched, ClientError> {
    let id = SpiffeId::parse(&svid.spiffe_id)?;
    let bundle = x509_bundle(id.trust_domain(), &svid.bundle)?;
    Ok(Fetched {
        federated,
        chain: certificates(&svid.x509_svid)?,
        key: Zeroizing::new(svid.x509_svid_key),
        bundle,
        hint: svid.hint,
        id,
    })
}

/// E-2.
fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = tonic::metadata::MetadataValue::from_static("true");
    request.metadata_mut().insert("workload.spiffe.io", value);
    request
}

/// Certificates that stand one after another.
fn certificates(mut ders: &[u8]) -> Result<Vec<Vec<u8>>, ClientError> {
    let mut certificates = Vec::new();
    while !ders.is_empty() {
        let broken = |_| ClientError::Protocol("bytes that are no certificate".into());
        let (rest, _) = X509Certificate::from_der(ders).map_err(broken)?;
        let (one, _) = ders.split_at(ders.len() - rest.len());
        certificates.push(one.to_vec());
        ders = rest;
    }
    Ok(certificates)
}

fn json_struct(fields: prost_types::Struct) -> serde_json::Value {
    let fields = fields.fields.into_iter();
    let fields = fields.map(|(name, value)| (name, json_value(value)));
    serde_json::Value::Object(fields.collect())
}

fn json_value(value: prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(flag)) => flag.into(),
        Some(Kind::NumberValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json_value).collect(),
        Some(Kind::StructValue(fields)) => json_struct(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_5_addresses() {
        let check = |text: &str, expected: Option<Endpoint>| {
            assert_eq!(text.parse::<Endpoint>().ok(), expected, "{text}");
        };
        check(
            "unix:///run/a.sock",
            Some(Endpoint::Unix("/run/a.sock".into())),
        );
        let address = "127.0.0.1:8000".parse().unwrap();
        check("tcp://127.0.0.1:8000", Some(Endpoint::Tcp(address)));
        check(
            "tcp://[::1]:80",
            Some(Endpoint::Tcp("[::1]:80".parse().unwrap())),
        );
        check("unix://run/a.sock", None);
        check("unix:/run/a.sock", None);
        check("unix:///", None);
        check("unix:///a?b", None);
        check("/run/a.sock", None);
        check("tcp://localhost:80", None);
        check("tcp://127.0.0.1", None);
        check("tcp://127.0.0.1:80/path", None);
        check("http://127.0.0.1:80", None);
        check("", None);
    }
}
