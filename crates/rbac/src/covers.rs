//! Whether one set of rules allows all that another does, as the API server asks before it lets somebody write a
//! role or binding (`k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`).
//!
//! The comparison is of words, not of meaning: each combination of group, resource, verb and name (or of URL and
//! verb) has to be covered by one rule of the owner. Listing every verb does not cover `*`, and a rule with names
//! never covers one without.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use bailiwick_core::Str;
use bailiwick_model::PolicyRule;

/// Combinations that are compared at most. A rule holds that many only if it is made to; what is beyond counts as
/// not covered.
const MOST_ATOMS: usize = 1 << 20;

/// Whether rules cover others, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Whether nothing is missing.
    pub covered: bool,
    /// What the owner does not have, sorted: the verbs of each group, resource and name in one rule, and a rule for
    /// each verb of a URL. That is how the API server words it.
    pub missing: Vec<PolicyRule>,
    /// Whether there was too much to compare. `missing` then holds whole rules that may be covered in part.
    pub too_large: bool,
}

/// Compares the rules that somebody has with those that he wants to give.
pub fn covers(owner: &[impl Borrow<PolicyRule>], servant: &[PolicyRule]) -> Coverage {
    let owner: Vec<Owner<'_>> = owner.chunks(64).map(Owner::new).collect();
    // One rule of the owner that covers a whole rule covers each of its combinations. This answers most cases, those
    // of `*` among them, without taking the rule apart.
    let open = servant
        .iter()
        .filter(|rule| !owner.iter().any(|own| own.covers_whole(rule)));
    let (mut missing, mut large, mut room) = (Vec::new(), Vec::new(), MOST_ATOMS);
    for rule in open {
        match room.checked_sub(atom_count(rule)) {
            Some(left) => {
                room = left;
                missing.extend(
                    Atom::of(rule).filter(|atom| !owner.iter().any(|own| own.covers(atom))),
                );
            }
            None => large.push(rule.clone()),
        }
    }
    let too_large = !large.is_empty();
    let mut missing = compact(&missing);
    missing.append(&mut large);
    missing.sort();
    Coverage {
        covered: missing.is_empty(),
        missing,
        too_large,
    }
}

/// The smallest thing that a rule allows.
#[derive(Clone, Copy)]
enum Atom<'a> {
    Resource {
        group: &'a Str,
        resource: &'a Str,
        verb: &'a Str,
        name: Option<&'a Str>,
    },
    Url {
        url: &'a Str,
        verb: &'a Str,
    },
}

impl<'a> Atom<'a> {
    fn of(rule: &'a PolicyRule) -> impl Iterator<Item = Self> {
        let names = || {
            let unnamed = rule.resource_names.is_empty().then_some(None);
            unnamed
                .into_iter()
                .chain(rule.resource_names.iter().map(Some))
        };
        let resources = rule.api_groups.iter().flat_map(move |group| {
            rule.resources.iter().flat_map(move |resource| {
                rule.verbs.iter().flat_map(move |verb| {
                    names().map(move |name| Atom::Resource {
                        group,
                        resource,
                        verb,
                        name,
                    })
                })
            })
        });
        let urls = rule
            .non_resource_urls
            .iter()
            .flat_map(move |url| rule.verbs.iter().map(move |verb| Atom::Url { url, verb }));
        resources.chain(urls)
    }
}

fn atom_count(rule: &PolicyRule) -> usize {
    let product = |counts: &[usize]| {
        counts
            .iter()
            .fold(1, |all: usize, &n| all.saturating_mul(n))
    };
    let verbs = rule.verbs.len();
    let resources = [
        rule.api_groups.len(),
        rule.resources.len(),
        rule.resource_names.len().max(1),
        verbs,
    ];
    product(&resources).saturating_add(product(&[rule.non_resource_urls.len(), verbs]))
}

/// At most 64 rules of the owner. Each word maps to the rules that have it, one bit a rule.
#[derive(Default)]
struct Owner<'a> {
    groups: Words<'a>,
    resources: Words<'a>,
    verbs: Words<'a>,
    names: Words<'a>,
    urls: Words<'a>,
    /// What URLs that end in `*` begin with.
    url_prefixes: Words<'a>,
    prefix_lengths: BTreeSet<usize>,
    unnamed: u64,
}

#[derive(Default)]
struct Words<'a>(HashMap<&'a str, u64>);

impl<'a> Words<'a> {
    fn add(&mut self, words: impl IntoIterator<Item = &'a str>, bit: u64) {
        for word in words {
            *self.0.entry(word).or_default() |= bit;
        }
    }

    fn with(&self, word: &str) -> u64 {
        self.0.get(word).copied().unwrap_or_default()
    }

    fn with_or_star(&self, word: &str) -> u64 {
        self.with("*") | self.with(word)
    }
}

