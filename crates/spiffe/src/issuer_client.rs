use std::fmt;
use std::time::Duration;

use std::sync::Arc;

use bailiwick_identity::{Bundle, BundleMap, KeyType, SpiffeId, TrustDomain};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use zeroize::Zeroizing;

use crate::channel;
use crate::client::{ClientError, Fetched};
use crate::clock::SystemClock;
use crate::keys::WorkloadKey;
use crate::wire::issuer::issuer_client::IssuerClient as Wire;
use crate::wire::issuer::{IssueRequest, IssueResponse};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pod's side of a server of identities, without an agent.
#[derive(Clone)]
pub struct IssuerClient {
    wire: Wire<Channel>,
    bundle: Bundle,
    token: Zeroizing<String>,
}

impl fmt::Debug for IssuerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerClient({})", self.bundle.trust_domain())
    }
}

impl IssuerClient {
    /// Connects to `HOST:PORT`. The server has to be that of the domain of `bundle`; `token` is that of the pod.
    ///
    /// # Errors
    /// When nobody answers there, or it is not that server.
    pub async fn connect(address: &str, bundle: Bundle, token: &str) -> Result<Self, ClientError> {
        let channel = channel::connect(address, &bundle, None, Arc::new(SystemClock)).await?;
        Ok(Self {
            wire: Wire::new(channel),
            bundle,
            token: Zeroizing::new(token.to_owned()),
        })
    }

    /// A certificate for a new key: of this identity, or of the first one that the rules give.
    ///
    /// # Errors
    /// When the server refuses, or sends what cannot be believed.
    pub async fn fetch_x509(&mut self, id: Option<&SpiffeId>) -> Result<Fetched, ClientError> {
        let key = WorkloadKey::generate(KeyType::EcP256);
        let broken = |error: &dyn fmt::Display| ClientError::Protocol(error.to_string());
        let key = key.map_err(|error| broken(&error))?;
        let request = key.request().map_err(|error| broken(&error))?;
        let answer = self.ask(id, request, Vec::new()).await?;
        let id = SpiffeId::parse(&answer.spiffe_id)?;
        let bundle = Bundle::from_json(self.bundle.trust_domain().clone(), &answer.bundle)?;
        let mut federated = BundleMap::default();
        for (name, json) in answer.federated {
            federated.insert(Bundle::from_json(TrustDomain::parse(&name)?, &json)?);
        }
        Ok(Fetched {
            id,
            federated,
            chain: answer.chain,
            key: key.pkcs8,
            bundle,
            hint: answer.hint,
        })
    }

    /// A token for these receivers.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn fetch_jwt(
        &mut self,
        id: Option<&SpiffeId>,
        audience: Vec<String>,
    ) -> Result<(SpiffeId, Zeroizing<String>), ClientError> {
        let answer = self.ask(id, Vec::new(), audience).await?;
        Ok((
            SpiffeId::parse(&answer.spiffe_id)?,
            Zeroizing::new(answer.token),
        ))
    }

    async fn ask(
        &mut self,
        id: Option<&SpiffeId>,
        certificate_request: Vec<u8>,
        audience: Vec<String>,
    ) -> Result<IssueResponse, ClientError> {
        let mut request = Request::new(IssueRequest {
            spiffe_id: id.map(ToString::to_string).unwrap_or_default(),
            certificate_request,
            audience,
        });
        let header = Zeroizing::new(format!("Bearer {}", *self.token));
        let header = MetadataValue::try_from(header.as_str());
        let mut header =
            header.map_err(|_| ClientError::Protocol("no token: it holds odd letters".into()))?;
        header.set_sensitive(true);
        request.set_timeout(PATIENCE);
        request.metadata_mut().insert("authorization", header);
        Ok(self.wire.issue(request).await?.into_inner())
    }
}
