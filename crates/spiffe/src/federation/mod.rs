//! Federation: bundles of other trust domains, fetched again and again and kept.

mod fetch;
mod kept;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bailiwick_identity::federation::{Poll, Relationship, next_poll};
use bailiwick_identity::{Bundle, BundleMap, TrustDomain, UnixTime};
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::seal::SealError;

pub(crate) use fetch::web_roots;
pub use fetch::{FetchError, fetch_bundle};
pub use kept::{KeepError, Kept, KeptBundles};

/// Endpoints that are asked at one time.
const MAX_QUESTIONS: usize = 16;
/// How often it is looked whether another process fetched a bundle.
const LOOK: Duration = Duration::from_secs(1);

/// What becomes of a question to an endpoint.
#[derive(Debug)]
#[non_exhaustive]
pub enum Heard {
    /// The bundle of a domain is another one now; nothing stands for a domain that is not believed.
    Changed {
        /// Whose it is.
        domain: TrustDomain,
        /// The one of before.
        from: Option<Bundle>,
        /// The one from now on.
        to: Option<Bundle>,
    },
    /// What came from the endpoint of this domain is believed, whether it is new or not.
    Fetched(TrustDomain),
    /// A bundle counts that the endpoint of its domain gave at this moment, perhaps to another process or before a restart.
    Held {
        /// Whose it is.
        domain: TrustDomain,
        /// When it came.
        fetched: UnixTime,
    },
    /// The endpoint of this domain is not asked any more.
    Dropped(TrustDomain),
    /// Nothing came that can be believed; the last good bundle stays.
    Failed {
        /// Whose bundle was asked for.
        domain: TrustDomain,
        /// Why there is none.
        error: RefreshError,
        /// When the endpoint is asked again.
        again: Duration,
    },
    /// A bundle that is kept cannot be read.
    Unreadable(SealError),
}

/// Why a bundle was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// None came.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It is not believed or cannot be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The program ends.
    #[error("the program ends")]
    Ending,
}

/// Keeps the bundles of other trust domains fresh.
pub struct Federation {
    kept: KeptBundles,
    given: BundleMap,
    bundles: watch::Sender<Arc<BundleMap>>,
    hear: Arc<dyn Fn(&Heard) + Send + Sync>,
    questions: Semaphore,
    pace: fn(Poll, f64) -> Duration,
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Federation({:?})", self.kept)
    }
}

impl Federation {
    /// Bundles that are fetched go to `kept`. Those `given` count where no relationship brings one; `hear` hears what
    /// becomes of questions.
    pub fn new(
        kept: KeptBundles,
        given: BundleMap,
        hear: Arc<dyn Fn(&Heard) + Send + Sync>,
    ) -> Self {
        Self {
            kept,
            bundles: watch::Sender::new(Arc::new(given.clone())),
            given,
            hear,
            questions: Semaphore::new(MAX_QUESTIONS),
            pace: next_poll,
        }
    }

    /// The bundles that count, as they change.
    pub fn bundles(&self) -> watch::Receiver<Arc<BundleMap>> {
        self.bundles.subscribe()
    }

    /// Takes the bundles of these relationships that are kept, and drops those of all others.
    pub fn adopt(&self, relationships: &[Relationship]) {
        let mut map = self.given.clone();
        for relationship in relationships {
            match self.kept.load(&relationship.domain) {
                Ok(kept) => kept.into_iter().for_each(|kept| {
                    self.hold(&relationship.domain, &kept);
                    map.insert(kept.bundle);
                }),
                Err(error) => (self.hear)(&Heard::Unreadable(error)),
            }
        }
        self.put(|_| map);
    }

    fn hold(&self, domain: &TrustDomain, kept: &Kept) {
        let (domain, fetched) = (domain.clone(), kept.fetched);
        (self.hear)(&Heard::Held { domain, fetched });
    }

    /// Takes other bundles, and tells which of them are others than before.
    fn put(&self, change: impl FnOnce(&BundleMap) -> BundleMap) {
        let mut change = Some(change);
        let mut changes = Vec::new();
        self.bundles.send_if_modified(|known| {
            let Some(change) = change.take() else {
                return false;
            };
            let next = change(known);
            let domains = known.iter().chain(next.iter()).map(Bundle::trust_domain);
            let domains: BTreeSet<&TrustDomain> = domains.collect();
            for domain in domains {
                let (from, to) = (known.bundle(domain), next.bundle(domain));
                if from != to {
                    changes.push(Heard::Changed {
                        domain: domain.clone(),
                        from: from.cloned(),
                        to: to.cloned(),
                    });
                }
            }
            if !changes.is_empty() {
                *known = Arc::new(next);
            }
            !changes.is_empty()
        });
        changes.iter().for_each(|change| (self.hear)(change));
    }

