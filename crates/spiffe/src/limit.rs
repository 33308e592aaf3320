//! How much each caller may ask for, so that one cannot take the authority away from the others.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// Callers that are remembered; when more come, those who rested are forgotten.
const MOST_CALLERS: usize = 10_000;
/// Seconds of a rate that a caller may save up, and ask for at once.
const SAVED: u32 = 10;
/// When a refused request may come again, in milliseconds (gRPC proposal A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Requests a second that one caller may make for ever; ten times as many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u32);

impl Rate {
    /// No limit.
    pub const NONE: Self = Self(0);

    /// So many a second; 0 is no limit.
    pub const fn per_second(requests: u32) -> Self {
        Self(requests)
    }

    fn burst(self) -> f64 {
        self.0.saturating_mul(SAVED).into()
    }
}

/// A request came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooEarly {
    /// After how long it may come again.
    pub(crate) wait: Duration,
}

impl TooEarly {
    /// What a caller of `whose` hears, with the time in the form in which clients of gRPC look for it.
    pub(crate) fn status(self, whose: &str) -> Status {
        let wait = self.wait.as_millis().max(1);
        let mut metadata = MetadataMap::new();
        if let Ok(value) = wait.to_string().parse() {
            metadata.insert(PUSHBACK, value);
        }
        let message = format!("too many requests of {whose}: try again in {wait} ms");
        Status::with_metadata(Code::ResourceExhausted, message, metadata)
    }
}

/// After how long a request may come again that was refused for coming too early.
pub(crate) fn pushback(status: &Status) -> Option<Duration> {
    if status.code() != Code::ResourceExhausted {
        return None;
    }
    let millis = status.metadata().get(PUSHBACK)?.to_str().ok()?;
    millis.parse().ok().map(Duration::from_millis)
}

/// What one caller has left of a rate.
#[derive(Debug)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// All that can be saved.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        let left = rate.burst();
        Self { left, at: now }
    }

    /// Takes `count` things at the time `now`. No question is larger than what can be saved.
    pub(crate) fn take(&mut self, rate: Rate, count: usize, now: Instant) -> Result<(), TooEarly> {
        self.left = self.refilled(rate, now);
        self.at = now;
        let price = (count as f64).min(rate.burst());
        if self.left < price {
            let wait = Duration::from_secs_f64((price - self.left) / f64::from(rate.0));
            return Err(TooEarly { wait });
        }
        self.left -= price;
        Ok(())
    }

    fn refilled(&self, rate: Rate, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + seconds * f64::from(rate.0)).min(rate.burst())
    }
}

/// A bucket for each caller.
#[derive(Debug)]
pub(crate) struct Limit<K> {
    rate: Rate,
    callers: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq> Limit<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        let callers = Mutex::default();
        Self { rate, callers }
    }

    /// Whether a caller may ask for `count` more things at the time `now`.
    pub(crate) fn admits(&self, caller: K, count: usize, now: Instant) -> Result<(), TooEarly> {
        if self.rate == Rate::NONE {
            return Ok(());
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MOST_CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, bucket| bucket.refilled(self.rate, now) < self.rate.burst());
            // Whoever has so many names is not held by this; those who come now are not to pay for it.
            if callers.len() >= MOST_CALLERS {
                callers.clear();
            }
        }
        let full = || Bucket::full(self.rate, now);
        let bucket = callers.entry(caller).or_insert_with(full);
        bucket.take(self.rate, count, now)
    }
}

/// Who stands behind an address: of IPv6 whoever has the /64, since that is what one machine gets.
pub(crate) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

/// How many things each caller holds at one time.
pub(crate) struct Places<K> {
    most: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One of them, which is free again when this is dropped.
pub(crate) struct Place<K: Hash + Eq> {
    caller: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Hash + Eq> fmt::Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

impl<K: Hash + Eq + Clone> Places<K> {
    /// `most` for each caller.
    pub(crate) fn new(most: usize) -> Self {
        let taken = Arc::default();
        Self { most, taken }
    }

    /// A place for a caller, where it has one left.
    pub(crate) fn take(&self, caller: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(caller.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(taken);
        let taken = Arc::clone(&self.taken);
        Some(Place { caller, taken })
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Share;

    #[test]
    fn one_user_or_pod_does_not_take_it_from_another() {
        let limit = &Limit::new(Rate::per_second(500));
        let now = Instant::now();
        let pod = |uid: &str| Share::Pod(uid.to_owned());
        let admitted = |who: &Share, now| {
            (0..9000)
                .filter(|_| limit.admits(who.clone(), 1, now).is_ok())
                .count()
        };
        for who in [Share::User(0), pod("1"), pod("2"), Share::User(1)] {
            assert_eq!(admitted(&who, now), 5000, "{who:?}");
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(admitted(&pod("1"), later), 500);
    }

    #[test]
    fn who_comes_too_early_hears_when_to_come() {
        let limit = Limit::new(Rate::per_second(10));
        let now = Instant::now();
        assert_eq!(limit.admits(1, 80, now), Ok(()));
        let early = limit.admits(1, 25, now).unwrap_err();
        let half = Duration::from_millis(500);
        assert_eq!(early.wait, half);
        assert_eq!(pushback(&early.status("x")), Some(half));
        assert_eq!(limit.admits(1, 25, now + half), Ok(()));
        // More at once than can be saved: when everything is.
        let full = now + half + Duration::from_secs(10);
        assert_eq!(limit.admits(1, 1000, full), Ok(()));
        assert!(limit.admits(1, 1, full).is_err());
        assert_eq!(pushback(&Status::unavailable("later")), None);
        let unlimited = Limit::new(Rate::NONE);
        assert!((0..9000).all(|_| unlimited.admits(1, 1000, now).is_ok()));
    }

    #[test]
    fn callers_are_remembered_within_bounds() {
        let limit = Limit::new(Rate::per_second(1));
        let now = Instant::now();
        for caller in 0..10_000 {
            assert!(limit.admits(caller, 1, now).is_ok());
        }
        assert!(limit.admits(20_000, 1, now).is_ok(), "a newcomer waits");
        assert_eq!(limit.callers.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_machine_is_one_whatever_its_address() {
        let same = |one: &str, two: &str| {
            let [one, two] = [one, two].map(|text| origin(text.parse().unwrap()));
            one == two
        };
        assert!(same("2001:db8::1", "2001:db8::2:0:0:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn places_come_back() {
        let places = Places::new(2);
        let held: Vec<_> = (0..3).map(|_| places.take("one")).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        assert!(places.take("other").is_some());
        drop(held);
        assert!(places.take("one").is_some());
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
