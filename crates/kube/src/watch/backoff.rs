use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How long to wait before the first try anew.
const FIRST: Duration = Duration::from_millis(200);

/// How long to wait between tries: twice as long each time, up to the longest, and of that between half and all, by
/// chance, so that those who lost the same server do not all come back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            next: FIRST.min(longest),
            longest,
        }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        shortened(wait)
    }

    pub(crate) fn longest(&self) -> Duration {
        shortened(self.longest)
    }
}

fn shortened(wait: Duration) -> Duration {
    // Each state is made anew from the system's randomness.
    let chance = RandomState::new().build_hasher().finish();
    let part = chance.checked_rem(1000).unwrap_or_default();
    wait / 2 + wait / 2 * u32::try_from(part).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let longest = Duration::from_secs(1);
        let mut backoff = Backoff::new(longest);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2, "{waits:?}");
        assert!(
            waits[10..]
                .iter()
                .all(|&wait| wait <= longest && wait >= longest / 2),
            "{waits:?}"
        );
        let mut different = waits[10..].to_vec();
        different.dedup();
        assert!(different.len() > 1, "{waits:?}");
    }
}
