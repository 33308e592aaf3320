//! What has become of the rules that lie in the cluster, told in their status.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_identity::rules::{Given, RuleSet, Tally};
use bailiwick_model::{InForce, Refusal};
use bailiwick_spiffe::Pods;
use tokio::sync::watch;

use super::live_rules::{LiveRules, Standing};
use crate::resources::{Said, Verdict};

/// The shortest time between two counts. Each takes at most one part in twenty of a processor.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where the rules are those of before and pods alone are others: they come and go all the time.
const PAUSE_OF_PODS: Duration = Duration::from_secs(30);

/// Counts to how many pods each rule gives an identity, and tells what has become of it.
pub(crate) struct Census {
    rules: Arc<LiveRules>,
    changed: watch::Receiver<Arc<RuleSet>>,
    say: Sender<Said>,
    last: Option<Count>,
}

/// When was counted last, how long that took, and what was counted.
struct Count {
    at: Instant,
    took: Duration,
    changes: u64,
}

impl Census {
    pub(super) fn new(rules: &Arc<LiveRules>, say: Sender<Said>) -> Self {
        let changed = rules.subscribe();
        let rules = Arc::clone(rules);
        Self {
            rules,
            changed,
            say,
            last: None,
        }
    }

    /// Counts anew where that is due. `changes` says whether the pods are those of before.
    pub(crate) fn look(&mut self, changes: u64, count: impl FnOnce(&RuleSet) -> Tally) {
        let rules_changed = self.changed.has_changed().unwrap_or(false);
        let now = Instant::now();
        if let Some(last) = &self.last {
            let pause = match rules_changed {
                true => PAUSE,
                false if changes == last.changes => return,
                false => PAUSE_OF_PODS,
            };
            if now - last.at < pause.max(20 * last.took) {
                return;
            }
        }
        self.changed.mark_unchanged();
        let (rules, standings) = self.rules.standings();
        if !standings.is_empty() {
            let tally = count(&rules);
            for standing in standings {
                let given = tally.given(&standing.name);
                let said = Said::Verdict(standing.resource.clone(), verdict(standing, given));
                // Who writes statuses may have ended.
                let _ = self.say.send(said);
            }
        }
        self.last = Some(Count {
            at: Instant::now(),
            took: now.elapsed(),
            changes,
        });
    }

    /// Looks on a thread of its own until what this gives is dropped.
    pub(super) fn of(mut self, pods: Arc<Pods>) -> Counting {
        let (guard, dropped) = mpsc::channel();
        thread::spawn(move || {
            while dropped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                if pods.is_complete() {
                    let changes = pods.view().changes();
                    self.look(changes, |rules| tally(rules, &pods));
                }
            }
        });
        Counting(guard)
    }
}

/// Pods are counted until this is dropped.
pub(super) struct Counting(#[allow(dead_code, reason = "its drop is its use")] Sender<()>);

/// Node by node, so that nobody waits who has news of pods.
fn tally(rules: &RuleSet, pods: &Pods) -> Tally {
    let nodes: Vec<String> = pods.view().nodes_of_pods().map(str::to_owned).collect();
    let mut tally = Tally::default();
    for node in nodes {
        tally.count(rules, &pods.view(), &node);
    }
    tally
}

/// One that is refused itself may have a good version of before, or one of a file in its place, that gives something.
fn verdict(standing: Standing, given: Given) -> Verdict {
    let Given {
        pods,
        without,
        why,
        conflict,
    } = given;
    let refused = standing.refused.or_else(|| {
        let what = match without {
            1 => "a pod that it fits gets nothing".to_owned(),
            without => format!("{without} pods that it fits get nothing, among them"),
        };
        Some(Refusal {
            reason: if conflict { "Conflict" } else { "Incomplete" },
            message: format!("{what}: {}", why?),
        })
    });
    Verdict {
        generation: standing.generation,
        in_force: InForce {
            revision: None,
            pods: Some(pods),
        },
        refused,
    }
}
