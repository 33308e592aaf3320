mod issue;
mod lists;
mod online;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bailiwick_identity::jwt::JwtIssueError;
use bailiwick_identity::rotation::{
    Authority as Key, Due, KeyId, NewAuthority, Phase, Policy, Purpose, Refusal, State, Step,
};
use bailiwick_identity::wit::WitIssueError;
use bailiwick_identity::x509::{IssueError, Serial, Validity, root};
use bailiwick_identity::{Bundle, BundleError, KeyType, SignError, Signer, TrustDomain, UnixTime};
use thiserror::Error;
use tokio::sync::watch;

pub use self::issue::{IssuedJwt, IssuedX509};
pub use self::lists::ListOptions;
use self::online::Online;
use crate::clock::Clock;
use crate::evidence::{Evidence, Unrecorded};
use crate::keys::{KeyStore, KeyStoreError};
use crate::ledger::LedgerError;
use crate::seal::{SealError, random};
use crate::store::{StateStore, StoreError};
use crate::upstream::{Above, Upstream, UpstreamFailure, UpstreamOptions};

/// Documents count from so long before they were made, in seconds: whoever checks them may have a clock that is four minutes
/// late. RFC 5280 and RFC 7519 leave it to the issuer; Kubernetes dates what it signs back by as much.
pub const BACKDATE: u64 = 300;
/// More changes than this in one go mean that they do not end.
const MOST_STEPS: usize = 50;

/// How an authority is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its trust domain.
    pub domain: TrustDomain,
    /// The time spans of the rotation.
    pub policy: Policy,
    /// Kinds of keys for tokens; the first is used where nobody asks for another.
    pub jwt_keys: Vec<KeyType>,
    /// The URL that tokens name as their issuer, for verifiers that know OpenID Connect.
    pub jwt_issuer: Option<String>,
    /// An authority above ours, whose roots stand in place of our own.
    pub upstream: Option<UpstreamOptions>,
    /// Lists of revoked certificates are signed.
    pub lists: Option<ListOptions>,
    /// WIT-SVIDs are made, which are experimental. Where validators know keys of the domain already, a first key for them
    /// signs when all have had the time to hear of it.
    pub wit: bool,
}

impl Options {
    /// ES256 and RS256 side by side, since some clouds take the one alone and some the other (C-1).
    pub fn new(domain: TrustDomain) -> Self {
        Self {
            domain,
            policy: Policy::DEFAULT,
            jwt_keys: vec![KeyType::EcP256, KeyType::Rsa2048],
            jwt_issuer: None,
            upstream: None,
            lists: None,
            wit: false,
        }
    }
}

/// Why an authority does not start, change or sign.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The stored state is of another trust domain.
    #[error(
        "the stored authority is of the trust domain `{stored}`, not `{wanted}`: name another folder, or that domain"
    )]
    OtherDomain {
        /// What is stored.
        stored: TrustDomain,
        /// What was asked for.
        wanted: TrustDomain,
    },
    /// The private half of a key that signs is gone.
    #[error("the private key `{0}` is not in the key store, where it has to be: restore it")]
    KeyLost(KeyId),
    /// Nothing signs for a purpose.
    #[error("no key signs for {0} now")]
    NoKey(Purpose),
    /// A step is not possible now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store of the state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store of the keys.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A stored key goes into no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A certificate was not made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A token was not made.
    #[error(transparent)]
    Jwt(#[from] JwtIssueError),
    /// A WIT-SVID was not made.
    #[error(transparent)]
    Wit(#[from] WitIssueError),
    /// A key was not made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// There is no randomness.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The log does not hold which keys sign from now on.
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
    /// The authority above ours does not sign; what it signed before goes on.
    #[error("the upstream authority: {0}")]
    Upstream(#[from] UpstreamFailure),
    /// Whoever runs the authority cannot stand for what it signs.
    #[error("nothing is signed now: {0}")]
    Held(String),
    /// What is remembered of authorities whose lists are still signed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// More authorities sign lists than can be.
    #[error(
        "too many intermediate authorities were made within a day: find out why the program starts again and again"
    )]
    Crowded,
    /// A time that certificates cannot say.
    #[error("the clock says {0}, which no certificate can say")]
    Clock(UnixTime),
    /// The rotation does not come to rest.
    #[error("the keys of the authority change without end")]
    Restless,
}

/// The authority of a trust domain: signs, and changes its keys in time.
///
/// root → intermediate (at most a day, its key in memory alone) → leaf. Every replica has an intermediate of its own; only
/// the stored state is shared.
pub struct Authority {
    options: Options,
    keys: Box<dyn KeyStore>,
    store: Box<dyn StateStore>,
    clock: Arc<dyn Clock>,
    evidence: Option<Evidence>,
    upstream: Option<Upstream>,
    current: RwLock<Arc<Current>>,
    /// One change at a time in this process; other processes are held off by compare-and-swap.
    changing: Mutex<()>,
    changed: watch::Sender<u64>,
    /// Why nothing is signed now.
    held: RwLock<Option<String>>,
}

