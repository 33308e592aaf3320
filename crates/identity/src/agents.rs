//! Agents of nodes: who was let in, who is about to be, and who was sent away.

use std::collections::BTreeMap;

use bailiwick_audit::{AgentRecord, AgentStep, Proof};
use serde::{Deserialize, Serialize};

use crate::UnixTime;

/// A join token lives no longer, in seconds.
pub const LONGEST_INVITATION: u64 = 600;
/// Join tokens at one time: as many as a Secret has room for.
const MOST_INVITATIONS: usize = 2_000;

/// Who may come in, and who has to go: all replicas of a server go by the same. No secret is in it: of a join token there is
/// its hash alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admissions {
    /// Join tokens that nobody has used, by the SHA-256 of the token in hexadecimal digits.
    invitations: BTreeMap<String, Invitation>,
    /// Certificates of agents of a node count only if they begin later than this.
    evicted: BTreeMap<String, UnixTime>,
}

/// The agents that one server let in: the last one of each node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Agents(BTreeMap<String, Agent>);

/// A join token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The one node that it is for.
    pub node: String,
    /// From when on it is worth nothing.
    pub until: UnixTime,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its SPIFFE ID.
    pub id: String,
    /// What it proved the node with.
    pub by: String,
    /// When it did.
    pub joined: UnixTime,
    /// Until when its certificate counts.
    pub until: UnixTime,
}

impl Admissions {
    /// Remembers a join token. Says whether there is room for it.
    pub fn invite(&mut self, hash: String, node: &str, now: UnixTime, seconds: u64) -> bool {
        self.forget(now);
        if self.invitations.len() >= MOST_INVITATIONS {
            return false;
        }
        let until = now.plus(seconds.min(LONGEST_INVITATION));
        let node = node.to_owned();
        self.invitations.insert(hash, Invitation { node, until });
        true
    }

    /// Whether a join token waits for its agent.
    pub fn is_invited(&self, hash: &str) -> bool {
        self.invitations.contains_key(hash)
    }

    /// Takes a join token away, which is good for one time, and gives the node that it is for.
    pub fn accept(&mut self, hash: &str, now: UnixTime) -> Option<String> {
        let invitation = self.invitations.remove(hash)?;
        (now < invitation.until).then_some(invitation.node)
    }

    /// The certificates that agents of a node have now count no more, and neither do join tokens for it.
    pub fn evict(&mut self, node: &str, now: UnixTime) {
        self.forget(now);
        self.evicted.insert(node.to_owned(), now);
        self.invitations
            .retain(|_, invitation| invitation.node != node);
    }

    /// Whether a join token for a node waits for its agent.
    pub fn is_expected(&self, node: &str, now: UnixTime) -> bool {
        let mut invitations = self.invitations.values();
        invitations.any(|invitation| invitation.node == node && now < invitation.until)
    }

    /// Whether a certificate that begins at `not_before` counts for an agent of a node. Certificates are dated back by
    /// `backdate` seconds.
    pub fn counts(&self, node: &str, not_before: UnixTime, backdate: u64) -> bool {
        let evicted = self.evicted.get(node);
        evicted.is_none_or(|evicted| *evicted < not_before.plus(backdate))
    }

    /// What a person did since an earlier state, for the log.
    pub fn changes(&self, later: &Self) -> Vec<AgentRecord> {
        let record = |node: &String, step| AgentRecord {
            node: node.clone(),
            step,
            by: String::new(),
            proof: Proof::default(),
        };
        let new = later.invitations.iter();
        let new = new.filter(|(hash, _)| !self.invitations.contains_key(*hash));
        let new = new.map(|(_, invitation)| record(&invitation.node, AgentStep::Invited));
        let gone = later.evicted.iter();
        let gone = gone.filter(|(node, at)| self.evicted.get(*node) != Some(at));
        let gone = gone.map(|(node, _)| record(node, AgentStep::Evicted));
        new.chain(gone).collect()
    }

    /// What counts for nothing any more.
    fn forget(&mut self, now: UnixTime) {
        /// No certificate of an agent lives longer, in seconds.
        const DAY: u64 = 24 * 3600;
        self.invitations
            .retain(|_, invitation| now < invitation.until);
        self.evicted.retain(|_, at| now < at.plus(2 * DAY));
    }
}

impl Agents {
    /// An agent has a certificate.
    pub fn admit(&mut self, node: &str, agent: Agent, now: UnixTime) {
        self.0.retain(|_, agent| now < agent.until);
        self.0.insert(node.to_owned(), agent);
    }

    /// The agent of a node has its next certificate.
    pub fn renew(&mut self, node: &str, until: UnixTime) {
        if let Some(agent) = self.0.get_mut(node) {
            agent.until = until;
        }
    }

    /// All agents that have a certificate which counts, by the name of their node.
    pub fn iter<'a>(
        &'a self,
        admissions: &'a Admissions,
        now: UnixTime,
    ) -> impl Iterator<Item = (&'a str, &'a Agent)> {
        let known = self.0.iter().map(|(node, agent)| (node.as_str(), agent));
        known.filter(move |(node, agent)| {
            now < agent.until && admissions.counts(node, agent.joined, 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds)
    }

    #[test]
    fn a_join_token_is_good_once_for_one_node_and_ten_minutes() {
        let mut agents = Admissions::default();
        assert!(agents.invite("h1".into(), "n1", at(100), 9999));
        assert!(agents.invite("h2".into(), "n2", at(100), 60));
        assert_eq!(agents.accept("other", at(101)), None);
        assert!(agents.is_invited("h1"));
        assert_eq!(agents.accept("h1", at(699)), Some("n1".into()));
        assert!(!agents.is_invited("h1"));
        assert_eq!(agents.accept("h1", at(699)), None);
        assert_eq!(agents.accept("h2", at(160)), None);
        assert!(agents.invite("h3".into(), "n1", at(200), 600));
        assert_eq!(agents.accept("h3", at(800)), None);
    }

    #[test]
    fn eviction_ends_what_was_before_it() {
        let mut admissions = Admissions::default();
        let mut agents = Agents::default();
        let agent = Agent {
            id: "spiffe://td/bailiwick/agent/n1/u".into(),
            by: "x".into(),
            joined: at(100),
            until: at(3700),
        };
        agents.admit("n1", agent.clone(), at(100));
        assert_eq!(agents.iter(&admissions, at(110)).count(), 1);
        admissions.invite("h1".into(), "n1", at(100), 60);
        assert!(admissions.counts("n1", at(90), 10));
        let before = admissions.clone();
        admissions.evict("n1", at(110));
        assert!(!admissions.counts("n1", at(90), 10));
        assert!(!admissions.counts("n1", at(100), 10), "of the same second");
        assert!(admissions.counts("n1", at(101), 10), "after it");
        assert!(admissions.counts("n2", at(90), 10));
        assert_eq!(admissions.accept("h1", at(111)), None);
        assert_eq!(agents.iter(&admissions, at(111)).count(), 0);
        let said = before.changes(&admissions);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].step, AgentStep::Evicted);
        let joined = at(120);
        agents.admit("n1", Agent { joined, ..agent }, joined);
        assert_eq!(agents.iter(&admissions, joined).count(), 1);
        assert_eq!(agents.iter(&admissions, at(3700)).count(), 0);
    }
}
