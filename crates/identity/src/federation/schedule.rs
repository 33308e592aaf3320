use std::time::Duration;

/// After how many seconds to ask again where the bundle does not say (F-4).
const DEFAULT_SECONDS: u64 = 300;
/// Not sooner, whatever a bundle says: an endpoint must not make its clients flood it.
const SHORTEST_SECONDS: u64 = 60;
/// Not later, whatever a bundle says: keys that are revoked have to be heard of.
const LONGEST_SECONDS: u64 = 24 * 3600;
/// After failures it is asked this often at least.
const LONGEST_BACKOFF: u64 = 3600;

/// What is known when the next question is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// `spiffe_refresh_hint` of the bundle that is held, in seconds; `None` where it has none.
    pub hint: Option<u64>,
    /// Whether a bundle is held at all.
    pub held: bool,
    /// Questions that failed since the last good one.
    pub failures: u32,
}

/// How long to wait until the next question: the hint, within limits. After a failure never sooner than that (F-4), and
/// twice as long after each further one, up to an hour. Without any bundle it is asked once a minute at first. `jitter`,
/// from 0 to 1, takes up to a tenth off, so that not everybody asks at once.
pub fn next_poll(poll: Poll, jitter: f64) -> Duration {
    let interval = match (poll.held, poll.hint) {
        (false, _) => SHORTEST_SECONDS,
        (true, hint) => hint
            .unwrap_or(DEFAULT_SECONDS)
            .clamp(SHORTEST_SECONDS, LONGEST_SECONDS),
    };
    let doublings = poll.failures.saturating_sub(1).min(16);
    let seconds = match poll.failures {
        0 | 1 => interval,
        _ => (interval << doublings).min(LONGEST_BACKOFF.max(interval)),
    };
    let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
    Duration::from_secs(seconds).mul_f64(1.0 - 0.1 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_4_when_to_ask_again() {
        let check = |hint, held, failures, expected| {
            let poll = Poll {
                hint,
                held,
                failures,
            };
            assert_eq!(next_poll(poll, 0.0).as_secs(), expected, "{poll:?}");
        };
        check(None, true, 0, 300);
        check(Some(600), true, 0, 600);
        check(Some(0), true, 0, 60);
        check(Some(u64::MAX), true, 0, 86_400);
        check(Some(600), true, 1, 600);
        check(Some(600), true, 2, 1200);
        check(Some(600), true, 4, 3600);
        check(Some(86_400), true, 9, 86_400);
        check(None, true, u32::MAX, 3600);
        check(None, false, 0, 60);
        check(None, false, 1, 60);
        check(None, false, 3, 240);
        check(None, false, 40, 3600);
    }

    #[test]
    fn jitter_takes_off_a_tenth_at_most() {
        let poll = Poll {
            hint: Some(1000),
            held: true,
            failures: 0,
        };
        assert_eq!(next_poll(poll, 1.0), Duration::from_secs(900));
        assert_eq!(next_poll(poll, 7.0), Duration::from_secs(900));
        assert_eq!(next_poll(poll, f64::NAN).as_secs(), 1000);
    }
}
