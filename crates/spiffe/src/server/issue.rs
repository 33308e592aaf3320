//! Identities for pods that ask without an agent: a token bound to the pod, and a key that it shows to have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bailiwick_audit::{Door, Proof};
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::requested_key;
use bailiwick_identity::{BundleMap, PublicKey, SpiffeId};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::TooMany;
use super::pods::Pods;
use super::tokens::Tokens;
use crate::issuer_core::{Asker, IssuerCore};
use crate::limit::{Limit, origin};
use crate::listen::Remote;
use crate::refusals::RefusedCaller;
use crate::wire::issuer::issuer_server::Issuer;
use crate::wire::issuer::{IssueRequest, IssueResponse};
use crate::workload::check_audience;

/// How the log names this door.
const DOOR: Door = Door::Issue;

/// The door.
pub(super) struct Issue {
    pub(super) core: IssuerCore,
    pub(super) pods: Arc<Pods>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) limit: Limit<IpAddr>,
    pub(super) too_many: TooMany,
    pub(super) federated: watch::Receiver<Arc<BundleMap>>,
}

#[tonic::async_trait]
impl Issuer for Issue {
    async fn issue(
        &self,
        request: Request<IssueRequest>,
    ) -> Result<Response<IssueResponse>, Status> {
        let from = request.extensions().get::<Remote>();
        let from = from.map(|remote| remote.from);
        let from = from.ok_or_else(|| Status::unavailable("nothing is known of the caller"))?;
        let from = origin(from);
        if let Err(early) = self.limit.admits(from, 1, Instant::now()) {
            return Err(self
                .too_many
                .refuse(DOOR, RefusedCaller::Address(from), early));
        }
        let token = bearer(&request)?;
        let (wanted, key) = check(request.get_ref())?;
        let asker = self.attest(&token).await?;
        let plan = self.core.plan(&asker, wanted.as_ref()).await?;
        let audience = request.into_inner().audience;
        let bundle = self.core.authority.bundle();
        let mut response = IssueResponse {
            spiffe_id: plan.id.to_string(),
            hint: plan.hint.clone().unwrap_or_default(),
            bundle: bundle.to_json().to_string().into_bytes(),
            federated: self.federated(&plan),
            ..IssueResponse::default()
        };
        if let Some(key) = key {
            response.chain = self.core.certificate(&asker, &plan, &key).await?.chain;
        }
        if !audience.is_empty() {
            response.token = self.core.token(&asker, &plan, &audience).await?.token;
        }
        Ok(Response::new(response))
    }
}

/// The token of a request (RFC 6750 2.1).
fn bearer(request: &Request<IssueRequest>) -> Result<String, Status> {
    let values: Vec<_> = request.metadata().get_all("authorization").iter().collect();
    let text = match values.as_slice() {
        [value] => value.to_str().ok(),
        _ => None,
    };
    let token = text.and_then(|text| text.strip_prefix("Bearer "));
    let token = token.filter(|token| !token.is_empty());
    token.map(str::to_owned).ok_or_else(|| {
        Status::unauthenticated(
            "show the token of your service account as `authorization: Bearer TOKEN`",
        )
    })
}

/// The identity that is wanted, and the key for which a certificate is. What cannot be answered costs no question to the API
/// server.
fn check(request: &IssueRequest) -> Result<(Option<SpiffeId>, Option<PublicKey>), Status> {
    let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
    if request.certificate_request.is_empty() && request.audience.is_empty() {
        return Err(invalid(
            &"ask for a certificate, with a request for its key, or for a token, with an audience",
        ));
    }
    let key = match request.certificate_request.as_slice() {
        [] => None,
        der => Some(requested_key(der).map_err(|error| invalid(&error))?),
    };
    if !request.audience.is_empty() {
        check_audience(&request.audience)?;
    }
    let wanted = match request.spiffe_id.as_str() {
        "" => None,
        id => Some(SpiffeId::parse(id).map_err(|error| invalid(&error))?),
    };
    Ok((wanted, key))
}

impl Issue {
    /// The keys of other domains that go with an identity.
    fn federated(&self, plan: &Plan) -> BTreeMap<String, Vec<u8>> {
        let known = Arc::clone(&self.federated.borrow());
        let own = self.core.authority.trust_domain();
        let named = plan.federates_with.iter().filter(|domain| *domain != own);
        let known = named.filter_map(|domain| Some((domain, known.bundle(domain)?)));
        known
            .map(|(domain, bundle)| {
                let json = bundle.to_json().to_string();
                (domain.to_string(), json.into_bytes())
            })
            .collect()
    }

    /// Whose token it is: by the word of the API server, and by what the watches show (K-6).
    async fn attest(&self, token: &str) -> Result<Asker, Status> {
        let mut asker = Asker {
            door: DOOR,
            facts: Facts::default(),
            proof: Proof::default(),
        };
        let audience = self.core.authority.trust_domain().as_str();
        let reviewed = match self.tokens.review(token, audience).await? {
            Ok(reviewed) => reviewed,
            Err(error) => return Err(self.core.denied(&asker, error.to_string()).await),
        };
        asker.proof.credential.clone_from(&reviewed.credential);
        match self.pods.prove(&reviewed).await {
            Ok(facts) => Ok(Asker { facts, ..asker }),
            Err(unproven) => Err(self.core.denied(&asker, unproven.to_string()).await),
        }
    }
}
