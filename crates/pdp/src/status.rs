//! What has become of a document that lies in a cluster, as its status tells.

use bailiwick_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentStatus {
    /// The generation of the document that this is about.
    pub observed_generation: i64,
    /// What of the document is in force, by a name that is the same for the same contents. Missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// One of the type `Accepted`.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<DocumentCondition>,
}

/// A condition, in the form that is usual in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentCondition {
    /// `Accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` where the document is in force as it says, `False` where it is refused.
    pub status: String,
    /// One word for machines.
    pub reason: String,
    /// What is wrong, where, and what is in force instead.
    pub message: String,
    /// The generation of the document that this is about.
    pub observed_generation: i64,
    /// Since when it has been so.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
}

/// Why a document is not in force as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence or more for people.
    pub message: String,
}

const ACCEPTED: &str = "Accepted";
/// The most letters of a message.
const LONGEST: usize = 4_096;

impl DocumentStatus {
    /// The status of a document of this generation, `now`. A condition that says what it said `before` has been so since
    /// then.
    pub fn new(
        generation: i64,
        revision: Option<String>,
        refused: Option<&Refusal>,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let (status, reason, message) = match refused {
            None => ("True", "InForce", String::new()),
            Some(Refusal { reason, message }) => {
                ("False", *reason, message.chars().take(LONGEST).collect())
            }
        };
        let before = before.and_then(Self::accepted);
        let since = before
            .filter(|before| before.status == status && !before.last_transition_time.is_empty())
            .map_or_else(
                || now.to_string(),
                |before| before.last_transition_time.clone(),
            );
        Self {
            observed_generation: generation,
            revision,
            conditions: vec![DocumentCondition {
                kind: ACCEPTED.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message,
                observed_generation: generation,
                last_transition_time: since,
            }],
        }
    }

    /// Whether both say the same, whenever they began to.
    pub fn says_what(&self, other: &Self) -> bool {
        let untimed = |status: &Self| {
            let mut status = status.clone();
            for condition in &mut status.conditions {
                condition.last_transition_time.clear();
            }
            status
        };
        untimed(self) == untimed(other)
    }

    fn accepted(&self) -> Option<&DocumentCondition> {
        self.conditions.iter().find(|one| one.kind == ACCEPTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_changes_and_no_difference() {
        let at = Timestamp::from_seconds;
        let refusal = Refusal {
            reason: "Invalid",
            message: "x".repeat(2 * LONGEST),
        };
        let good = DocumentStatus::new(1, Some("a".into()), None, None, at(1));
        let again = DocumentStatus::new(1, Some("a".into()), None, None, at(2));
        assert!(good != again && good.says_what(&again));
        let newer = DocumentStatus::new(2, Some("b".into()), None, Some(&good), at(3));
        assert!(!newer.says_what(&good));
        let since = |status: &DocumentStatus| status.conditions[0].last_transition_time.clone();
        assert_eq!(since(&newer), since(&good));
        let bad = DocumentStatus::new(3, Some("b".into()), Some(&refusal), Some(&newer), at(4));
        assert_eq!(since(&bad), at(4).to_string());
        assert_eq!(bad.conditions[0].status, "False");
        assert_eq!(bad.conditions[0].message.len(), LONGEST);
        let json = serde_json::to_value(&bad).unwrap();
        assert_eq!(json["conditions"][0]["type"], "Accepted");
        assert_eq!(serde_json::from_value::<DocumentStatus>(json).unwrap(), bad);
        // Nothing was written yet.
        let none: DocumentStatus = serde_json::from_str("{}").unwrap();
        assert!(!none.says_what(&good));
    }
}
