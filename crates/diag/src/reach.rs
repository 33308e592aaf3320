use std::fmt;

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// How far something leads: what those who use it get to, and how easily.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The most that they get to.
    pub goal: Goal,
    /// The effort of all steps from there to the goal together; 0 is to have it already, 1 a single request.
    pub effort: u32,
    /// How many identities and workloads get to the goal this way. Those of the control plane do not count, and pods of
    /// one controller count once. It is counted up to ten thousand.
    pub from: usize,
    /// Whether everybody is among them: anonymous requests, or everybody with any credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everybody: bool,
}

/// What an attacker wants, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// Full control of the cluster.
    Cluster,
    /// Root on a node.
    Node,
}

impl Goal {
    /// The most first.
    pub const ALL: [Self; 2] = [Self::Cluster, Self::Node];
}

impl Reach {
    /// How much it matters, by how far it leads and how easily. What everybody can use is one worse.
    ///
    /// | Effort | full control of the cluster | root on a node |
    /// | --- | --- | --- |
    /// | 0 or 1 | critical | high |
    /// | 2 to 4 | high | medium |
    /// | 5 and more | medium | low |
    pub fn severity(&self) -> Severity {
        let top = match self.goal {
            Goal::Cluster => Severity::Critical,
            Goal::Node => Severity::High,
        };
        let by_ease = match self.effort {
            0 | 1 => top,
            2..=4 => top.lower(),
            _ => top.lower().lower(),
        };
        if self.everybody {
            by_ease.higher()
        } else {
            by_ease
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cluster => "full control of the cluster",
            Self::Node => "root on a node",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farther_easier_and_for_everybody_is_worse() {
        let check = |goal, effort, everybody, expected| {
            let from = 1;
            let reach = Reach {
                goal,
                effort,
                from,
                everybody,
            };
            assert_eq!(reach.severity(), expected, "{reach:?}");
        };
        check(Goal::Cluster, 0, false, Severity::Critical);
        check(Goal::Cluster, 1, true, Severity::Critical);
        check(Goal::Cluster, 2, false, Severity::High);
        check(Goal::Cluster, 4, true, Severity::Critical);
        check(Goal::Cluster, 5, false, Severity::Medium);
        check(Goal::Node, 1, false, Severity::High);
        check(Goal::Node, 3, false, Severity::Medium);
        check(Goal::Node, 9, true, Severity::Medium);
    }
}
