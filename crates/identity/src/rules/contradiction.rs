//! Rules of which nobody who fits them gets anything.

use std::collections::BTreeMap;
use std::fmt;

use super::{Rule, RuleName, RuleSet, Template};

/// Two rules that fit the same workloads and say otherwise of each of them, so that all of these get nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// One rule.
    pub first: RuleName,
    /// The other.
    pub second: RuleName,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// The same id, and something of it that differs.
    Differ(&'static str),
    /// Two ids with one hint.
    Hint(String),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (&self.first, &self.second);
        write!(
            f,
            "the rules `{first}` and `{second}` fit the same workloads and give "
        )?;
        match &self.what {
            What::Differ(what) => write!(f, "the same id with different {what}")?,
            What::Hint(hint) => write!(f, "two ids with the same hint `{hint}`")?,
        }
        f.write_str(": none of these workloads gets anything; change one of them")
    }
}

impl RuleSet {
    /// Pairs of rules with one selector that can only contradict each other. Others may do so for some workloads.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut alike: BTreeMap<String, Vec<&Rule>> = BTreeMap::new();
        for rule in self.rules() {
            // A rule that stands back where another one gives something contradicts none of those.
            let fits = format!(
                "{:?} {} {:?}",
                rule.name.namespace, rule.fallback, rule.selector
            );
            alike.entry(fits).or_default().push(rule);
        }
        let mut found = Vec::new();
        for rules in alike.values() {
            for (place, first) in rules.iter().enumerate() {
                for second in rules.iter().skip(place + 1) {
                    let what = contradiction(first, second);
                    found.extend(what.map(|what| Contradiction {
                        first: first.name.clone(),
                        second: second.name.clone(),
                        what,
                    }));
                }
            }
        }
        found
    }
}

fn contradiction(a: &Rule, b: &Rule) -> Option<What> {
    if a.id == b.id {
        let names = |rule: &Rule| rule.claims.keys().cloned().collect::<Vec<_>>();
        let differences = [
            (a.lifetime != b.lifetime, "lifetimes"),
            (a.jwt_lifetime != b.jwt_lifetime, "lifetimes of tokens"),
            (a.hint != b.hint, "hints"),
            (a.key_type != b.key_type, "kinds of key"),
            (a.federates_with != b.federates_with, "federated domains"),
            (a.dns_names.len() != b.dns_names.len(), "DNS names"),
            (names(a) != names(b), "claims"),
        ];
        let mut found = differences.into_iter().filter(|(differ, _)| *differ);
        return found.next().map(|(_, what)| What::Differ(what));
    }
    let hint = a.hint.as_ref().filter(|hint| b.hint.as_ref() == Some(hint));
    let hint = hint.filter(|_| never_equal(&a.id, &b.id));
    hint.cloned().map(What::Hint)
}

/// Whether two templates give different texts, whatever they are filled with.
fn never_equal(a: &Template, b: &Template) -> bool {
    fn literal(template: &Template) -> (&str, bool) {
        let text = template.as_str();
        match text.split_once('{') {
            Some((before, _)) => (before, false),
            None => (text, true),
        }
    }
    let ((a, a_is_all), (b, b_is_all)) = (literal(a), literal(b));
    match (a_is_all, b_is_all) {
        (true, true) => a != b,
        _ => !a.starts_with(b) && !b.starts_with(a),
    }
}
