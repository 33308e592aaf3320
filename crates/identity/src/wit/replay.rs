use std::collections::{BTreeMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{SpiffeId, UnixTime};

/// Proofs that are remembered at the same time where nothing else is said; more are refused.
const MOST_PROOFS: usize = 1_000_000;

/// The proofs that were shown and could be shown again. Receivers that do not share one are each shown a proof once.
#[derive(Debug)]
pub struct Replays {
    /// By the moment from which on they do not count.
    seen: BTreeMap<UnixTime, HashSet<[u8; 32]>>,
    count: usize,
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
            seen: BTreeMap::new(),
            count: 0,
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
        if self.seen.values().any(|seen| seen.contains(&name_hash)) {
            return Err(Taken::Again);
        }
        if self.count >= self.most {
            return Err(Taken::Full);
        }
        self.seen.entry(until).or_default().insert(name_hash);
        self.count += 1;
        Ok(())
    }

    fn forget(&mut self, now: UnixTime) {
        while let Some(first) = self.seen.first_entry() {
            if *first.key() > now {
                return;
            }
            self.count -= first.remove().len();
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
