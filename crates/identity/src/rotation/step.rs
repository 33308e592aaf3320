use thiserror::Error;

use super::{Authority, KeyId, NewAuthority, Phase, Policy, Purpose, State};
use crate::UnixTime;

/// One change of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes in a key that was just made.
    Prepare(NewAuthority),
    /// Takes in the root of an authority above ours, which validators are given at once.
    Adopt(NewAuthority),
    /// Gives a prepared key to validators.
    Publish(KeyId),
    /// Lets a published key sign in place of the one that does; the root of an authority above ours also a second time.
    Activate(KeyId),
    /// Says that a key is no longer to be trusted: what it signed is replaced.
    Taint(KeyId),
    /// Takes a tainted key out of the bundle.
    Revoke(KeyId),
    /// Forgets a key that nothing needs any more.
    Remove(KeyId),
}

/// What has to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Make a key for this purpose and prepare it.
    Key(Purpose),
    /// Apply this.
    Step(Step),
}

/// The roots of an authority above ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// All that validators are to know.
    pub all: Vec<NewAuthority>,
    /// The one above what signs now.
    pub signing: KeyId,
}

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No key of that name.
    #[error("no key `{0}`: `identity authority` lists them")]
    Unknown(KeyId),
    /// The step does not start from where the key stands.
    #[error("the key `{id}` is {phase}: it cannot be {step}")]
    Phase {
        /// Which key.
        id: KeyId,
        /// Where it stands.
        phase: Phase,
        /// What was wanted.
        step: &'static str,
    },
    /// Validators may not know the key yet, or documents that it signed still live.
    #[error(
        "the key `{id}` cannot be {step} before {at}: validators would reject what is signed with it"
    )]
    TooEarly {
        /// Which key.
        id: KeyId,
        /// What was wanted.
        step: &'static str,
        /// From when on it can.
        at: UnixTime,
    },
    /// The key ends before what it would sign.
    #[error("the key `{0}` ends too soon to sign anything")]
    EndsTooSoon(KeyId),
    /// There is already a key that waits for its turn.
    #[error("the key `{0}` waits for its turn already")]
    SuccessorExists(KeyId),
    /// A key of that name is there.
    #[error("a key `{0}` is there already")]
    Duplicate(KeyId),
}

impl State {
    /// The state after a step at the time `now`. A clock that went back counts as standing still.
    ///
    /// # Errors
    /// When the step would break the promise of the module.
    pub fn apply(&self, step: Step, now: UnixTime, policy: &Policy) -> Result<Self, Refusal> {
        let now = now.max(self.updated());
        let mut keys = self.authorities().to_vec();
        match step {
            Step::Prepare(key) => keys.push(self.prepared(key, now)?),
            Step::Adopt(key) => keys.push(self.adopted(key, now)?),
            Step::Publish(id) => {
                let key = self.expect(&id, Phase::Prepared, "published")?;
                move_to(&mut keys, &key.id, Phase::Published, now);
            }
            Step::Activate(id) => self.activate(&mut keys, &id, now, policy)?,
            Step::Taint(id) => {
                let key = self.expect(&id, Phase::Retiring, "tainted")?;
                move_to(&mut keys, &key.id, Phase::Tainted, now);
            }
            Step::Revoke(id) => {
                let key = self.expect(&id, Phase::Tainted, "revoked")?;
                not_before(key.since.plus(policy.reissue), now, &id, "revoked")?;
                move_to(&mut keys, &key.id, Phase::Revoked, now);
            }
            Step::Remove(id) => {
                self.check_removal(&id, now, policy)?;
                keys.retain(|key| key.id != id);
            }
        }
        Ok(self.with(keys, now))
    }

    fn prepared(&self, key: NewAuthority, now: UnixTime) -> Result<Authority, Refusal> {
        if self.authority(&key.id).is_some() {
            return Err(Refusal::Duplicate(key.id));
        }
        if let Some(waiting) = self.successor(key.purpose) {
            return Err(Refusal::SuccessorExists(waiting.id.clone()));
        }
        Ok(Authority {
            id: key.id,
            purpose: key.purpose,
            phase: Phase::Prepared,
            since: now,
            not_after: key.not_after,
            public: key.public,
            upstream: key.upstream,
        })
    }

    fn adopted(&self, key: NewAuthority, now: UnixTime) -> Result<Authority, Refusal> {
        if self.authority(&key.id).is_some() {
            return Err(Refusal::Duplicate(key.id));
        }
        Ok(Authority {
            id: key.id,
            purpose: key.purpose,
            phase: Phase::Published,
            since: now,
            not_after: key.not_after,
            public: key.public,
            upstream: true,
        })
    }

    fn activate(
        &self,
        keys: &mut [Authority],
        id: &KeyId,
        now: UnixTime,
        policy: &Policy,
    ) -> Result<(), Refusal> {
        let key = match self.known(id)? {
            // Validators know it since it signed before.
            key if key.upstream && key.phase == Phase::Retiring => key,
            _ => self.expect(id, Phase::Published, "activated")?,
        };
        not_before(known_everywhere(key, policy), now, id, "activated")?;
        // What an authority above ours signs ends with it.
        if !key.upstream && key.not_after <= now.plus(policy.longest_life) {
            return Err(Refusal::EndsTooSoon(id.clone()));
        }
        if let Some(active) = self.active(key.purpose) {
            move_to(keys, &active.id, Phase::Retiring, now);
        }
        move_to(keys, id, Phase::Active, now);
        Ok(())
    }

