use std::collections::BTreeMap;

use super::{Denial, Outcome, RuleName, RuleSet};
use crate::pods::View;

/// What rules give the pods of a cluster, all in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<RuleName, Given>);

/// What one rule gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// How many pods have an identity by it.
    pub pods: u64,
    /// How many it fits and gives nothing, and why that is so for the first of them.
    pub without: u64,
    /// The reason, with the name of the pod in front.
    pub why: Option<String>,
    /// Whether the reason is that another rule contradicts it.
    pub conflict: bool,
}

impl Tally {
    /// Counts the pods that are bound to a node. What was banned is no fault of a rule and is not counted.
    pub fn count(&mut self, rules: &RuleSet, view: &View, node: &str) {
        for pod in view.pods_on(node) {
            // One that has ended, or whose node or namespace is not there, gets nothing by any rule.
            let Ok(facts) = view.facts(pod) else { continue };
            let explanation = rules.explain(&facts);
            let name = || format!("{}/{}", pod.meta.namespace, pod.meta.name);
            match &explanation.result {
                Ok(_) => {}
                Err(Denial::NoRule) => {}
                Err(Denial::Banned { .. }) => continue,
                Err(denial @ (Denial::Conflict { .. } | Denial::Hint { .. })) => {
                    for rule in denial.contradicting() {
                        self.of(rule).fail(true, || format!("{}: {denial}", name()));
                    }
                    continue;
                }
            }
            for verdict in &explanation.verdicts {
                match &verdict.outcome {
                    Outcome::Gives(_) => self.of(&verdict.rule).pods += 1,
                    Outcome::Fails(why) => {
                        let why = || format!("{}: {why}", name());
                        self.of(&verdict.rule).fail(false, why);
                    }
                    Outcome::Differs(_) | Outcome::StandsBack => {}
                }
            }
        }
    }

    /// What a rule gives.
    pub fn given(&self, rule: &RuleName) -> Given {
        self.0.get(rule).cloned().unwrap_or_default()
    }

    fn of(&mut self, rule: &RuleName) -> &mut Given {
        self.0.entry(rule.clone()).or_default()
    }
}

impl Given {
    /// A contradiction is told before anything else.
    fn fail(&mut self, conflict: bool, why: impl FnOnce() -> String) {
        self.without += 1;
        if self.why.is_none() || (conflict && !self.conflict) {
            self.why = Some(why());
            self.conflict = conflict;
        }
    }
}

impl Denial {
    /// The rules that contradict each other.
    pub fn contradicting(&self) -> impl Iterator<Item = &RuleName> {
        let both = match self {
            Self::Conflict { first, second, .. } | Self::Hint { first, second, .. } => {
                Some([first, second])
            }
            Self::NoRule | Self::Banned { .. } => None,
        };
        both.into_iter().flatten()
    }
}
