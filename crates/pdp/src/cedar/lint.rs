//! What is right by the rules and still most likely a mistake.

use std::collections::BTreeSet;
use std::fmt;

use bailiwick_core::{Span, Str};
use cedar_policy_core::ast::{self, Expr, ExprKind, Var};
use cedar_policy_core::validator::ValidationWarning;
use hashbrown::HashMap;

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
    let coverers = Coverers::of(policies);
    let mut lints = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        let what = if never_matches(policy, checker) {
            Some(Oddity::NeverMatches)
        } else {
            broad(policy).or_else(|| covered(policy, place, policies, &coverers))
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
fn covered(
    policy: &Policy,
    place: usize,
    policies: &[&Policy],
    coverers: &Coverers<'_>,
) -> Option<Oddity> {
    let tests = policy.scope().tests();
    let covers = |other: &Policy| {
        let mut wanted = other.scope().tests().iter();
        wanted.all(|test| tests.iter().any(|own| own.implies(test)))
    };
    let (mut same, mut over) = (None, None);
    for number in coverers.of_tests(tests) {
        let Some(other) = policies.get(number) else {
            continue;
        };
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

/// Policies that ask nothing but tests, by the test of each that the fewest share: one of them covers another policy
/// only if a test of that one implies it. So that ten thousand policies are not compared with each other.
struct Coverers<'p> {
    by_key: HashMap<Key<'p>, Vec<usize>>,
    /// Those without tests.
    of_all: Vec<usize>,
}

/// What a test asks of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'p> {
    variable: Var,
    asked: Asked<'p>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Asked<'p> {
    Is(&'p str),
    Equal(&'p str, &'p str),
    In(&'p str, &'p str),
    Has(u64),
    Text(u64, &'p str),
}

impl<'p> Coverers<'p> {
    fn of(policies: &[&'p Policy]) -> Self {
        let plain = || {
            let numbered = policies.iter().enumerate();
            numbered.filter(|(_, policy)| policy.scope().rest().is_empty())
        };
        let mut shared: HashMap<Key<'_>, usize> = HashMap::new();
        for (_, policy) in plain() {
            for key in policy.scope().tests().iter().flat_map(Test::asked) {
                *shared.entry(key).or_default() += 1;
            }
        }
        let mut made = Self {
            by_key: HashMap::new(),
            of_all: Vec::new(),
        };
        let most = |test: &&Test| {
            test.asked()
                .iter()
                .filter_map(|key| shared.get(key))
                .max()
                .copied()
        };
        for (number, policy) in plain() {
            match policy.scope().tests().iter().min_by_key(most) {
                Some(test) => {
                    for key in test.asked() {
                        made.by_key.entry(key).or_default().push(number);
                    }
                }
                None => made.of_all.push(number),
            }
        }
        made
    }

    /// Those that may cover a policy with these tests, in their order.
    fn of_tests(&self, tests: &[Test]) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = self.of_all.iter().copied().collect();
        for key in tests.iter().flat_map(Test::implied) {
            found.extend(self.by_key.get(&key).into_iter().flatten());
        }
        // What nothing can pass implies everything.
        if tests.iter().any(Test::passes_nothing) {
            found.extend(self.by_key.values().flatten());
        }
        found
    }
}

impl Test {
    /// What it asks, by each of its values.
    fn asked(&self) -> Vec<Key<'_>> {
        let key = |asked| Key {
            variable: self.variable,
            asked,
        };
        let values = self.values.iter();
        match self.what {
            What::Is => values.map(|one| key(Asked::Is(&one.text))).collect(),
            What::Equal => values
                .map(|one| key(Asked::Equal(&one.kind, &one.text)))
                .collect(),
            What::In => values
                .map(|one| key(Asked::In(&one.kind, &one.text)))
                .collect(),
            What::Has { name, .. } => vec![key(Asked::Has(name))],
            What::Text { name, .. } => values
                .map(|one| key(Asked::Text(name, &one.text)))
                .collect(),
        }
    }

    /// Keys of the tests that it implies: at least one of each, by its first value.
    fn implied(&self) -> Vec<Key<'_>> {
        let key = |asked| Key {
            variable: self.variable,
            asked,
        };
        let Some(one) = self.values.first() else {
            return self.asked();
        };
        let group = (self.variable == Var::Action)
            .then(|| action_group(&one.text))
            .flatten();
        let within = || {
            let group = group.map(|group| key(Asked::In(&one.kind, group)));
            [Some(key(Asked::In(&one.kind, &one.text))), group]
        };
        let keys: Vec<Option<Key<'_>>> = match self.what {
            What::Is => vec![Some(key(Asked::Is(&one.text)))],
            What::Equal => {
                let mut keys = vec![
                    Some(key(Asked::Equal(&one.kind, &one.text))),
                    Some(key(Asked::Is(&one.kind))),
                ];
                keys.extend(within());
                keys
            }
            What::In => within().into(),
            What::Has { name, .. } => vec![Some(key(Asked::Has(name)))],
            What::Text { name, .. } => {
                vec![
                    Some(key(Asked::Text(name, &one.text))),
                    Some(key(Asked::Has(name))),
                ]
            }
        };
        keys.into_iter().flatten().collect()
    }

    fn passes_nothing(&self) -> bool {
        self.values.is_empty() && !matches!(self.what, What::Has { .. })
    }

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