/// What is signed with now.
struct Current {
    state: State,
    bundle: Arc<Bundle>,
    online: Option<Online>,
    jwt: BTreeMap<KeyType, (KeyId, Arc<dyn Signer>)>,
    wit: Option<(KeyId, Arc<dyn Signer>)>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.options.domain)
    }
}

impl Authority {
    /// Opens the authority that is stored, or makes one, and does what is due. With `evidence`, the log holds where each
    /// key stands before the authority signs by it.
    ///
    /// # Errors
    /// When the state or a key cannot be read or written, or is of another trust domain.
    pub fn open(
        options: Options,
        keys: Box<dyn KeyStore>,
        store: Box<dyn StateStore>,
        clock: Arc<dyn Clock>,
        evidence: Option<Evidence>,
    ) -> Result<Self, AuthorityError> {
        let bundle = Arc::new(Bundle::new(options.domain.clone()));
        let state = State::birth(options.domain.clone(), Vec::new(), UnixTime::default());
        let authority = Self {
            current: RwLock::new(Arc::new(Current {
                state,
                bundle,
                online: None,
                jwt: BTreeMap::new(),
                wit: None,
            })),
            upstream: options.upstream.clone().map(Upstream::new),
            options,
            keys,
            store,
            clock,
            evidence,
            changing: Mutex::new(()),
            changed: watch::Sender::new(0),
            held: RwLock::new(None),
        };
        match authority.tick() {
            // Its root has to be published for it to be known, and tokens need it not.
            Ok(()) | Err(AuthorityError::Upstream(UpstreamFailure::TooNew { .. })) => Ok(authority),
            Err(error) => Err(error),
        }
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.options.domain
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The time by its clock.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// What validators get.
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.current().bundle)
    }

    /// All keys and where they stand.
    pub fn state(&self) -> State {
        self.current().state.clone()
    }

    /// Counts changes after which documents have to be made again or bundles sent again.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Does what is due: makes keys, publishes, activates, forgets them, and takes over what other replicas did. To be
    /// called every minute or so.
    ///
    /// # Errors
    /// When a store or the authority above ours does not work; what was signed with before goes on.
    pub fn tick(&self) -> Result<(), AuthorityError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let upstream = self.upstream.as_ref();
        let above = upstream.map(|upstream| upstream.load(&self.options.domain, now));
        let (above, trouble) = match above.transpose() {
            Ok(above) => (above, Ok(())),
            // The first root decides what validators are given: it is not made up meanwhile.
            Err(failure) if self.store.load()?.is_none() => return Err(failure.into()),
            Err(failure) => (None, Err(AuthorityError::from(failure))),
        };
        self.settle(above.as_ref())?;
        trouble
    }

    fn settle(&self, above: Option<&Above>) -> Result<(), AuthorityError> {
        let roots = above.map(|above| above.path.roots());
        for _ in 0..MOST_STEPS {
            let (state, policy) = (self.stored(above)?, &self.options.policy);
            let due = match &roots {
                Some(roots) => state.due_below(roots, self.clock.now(), policy),
                None => state.due(self.clock.now(), policy),
            };
            let due = due.or_else(|| {
                let first = self.options.wit && !state.has(Purpose::Wit);
                first.then_some(Due::Key(Purpose::Wit))
            });
            let Some(due) = due else {
                return self.adopt(state, above);
            };
            let step = match due {
                Due::Step(step) => step,
                Due::Key(purpose) => Step::Prepare(self.make_key(purpose)?),
            };
            self.change(&state, step)?;
        }
        Err(AuthorityError::Restless)
    }

    /// Applies a step that a person asked for.
    ///
    /// # Errors
    /// When the step is refused, or a store does not work.
    pub fn step(&self, step: Step) -> Result<(), AuthorityError> {
        {
            let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
            let state = self.stored(None)?;
            self.change(&state, step)?;
        }
        self.tick()
    }

    /// The root that signs first.
    fn first_root(&self, above: Option<&Above>) -> Result<NewAuthority, AuthorityError> {
        let Some(above) = above else {
            return self.make_key(Purpose::X509);
        };
        let roots = above.path.roots();
        let mut all = roots.all.into_iter();
        all.find(|root| root.id == roots.signing)
            .ok_or(AuthorityError::NoKey(Purpose::X509))
    }

    /// The stored state; the first one where there is none.
    fn stored(&self, above: Option<&Above>) -> Result<State, AuthorityError> {
        let state = match self.store.load()? {
            Some(state) => state,
            None => {
                let mut keys = vec![self.first_root(above)?];
                for key_type in &self.options.jwt_keys {
                    keys.push(self.make_key(Purpose::Jwt(*key_type))?);
                }
                if self.options.wit {
                    keys.push(self.make_key(Purpose::Wit)?);
                }
                let state = State::birth(self.options.domain.clone(), keys, self.clock.now());
                match self.store.replace(None, &state) {
                    Ok(()) => state,
                    // Another replica was first.
                    Err(StoreError::Conflict) => {
                        self.discard(&state)?;
                        self.store.load()?.ok_or(StoreError::Conflict)?
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        if *state.trust_domain() != self.options.domain {
            return Err(AuthorityError::OtherDomain {
                stored: state.trust_domain().clone(),
                wanted: self.options.domain.clone(),
            });
        }
        Ok(state)
    }

    /// Private keys of a state that never came to be.
    fn discard(&self, state: &State) -> Result<(), AuthorityError> {
        for key in state.authorities() {
            self.keys.remove(&key.id)?;
        }
        Ok(())
    }

    /// One step, stored by compare-and-swap. Where another replica was first nothing happens: the next look at the
    /// stored state says what is due then.
    fn change(&self, state: &State, step: Step) -> Result<(), AuthorityError> {
        let next = state.apply(step.clone(), self.clock.now(), &self.options.policy)?;
        match (self.store.replace(Some(state.revision()), &next), step) {
            // The state no longer names the key, so the private half can go.
            (Ok(()), Step::Remove(id)) => Ok(self.keys.remove(&id)?),
            (Err(StoreError::Conflict), Step::Prepare(key)) => Ok(self.keys.remove(&key.id)?),
            (Ok(()) | Err(StoreError::Conflict), _) => Ok(()),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn make_key(&self, purpose: Purpose) -> Result<NewAuthority, AuthorityError> {
        let id = KeyId::new(random()?);
        let now = self.clock.now();
        let not_after = now.plus(self.options.policy.life(purpose));
        let public = match purpose {
            Purpose::X509 => {
                let signer = self.keys.generate(&id, KeyType::EcP256)?;
                let validity = Validity::new(now.minus(BACKDATE), not_after);
                let validity = validity.ok_or(AuthorityError::Clock(now))?;
                let serial = Serial::new(random()?);
                root(&self.options.domain, &*signer, serial, validity)?
            }
            Purpose::Jwt(key_type) => self.token_key(&id, key_type)?,
            Purpose::Wit => self.token_key(&id, KeyType::EcP256)?,
        };
        Ok(NewAuthority {
            id,
            purpose,
            not_after,
            public,
            upstream: false,
        })
    }

    fn token_key(&self, id: &KeyId, key_type: KeyType) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.keys.generate(id, key_type)?.public_key().spki())
    }

    /// Signs with the keys of `state` from now on.
    fn adopt(&self, state: State, above: Option<&Above>) -> Result<(), AuthorityError> {
        let old = self.current();
        if let Some(evidence) = &self.evidence {
            evidence.rotated(&old.state, &state)?;
        }
        let now = self.clock.now();
        let (online, trouble) = match self.online(&state, old.online.as_ref(), above, now) {
            Ok(online) => (online, Ok(())),
            // What it signed before goes on until it runs out.
            Err(error @ AuthorityError::Upstream(_)) => {
                let before = old.online.clone().filter(|online| online.counts(now));
                (before, Err(error))
            }
            Err(error) => return Err(error),
        };
        let root_changed = online.as_ref().map(|online| &online.root)
            != old.online.as_ref().map(|online| &online.root);
        let seen = old.state.revision() != state.revision() || root_changed;
        let mut jwt = BTreeMap::new();
        for key in state.authorities() {
            if let (Purpose::Jwt(key_type), true) = (key.purpose, is_active(key)) {
                jwt.insert(key_type, (key.id.clone(), self.signer(&key.id)?));
            }
        }
        let wit = match state.active(Purpose::Wit) {
            Some(key) if self.options.wit => Some((key.id.clone(), self.signer(&key.id)?)),
            _ => None,
        };
        let bundle = Arc::new(state.bundle(&self.options.policy)?);
        let current = Arc::new(Current {
            state,
            bundle,
            online,
            jwt,
            wit,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        if seen {
            self.changed.send_modify(|count| *count += 1);
        }
        trouble
    }

    fn signer(&self, id: &KeyId) -> Result<Arc<dyn Signer>, AuthorityError> {
        let signer = self.keys.signer(id)?;
        signer.ok_or_else(|| AuthorityError::KeyLost(id.clone()))
    }
}

fn is_active(key: &Key) -> bool {
    key.phase == Phase::Active
}

#[cfg(test)]
mod tests;
