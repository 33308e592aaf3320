use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailiwick_audit::{Door, Proof, WorkloadRef};
use bailiwick_identity::rules::{Plan, RuleName};
use bailiwick_identity::x509::DnsName;
use bailiwick_identity::{IdError, KeyType, SpiffeId, TrustDomain};
use rustls::server::ResolvesServerCert;
use thiserror::Error;

use crate::IssuedX509;
use crate::authority::{Authority, AuthorityError};
use crate::clock::Due;
use crate::evidence::{Evidence, Unrecorded, certificate_record};
use crate::keys::WorkloadKey;
use crate::tls::{ShownCertificate, shows};

/// Life of the certificate of a server or an agent, in seconds.
const OWN_LIFE: u64 = 3600;
/// When it could not be made anew, it is tried again after so long.
const RETRY: Duration = Duration::from_secs(60);

/// The SPIFFE ID of the server of a trust domain.
///
/// # Errors
/// When the name of the domain is too long for one.
pub fn server_id(domain: &TrustDomain) -> Result<SpiffeId, IdError> {
    domain.workload("/bailiwick/server")
}

/// Why a server has no certificate of its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OwnSvidError {
    /// The authority makes none.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The log does not hold it.
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
    /// Its id cannot be.
    #[error(transparent)]
    Id(#[from] IdError),
    /// TLS does not take it.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The X509-SVID that a server of the authority shows, [`server_id`], which is made anew in time.
pub struct OwnSvid {
    plan: Plan,
    authority: Arc<Authority>,
    evidence: Evidence,
    shown: Arc<ShownCertificate>,
}

impl std::fmt::Debug for OwnSvid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnSvid({})", self.plan.id)
    }
}

impl OwnSvid {
    /// Makes the first one. `dns_names` are for clients that go by those.
    ///
    /// # Errors
    /// When there is none, or the log does not hold it.
    pub async fn new(
        authority: Arc<Authority>,
        evidence: Evidence,
        dns_names: Vec<DnsName>,
    ) -> Result<Self, OwnSvidError> {
        let id = server_id(authority.trust_domain())?;
        let plan = own_plan("bailiwick-server", id, dns_names);
        let (issued, key) = make(&plan, &authority, &evidence).await?;
        let shown = Arc::<ShownCertificate>::default();
        shown.replace(shows(&issued.chain, &key))?;
        Ok(Self {
            plan,
            authority,
            evidence,
            shown,
        })
    }

    pub(crate) fn shown(&self) -> Arc<ShownCertificate> {
        Arc::clone(&self.shown)
    }

    /// What a listener shows: at every moment the newest one.
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.shown()
    }

    /// Makes it anew when half of its life is over, and when the authority signs otherwise than before. Does not end.
    pub async fn renew(self) {
        let mut changes = self.authority.subscribe();
        let mut pause = Duration::from_secs(OWN_LIFE / 2);
        loop {
            let due = Due::after(pause, self.authority.now());
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = due.come(self.authority.clock()) => {}
            }
            let made = make(&self.plan, &self.authority, &self.evidence).await;
            let shown = made.is_ok_and(|(issued, key)| {
                let shows = shows(&issued.chain, &key);
                self.shown.replace(shows).is_ok()
            });
            pause = match shown {
                true => Duration::from_secs(OWN_LIFE / 2),
                // There is half an hour left.
                false => RETRY,
            };
        }
    }
}

/// The plan of a part of ours.
pub(crate) fn own_plan(rule: &str, id: SpiffeId, dns_names: Vec<DnsName>) -> Plan {
    Plan {
        rule: RuleName {
            namespace: None,
            name: rule.into(),
        },
        id,
        dns_names,
        lifetime: OWN_LIFE,
        jwt_lifetime: 0,
        hint: None,
        claims: BTreeMap::new(),
        key_type: KeyType::EcP256,
        federates_with: Vec::new(),
    }
}

async fn make(
    plan: &Plan,
    authority: &Authority,
    evidence: &Evidence,
) -> Result<(IssuedX509, WorkloadKey), OwnSvidError> {
    let key = WorkloadKey::generate(plan.key_type).map_err(AuthorityError::from)?;
    let issued = authority.issue_x509(plan, &key.public)?;
    let (workload, proof) = (WorkloadRef::default(), Proof::default());
    let record = certificate_record(Door::Issue, plan, &issued, workload, proof);
    evidence.issued(record).await?;
    Ok((issued, key))
}
