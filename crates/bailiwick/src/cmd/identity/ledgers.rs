//! What people tell programs that run, themselves or through another replica.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use bailiwick_identity::agents::Admissions;
use bailiwick_identity::revoked::{Listed, Revoked};
use bailiwick_identity::rules::Bans;
use bailiwick_spiffe::{Embedded, Entries, Ledger, LedgerError, SealError};
use tokio::sync::mpsc;

use super::place::PlaceOptions;
use crate::cli::Global;
use crate::console::Console;
use crate::record;

/// How often it is looked whether somebody said something.
const LOOK: Duration = Duration::from_secs(1);
/// Who is banned is not known for so long at most, in seconds: after that nothing is given to anybody. What a workload has
/// lives an hour by default and is renewed at half of that, so that nobody is without a certificate for 40 minutes.
pub(super) const LONGEST_UNREAD: u64 = 600;

/// Where it lies.
#[derive(Clone, Debug)]
pub(super) struct Ledgers {
    pub(super) bans: Ledger<Bans>,
    pub(super) admissions: Ledger<Admissions>,
    pub(super) revoked: Ledger<Listed>,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) bans: Bans,
    pub(super) admissions: Admissions,
    pub(super) revoked: Revoked,
}

/// News of it.
pub(super) enum News {
    /// It is this now.
    Said(Box<Said>),
    /// It cannot be read; `long` after it could not be for so long that it no longer counts.
    Unread { why: String, long: bool },
}

/// Says something to programs that run. It stands in the log, unless such a program has the log open and writes it.
pub(super) fn say<T: Entries + record::Said>(
    place: &PlaceOptions,
    ledger: impl FnOnce(&Embedded) -> Result<Ledger<T>, SealError>,
    global: &Global,
    console: &Console,
    change: impl FnMut(&mut T),
) -> Result<()> {
    let cluster = place.cluster(global, console)?;
    let ledger = ledger(&place.embedded(cluster.as_ref())?)?;
    let log = place.open_log()?;
    let (before, after) = ledger.change(change)?;
    let Some((evidence, store)) = log else {
        console.note("programs that run take it over within seconds, and write it to their logs");
        return Ok(());
    };
    for event in before.events(&after) {
        evidence.write_blocking(&event)?;
    }
    store.close();
    Ok(())
}

impl Ledgers {
    pub(super) fn of(embedded: &Embedded) -> Result<Self, SealError> {
        Ok(Self {
            bans: embedded.bans()?,
            admissions: embedded.admissions()?,
            revoked: embedded.revoked()?,
        })
    }

    pub(super) fn load(&self) -> Result<Said, LedgerError> {
        let read = self.bans.read()?;
        Ok(Said {
            bans: self.bans.load_from(&read)?,
            admissions: self.admissions.load_from(&read)?,
            revoked: self.revoked.load_from(&read)?.revoked().clone(),
        })
    }

    /// Looks again and again, on a thread that ends with whoever listens. What could not be read for `longest` no longer
    /// counts.
    pub(super) fn follow(&self, longest: Duration) -> mpsc::UnboundedReceiver<News> {
        let ledgers = self.clone();
        let (sender, receiver) = mpsc::unbounded_channel();
        thread::spawn(move || {
            let mut seen = Seen::new(longest, Instant::now());
            while !sender.is_closed() {
                let read = ledgers.load().map_err(|error| error.to_string());
                if let Some(news) = seen.news(read, Instant::now()) {
                    let _ = sender.send(news);
                }
                thread::sleep(LOOK);
            }
        });
        receiver
    }
}

/// What was told already.
struct Seen {
    longest: Duration,
    said: Option<Said>,
    read: Instant,
    trouble: Option<(String, bool)>,
}

impl Seen {
    fn new(longest: Duration, now: Instant) -> Self {
        Self {
            longest,
            said: None,
            read: now,
            trouble: None,
        }
    }

    /// What is new in what was read at a moment.
    fn news(&mut self, read: Result<Said, String>, now: Instant) -> Option<News> {
        match read {
            Ok(said) => {
                self.read = now;
                let better = self.trouble.take().is_some();
                if !better && self.said.as_ref() == Some(&said) {
                    return None;
                }
                self.said = Some(said.clone());
                Some(News::Said(Box::new(said)))
            }
            Err(why) => {
                let long = now.duration_since(self.read) > self.longest;
                let trouble = Some((why.clone(), long));
                if self.trouble == trouble {
                    return None;
                }
                self.trouble = trouble;
                Some(News::Unread { why, long })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_what_is_read() {
        let start = Instant::now();
        let mut seen = Seen::new(Duration::from_secs(600), start);
        let mut check = |second: u64, read: Result<&str, &str>, expected: &str| {
            let read = read.map_err(str::to_owned).map(|banned| {
                let mut bans = Bans::default();
                bans.insert(banned.parse().unwrap(), "x");
                Said {
                    bans,
                    admissions: Admissions::default(),
                    revoked: Revoked::default(),
                }
            });
            let told = match seen.news(read, start + Duration::from_secs(second)) {
                None => String::new(),
                Some(News::Said(said)) => {
                    said.bans.iter().map(|(who, _)| who.to_string()).collect()
                }
                Some(News::Unread { why, long }) => format!("{why} {long}"),
            };
            assert_eq!(told, expected, "{second}");
        };
        check(1, Ok("pod:1"), "pod:1");
        check(2, Ok("pod:1"), "");
        check(3, Ok("pod:2"), "pod:2");
        check(4, Err("away"), "away false");
        check(5, Err("away"), "");
        check(6, Err("broken"), "broken false");
        check(7, Ok("pod:2"), "pod:2");
        check(607, Err("away"), "away false");
        check(608, Err("away"), "away true");
        check(609, Err("away"), "");
        check(610, Ok("pod:3"), "pod:3");
    }
}
