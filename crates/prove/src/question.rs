//! What has to be implied by what, so that one set of policies allows no more than another.

use std::collections::{BTreeMap, HashMap, HashSet};

use bailiwick_pdp::Statement;
use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::CompiledPolicySet;

use crate::{Direction, ProveError};

/// The policies of one tier: what either set has alone, and what both have.
#[derive(Default)]
pub(crate) struct Parts {
    old: Side,
    new: Side,
    both: Side,
}

#[derive(Default)]
struct Side {
    /// As permits, so that what they match is what the set allows.
    forbids: Vec<Policy>,
    permits: Vec<Policy>,
}

/// Whether all that the claims allow is allowed by others; every attempt would do.
pub(crate) struct Question<'a> {
    pub(crate) claims: &'a [Policy],
    pub(crate) attempts: Vec<Attempt<'a>>,
}

/// Others, and what the claims do not reach in any case.
pub(crate) struct Attempt<'a> {
    others: Vec<&'a Policy>,
    forbidden: Vec<&'a Policy>,
}

/// Formulas of policies for requests of one type.
pub(crate) struct Formulas<'a> {
    request: &'a RequestEnv,
    schema: &'a Schema,
    /// Whether there is one, by policy: both directions and every attempt ask it of the same policies.
    known: HashMap<PolicyId, bool>,
}

impl Parts {
    /// The tiers that differ.
    pub(crate) fn by_tier(
        old: &[Statement],
        new: &[Statement],
    ) -> Result<BTreeMap<String, Self>, ProveError> {
        let mut tiers: BTreeMap<String, Self> = BTreeMap::new();
        let mut number = 0;
        let mut put = |statement: &Statement, side: fn(&mut Parts) -> &mut Side| {
            number += 1;
            let parts = tiers.entry(statement.namespace.to_string()).or_default();
            side(parts).add(statement, number)
        };
        let texts =
            |all: &[Statement]| -> Vec<String> { all.iter().map(Statement::text).collect() };
        let (old_texts, new_texts) = (texts(old), texts(new));
        let in_old: HashSet<&String> = old_texts.iter().collect();
        let in_new: HashSet<&String> = new_texts.iter().collect();
        for (statement, text) in old.iter().zip(&old_texts) {
            if in_new.contains(text) {
                put(statement, |parts| &mut parts.both)?;
            } else {
                put(statement, |parts| &mut parts.old)?;
            }
        }
        for (statement, text) in new.iter().zip(&new_texts) {
            if !in_old.contains(text) {
                put(statement, |parts| &mut parts.new)?;
            }
        }
        tiers.retain(|_, parts| !parts.old.is_empty() || !parts.new.is_empty());
        Ok(tiers)
    }

    /// What all has to be implied, so that the new set allows no more, or no less: what one forbids the other does,
    /// and what the other permits, and does not forbid, the one does.
    pub(crate) fn questions(&self, direction: Direction) -> [Question<'_>; 2] {
        // The one whose answers may not be exceeded, and the one that may not exceed them.
        let (bound, bounded) = match direction {
            Direction::More => (&self.old, &self.new),
            Direction::Less => (&self.new, &self.old),
        };
        let forbids = Question {
            claims: &bound.forbids,
            attempts: vec![
                Attempt::of(&[&bounded.forbids], &[]),
                Attempt::of(&[&bounded.forbids, &self.both.forbids], &[]),
            ],
        };
        let permits = Question {
            claims: &bounded.permits,
            attempts: vec![
                Attempt::of(&[&bound.permits], &[]),
                Attempt::of(
                    &[&bound.permits, &self.both.permits],
                    &[&bounded.forbids, &self.both.forbids],
                ),
            ],
        };
        [forbids, permits]
    }
}

impl Side {
    fn is_empty(&self) -> bool {
        self.forbids.is_empty() && self.permits.is_empty()
    }

    fn add(&mut self, statement: &Statement, number: usize) -> Result<(), ProveError> {
        let mut json = statement.policy.clone();
        if let Some(effect) = json.get_mut("effect") {
            *effect = "permit".into();
        }
        let policy = Policy::from_json(Some(PolicyId::new(number.to_string())), json)
            .map_err(|error| ProveError::Input(error.to_string()))?;
        match statement.forbids {
            true => self.forbids.push(policy),
            false => self.permits.push(policy),
        }
        Ok(())
    }
}

impl<'a> Attempt<'a> {
    fn of(others: &[&'a [Policy]], forbidden: &[&'a [Policy]]) -> Self {
        let all = |parts: &[&'a [Policy]]| parts.iter().flat_map(|part| part.iter()).collect();
        Self {
            others: all(others),
            forbidden: all(forbidden),
        }
    }

    /// What has to imply what for requests of a type; `None` where one of the claims has no formula. Others without
    /// one are left out: then less is known to be allowed by them, or to be forbidden, and less is proven.
    pub(crate) fn formulas(
        &self,
        claims: &[Policy],
        formulas: &mut Formulas<'_>,
    ) -> Option<(CompiledPolicySet, CompiledPolicySet)> {
        if !claims.iter().all(|policy| formulas.has(policy)) {
            return None;
        }
        let mut claimed = PolicySet::from_policies(claims.iter().cloned()).ok()?;
        for policy in self.forbidden.iter().filter(|policy| formulas.has(policy)) {
            claimed.add(forbidding(policy)?).ok()?;
        }
        let others = self.others.iter().filter(|policy| formulas.has(policy));
        let others = PolicySet::from_policies(others.map(|policy| (*policy).clone())).ok()?;
        Some((formulas.of(&claimed)?, formulas.of(&others)?))
    }
}

impl<'a> Formulas<'a> {
    pub(crate) fn new(request: &'a RequestEnv, schema: &'a Schema) -> Self {
        Self {
            request,
            schema,
            known: HashMap::new(),
        }
    }

    fn of(&self, policies: &PolicySet) -> Option<CompiledPolicySet> {
        CompiledPolicySet::compile(policies, self.request, self.schema).ok()
    }

    /// Whether a policy has one.
    fn has(&mut self, policy: &Policy) -> bool {
        if let Some(known) = self.known.get(policy.id()) {
            return *known;
        }
        let alone = PolicySet::from_policies([policy.clone()]);
        let has = alone.is_ok_and(|alone| self.of(&alone).is_some());
        self.known.insert(policy.id().clone(), has);
        has
    }
}

fn forbidding(policy: &Policy) -> Option<Policy> {
    let mut json = policy.to_json().ok()?;
    *json.get_mut("effect")? = "forbid".into();
    Policy::from_json(Some(policy.id().clone()), json).ok()
}