    fn check_removal(&self, id: &KeyId, now: UnixTime, policy: &Policy) -> Result<(), Refusal> {
        let key = self.known(id)?;
        match key.phase {
            // Nothing was ever signed with it, or nothing of that counts any more.
            Phase::Prepared | Phase::Published | Phase::Revoked => Ok(()),
            Phase::Retiring => not_before(last_document(key, policy), now, id, "removed"),
            Phase::Active | Phase::Tainted => Err(Refusal::Phase {
                id: id.clone(),
                phase: key.phase,
                step: "removed",
            }),
        }
    }

    fn known(&self, id: &KeyId) -> Result<&Authority, Refusal> {
        self.authority(id)
            .ok_or_else(|| Refusal::Unknown(id.clone()))
    }

    fn expect(&self, id: &KeyId, phase: Phase, step: &'static str) -> Result<&Authority, Refusal> {
        let key = self.known(id)?;
        if key.phase == phase {
            return Ok(key);
        }
        Err(Refusal::Phase {
            id: id.clone(),
            phase: key.phase,
            step,
        })
    }

    /// What has to be done at the time `now` so that keys change in time; nothing when all is in order. Ask again after
    /// each step.
    ///
    /// A successor is always published, so that a stolen key can be replaced at once.
    pub fn due(&self, now: UnixTime, policy: &Policy) -> Option<Due> {
        let mut purposes: Vec<Purpose> = self.authorities().iter().map(|key| key.purpose).collect();
        purposes.sort();
        purposes.dedup();
        purposes
            .into_iter()
            .find_map(|purpose| self.due_for(purpose, now, policy))
            .or_else(|| self.removable(now, policy))
    }

    /// The same below another authority: its roots in place of our own ones.
    pub fn due_below(&self, roots: &Roots, now: UnixTime, policy: &Policy) -> Option<Due> {
        let ours = || {
            let roots = self.due_roots(roots, now, policy);
            roots.map(Due::Step)
        };
        ours().or_else(|| self.due(now, policy))
    }

    fn due_roots(&self, roots: &Roots, now: UnixTime, policy: &Policy) -> Option<Step> {
        let mut all = roots.all.iter();
        if let Some(new) = all.find(|root| self.authority(&root.id).is_none()) {
            return Some(Step::Adopt(new.clone()));
        }
        let next = self.authority(&roots.signing)?;
        let waits = matches!(next.phase, Phase::Published | Phase::Retiring);
        if waits && next.upstream && known_everywhere(next, policy) <= now {
            return Some(Step::Activate(next.id.clone()));
        }
        let unwanted = self.of(Purpose::X509).find(|key| {
            let waits = matches!(key.phase, Phase::Prepared | Phase::Published);
            waits && !roots.all.iter().any(|root| root.id == key.id)
        });
        unwanted.map(|key| Step::Remove(key.id.clone()))
    }

    fn due_for(&self, purpose: Purpose, now: UnixTime, policy: &Policy) -> Option<Due> {
        if purpose == Purpose::X509 && self.is_below_upstream() {
            return None;
        }
        let Some(next) = self.successor(purpose) else {
            return Some(Due::Key(purpose));
        };
        if next.not_after <= now.plus(policy.longest_life) {
            return Some(Due::Step(Step::Remove(next.id.clone())));
        }
        if next.phase == Phase::Prepared {
            return Some(Due::Step(Step::Publish(next.id.clone())));
        }
        let period = policy.period(purpose);
        let over = self.active(purpose).is_none_or(|active| {
            active.since.plus(period) <= now || active.not_after <= now.plus(policy.longest_life)
        });
        let ready = known_everywhere(next, policy) <= now;
        (over && ready).then(|| Due::Step(Step::Activate(next.id.clone())))
    }

    fn removable(&self, now: UnixTime, policy: &Policy) -> Option<Due> {
        let mut keys = self.authorities().iter();
        let gone = keys.find(|key| {
            let retired = key.phase == Phase::Retiring && last_document(key, policy) <= now;
            retired || key.phase == Phase::Revoked
        });
        gone.map(|key| Due::Step(Step::Remove(key.id.clone())))
    }
}

/// When every validator knows a published key.
fn known_everywhere(key: &Authority, policy: &Policy) -> UnixTime {
    key.since.plus(policy.propagation).plus(policy.skew)
}

/// When the last document that a retiring key signed has run out everywhere. The last second of a document counts, so
/// this is one later.
fn last_document(key: &Authority, policy: &Policy) -> UnixTime {
    key.since
        .plus(policy.handover)
        .plus(policy.longest_life)
        .plus(policy.skew)
        .plus(1)
}

fn not_before(at: UnixTime, now: UnixTime, id: &KeyId, step: &'static str) -> Result<(), Refusal> {
    if at <= now {
        return Ok(());
    }
    Err(Refusal::TooEarly {
        id: id.clone(),
        step,
        at,
    })
}

fn move_to(keys: &mut [Authority], id: &KeyId, phase: Phase, now: UnixTime) {
    if let Some(key) = keys.iter_mut().find(|key| key.id == *id) {
        (key.phase, key.since) = (phase, now);
    }
}
