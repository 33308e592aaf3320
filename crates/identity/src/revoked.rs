//! Certificates that count no more, for those who look at lists of them, and the authorities that sign these lists.

mod given;

use std::collections::BTreeMap;

use bailiwick_audit::BanRecord;
use serde::{Deserialize, Serialize};

pub use self::given::Given;
use crate::UnixTime;
use crate::rotation::KeyId;
use crate::x509::Serial;

/// The most certificates that are revoked one by one; whoever needs more taints the key.
const MOST_REVOKED: usize = 2_000;
/// The longest reason, in bytes.
pub const LONGEST_REASON: usize = 120;
/// RFC 5280 5.3: a certificate stays in lists until after it would have run out; in seconds.
const AFTER: u64 = 3600;
/// Authorities that sign leaves live a day at most and are made twice a day.
const MOST_ISSUERS: usize = 64;

/// What lists are made of, as replicas share it: all that they say. So every replica signs the same lists, and of two the one
/// with the greater number is never the older one, whoever signed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The number of the last lists.
    number: u64,
    /// Since when they count.
    #[serde(default)]
    at: UnixTime,
    /// Whether something was revoked since.
    #[serde(default)]
    changed: bool,
    /// Authorities that the lists of roots hold.
    #[serde(default)]
    tainted: Vec<(Serial, UnixTime)>,
    revoked: Revoked,
}

impl Listed {
    /// Makes the next lists of what is revoked and of authorities that are `tainted`: where the last ones say something else,
    /// or are `lasts` seconds old. Their number is that of the second, or one more than the last.
    pub fn renew(&mut self, tainted: &[(Serial, UnixTime)], now: UnixTime, lasts: u64) {
        let young = self.at <= now && now < self.at.plus(lasts);
        if young && !self.changed && self.tainted == tainted {
            return;
        }
        self.number = now.seconds().max(self.number.saturating_add(1));
        self.at = now;
        self.changed = false;
        self.tainted = tainted.to_vec();
    }

    /// Revokes a certificate, as [`Revoked::insert`] does.
    pub fn revoke(&mut self, serial: Serial, why: &str, at: UnixTime, until: UnixTime) -> bool {
        self.changed |= !self.revoked.0.contains_key(&serial);
        self.revoked.insert(serial, why, at, until)
    }

    /// What is revoked, listed or not yet.
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The number of the last lists.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Since when the last lists count.
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// Certificates that they hold, and since when each is revoked.
    pub fn certificates(&self) -> Vec<(Serial, UnixTime)> {
        let held = self.revoked.iter(self.at);
        held.map(|(serial, revocation)| (*serial, revocation.at))
            .collect()
    }
}

/// Revoked certificates of a trust domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revoked(BTreeMap<Serial, Revocation>);

/// Why and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why.
    pub why: String,
    /// Since when.
    pub at: UnixTime,
    /// When it has run out in any case.
    pub until: UnixTime,
}

impl Revoked {
    /// Revokes a certificate that lives until `until` at the longest. Says whether there is room for it.
    pub fn insert(&mut self, serial: Serial, why: &str, at: UnixTime, until: UnixTime) -> bool {
        self.0.retain(|_, known| at < known.until.plus(AFTER));
        if self.0.contains_key(&serial) {
            return true;
        }
        let room = self.0.len() < MOST_REVOKED;
        if room {
            let why = why.to_owned();
            self.0.insert(serial, Revocation { why, at, until });
        }
        room
    }

    /// What lists hold at a moment.
    pub fn iter(&self, now: UnixTime) -> impl Iterator<Item = (&Serial, &Revocation)> {
        let known = self.0.iter();
        known.filter(move |(_, known)| now < known.until.plus(AFTER))
    }

    /// What is new in later ones, for the log.
    pub fn changes(&self, later: &Self) -> Vec<BanRecord> {
        let new = later
            .0
            .iter()
            .filter(|(serial, _)| !self.0.contains_key(serial));
        new.map(|(serial, revocation)| BanRecord {
            who: format!("serial:{serial}"),
            lifted: false,
            why: revocation.why.clone(),
        })
        .collect()
    }
}

/// The authorities that signed leaves which may still live, by the names of their keys. Each list is signed by one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Issuers(BTreeMap<KeyId, KeptIssuer>);

