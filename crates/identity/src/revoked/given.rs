//! Which certificates somebody holds, for whoever bans him.

use std::collections::HashMap;
use std::str::FromStr;

use bailiwick_audit::{Document, IssueRecord};

use crate::rules::{Banned, Bans};
use crate::x509::Serial;
use crate::{SpiffeId, UnixTime};

/// Certificates that were given and live, by their records. Kept in memory alone, where there are lists of revoked
/// certificates; after a restart the log tells them again.
#[derive(Clone, Debug, Default)]
pub struct Given {
    by_serial: HashMap<Serial, Holder>,
    /// How many there are when the next look is taken at which have run out.
    crowd: usize,
}

/// Who holds one.
#[derive(Clone, Debug)]
struct Holder {
    id: SpiffeId,
    pod: Box<str>,
    node: Box<str>,
    until: UnixTime,
}

/// So many are kept before it is looked the first time.
const FIRST_LOOK: usize = 1024;

impl Given {
    /// Notes a document. Tokens are in no lists, and what has run out need not be.
    pub fn note(&mut self, record: &IssueRecord, now: UnixTime) {
        let until = UnixTime::new(u64::try_from(record.until.seconds()).unwrap_or(0));
        if record.document != Document::X509 || until <= now {
            return;
        }
        let (Ok(serial), Ok(id)) = (
            Serial::from_str(&record.number),
            SpiffeId::parse(&record.id),
        ) else {
            return;
        };
        let pod = record.workload.pod.as_ref();
        let holder = Holder {
            id,
            pod: pod.map(|pod| pod.uid.as_str()).unwrap_or_default().into(),
            node: record.workload.node.as_str().into(),
            until,
        };
        self.by_serial.insert(serial, holder);
        if self.by_serial.len() > self.crowd.max(FIRST_LOOK) {
            self.by_serial.retain(|_, holder| now < holder.until);
            self.crowd = 2 * self.by_serial.len();
        }
    }

    /// What those hold who are banned: number, end, and why.
    pub fn of<'g>(
        &'g self,
        bans: &'g Bans,
        now: UnixTime,
    ) -> impl Iterator<Item = (Serial, UnixTime, &'g str)> {
        let live = self.by_serial.iter();
        let live = live.filter(move |(_, holder)| now < holder.until);
        live.filter_map(|(serial, holder)| {
            let (_, why) = bans.iter().find(|(who, _)| match who {
                Banned::Pod(uid) => *uid == holder.pod,
                Banned::Node(name) => *name == holder.node,
                Banned::Id(id) => *id == holder.id,
            })?;
            Some((*serial, holder.until, why))
        })
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_audit::{Door, PodRef, Proof, WorkloadRef};

    use super::*;

    fn record(number: usize, pod: &str, node: &str, id: &str, until: u64) -> IssueRecord {
        let pod = PodRef {
            uid: pod.into(),
            ..PodRef::default()
        };
        IssueRecord {
            door: Door::Agent,
            document: Document::X509,
            number: format!("4f{number:030x}"),
            id: format!("spiffe://td/{id}"),
            rule: "r".into(),
            until: UnixTime::new(until).into(),
            audience: Vec::new(),
            workload: WorkloadRef {
                pod: Some(pod),
                node: node.into(),
                ..WorkloadRef::default()
            },
            proof: Proof::default(),
        }
    }

    #[test]
    fn who_holds_what() {
        let mut given = Given::default();
        let now = UnixTime::new(100);
        given.note(&record(1, "p1", "n1", "web", 200), now);
        given.note(&record(2, "p1", "n1", "web", 300), now);
        given.note(&record(3, "p2", "n1", "db", 200), now);
        given.note(&record(4, "p3", "n2", "web", 200), now);
        given.note(&record(5, "p1", "n1", "web", 100), now);
        let token = IssueRecord {
            document: Document::Jwt,
            ..record(6, "p1", "n1", "web", 200)
        };
        given.note(&token, now);
        // Of the host: neither pod nor node.
        given.note(&record(7, "", "", "web", 200), now);
        let check = |bans: &[&str], now: u64, expected: &[u8]| {
            let mut all = Bans::default();
            for ban in bans {
                all.insert(ban.parse().unwrap(), "stolen");
            }
            let held = given.of(&all, UnixTime::new(now));
            let mut held: Vec<u8> = held
                .map(|(serial, until, why)| {
                    assert!(until > UnixTime::new(now) && why == "stolen");
                    u8::from_str_radix(&serial.to_string()[30..], 16).unwrap()
                })
                .collect();
            held.sort_unstable();
            assert_eq!(held, expected, "{bans:?} at {now}");
        };
        check(&["pod:p1"], 100, &[1, 2]);
        check(&["pod:p1"], 200, &[2]);
        check(&["node:n1"], 100, &[1, 2, 3]);
        check(&["id:spiffe://td/web"], 100, &[1, 2, 4, 7]);
        check(&["pod:p2", "node:n2"], 100, &[3, 4]);
        check(&["pod:p9", "node:p1", "id:spiffe://td/none"], 100, &[]);
        check(&[], 100, &[]);
    }

    #[test]
    fn what_has_run_out_takes_no_room() {
        let mut given = Given::default();
        for number in 0..100_000 {
            let now = u64::try_from(number).unwrap();
            given.note(
                &record(number, "p", "n", "web", now + 1000),
                UnixTime::new(now),
            );
            assert!(given.by_serial.len() <= 3000, "{}", given.by_serial.len());
        }
    }
}
