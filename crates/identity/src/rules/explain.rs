use std::collections::BTreeMap;

use thiserror::Error;

use super::{Banned, MAX_HINT_BYTES, Plan, RESERVED_PATH, Rule, RuleName, RuleSet};
use crate::SpiffeId;
use crate::facts::Facts;
use crate::x509::DnsName;

/// What the rules say about one workload, rule by rule. This is the decision itself: nothing computes it a second time.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// In the order of the rules.
    pub verdicts: Vec<Verdict>,
    /// The identities, the default one first; or why there is none.
    pub result: Result<Vec<Plan>, Denial>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which rule.
    pub rule: RuleName,
    /// What it says.
    pub outcome: Outcome,
}

/// What a rule says about a workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It gives an identity.
    Gives(Box<Plan>),
    /// It does not fit, for these reasons.
    Differs(Vec<String>),
    /// It fits and gives nothing, for this reason.
    Fails(String),
    /// It fits, but only where no other rule gives anything.
    StandsBack,
}

/// Why a workload has no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Denial {
    /// No rule gives anything.
    #[error("no rule gives it an identity")]
    NoRule,
    /// Two rules give one id in two ways.
    #[error(
        "the rules `{first}` and `{second}` both give `{id}`, with different {difference}: make them agree, or let one of them fit less"
    )]
    Conflict {
        /// One rule.
        first: RuleName,
        /// The other.
        second: RuleName,
        /// What both give.
        id: SpiffeId,
        /// In what they differ.
        difference: &'static str,
    },
    /// Somebody banned it.
    #[error("banned ({who}): {why}")]
    Banned {
        /// By which ban.
        who: Banned,
        /// Why.
        why: String,
    },
    /// Two identities have one hint.
    #[error(
        "the rules `{first}` and `{second}` give identities with the same hint `{hint}`: change one of them"
    )]
    Hint {
        /// One rule.
        first: RuleName,
        /// The other.
        second: RuleName,
        /// The hint of both.
        hint: String,
    },
}

impl RuleSet {
    /// What a workload gets, and what each rule has to do with it.
    pub fn explain(&self, facts: &Facts) -> Explanation {
        let outcome = |rule: &Rule| self.outcome(rule, facts);
        let mut outcomes: Vec<(&Rule, Outcome)> = self
            .rules
            .iter()
            .map(|rule| (rule, outcome(rule)))
            .collect();
        let gives = |(rule, outcome): &(&Rule, Outcome)| {
            !rule.fallback && matches!(outcome, Outcome::Gives(_))
        };
        if outcomes.iter().any(gives) {
            for (rule, outcome) in &mut outcomes {
                if rule.fallback && matches!(outcome, Outcome::Gives(_)) {
                    *outcome = Outcome::StandsBack;
                }
            }
        }
        let plans = outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Gives(plan) => Some(plan.as_ref().clone()),
            _ => None,
        });
        let result = settle(plans.collect()).and_then(|plans| match self.bans.of(facts, &plans) {
            None => Ok(plans),
            Some((who, why)) => Err(Denial::Banned {
                who: who.clone(),
                why: why.to_owned(),
            }),
        });
        let verdicts = outcomes.into_iter().map(|(rule, outcome)| Verdict {
            rule: rule.name.clone(),
            outcome,
        });
        Explanation {
            verdicts: verdicts.collect(),
            result,
        }
    }

    fn outcome(&self, rule: &Rule, facts: &Facts) -> Outcome {
        let mut mismatches = Vec::new();
        // A rule of a namespace never leaves it, whatever it selects.
        if let Some(own) = &rule.name.namespace
            && let Some(pod) = &facts.pod
            && *pod.meta.namespace != **own
        {
            mismatches.push(format!("its namespace is `{}`", pod.meta.namespace));
        }
        mismatches.extend(rule.selector.mismatches(facts));
        if !mismatches.is_empty() {
            mismatches.dedup();
            return Outcome::Differs(mismatches);
        }
        match self.plan(rule, facts) {
            Ok(plan) => Outcome::Gives(Box::new(plan)),
            Err(why) => Outcome::Fails(why),
        }
    }

    fn plan(&self, rule: &Rule, facts: &Facts) -> Result<Plan, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let path = rule.id.render(facts).map_err(|error| text(&error))?;
        let id = self.domain.workload(&path).map_err(|error| text(&error))?;
        if let Some(namespace) = &rule.name.namespace
            && (!path.starts_with(&format!("/ns/{namespace}/")) || facts.pod.is_none())
        {
            return Err(format!(
                "`{path}` is not below /ns/{namespace}/, where this rule belongs"
            ));
        }
        if path.starts_with(RESERVED_PATH) {
            return Err(format!(
                "`{path}`: identities below {RESERVED_PATH} are Bailiwick's own"
            ));
        }
        let mut dns_names = Vec::new();
        for name in &rule.dns_names {
            let name = name.render(facts).map_err(|error| text(&error))?;
            dns_names.push(DnsName::parse(&name).map_err(|error| text(&error))?);
        }
        let mut claims = BTreeMap::new();
        for (name, value) in &rule.claims {
            let value = value.render(facts).map_err(|error| text(&error))?;
            claims.insert(name.clone(), value);
        }
        if rule
            .hint
            .as_ref()
            .is_some_and(|hint| hint.len() > MAX_HINT_BYTES)
        {
            return Err(format!("its hint is longer than {MAX_HINT_BYTES} bytes"));
        }
        Ok(Plan {
            rule: rule.name.clone(),
            id,
            dns_names,
            lifetime: rule.lifetime,
            jwt_lifetime: rule.jwt_lifetime,
            hint: rule.hint.clone(),
            claims,
            key_type: rule.key_type,
            federates_with: rule.federates_with.clone(),
        })
    }
}

/// What rules that agree give together. Two that say the same count once.
fn settle(plans: Vec<Plan>) -> Result<Vec<Plan>, Denial> {
    let mut settled: Vec<Plan> = Vec::new();
    for plan in plans {
        match settled.iter().find(|known| known.id == plan.id) {
            Some(known) => {
                if let Some(difference) = difference(known, &plan) {
                    return Err(Denial::Conflict {
                        first: known.rule.clone(),
                        second: plan.rule,
                        id: plan.id,
                        difference,
                    });
                }
            }
            None => {
                if let Some(known) = settled.iter().find(|known| same_hint(known, &plan)) {
                    return Err(Denial::Hint {
                        first: known.rule.clone(),
                        second: plan.rule,
                        hint: plan.hint.unwrap_or_default(),
                    });
                }
                settled.push(plan);
            }
        }
    }
    if settled.is_empty() {
        return Err(Denial::NoRule);
    }
    Ok(settled)
}

fn same_hint(a: &Plan, b: &Plan) -> bool {
    a.hint.is_some() && a.hint == b.hint
}

fn difference(a: &Plan, b: &Plan) -> Option<&'static str> {
    let differences = [
        (a.dns_names != b.dns_names, "DNS names"),
        (a.lifetime != b.lifetime, "lifetimes"),
        (a.jwt_lifetime != b.jwt_lifetime, "lifetimes of tokens"),
        (a.hint != b.hint, "hints"),
        (a.claims != b.claims, "claims"),
        (a.key_type != b.key_type, "kinds of key"),
        (a.federates_with != b.federates_with, "federated domains"),
    ];
    let found = differences.into_iter().find(|(differ, _)| *differ);
    found.map(|(_, name)| name)
}
