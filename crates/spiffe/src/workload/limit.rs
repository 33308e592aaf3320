use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Callers that are remembered; when more come, those who rested are forgotten.
const MOST_CALLERS: usize = 10_000;

/// How much each caller may ask for, so that one cannot take the authority away from the others.
#[derive(Debug)]
pub(crate) struct Limit<K> {
    burst: f64,
    rate: f64,
    callers: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Hash + Eq> Limit<K> {
    /// `burst` requests at once, and `rate` a second after that.
    pub(crate) fn new(burst: u32, rate: u32) -> Self {
        Self {
            burst: burst.into(),
            rate: rate.into(),
            callers: Mutex::default(),
        }
    }

    /// Whether a caller may make one more request at the time `now`.
    pub(crate) fn admits(&self, caller: K, now: Instant) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MOST_CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, bucket| self.refilled(bucket, now) < self.burst);
            if callers.len() >= MOST_CALLERS {
                return false;
            }
        }
        let bucket = callers.entry(caller).or_insert(Bucket {
            left: self.burst,
            at: now,
        });
        bucket.left = self.refilled(bucket, now);
        bucket.at = now;
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }

    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + seconds * self.rate).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_user_does_not_take_it_from_another() {
        let limit = Limit::new(2000, 500);
        let now = Instant::now();
        let admitted = (0..5000).filter(|_| limit.admits(1_u32, now)).count();
        assert_eq!(admitted, 2000);
        assert!(limit.admits(2, now));
        let later = now + Duration::from_secs(1);
        let admitted = (0..5000).filter(|_| limit.admits(1, later)).count();
        assert_eq!(admitted, 500);
    }

    #[test]
    fn users_are_remembered_within_bounds() {
        let limit = Limit::new(2000, 500);
        let now = Instant::now();
        for uid in 0..10_000 {
            assert!(limit.admits(uid, now));
        }
        assert!(!limit.admits(20_000, now));
        assert!(limit.admits(20_000, now + Duration::from_secs(1)));
        assert_eq!(limit.callers.lock().unwrap().len(), 1);
    }
}
