//! What of the findings counts: what is new since a baseline, and what nobody has answered for.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bailiwick_core::{ObjectRef, Timestamp};
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Severity};
use crate::place::Place;

/// Findings that were there before, by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The findings.
    pub items: Vec<Known>,
}

/// A finding of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What tells it from others.
    pub fingerprint: String,
    /// Its id, for people.
    pub id: String,
    /// How much it mattered.
    pub severity: Severity,
    /// What it said, for people.
    pub message: String,
}

/// Whether a finding was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BaselineState {
    /// It was not.
    New,
    /// It was, and mattered less.
    Updated,
    /// It was.
    Unchanged,
}

/// Somebody answers for a finding until a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The findings that it covers.
    pub covers: Covers,
    /// Who answers.
    pub answer: Answer,
    /// Where it stands.
    pub place: Place,
}

/// Which findings an exception is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covers {
    /// Those of a check about an object.
    Object {
        /// The id of the check.
        check: String,
        /// The object of the finding's first place.
        object: ObjectRef,
    },
    /// One finding.
    Fingerprint(String),
}

/// Who answers for a finding, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A person or team.
    pub owner: String,
    /// Why it is acceptable.
    pub reason: String,
    /// The moment from which on it is not.
    pub expires: Timestamp,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            owner,
            reason,
            expires,
        } = self;
        write!(f, "{owner} answers for it until {expires}: {reason}")
    }
}

impl Baseline {
    /// The baseline of these findings; those that somebody answers for are no part of it.
    pub fn of(findings: &[Finding]) -> Self {
        let open = findings
            .iter()
            .filter(|finding| finding.exception.is_none());
        let known = open.map(|finding| Known {
            fingerprint: finding.fingerprint(),
            id: finding.id.to_string(),
            severity: finding.severity,
            message: finding.message.clone(),
        });
        let mut items: Vec<Known> = known.collect();
        items.sort_by(|a, b| {
            (&a.id, &a.message, &a.fingerprint).cmp(&(&b.id, &b.message, &b.fingerprint))
        });
        Self { items }
    }

    /// Says of every finding whether it is new, and returns how many of the baseline are gone.
    pub fn compare(&self, findings: &mut [Finding]) -> usize {
        let known: HashMap<&str, Severity> = self
            .items
            .iter()
            .map(|known| (&*known.fingerprint, known.severity))
            .collect();
        let mut met = HashSet::new();
        for finding in findings {
            let fingerprint = finding.fingerprint();
            let state = match known.get(&*fingerprint) {
                None => BaselineState::New,
                Some(&before) if before < finding.severity => BaselineState::Updated,
                Some(_) => BaselineState::Unchanged,
            };
            if state != BaselineState::New {
                met.insert(fingerprint);
            }
            finding.baseline = Some(state);
        }
        known
            .keys()
            .filter(|fingerprint| !met.contains(**fingerprint))
            .count()
    }
}

/// Marks the findings for which an exception is in force at `now`, and returns findings about the exceptions that have
/// expired or cover nothing.
pub fn except(findings: &mut [Finding], exceptions: &[Exception], now: Timestamp) -> Vec<Finding> {
    let mut by_cover: HashMap<Key, Vec<usize>> = HashMap::new();
    for (position, exception) in exceptions.iter().enumerate() {
        by_cover
            .entry(Key::of(&exception.covers))
            .or_default()
            .push(position);
    }
    let mut met = vec![false; exceptions.len()];
    for finding in findings {
        for key in Key::keys(finding) {
            for &position in by_cover.get(&key).map_or(&[][..], Vec::as_slice) {
                if let Some(met) = met.get_mut(position) {
                    *met = true;
                }
                let in_force = exceptions
                    .get(position)
                    .filter(|one| now < one.answer.expires);
                if let Some(exception) = in_force {
                    finding.exception = Some(exception.answer.clone());
                }
            }
        }
    }
    let told = exceptions.iter().zip(met);
    told.filter_map(|(exception, met)| exception.complaint(met, now))
        .collect()
}

/// What a finding and an exception have in common.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Object(String, ObjectRef),
    Fingerprint(String),
}

impl Key {
    fn of(covers: &Covers) -> Self {
        match covers {
            Covers::Object { check, object } => Self::Object(check.clone(), object.clone()),
            Covers::Fingerprint(fingerprint) => Self::Fingerprint(fingerprint.clone()),
        }
    }

