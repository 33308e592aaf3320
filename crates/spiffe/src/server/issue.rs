//! Identities for pods that ask without an agent: a token bound to the pod, and a key that it shows to have.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bailiwick_audit::{DenialRecord, Door, Proof};
use bailiwick_identity::SpiffeId;
use bailiwick_identity::facts::Facts;
use bailiwick_identity::pods::{ReviewError, Reviewed, Reviewer, Unproven};
use bailiwick_identity::rules::{Plan, RuleSet};
use bailiwick_identity::x509::requested_key;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};

use super::Pods;
use crate::authority::Authority;
use crate::evidence::{Evidence, certificate_record, token_record};
use crate::listen::From;
use crate::wire::issuer::issuer_server::Issuer;
use crate::wire::issuer::{IssueRequest, IssueResponse};
use crate::workload::{Limit, check_audience, unavailable};

/// How long the watches may take to show a pod whose token the API server has just taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// How the log names this door.
const DOOR: Door = Door::Issue;

/// The door.
pub(super) struct Issue {
    pub(super) authority: Arc<Authority>,
    pub(super) rules: watch::Receiver<Arc<RuleSet>>,
    pub(super) pods: Pods,
    pub(super) reviewer: Arc<dyn Reviewer>,
    pub(super) evidence: Evidence,
    pub(super) limit: Limit<IpAddr>,
    pub(super) reviews: Semaphore,
}

/// A pod that proved itself.
struct Proven {
    facts: Facts,
    proof: Proof,
}

#[tonic::async_trait]
impl Issuer for Issue {
    async fn issue(
        &self,
        request: Request<IssueRequest>,
    ) -> Result<Response<IssueResponse>, Status> {
        let from = request.extensions().get::<From>().map(|From(from)| *from);
        let from = from.ok_or_else(|| Status::unavailable("nothing is known of the caller"))?;
        if !self.limit.admits(from, Instant::now()) {
            return Err(Status::unavailable(
                "too many requests from this address: try again later",
            ));
        }
        let token = bearer(&request)?;
        let wanted = check(request.get_ref())?;
        let proven = self.attest(&token).await?;
        let plan = self.plan(&proven, wanted).await?;
        let IssueRequest {
            certificate_request,
            audience,
            ..
        } = request.into_inner();
        let mut response = IssueResponse {
            spiffe_id: plan.id.to_string(),
            hint: plan.hint.clone().unwrap_or_default(),
            bundle: self.authority.bundle().to_json().to_string().into_bytes(),
            ..IssueResponse::default()
        };
        if !certificate_request.is_empty() {
            response.chain = self
                .certificate(&plan, &certificate_request, &proven)
                .await?;
        }
        if !audience.is_empty() {
            response.token = self.token(&plan, &audience, &proven).await?;
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

/// The identity that is wanted. What cannot be answered costs no question to the API server.
fn check(request: &IssueRequest) -> Result<Option<SpiffeId>, Status> {
    let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
    if request.certificate_request.is_empty() && request.audience.is_empty() {
        return Err(invalid(
            &"ask for a certificate, with a request for its key, or for a token, with an audience",
        ));
    }
    if !request.certificate_request.is_empty() {
        requested_key(&request.certificate_request).map_err(|error| invalid(&error))?;
    }
    if !request.audience.is_empty() {
        check_audience(&request.audience)?;
    }
    match request.spiffe_id.as_str() {
        "" => Ok(None),
        id => SpiffeId::parse(id)
            .map(Some)
            .map_err(|error| invalid(&error)),
    }
}

impl Issue {
    /// Whose token it is: by the word of the API server, and by what the watches show (K-6).
    async fn attest(&self, token: &str) -> Result<Proven, Status> {
        let audience = self.authority.trust_domain().as_str();
        let reviewed = {
            let _permit = self.reviews.try_acquire();
            let _permit = _permit.map_err(|_| {
                Status::unavailable("too many tokens under review: try again later")
            })?;
            self.reviewer.review(token, audience).await
        };
        let reviewed = match reviewed {
            Ok(reviewed) => reviewed,
            Err(error @ ReviewError::Unavailable(_)) => return Err(unavailable(&error)),
            Err(error) => return Err(self.denied(None, Proof::default(), error.to_string()).await),
        };
        let proof = Proof {
            credential: reviewed.credential.clone(),
            ..Proof::default()
        };
        match self.prove(&reviewed).await {
            Ok(facts) => Ok(Proven { facts, proof }),
            Err(unproven) => Err(self.denied(None, proof, unproven.to_string()).await),
        }
    }

    /// A pod may ask before the watches show it.
    async fn prove(&self, reviewed: &Reviewed) -> Result<Facts, Unproven> {
        let until = Instant::now() + PATIENCE;
        loop {
            let proven = {
                let view = self.pods.read().unwrap_or_else(PoisonError::into_inner);
                view.prove(&reviewed.claim())
                    .and_then(|pod| view.facts(pod))
            };
            if proven.is_ok() || Instant::now() >= until {
                return proven;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The identity that the rules give.
    async fn plan(&self, proven: &Proven, wanted: Option<SpiffeId>) -> Result<Plan, Status> {
        let rules = Arc::clone(&self.rules.borrow());
        let facts = &proven.facts;
        let why = match rules.explain(facts).result {
            Ok(plans) => {
                let fits = |plan: &Plan| wanted.as_ref().is_none_or(|wanted| plan.id == *wanted);
                match (plans.into_iter().find(fits), wanted) {
                    (Some(plan), _) => return Ok(plan),
                    (None, Some(wanted)) => format!("no rule gives {facts} `{wanted}`"),
                    (None, None) => format!("no identity for {facts}"),
                }
            }
            Err(denial) => format!("no identity for {facts}: {denial}"),
        };
        Err(self.denied(Some(facts), proven.proof.clone(), why).await)
    }

    async fn certificate(
        &self,
        plan: &Plan,
        request: &[u8],
        proven: &Proven,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let key = requested_key(request);
        let key = key.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let issued = self.authority.issue_x509(plan, &key);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let (workload, proof) = ((&proven.facts).into(), proven.proof.clone());
        let record = certificate_record(DOOR, plan, &issued, workload, proof);
        let written = self.evidence.issued(record).await;
        written.map_err(|error| unavailable(&error))?;
        Ok(issued.chain)
    }

    async fn token(
        &self,
        plan: &Plan,
        audience: &[String],
        proven: &Proven,
    ) -> Result<String, Status> {
        let issued = self.authority.issue_jwt(plan, audience);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let (workload, proof) = ((&proven.facts).into(), proven.proof.clone());
        let record = token_record(DOOR, plan, &issued, audience, workload, proof);
        let written = self.evidence.issued(record).await;
        written.map_err(|error| unavailable(&error))?;
        Ok(issued.token)
    }

    async fn denied(&self, facts: Option<&Facts>, proof: Proof, why: String) -> Status {
        let record = DenialRecord {
            door: DOOR,
            why: why.clone(),
            workload: facts.map(Into::into).unwrap_or_default(),
            proof,
        };
        self.evidence.denied(record).await;
        Status::permission_denied(why)
    }
}
