//! Where there are lists of revoked certificates, who is banned loses those that he holds. Nothing is stored for that: each
//! replica knows what it gave itself, from its log after a restart.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use bailiwick_audit::Event;
use bailiwick_identity::revoked::{Given, LONGEST_REASON, Listed};
use bailiwick_identity::rotation::Policy;
use bailiwick_identity::rules::Bans;
use bailiwick_spiffe::{Clock, Ledger, SystemClock, Witness};

use crate::record;

/// What was given here and who is banned.
#[derive(Clone)]
pub(super) struct Revoking {
    given: Arc<Mutex<Given>>,
    listed: Ledger<Listed>,
    pub(super) bans: Bans,
}

impl Revoking {
    /// Reads from the log what was given and may live.
    pub(super) fn open(log: &Path, listed: Ledger<Listed>, bans: Bans) -> Result<Self> {
        let (mut given, now) = (Given::default(), SystemClock.now());
        let from = now.minus(Policy::DEFAULT.longest_life);
        bailiwick_store::since(log, from.into(), |record| {
            if let Event::Issue(issue) = record.event {
                given.note(&issue, now);
            }
        })?;
        Ok(Self {
            given: Arc::new(Mutex::new(given)),
            listed,
            bans,
        })
    }

    /// Hears what is given.
    pub(super) fn witness(&self) -> Witness {
        let given = Arc::clone(&self.given);
        Arc::new(move |event, outcome| {
            if let (Event::Issue(issue), Ok(())) = (event, &outcome) {
                let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
                given.note(issue, SystemClock.now());
            }
            record::trace(event, outcome);
        })
    }

    /// Revokes what those hold who are banned. Blocks.
    pub(super) fn revoke(&self) -> Result<()> {
        let now = SystemClock.now();
        let held: Vec<_> = {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            let held = given.of(&self.bans, now);
            held.map(|(serial, until, why)| (serial, until, short(why)))
                .collect()
        };
        if held.is_empty() {
            return Ok(());
        }
        let mut room = true;
        self.listed.change(|listed| {
            let revoke =
                |(serial, until, why): &(_, _, String)| listed.revoke(*serial, why, now, *until);
            room = held.iter().all(revoke);
        })?;
        ensure!(
            room,
            "too many certificates are revoked one by one: taint the key that signed them (`bailiwick identity taint`)"
        );
        Ok(())
    }
}

/// As much of a reason as is kept with each serial.
fn short(why: &str) -> String {
    why.chars()
        .scan(0, |length, letter| {
            *length += letter.len_utf8();
            (*length <= LONGEST_REASON).then_some(letter)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_between_letters() {
        let check = |why: &str, expected: usize| {
            let cut = short(why);
            assert!(why.starts_with(&cut));
            assert_eq!(cut.len(), expected, "{why}");
        };
        check("stolen", 6);
        check(&"x".repeat(500), 120);
        check(&"\u{20ac}".repeat(100), 120);
        check(&format!("x{}", "\u{20ac}".repeat(100)), 118);
    }
}
