//! What is right by the rules and still most likely a mistake.

use std::fmt;

use bailiwick_core::{Span, Str};
use cedar_policy_core::ast::{self, Expr, ExprKind, Var};
use cedar_policy_core::validator::ValidationWarning;

use super::check::Checker;
use super::kubernetes::action_group;
use super::policy::Policy;
use super::scope::{Known, Test, What};

/// A policy that most likely does not say what its author means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLint {
    /// Namespace of the policy; empty in the cluster's tier.
    pub namespace: Str,
    /// Its id.
    pub id: Str,
    /// What is odd.
    pub what: Oddity,
    /// The bytes of its conditions, or of the whole policy where it has none.
    pub clause: Span,
}

/// What is odd about a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// It permits whoever asks.
    OverBroad {
        /// Whether it permits everything too.
        everything: bool,
    },
    /// No request can meet it.
    NeverMatches,
    /// Whatever it says, another policy of the same effect says already.
    Shadowed {
        /// The other policy.
        by: Str,
    },
    /// Whatever it permits, another policy forbids.
    Overruled {
        /// The other policy.
        by: Str,
    },
}

impl Oddity {
    /// One word for it, as machines read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OverBroad { .. } => "overBroad",
            Self::NeverMatches => "neverMatches",
            Self::Shadowed { .. } => "shadowed",
            Self::Overruled { .. } => "overruled",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverBroad { everything: true } => f.write_str(
                "permits everybody everything: name a principal, an action or a resource",
            ),
            Self::OverBroad { everything: false } => {
                f.write_str("permits whoever asks, also who is not logged in: name a principal")
            }
            Self::NeverMatches => {
                f.write_str("never applies: what it asks for excludes each other")
            }
            Self::Shadowed { by } => {
                write!(f, "adds nothing: `{by}` says the same of more requests")
            }
            Self::Overruled { by } => {
                write!(f, "permits nothing: `{by}` forbids all of it")
            }
        }
    }
}

/// What is odd about the policies of one tier, in their order.
pub(crate) fn lints(policies: &[&Policy], checker: &Checker) -> Vec<PolicyLint> {
    let mut lints = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        let what = if never_matches(policy, checker) {
            Some(Oddity::NeverMatches)
        } else {
            broad(policy).or_else(|| covered(policy, place, policies))
        };
        lints.extend(what.map(|what| policy.lint(what)));
    }
    lints
}

fn never_matches(policy: &Policy, checker: &Checker) -> bool {
    let tests = policy.scope().tests();
    let pair = |(place, test): (usize, &Test)| {
        let before = tests.get(..place).unwrap_or_default();
        before.iter().any(|other| other.excludes(test))
    };
    tests.iter().enumerate().any(pair) || checker.warns_that_impossible(policy.ast())
}

impl Checker {
    /// Whether Cedar's own check finds that no request meets a policy.
    fn warns_that_impossible(&self, policy: &ast::Policy) -> bool {
        let mut set = ast::PolicySet::new();
        if set.add(policy.clone()).is_err() {
            return false;
        }
        self.warnings(&set).iter().any(|warning| {
            matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_)
                    | ValidationWarning::InvalidActionApplication(_)
            )
        })
    }
}

fn broad(policy: &Policy) -> Option<Oddity> {
    let scope = policy.scope();
    let anybody = !policy.forbids()
        && scope
            .tests()
            .iter()
            .all(|test| test.variable != Var::Principal)
        && !scope
            .rest()
            .iter()
            .any(|rest| mentions(rest, Var::Principal));
    anybody.then(|| Oddity::OverBroad {
        everything: scope.tests().is_empty() && scope.rest().is_empty(),
    })
}

fn mentions(expression: &Expr, variable: Var) -> bool {
    let mut parts = expression.subexpressions();
    parts.any(|part| matches!(part.expr_kind(), ExprKind::Var(found) if *found == variable))
}

/// Another policy whose tests are everything that it asks, and which every request that meets this one passes.
fn covered(policy: &Policy, place: usize, policies: &[&Policy]) -> Option<Oddity> {
    let tests = policy.scope().tests();
    let covers = |other: &Policy| {
        let wanted = other.scope().tests();
        other.scope().rest().is_empty()
            && wanted
                .iter()
                .all(|test| tests.iter().any(|own| own.implies(test)))
    };
    let (mut same, mut over) = (None, None);
    for (number, other) in policies.iter().enumerate() {
        let usable = number != place && covers(other);
        if usable && other.forbids() == policy.forbids() {
            // Of two that say the same, the one that comes later is too many.
            let equal = policy.scope().rest().is_empty()
                && tests.iter().all(|test| {
                    let others = other.scope().tests();
                    others.iter().any(|own| own.implies(test))
                });
            if !equal || number < place {
                same = same.or_else(|| Some(other.id().clone()));
            }
        } else if usable && other.forbids() {
            over = over.or_else(|| Some(other.id().clone()));
        }
    }
    let over = over.map(|by| Oddity::Overruled { by });
    over.or_else(|| same.map(|by| Oddity::Shadowed { by }))
}

impl Test {
    /// Whether every request that passes this test passes the other.
    fn implies(&self, other: &Self) -> bool {
        if self.variable != other.variable {
            return false;
        }
        let each = |holds: &dyn Fn(&Known, &Known) -> bool| {
            let mut own = self.values.iter();
            own.all(|own| other.values.iter().any(|value| holds(own, value)))
        };
        let same = |a: &Known, b: &Known| (&a.kind, &a.text) == (&b.kind, &b.text);
        match (self.what, other.what) {
            (What::Is, What::Is) | (What::Equal, What::Equal) => each(&same),
            (What::In | What::Equal, What::In) => each(&|own, value| {
                let group = (self.variable == Var::Action)
                    .then(|| action_group(&own.text))
                    .flatten();
                same(own, value) || group.is_some_and(|group| value.text == group)
            }),
            (What::Equal, What::Is) => each(&|own, kind| own.kind == kind.text),
            (What::Text { name, .. }, What::Text { name: other, .. }) => {
                name == other && each(&same)
            }
            (What::Text { name, .. } | What::Has { name, .. }, What::Has { name: other, .. }) => {
                name == other
            }
            _ => false,
        }
    }

    /// Whether no request passes both.
    fn excludes(&self, other: &Self) -> bool {
        let comparable = match (self.what, other.what) {
            (What::Is, What::Is) | (What::Equal, What::Equal) => true,
            (What::Text { name, .. }, What::Text { name: other, .. }) => name == other,
            _ => false,
        };
        comparable
            && self.variable == other.variable
            && !self.values.iter().any(|own| {
                let mut values = other.values.iter();
                values.any(|value| (&own.kind, &own.text) == (&value.kind, &value.text))
            })
    }
}
