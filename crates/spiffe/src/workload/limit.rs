use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Requests that a user may make at once before the rate counts.
const BURST: f64 = 2000.0;
/// Requests a second and user after that.
const RATE: f64 = 500.0;
/// Users that are remembered; when more come, those who rested are forgotten.
const MOST_USERS: usize = 10_000;

/// How much each user of the machine may ask for, so that one cannot take the authority away from the others.
#[derive(Debug, Default)]
pub(crate) struct Limit(Mutex<HashMap<u32, Bucket>>);

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limit {
    /// Whether user `uid` may make one more request at the time `now`.
    pub(crate) fn admits(&self, uid: u32, now: Instant) -> bool {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MOST_USERS && !users.contains_key(&uid) {
            users.retain(|_, bucket| bucket.refilled(now) < BURST);
            if users.len() >= MOST_USERS {
                return false;
            }
        }
        let bucket = users.entry(uid).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        bucket.left = bucket.refilled(now);
        bucket.at = now;
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }
}

impl Bucket {
    fn refilled(&self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + seconds * RATE).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_user_does_not_take_it_from_another() {
        let limit = Limit::default();
        let now = Instant::now();
        let admitted = (0..5000).filter(|_| limit.admits(1, now)).count();
        assert_eq!(admitted, 2000);
        assert!(limit.admits(2, now));
        let later = now + Duration::from_secs(1);
        let admitted = (0..5000).filter(|_| limit.admits(1, later)).count();
        assert_eq!(admitted, 500);
    }

    #[test]
    fn users_are_remembered_within_bounds() {
        let limit = Limit::default();
        let now = Instant::now();
        for uid in 0..10_000 {
            assert!(limit.admits(uid, now));
        }
        assert!(!limit.admits(20_000, now));
        assert!(limit.admits(20_000, now + Duration::from_secs(1)));
        assert_eq!(limit.0.lock().unwrap().len(), 1);
    }
}