impl<'a> Owner<'a> {
    fn new(rules: &'a [impl Borrow<PolicyRule>]) -> Self {
        let mut owner = Self::default();
        for (position, rule) in rules.iter().enumerate() {
            let (bit, rule) = (1 << position, rule.borrow());
            let words = |words: &'a [Str]| words.iter().map(|word| &**word);
            owner.groups.add(words(&rule.api_groups), bit);
            owner.resources.add(words(&rule.resources), bit);
            owner.verbs.add(words(&rule.verbs), bit);
            owner.names.add(words(&rule.resource_names), bit);
            owner.urls.add(words(&rule.non_resource_urls), bit);
            // All stars at the end count as one.
            let patterns = words(&rule.non_resource_urls).filter(|url| url.ends_with('*'));
            let prefixes = patterns.map(|url| url.trim_end_matches('*'));
            owner.prefix_lengths.extend(prefixes.clone().map(str::len));
            owner.url_prefixes.add(prefixes, bit);
            if rule.resource_names.is_empty() {
                owner.unnamed |= bit;
            }
        }
        owner
    }

    fn covers(&self, atom: &Atom<'_>) -> bool {
        let rules = match *atom {
            Atom::Resource {
                group,
                resource,
                verb,
                name,
            } => {
                let names = name.map_or(0, |name| self.names.with(name)) | self.unnamed;
                self.groups.with_or_star(group)
                    & self.resource(resource)
                    & self.verbs.with_or_star(verb)
                    & names
            }
            // A URL has no name, so that a rule with names does not cover it, even where it lists the URL.
            Atom::Url { url, verb } => self.url(url) & self.verbs.with_or_star(verb) & self.unnamed,
        };
        rules != 0
    }

    /// Whether one rule covers every combination of `rule`.
    fn covers_whole(&self, rule: &PolicyRule) -> bool {
        let all = |words: &[Str], with: &dyn Fn(&str) -> u64| {
            words
                .iter()
                .fold(u64::MAX, |rules, word| rules & with(word))
        };
        let named = match (
            rule.resource_names.is_empty(),
            rule.non_resource_urls.is_empty(),
        ) {
            (false, true) => all(&rule.resource_names, &|name| self.names.with(name)),
            _ => 0,
        };
        let rules = (named | self.unnamed)
            & all(&rule.verbs, &|verb| self.verbs.with_or_star(verb))
            & all(&rule.api_groups, &|group| self.groups.with_or_star(group))
            & all(&rule.resources, &|resource| self.resource(resource))
            & all(&rule.non_resource_urls, &|url| self.url(url));
        rules != 0
    }

    fn resource(&self, resource: &str) -> u64 {
        let any = match resource.split_once('/') {
            Some((_, subresource)) => self.resources.with(&format!("*/{subresource}")),
            None => 0,
        };
        self.resources.with_or_star(resource) | any
    }

    fn url(&self, url: &str) -> u64 {
        let starts = self
            .prefix_lengths
            .iter()
            .filter_map(|&length| url.get(..length));
        starts.fold(self.urls.with(url), |rules, start| {
            rules | self.url_prefixes.with(start)
        })
    }
}

/// Joins the verbs of what is otherwise the same.
fn compact(atoms: &[Atom<'_>]) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    let mut verbs: HashMap<_, (usize, Vec<Str>)> = HashMap::new();
    for atom in atoms {
        match *atom {
            Atom::Url { url, verb } => rules.push(PolicyRule {
                verbs: [verb.clone()].into(),
                non_resource_urls: [url.clone()].into(),
                ..PolicyRule::default()
            }),
            Atom::Resource {
                group,
                resource,
                verb,
                name,
            } => {
                let (_, verbs) = verbs.entry((group, resource, name)).or_insert_with(|| {
                    rules.push(PolicyRule {
                        api_groups: [group.clone()].into(),
                        resources: [resource.clone()].into(),
                        resource_names: name.cloned().into_iter().collect(),
                        ..PolicyRule::default()
                    });
                    (rules.len() - 1, Vec::new())
                });
                verbs.push(verb.clone());
            }
        }
    }
    for (position, mut verbs) in verbs.into_values() {
        let mut seen = HashSet::new();
        verbs.retain(|verb| seen.insert(verb.clone()));
        if let Some(rule) = rules.get_mut(position) {
            rule.verbs = verbs.into();
        }
    }
    rules.sort();
    rules.dedup();
    rules
}

/// A rule worded as the API server words it when it refuses to give it away:
/// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` (`pkg/apis/rbac/v1/evaluation_helpers.go`).
pub struct Compact<'a>(pub &'a PolicyRule);

