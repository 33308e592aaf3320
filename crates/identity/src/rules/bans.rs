use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bailiwick_audit::BanRecord;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::Plan;
use crate::SpiffeId;
use crate::facts::Facts;

/// Who gets nothing, whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// A pod, by its UID.
    Pod(Box<str>),
    /// Every pod on a node, and the agent there, by the name of the node.
    Node(Box<str>),
    /// Whoever the rules would give this identity.
    Id(SpiffeId),
}

/// A text that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` names nobody: write pod:UID, node:NAME or id:SPIFFE-ID")]
pub struct BannedError(String);

impl FromStr for Banned {
    type Err = BannedError;

    fn from_str(text: &str) -> Result<Self, BannedError> {
        let wrong = || BannedError(text.chars().take(200).collect());
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        // Names of nodes and UIDs are at most 253 bytes.
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return Err(wrong());
        }
        match kind {
            "pod" if name.len() <= 253 => Ok(Self::Pod(name.into())),
            "node" if name.len() <= 253 => Ok(Self::Node(name.into())),
            "id" => SpiffeId::parse(name).map(Self::Id).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(uid) => write!(f, "pod:{uid}"),
            Self::Node(name) => write!(f, "node:{name}"),
            Self::Id(id) => write!(f, "id:{id}"),
        }
    }
}

impl Serialize for Banned {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Banned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Everybody who is banned, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bans(BTreeMap<Banned, String>);

impl Bans {
    /// Bans somebody.
    pub fn insert(&mut self, who: Banned, why: &str) {
        self.0.insert(who, why.to_owned());
    }

    /// Lifts a ban. Says whether there was one.
    pub fn remove(&mut self, who: &Banned) -> bool {
        self.0.remove(who).is_some()
    }

    /// Everybody who is banned, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Banned, &str)> {
        self.0.iter().map(|(who, why)| (who, why.as_str()))
    }

    /// The ban of a node.
    pub fn of_node(&self, name: &str) -> Option<&str> {
        self.0.get(&Banned::Node(name.into())).map(String::as_str)
    }

    /// The first ban that keeps a workload from what the rules give it.
    pub(super) fn of(&self, facts: &Facts, plans: &[Plan]) -> Option<(&Banned, &str)> {
        let keeps = |(who, _): &(&Banned, &str)| match (who, &facts.pod) {
            (Banned::Pod(uid), Some(pod)) => **uid == *pod.meta.uid,
            (Banned::Node(name), Some(pod)) => **name == *pod.node.name,
            (Banned::Id(id), _) => plans.iter().any(|plan| plan.id == *id),
            _ => false,
        };
        self.iter().find(keeps)
    }

    /// What is other in later bans, for the log.
    pub fn changes(&self, later: &Self) -> Vec<BanRecord> {
        let lifted = self.0.keys().filter(|who| !later.0.contains_key(*who));
        let lifted = lifted.map(|who| BanRecord {
            who: who.to_string(),
            lifted: true,
            why: String::new(),
        });
        let new = later.iter().filter(|(who, why)| {
            let before = self.0.get(*who);
            before.is_none_or(|before| before != why)
        });
        let new = new.map(|(who, why)| BanRecord {
            who: who.to_string(),
            lifted: false,
            why: why.to_owned(),
        });
        lifted.chain(new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_banned() {
        for text in ["pod:1-2", "node:n1.example", "id:spiffe://td/a"] {
            assert_eq!(text.parse::<Banned>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "pod:",
            "pod",
            "nod:x",
            "id:x",
            "node:a b",
            &format!("pod:{}", "x".repeat(254)),
        ] {
            assert!(text.parse::<Banned>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_log_gets_to_know() {
        let mut before = Bans::default();
        let who = |text: &str| text.parse::<Banned>().unwrap();
        before.insert(who("pod:1"), "a");
        before.insert(who("pod:2"), "b");
        let mut later = before.clone();
        assert_eq!(before.changes(&later), []);
        assert!(later.remove(&who("pod:1")));
        assert!(!later.remove(&who("pod:1")));
        later.insert(who("node:n"), "c");
        let said: Vec<_> = before
            .changes(&later)
            .into_iter()
            .map(|ban| (ban.who, ban.lifted))
            .collect();
        assert_eq!(
            said,
            [("pod:1".to_owned(), true), ("node:n".to_owned(), false)]
        );
        let json = serde_json::to_string(&later).unwrap();
        assert_eq!(serde_json::from_str::<Bans>(&json).unwrap(), later);
    }
}
