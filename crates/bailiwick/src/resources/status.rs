//! Tells in the status of custom resources what has become of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bailiwick_core::Timestamp;
use bailiwick_kube::{Cluster, RequestError, Standing};
use bailiwick_model::{CustomStatus, InForce, Refusal};

use super::Resource;

/// Something about a custom resource.
pub(crate) enum Said {
    /// What has become of it.
    Verdict(Resource, Verdict),
    /// How it stands in the cluster, and what its status says.
    Seen(Resource, Standing, Option<CustomStatus>),
    Gone(Resource),
}

/// What has become of a custom resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) generation: i64,
    pub(crate) in_force: InForce,
    pub(crate) refused: Option<Refusal>,
}

/// What is known of one.
#[derive(Default)]
struct Entry {
    seen: Option<(Standing, Option<CustomStatus>)>,
    verdict: Option<Verdict>,
    /// It has changed since it was written for; to be written once it is seen again.
    outdated: bool,
}

/// What statuses are to say. Each verdict is written once, and not at all where the status says it already: replicas
/// that see things in the same way write once together, and two that do not never answer each other.
#[derive(Default)]
struct Statuses {
    entries: HashMap<Resource, Entry>,
    due: HashSet<Resource>,
}

/// How long to wait between two writes.
const PACE: Duration = Duration::from_millis(50);
/// How long to wait after a failure, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Writes, as the field manager `manager`, until nobody says anything any more.
pub(crate) fn write(cluster: &Arc<Cluster>, manager: &str, said: &Receiver<Said>) {
    let mut statuses = Statuses::default();
    let (mut again, mut told) = (AGAIN.0, String::new());
    loop {
        let Some((id, version, status)) = statuses.next(now()) else {
            match said.recv() {
                Ok(one) => statuses.take(one),
                Err(_) => return,
            }
            while let Ok(one) = said.try_recv() {
                statuses.take(one);
            }
            continue;
        };
        let json = serde_json::to_value(&status).unwrap_or_default();
        let written = cluster.write_status(id.kind, &id.object, &version, manager, &json);
        let mut pause = PACE;
        match written {
            Ok(()) => {
                statuses.done(&id);
                (again, told) = (AGAIN.0, String::new());
            }
            Err(RequestError::Status { code: 409, .. }) => statuses.outdated(&id),
            // It is gone, or its definition knows no status.
            Err(RequestError::NotFound { .. }) => statuses.done(&id),
            Err(error) => {
                if matches!(
                    error,
                    RequestError::Status {
                        code: 400..=422,
                        ..
                    }
                ) {
                    statuses.done(&id);
                }
                let error = format!("{:#}", anyhow::Error::from(error));
                if told != error {
                    tracing::warn!(object = %id, error, "its status cannot be written");
                    told = error;
                }
                (pause, again) = (again, (2 * again).min(AGAIN.1));
            }
        }
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match said.recv_timeout(left) {
                Ok(one) => statuses.take(one),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Statuses {
    fn take(&mut self, said: Said) {
        match said {
            Said::Verdict(id, verdict) => {
                let entry = self.entries.entry(id.clone()).or_default();
                if entry.verdict.as_ref() != Some(&verdict) {
                    entry.verdict = Some(verdict);
                    self.due.insert(id);
                }
            }
            Said::Seen(id, standing, status) => {
                let entry = self.entries.entry(id).or_default();
                entry.seen = Some((standing, status));
                entry.outdated = false;
            }
            Said::Gone(id) => {
                self.entries.remove(&id);
                self.due.remove(&id);
            }
        }
    }

    /// An object whose status does not say its verdict, with the state for which it is to be written.
    fn next(&mut self, now: Timestamp) -> Option<(Resource, String, CustomStatus)> {
        let (mut found, mut said) = (None, Vec::new());
        for id in &self.due {
            let Some(entry) = self.entries.get(id) else {
                continue;
            };
            let (Some((standing, before)), Some(verdict)) = (&entry.seen, &entry.verdict) else {
                continue;
            };
            // The one or the other is still on its way.
            if entry.outdated || standing.generation != verdict.generation {
                continue;
            }
            let status = CustomStatus::new(
                verdict.generation,
                verdict.in_force.clone(),
                verdict.refused.as_ref(),
                before.as_ref(),
                now,
            );
            if before
                .as_ref()
                .is_some_and(|before| before.says_what(&status))
            {
                said.push(id.clone());
                continue;
            }
            found = Some((id.clone(), standing.version.clone(), status));
            break;
        }
        for id in said {
            self.due.remove(&id);
        }
        found
    }

    fn done(&mut self, id: &Resource) {
        self.due.remove(id);
    }

    fn outdated(&mut self, id: &Resource) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.outdated = true;
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use bailiwick_pdp::DocumentKind;

    use super::*;

    fn id() -> Resource {
        Resource {
            kind: DocumentKind::Revocation.custom(),
            object: ("".into(), "anna".into()),
        }
    }

    fn verdict(generation: i64, wrong: Option<&str>) -> Said {
        let refused = wrong.map(|message| Refusal {
            reason: "Invalid",
            message: message.to_owned(),
        });
        let in_force = InForce {
            revision: Some("a".to_owned()),
            pods: None,
        };
        let verdict = Verdict {
            generation,
            in_force,
            refused,
        };
        Said::Verdict(id(), verdict)
    }

    fn seen(generation: i64, version: &str, status: Option<&CustomStatus>) -> Said {
        let standing = Standing {
            generation,
            uid: String::new(),
            version: version.to_owned(),
        };
        Said::Seen(id(), standing, status.cloned())
    }

    #[test]
    fn each_verdict_is_written_once_and_only_for_what_it_is_about() {
        let mut ours = Statuses::default();
        let at = Timestamp::from_seconds;
        ours.take(verdict(1, None));
        assert!(ours.next(at(1)).is_none(), "not seen yet");
        ours.take(seen(1, "10", None));
        let (_, version, good) = ours.next(at(1)).unwrap();
        assert_eq!(version, "10");
        // Somebody was faster, with the same.
        ours.outdated(&id());
        assert!(ours.next(at(1)).is_none());
        ours.take(seen(1, "11", Some(&good)));
        assert!(ours.next(at(2)).is_none() && ours.due.is_empty());
        // Another replica sees it in another way. It has its say, and so had we.
        let mut other = Statuses::default();
        other.take(seen(1, "11", Some(&good)));
        other.take(verdict(1, Some("never in force")));
        let (_, _, bad) = other.next(at(3)).unwrap();
        other.done(&id());
        for replica in [&mut ours, &mut other] {
            replica.take(seen(1, "12", Some(&bad)));
            replica.take(verdict(1, None));
        }
        assert!(ours.next(at(4)).is_none());
        // A verdict that changes is written, whatever was there.
        assert!(other.next(at(4)).is_some());
        // The newer version has no verdict yet, and the older no status any more.
        ours.take(seen(2, "13", Some(&bad)));
        ours.take(verdict(1, Some("x")));
        assert!(ours.next(at(5)).is_none());
        ours.take(verdict(2, Some("x")));
        assert_eq!(ours.next(at(5)).unwrap().1, "13");
        ours.take(Said::Gone(id()));
        assert!(ours.next(at(6)).is_none() && ours.entries.is_empty());
    }
}
