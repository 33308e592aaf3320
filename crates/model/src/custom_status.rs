//! What has become of a custom resource of ours, as its status tells.

use bailiwick_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The status of a custom resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomStatus {
    /// The generation of the object that this is about.
    pub observed_generation: i64,
    /// What is in force of it.
    #[serde(flatten)]
    pub in_force: InForce,
    /// One of the type `Accepted`.
    pub conditions: Vec<CustomCondition>,
}

/// What is in force of a custom resource. Each kind tells one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InForce {
    /// By a name that is the same for the same contents. Missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// By the number of pods that it gives something. Missing where that was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u64>,
}

/// A condition, in the form that is usual in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomCondition {
    /// `Accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` where the object is in force as it says, `False` where it is not.
    pub status: String,
    /// One word for machines.
    pub reason: String,
    /// What is wrong, where, and what is in force instead.
    pub message: String,
    /// The generation of the object that this is about.
    pub observed_generation: i64,
    /// Since when it has been so.
    pub last_transition_time: String,
}

/// Why an object is not in force as it says.
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

impl CustomStatus {
    /// The status of an object of this generation, `now`. A condition that says what it said `before` has been so since
    /// then.
    pub fn new(
        generation: i64,
        in_force: InForce,
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
            in_force,
            conditions: vec![CustomCondition {
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

    /// Its structural schema, with these fields that tell what is in force.
    pub(crate) fn schema(in_force: &Value) -> Value {
        let text = |about: &str| json!({"type": "string", "description": about});
        let generation = json!({
            "type": "integer", "format": "int64", "description": "The generation of the object that this is about.",
        });
        let condition = json!({
            "type": text("`Accepted`."),
            "status": text("`True` where the object is in force as it says, `False` where it is not."),
            "reason": text("One word for machines."),
            "message": text("What is wrong, where, and what is in force instead."),
            "observedGeneration": generation,
            "lastTransitionTime": {
                "type": "string", "format": "date-time", "description": "Since when it has been so.",
            },
        });
        let required: Vec<&String> = condition
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .collect();
        let mut properties = json!({
            "observedGeneration": generation,
            "conditions": {
                "type": "array",
                "description": "One of the type `Accepted`.",
                "items": {"type": "object", "required": required, "properties": condition},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        });
        if let (Some(properties), Some(more)) = (properties.as_object_mut(), in_force.as_object()) {
            properties.extend(more.clone());
        }
        json!({"type": "object", "description": "What has become of it.", "properties": properties})
    }

    fn accepted(&self) -> Option<&CustomCondition> {
        self.conditions.iter().find(|one| one.kind == ACCEPTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(name: &str) -> InForce {
        InForce {
            revision: Some(name.into()),
            pods: None,
        }
    }

    #[test]
    fn the_schema_knows_the_fields() {
        let status = CustomStatus::new(
            1,
            InForce::default(),
            None,
            None,
            Timestamp::from_seconds(1),
        );
        let json = serde_json::to_value(status).unwrap();
        let schema = CustomStatus::schema(&json!({}));
        let check = |value: &Value, properties: &Value| {
            let keys = |value: &Value| {
                value
                    .as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(keys(value), keys(properties));
        };
        check(&json, &schema["properties"]);
        let items = &schema["properties"]["conditions"]["items"];
        check(&json["conditions"][0], &items["properties"]);
        let more = CustomStatus::schema(&json!({"pods": {"type": "integer"}}));
        assert_eq!(more["properties"]["pods"]["type"], "integer");
    }

    #[test]
    fn times_are_those_of_changes_and_no_difference() {
        let at = Timestamp::from_seconds;
        let refusal = Refusal {
            reason: "Invalid",
            message: "x".repeat(2 * LONGEST),
        };
        let good = CustomStatus::new(1, revision("a"), None, None, at(1));
        let again = CustomStatus::new(1, revision("a"), None, None, at(2));
        assert!(good != again && good.says_what(&again));
        let newer = CustomStatus::new(2, revision("b"), None, Some(&good), at(3));
        assert!(!newer.says_what(&good));
        let since = |status: &CustomStatus| status.conditions[0].last_transition_time.clone();
        assert_eq!(since(&newer), since(&good));
        let bad = CustomStatus::new(3, revision("b"), Some(&refusal), Some(&newer), at(4));
        assert_eq!(since(&bad), at(4).to_string());
        assert_eq!(bad.conditions[0].status, "False");
        assert_eq!(bad.conditions[0].message.len(), LONGEST);
        let json = serde_json::to_value(&bad).unwrap();
        assert_eq!(json["conditions"][0]["type"], "Accepted");
        assert_eq!(serde_json::from_value::<CustomStatus>(json).unwrap(), bad);
        // Nothing was written yet.
        let none: CustomStatus = serde_json::from_str("{}").unwrap();
        assert!(!none.says_what(&good));
    }
}
