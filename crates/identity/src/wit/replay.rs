use std::collections::{BTreeMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{SpiffeId, UnixTime};

/// Proofs that are remembered at the same time where nothing else is said; more are refused.
const MOST_PROOFS: usize = 1_000_000;

/// The proofs that were shown and could be shown again. Receivers that do not share one are each shown a proof once.
#[derive(Debug)]
pub struct Replays {
    seen: HashSet<[u8; 32]>,
    /// The same by the moment from which on they do not count.
    until: BTreeMap<UnixTime, Vec<[u8; 32]>>,
    most: usize,
}

impl Default for Replays {
    fn default() -> Self {
        Self::holding(MOST_PROOFS)
    }
}

/// Why a proof cannot be taken.
pub(super) enum Taken {
    /// It was shown before.
    Again,
    /// No more can be remembered.
    Full,
}

impl Replays {
    /// Remembers so many proofs at the same time; more are refused.
    pub fn holding(most: usize) -> Self {
        Self {
            seen: HashSet::new(),
            until: BTreeMap::new(),
            most,
        }
    }

    /// Remembers a proof of `holder` until it does not count any more; what was remembered for longer is forgotten.
    pub(super) fn take(
        &mut self,
        holder: &SpiffeId,
        jti: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), Taken> {
        self.forget(now);
        // An id has no zero byte.
        let name = [holder.as_str().as_bytes(), &[0], jti.as_bytes()].concat();
        let mut name_hash = [0; 32];
        name_hash.copy_from_slice(digest(&SHA256, &name).as_ref());
        if self.seen.contains(&name_hash) {
            return Err(Taken::Again);
        }
        if self.len() >= self.most {
            return Err(Taken::Full);
        }
        self.seen.insert(name_hash);
        self.until.entry(until).or_default().push(name_hash);
        Ok(())
    }

    fn forget(&mut self, now: UnixTime) {
        while let Some(first) = self.until.first_entry() {
            if *first.key() > now {
                return;
            }
            for hash in first.remove() {
                self.seen.remove(&hash);
            }
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}