    fn keys(finding: &Finding) -> impl Iterator<Item = Self> + use<> {
        let object = finding
            .places
            .first()
            .and_then(|place| place.object.clone());
        let object = object.map(|object| Self::Object(finding.id.to_string(), object));
        object
            .into_iter()
            .chain([Self::Fingerprint(finding.fingerprint())])
    }
}

impl Exception {
    fn complaint(&self, met: bool, now: Timestamp) -> Option<Finding> {
        let what = match &self.covers {
            Covers::Object { check, object } => format!("`{check}` at {object}"),
            Covers::Fingerprint(fingerprint) => format!("`{fingerprint}`"),
        };
        let Answer { owner, expires, .. } = &self.answer;
        let finding = if !met {
            let message = format!("the exception of {what} covers no finding");
            Finding::new("exception-unused", Severity::Low, message)
                .help("take it away, or mend the check and the object that it names")
        } else if *expires <= now {
            let message = format!("the exception of {what} by {owner} has expired at {expires}");
            Finding::new("exception-expired", Severity::Medium, message)
                .help("mend the finding, or have somebody answer for it anew")
        } else {
            return None;
        };
        Some(finding.at(self.place.clone()))
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_core::Kind;

    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new(Kind::ClusterRole, "", name)
    }

    fn finding(id: &'static str, name: &str, severity: Severity) -> Finding {
        Finding::new(id, severity, "m").at(Place::field(object(name), "/rules/0"))
    }

    fn exception(check: &str, name: &str, expires: &str) -> Exception {
        Exception {
            covers: Covers::Object {
                check: check.into(),
                object: object(name),
            },
            answer: Answer {
                owner: "ops".into(),
                reason: "r".into(),
                expires: expires.parse().unwrap(),
            },
            place: Place::default(),
        }
    }

    #[test]
    fn new_worse_and_gone() {
        let before = [
            finding("a", "same", Severity::Low),
            finding("a", "worse", Severity::Low),
            finding("a", "milder", Severity::High),
            finding("a", "gone", Severity::High),
        ];
        let mut now = [
            finding("a", "same", Severity::Low),
            finding("a", "worse", Severity::High),
            finding("a", "milder", Severity::Low),
            finding("b", "same", Severity::Low),
        ];
        let gone = Baseline::of(&before).compare(&mut now);
        let states: Vec<_> = now
            .iter()
            .map(|finding| finding.baseline.unwrap())
            .collect();
        use BaselineState::{New, Unchanged, Updated};
        assert_eq!(
            (states, gone),
            (vec![Unchanged, Updated, Unchanged, New], 1)
        );
    }

    #[test]
    fn twice_the_same_is_known_once() {
        let mut findings = vec![finding("a", "x", Severity::Low); 2];
        Finding::identify(&mut findings, |place| place.pointer.clone());
        let baseline = Baseline::of(&findings[..1]);
        baseline.compare(&mut findings);
        let states: Vec<_> = findings
            .iter()
            .map(|finding| finding.baseline.unwrap())
            .collect();
        assert_eq!(states, [BaselineState::Unchanged, BaselineState::New]);
    }

    #[test]
    fn exceptions_in_force_expired_and_unused() {
        let mut findings = [
            finding("a", "x", Severity::High),
            finding("b", "x", Severity::High),
            finding("a", "y", Severity::High),
        ];
        let exceptions = [
            exception("a", "x", "2026-12-01T00:00:00Z"),
            exception("a", "y", "2026-11-01T00:00:00Z"),
            exception("a", "z", "2026-12-01T00:00:00Z"),
        ];
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        let complaints = except(&mut findings, &exceptions, now);
        let covered: Vec<bool> = findings.iter().map(|one| one.exception.is_some()).collect();
        assert_eq!(covered, [true, false, false]);
        let ids: Vec<&str> = complaints.iter().map(|one| &*one.id).collect();
        assert_eq!(ids, ["exception-expired", "exception-unused"]);
        assert_eq!(Baseline::of(&findings).items.len(), 2);
    }

    #[test]
    fn the_moment_of_expiry_is_after_it() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        for (time, covered) in [
            (now, false),
            (Timestamp::from_micros(now.micros() - 1), true),
        ] {
            let mut findings = [finding("a", "x", Severity::High)];
            except(
                &mut findings,
                &[exception("a", "x", "2026-12-01T00:00:00Z")],
                time,
            );
            assert_eq!(findings[0].exception.is_some(), covered);
        }
    }
}
