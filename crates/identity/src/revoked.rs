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

/// What lists are made of, as replicas share it. A list has the number that was taken with what it holds, so that of two
/// lists the one with the greater number is never the older one, whoever signed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The number of the last lists.
    number: u64,
    /// What they hold.
    pub revoked: Revoked,
}

impl Listed {
    /// Takes the next number: that of the second, or one more than the last.
    pub fn count(&mut self, now: UnixTime) -> u64 {
        self.number = now.seconds().max(self.number.saturating_add(1));
        self.number
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
    fn no_two_lists_have_one_number() {
        let mut listed = Listed::default();
        let mut check = |now: u64, expected: u64| assert_eq!(listed.count(at(now)), expected);
        check(100, 100);
        check(100, 101);
        check(100, 102);
        // A replica whose clock is behind.
        check(40, 103);
        check(200, 200);
        let json = serde_json::to_string(&listed).unwrap();
        assert_eq!(serde_json::from_str::<Listed>(&json).unwrap(), listed);
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
