use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many addresses are remembered; then the oldest knowledge is forgotten at once.
const MOST: usize = 4_096;
/// Refusals that an address may have at once.
const BURST: f64 = 20.0;
/// Refusals a second that it may have for ever.
const PER_SECOND: f64 = 5.0;

/// How often an address was refused of late. Beyond the rate it gets no answer that costs anything.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_address: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Refusals {
    /// Counts a refusal. Gives whether the address may have another one.
    pub(crate) fn allows(&self, address: IpAddr, now: Instant) -> bool {
        self.left(address, now, 1.0) >= 1.0
    }

    /// Whether the address was refused too often of late. Counts nothing.
    pub(crate) fn exhausted(&self, address: IpAddr, now: Instant) -> bool {
        self.left(address, now, 0.0) < 1.0
    }

    /// What the address had left before it takes so much, if it has.
    fn left(&self, address: IpAddr, now: Instant, takes: f64) -> f64 {
        let mut known = self
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&address) {
            known.clear();
        }
        let (left, since) = known.entry(address).or_insert((BURST, now));
        let grown = now.saturating_duration_since(*since).as_secs_f64() * PER_SECOND;
        *left = (*left + grown).min(BURST);
        *since = now;
        let before = *left;
        if before >= takes {
            *left -= takes;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        let taken = (0..100).filter(|_| refusals.allows(address, start)).count();
        assert_eq!(taken, 20);
        let later = start + Duration::from_secs(2);
        let taken = (0..100).filter(|_| refusals.allows(address, later)).count();
        assert_eq!(taken, 10);
        assert!(refusals.allows(IpAddr::from([192, 0, 2, 2]), later));
    }

    #[test]
    fn asking_whether_costs_nothing() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..20 {
            assert!(!refusals.exhausted(address, now));
            assert!(refusals.allows(address, now));
        }
        assert!(refusals.exhausted(address, now));
    }

    #[test]
    fn memory_is_bounded() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for number in 0..20_000_u32 {
            refusals.allows(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(refusals.by_address.lock().unwrap().len() <= MOST);
    }
}