    /// Asks the endpoint of a relationship now, and keeps what it gives; `reset` takes also what is older. Gives whether
    /// its keys are others than before.
    ///
    /// # Errors
    /// When nothing came that can be believed. What was there stays.
    pub async fn refresh(
        &self,
        relationship: &Relationship,
        reset: bool,
    ) -> Result<Kept, RefreshError> {
        let _permit = self
            .questions
            .acquire()
            .await
            .map_err(|_| RefreshError::Ending)?;
        let known = Arc::clone(&self.bundles.borrow());
        let bundle = fetch_bundle(relationship, &known).await?;
        let (kept, now) = (self.kept.clone(), SystemClock.now());
        let keeping = tokio::task::spawn_blocking(move || {
            kept.keep(&bundle, now, reset)?;
            Ok::<_, KeepError>(Kept {
                bundle,
                fetched: now,
            })
        });
        Ok(keeping.await.map_err(|_| RefreshError::Ending)??)
    }

    /// Keeps the bundles of these relationships fresh, whatever they become. Does not end before whoever names them.
    pub async fn follow(self: Arc<Self>, mut wanted: watch::Receiver<Arc<Vec<Relationship>>>) {
        let mut asked = BTreeSet::new();
        loop {
            let relationships = Arc::clone(&wanted.borrow_and_update());
            let domains = relationships.iter().map(|one| one.domain.clone());
            let before = std::mem::replace(&mut asked, domains.collect());
            let dropped = before.difference(&asked).cloned().map(Heard::Dropped);
            dropped.for_each(|dropped| (self.hear)(&dropped));
            self.adopt(&relationships);
            let mut polling = JoinSet::new();
            for relationship in relationships.iter().cloned() {
                polling.spawn(Arc::clone(&self).poll(relationship));
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = self.look(&relationships) => {}
            }
        }
    }

    /// Takes over what other processes fetch. Does not end.
    async fn look(&self, relationships: &[Relationship]) {
        let written = || -> BTreeMap<TrustDomain, Option<SystemTime>> {
            let domains = relationships
                .iter()
                .map(|relationship| &relationship.domain);
            domains
                .map(|domain| (domain.clone(), self.kept.changed(domain)))
                .collect()
        };
        let mut seen = written();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = written();
            if now != seen {
                seen = now;
                self.adopt(relationships);
            }
        }
    }

    /// Asks one endpoint again and again.
    async fn poll(self: Arc<Self>, relationship: Relationship) {
        let domain = &relationship.domain;
        let mut failures = 0;
        loop {
            let wait = self.wait(domain, failures);
            tokio::time::sleep(wait).await;
            match self.refresh(&relationship, false).await {
                Ok(kept) => {
                    failures = 0;
                    self.hold(domain, &kept);
                    self.put(|known| {
                        let mut map = known.clone();
                        map.insert(kept.bundle);
                        map
                    });
                    (self.hear)(&Heard::Fetched(domain.clone()));
                }
                Err(error) => {
                    failures += 1;
                    let (domain, again) = (domain.clone(), self.wait(domain, failures));
                    (self.hear)(&Heard::Failed {
                        domain,
                        error,
                        again,
                    });
                }
            }
        }
    }

    /// How long until the next question: at once where nothing was asked for so long that it is due.
    fn wait(&self, domain: &TrustDomain, failures: u32) -> Duration {
        let kept = self.kept.load(domain).ok().flatten();
        let hint = kept.as_ref().and_then(|kept| kept.bundle.refresh_hint);
        let held = kept.is_some();
        let poll = Poll {
            hint,
            held,
            failures,
        };
        let interval = (self.pace)(poll, crate::seal::fraction());
        match kept {
            _ if failures > 0 => interval,
            None => Duration::ZERO,
            Some(kept) => {
                let age = SystemClock.now().since(kept.fetched);
                interval.saturating_sub(Duration::from_secs(age))
            }
        }
    }
}
