use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bailiwick_identity::UnixTime;
use bailiwick_identity::x509::Validity;

use crate::BACKDATE;
use crate::seal::fraction;

/// How often it is looked whether the clock was put forward, or the machine slept, while something was waited for.
const LOOK: Duration = Duration::from_secs(5);

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixTime::new(since.map_or(0, |since| since.as_secs()))
    }
}

/// When something is to be made anew. Of two clocks the first counts: one that nobody puts back, but that stands still
/// while the machine sleeps, and the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    steady: Instant,
    day: UnixTime,
}

impl Due {
    /// So long from `now` on.
    pub(crate) fn after(wait: Duration, now: UnixTime) -> Self {
        Self {
            steady: Instant::now() + wait,
            // Not a second early.
            day: now.plus(wait.as_secs() + 1),
        }
    }

    /// When half of the life of the first of these documents is over, a little earlier at random. Each is good until then,
    /// and was made for so many seconds: whoever made it may have another clock.
    pub(crate) fn half(documents: impl Iterator<Item = (UnixTime, u64)>, now: UnixTime) -> Self {
        let left = documents.map(|(until, life)| until.since(now).min(life));
        let half = Duration::from_secs(left.min().unwrap_or(0)) / 2;
        let wait = half.mul_f64(0.9 + 0.1 * fraction());
        Self::after(wait.max(Duration::from_secs(1)), now)
    }

    pub(crate) fn has_come(&self, now: UnixTime) -> bool {
        self.left(now).is_zero()
    }

    /// How long until then, if nobody touches the clock.
    pub(crate) fn left(&self, now: UnixTime) -> Duration {
        match now < self.day {
            true => self.steady.saturating_duration_since(Instant::now()),
            false => Duration::ZERO,
        }
    }

    /// Waits until then.
    pub(crate) async fn come(self, clock: &dyn Clock) {
        loop {
            let left = self.left(clock.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

/// For how many seconds a certificate was made.
pub(crate) fn life(validity: Validity) -> u64 {
    let made = validity.not_before.plus(BACKDATE);
    validity.not_after.since(made)
}

/// What is wrong where a certificate of a server is of another time than now.
pub(crate) fn other_time(validity: Validity, now: UnixTime) -> Option<String> {
    let Validity {
        not_before,
        not_after,
    } = validity;
    let wrong = match now {
        _ if now < not_before => format!(
            "begins at {not_before}, and the clock of this machine says {now}: it is {} minutes behind that of the server",
            not_before.plus(BACKDATE).since(now) / 60
        ),
        _ if now >= not_after => format!(
            "ended at {not_after}, and the clock of this machine says {now}: it is ahead of that of the server, or the server renews nothing"
        ),
        _ => return None,
    };
    Some(format!("{wrong}; put the clocks right"))
}

/// What is wrong where a certificate that a server made this moment says that clocks are too far apart.
pub(crate) fn apart(validity: Validity, now: UnixTime) -> Option<String> {
    let made = validity.not_before.plus(BACKDATE);
    let (way, apart) = match made < now {
        true => ("ahead of", now.since(made)),
        false => ("behind", made.since(now)),
    };
    (apart > BACKDATE).then(|| {
        let minutes = apart / 60;
        format!("the clock of this machine is {minutes} minutes {way} that of the server; put the clocks right")
    })
}
