//! The WIT profile of the Workload API, which is experimental: without its flag its calls answer `Unimplemented`.

use std::time::Duration;

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{KeyType, SpiffeId, UnixTime};
use tonic::Status;

use super::api::{IDLE, Source, different, domain_id, visible};
use super::session::Session;
use crate::clock::Due;
use crate::keys::WorkloadKey;
use crate::wire::{WitBundlesResponse, Witsvid, WitsvidResponse};

/// A token that says which key a workload has, and the key.
pub(crate) struct HeldWit {
    pub(crate) plan: Plan,
    pub(crate) token: String,
    /// From when on it does not count.
    pub(crate) until: UnixTime,
    pub(crate) key: WorkloadKey,
}

impl HeldWit {
    /// The kind of its key. Handed over as a JWK, a key of RSA would have to be taken apart, and nobody needs one here.
    pub(crate) fn key_type(plan: &Plan) -> KeyType {
        match plan.key_type {
            KeyType::EcP384 => KeyType::EcP384,
            _ => KeyType::EcP256,
        }
    }

    fn wire(&self) -> Result<Witsvid, Status> {
        let key = self.key.jwk();
        let key = key.ok_or_else(|| Status::unavailable("the key cannot be written as a JWK"))?;
        Ok(Witsvid {
            spiffe_id: self.plan.id.to_string(),
            wit_svid: self.token.clone(),
            wit_svid_key: key.to_string(),
            hint: self.plan.hint.clone().unwrap_or_default(),
        })
    }
}

/// WIT-SVIDs of a caller: all, or the one that it wants.
pub(super) struct WitSvids {
    wanted: Option<SpiffeId>,
    last: Option<Last>,
}

struct Last {
    plans: Vec<Plan>,
    revision: u64,
    tokens: Vec<String>,
    renew: Due,
}

impl WitSvids {
    pub(super) fn of(wanted: Option<SpiffeId>) -> Self {
        Self { wanted, last: None }
    }
}

impl Source<WitsvidResponse> for WitSvids {
    async fn next(
        &mut self,
        session: &Session,
    ) -> Result<(Option<WitsvidResponse>, Duration), Status> {
        let (caller, plans) = session.plans_for(self.wanted.as_ref()).await?;
        let revision = session.revision();
        if let Some(last) = &self.last
            && last.plans == plans
            && last.revision == revision
            && !last.renew.has_come(session.now())
        {
            return Ok((None, last.renew.left(session.now())));
        }
        let (mut svids, mut ends) = (Vec::new(), Vec::new());
        for plan in plans.clone() {
            let held = session.wit(&caller, plan).await?;
            ends.push((held.until, held.plan.jwt_lifetime));
            svids.push(held.wire()?);
        }
        let renew = Due::half(ends.into_iter(), session.now());
        let tokens: Vec<String> = svids.iter().map(|svid| svid.wit_svid.clone()).collect();
        // Several processes of a pod share what is held for it: it is made anew when it is due.
        let known = self
            .last
            .as_ref()
            .is_some_and(|last| last.tokens == tokens && last.plans == plans);
        self.last = Some(Last {
            plans,
            revision,
            tokens,
            renew,
        });
        let pause = renew.left(session.now());
        Ok(((!known).then_some(WitsvidResponse { svids }), pause))
    }
}

/// Keys of WIT-SVIDs of the domains that a caller may see.
#[derive(Default)]
pub(super) struct WitBundles(Option<WitBundlesResponse>);

impl Source<WitBundlesResponse> for WitBundles {
    async fn next(
        &mut self,
        session: &Session,
    ) -> Result<(Option<WitBundlesResponse>, Duration), Status> {
        let bundles = visible(session).await?.into_iter().map(|bundle| {
            let json = bundle.wit_only().to_json().to_string();
            (domain_id(&bundle), json)
        });
        let bundles = bundles.collect();
        Ok((different(&mut self.0, WitBundlesResponse { bundles }), IDLE))
    }
}