impl fmt::Display for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.0;
        let parts = [
            ("APIGroups", &rule.api_groups),
            ("Resources", &rule.resources),
            ("NonResourceURLs", &rule.non_resource_urls),
            ("ResourceNames", &rule.resource_names),
            ("Verbs", &rule.verbs),
        ];
        f.write_str("{")?;
        for (position, (name, words)) in parts
            .iter()
            .filter(|(_, words)| !words.is_empty())
            .enumerate()
        {
            let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            write!(
                f,
                "{}{name}:[{}]",
                if position > 0 { ", " } else { "" },
                words.join(" ")
            )?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_testkit::notation::rules;

    use super::*;

    fn check(owner: &str, servant: &str, missing: &[&str]) {
        let coverage = covers(&rules(owner), &rules(servant));
        let shown: Vec<String> = coverage
            .missing
            .iter()
            .map(|rule| Compact(rule).to_string())
            .collect();
        assert_eq!(shown, missing, "{owner:?} covers {servant:?}");
        assert_eq!(coverage.covered, missing.is_empty());
        assert!(!coverage.too_large);
    }

    #[test]
    fn wildcards_cover_what_is_below_them() {
        check(
            "* on * of *",
            "get,list on pods,pods/log of '',apps named a,b",
            &[],
        );
        check("* on * of *", "* on */* of *", &[]);
        check("get on */log of ''", "get on pods/log of ''", &[]);
        check("* at /a/*", "get,post at /a/b,/a/", &[]);
        check("get at *", "get at /,*,/a*", &[]);
        check("get at /a**", "get at /a*", &[]);
    }

    #[test]
    fn lists_do_not_cover_wildcards() {
        check(
            "get,list,watch,create,update,patch,delete,deletecollection on pods of ''",
            "* on pods of ''",
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["*"]}"#],
        );
        check(
            "get on pods/* of ''",
            "get on pods/log of ''",
            &[r#"{APIGroups:[""], Resources:["pods/log"], Verbs:["get"]}"#],
        );
        check(
            "get on */log of ''",
            "get on pods of ''",
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#],
        );
        check(
            "get at /a/*",
            "get at /a",
            &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#],
        );
        check(
            "* on * of *",
            "get at /a",
            &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#],
        );
    }

    #[test]
    fn each_combination_needs_one_rule() {
        check(
            "get on pods of ''; get on secrets of apps",
            "get on pods,secrets of '',apps",
            &[
                r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}"#,
                r#"{APIGroups:["apps"], Resources:["pods"], Verbs:["get"]}"#,
            ],
        );
        check(
            "get on pods of ''; list on pods of ''",
            "list,get on pods of ''",
            &[],
        );
        check(
            "",
            "get,list on pods of ''; list,watch on pods of ''",
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list" "watch"]}"#],
        );
    }

    #[test]
    fn names_never_cover_no_name() {
        check(
            "get on pods of '' named a,b",
            "get on pods of '' named a",
            &[],
        );
        check("get on pods of ''", "get on pods of '' named a,''", &[]);
        check(
            "get on pods of '' named a",
            "get on pods of ''",
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#],
        );
        check(
            "get on pods of '' named a",
            "get on pods of '' named a,''",
            &[r#"{APIGroups:[""], Resources:["pods"], ResourceNames:[""], Verbs:["get"]}"#],
        );
        // A rule with a URL and names is refused by the API server, but the comparison knows it.
        check(
            "get at /a named x",
            "get at /a",
            &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#],
        );
        check(
            "get at /a named x",
            "get at /a named x",
            &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#],
        );
        check("get at /a", "get at /a named x", &[]);
    }

    #[test]
    fn a_rule_without_a_group_or_verb_allows_nothing() {
        check("", "get on pods", &[]);
        check("", ", on pods of ''", &[]);
        check("", "", &[]);
    }

    #[test]
    fn more_than_64_rules() {
        let owner: String = (0..200).map(|n| format!("get on r{n} of '';")).collect();
        check(&owner, "get on r0,r63,r64,r199 of ''", &[]);
        check(
            &owner,
            "get on r0,r200 of ''",
            &[r#"{APIGroups:[""], Resources:["r200"], Verbs:["get"]}"#],
        );
    }

    #[test]
    fn a_rule_that_explodes_is_not_covered() {
        let many = |prefix: &str| {
            (0..2_000)
                .map(|n| format!("{prefix}{n}").into())
                .collect::<Box<[Str]>>()
        };
        let bomb = PolicyRule {
            api_groups: many("g"),
            resources: many("r"),
            verbs: many("v"),
            ..PolicyRule::default()
        };
        let coverage = covers(&rules("get on pods of ''"), std::slice::from_ref(&bomb));
        assert_eq!(
            coverage,
            Coverage {
                covered: false,
                missing: vec![bomb.clone()],
                too_large: true
            }
        );
        assert!(covers(&rules("* on * of *"), &[bomb]).covered);
    }
}