/// An authority that signs leaves, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptIssuer {
    /// Which root it stands below.
    pub root: KeyId,
    /// Its number.
    pub serial: Serial,
    /// When it runs out, and with it all that it signed.
    pub until: UnixTime,
    /// What is sent with leaves: its certificate first.
    pub chain: Vec<Der>,
    /// The certificate of the key that signed it.
    pub signed_by: Der,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Der(#[serde(with = "crate::encoding::serde_standard")] pub Vec<u8>);

impl Issuers {
    /// Remembers one. Says whether there is room for it.
    pub fn insert(&mut self, key: KeyId, issuer: KeptIssuer) -> bool {
        let room = self.0.len() < MOST_ISSUERS;
        if room {
            self.0.insert(key, issuer);
        }
        room
    }

    /// Forgets those that had run out at a moment, and names their keys.
    pub fn forget(&mut self, now: UnixTime) -> Vec<KeyId> {
        let over = |issuer: &KeptIssuer| issuer.until.plus(AFTER) <= now;
        let gone = self.0.iter().filter(|(_, issuer)| over(issuer));
        let gone = gone.map(|(key, _)| key.clone()).collect();
        self.0.retain(|_, issuer| !over(issuer));
        gone
    }

    /// All of them, by the names of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &KeptIssuer)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds)
    }

    fn serial(number: u16) -> Serial {
        let mut bytes = [0; 16];
        bytes[14..].copy_from_slice(&number.to_be_bytes());
        Serial::new(bytes)
    }

    #[test]
    fn lists_are_bounded_and_entries_leave() {
        let mut revoked = Revoked::default();
        for number in 0..2_000 {
            assert!(revoked.insert(serial(number), "x", at(100), at(200)));
        }
        let before = revoked.clone();
        assert!(!revoked.insert(serial(2_000), "x", at(3_799), at(5_000)));
        assert!(revoked.insert(serial(7), "again", at(3_799), at(5_000)));
        assert_eq!(before.changes(&revoked), []);
        assert_eq!(revoked.iter(at(3_799)).count(), 2_000);
        assert_eq!(revoked.iter(at(3_800)).count(), 0);
        assert!(revoked.insert(serial(2_000), "x", at(3_800), at(5_000)));
        let said = before.changes(&revoked);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].who, format!("serial:{}", serial(2_000)));
        let json = serde_json::to_string(&revoked).unwrap();
        assert_eq!(serde_json::from_str::<Revoked>(&json).unwrap(), revoked);
        assert!(serde_json::from_str::<Revoked>("{\"no number\": {}}").is_err());
    }

    #[test]
    fn lists_have_another_number_when_they_say_something_else_and_in_time() {
        let mut listed = Listed::default();
        let mut check = |now: u64, tainted: &[u16], expected: (u64, u64)| {
            let tainted: Vec<_> = tainted.iter().map(|n| (serial(*n), at(7))).collect();
            listed.renew(&tainted, at(now), 1000);
            assert_eq!((listed.number(), listed.at()), (expected.0, at(expected.1)));
            let json = serde_json::to_string(&listed).unwrap();
            assert_eq!(serde_json::from_str::<Listed>(&json).unwrap(), listed);
        };
        check(5000, &[], (5000, 5000));
        check(5000, &[], (5000, 5000));
        check(5999, &[], (5000, 5000));
        check(6000, &[], (6000, 6000));
        check(6000, &[1], (6001, 6000));
        check(6500, &[1], (6001, 6000));
        check(6500, &[2], (6500, 6500));
        // A replica whose clock is behind.
        check(6400, &[2], (6501, 6400));
    }

    #[test]
    fn what_is_revoked_comes_with_the_next_number_and_what_runs_out_goes_with_it() {
        let mut listed = Listed::default();
        listed.renew(&[], at(100), 10_000);
        assert!(listed.revoke(serial(1), "x", at(150), at(200)));
        listed.renew(&[], at(151), 10_000);
        assert_eq!(listed.number(), 151);
        assert_eq!(listed.certificates(), [(serial(1), at(150))]);
        assert!(listed.revoke(serial(1), "again", at(160), at(300)));
        listed.renew(&[], at(9_000), 10_000);
        assert_eq!((listed.number(), listed.certificates().len()), (151, 1));
        assert!(listed.revoke(serial(2), "x", at(9_000), at(9_001)));
        listed.renew(&[], at(9_000), 10_000);
        assert_eq!(listed.certificates(), [(serial(2), at(9_000))]);
    }

    #[test]
    fn issuers_stay_until_all_that_they_signed_has_run_out() {
        let mut issuers = Issuers::default();
        let issuer = KeptIssuer {
            root: KeyId::new([1; 16]),
            serial: serial(1),
            until: at(100),
            chain: vec![Der(vec![1, 2]), Der(vec![3])],
            signed_by: Der(vec![4]),
        };
        assert!(issuers.insert(KeyId::new([2; 16]), issuer));
        let json = serde_json::to_string(&issuers).unwrap();
        assert_eq!(serde_json::from_str::<Issuers>(&json).unwrap(), issuers);
        assert_eq!(issuers.forget(at(3_699)), []);
        assert_eq!(issuers.forget(at(3_700)), [KeyId::new([2; 16])]);
        assert_eq!(issuers.iter().count(), 0);
    }
}
