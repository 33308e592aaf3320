//! Covers against upstream's, on pairs of rule lists out of made-up clusters.

use std::collections::BTreeSet;

use bailiwick_model::PolicyRule;
use bailiwick_rbac::covers;
use bailiwick_testkit::generate::{Rng, Wild, manifest, seed};
use bailiwick_testkit::notation::rules;
use bailiwick_testkit::oracle::Oracle;
use serde_json::{Value, json};

const PAIRS: usize = 100_000;

/// After so many pairs the rules come from another cluster.
const ON_ONE_CLUSTER: usize = 2_000;

#[test]
fn every_pair_is_compared_as_upstream_compares_it() {
    let seed = seed(0x00c0_7e25);
    println!("BAILIWICK_SEED={seed}");
    let (mut rng, mut oracle) = (Rng::new(seed), Oracle::start().unwrap());
    let (mut asked, mut covered) = (0, 0);
    while asked < PAIRS {
        let cluster = Wild::default().cluster(rng.bits());
        let rules: Vec<PolicyRule> = cluster
            .roles
            .iter()
            .flat_map(|role| role.rules.iter().cloned())
            .collect();
        for _ in 0..ON_ONE_CLUSTER {
            let (owner, servant) = pair(&mut rng, &rules);
            let ours = covers(&owner, &servant);
            let theirs = oracle.covers(&json(&owner), &json(&servant)).unwrap();
            let context =
                || format!("BAILIWICK_SEED={seed}\nowner {owner:#?}\nservant {servant:#?}");
            assert_eq!(ours.covered, theirs.covered, "{}", context());
            let missing: Vec<Value> = ours.missing.iter().map(manifest::rule).collect();
            assert_eq!(atoms(&missing), atoms(&theirs.uncovered), "{}", context());
            covered += usize::from(ours.covered && !servant.is_empty());
            asked += 1;
        }
    }
    println!("{asked} pairs, {covered} covered, 0 differences");
    let share = covered * 100 / asked;
    assert!(
        (20..=80).contains(&share),
        "{share} % of the pairs are covered"
    );
}

/// What the owner has, what he wants to give, and whether he may.
const TABLE: &str = "
    get,list on pods of '' | get on pods of '' | yes
    get on pods of ''; list on pods of '' | get,list on pods of '' | yes
    get on pods of ''; get on secrets of apps | get on pods,secrets of '',apps | no
    get,list,watch,create,update,patch,delete,deletecollection on pods of '' | * on pods of '' | no
    * on * of * | * on pods/*,*/* of x | yes
    * on * of * | get at /healthz | no
    get on */log of '' | get on pods/log of '' | yes
    get on */log of '' | get on */log of '' | yes
    get on pods/* of '' | get on pods/log of '' | no
    get on pods of '' named a | get on pods of '' | no
    get on pods of '' | get on pods of '' named a | yes
    get on pods of '' named a,b | get on pods of '' named b | yes
    get on pods of '' named * | get on pods of '' named a | no
    get at /foo/* | get at /foo/bar,/foo/ | yes
    get at /foo/* | get at /foo | no
    get at /foo** | get at /foo* | yes
    get on pods of '' | get on pods | yes";

#[test]
fn p17_covers_compares_words_one_combination_at_a_time() {
    let mut oracle = Oracle::start().unwrap();
    for row in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [owner, servant, expected] =
            row.split(" | ").collect::<Vec<_>>().try_into().expect(row);
        let (owner, servant) = (rules(owner), rules(servant));
        assert_eq!(covers(&owner, &servant).covered, expected == "yes", "{row}");
        let theirs = oracle.covers(&json(&owner), &json(&servant)).unwrap();
        assert_eq!(theirs.covered, expected == "yes", "upstream: {row}");
    }
}

/// An owner with some rules, now and then with more than one word of bits; a servant with rules that resemble his.
fn pair(rng: &mut Rng, rules: &[PolicyRule]) -> (Vec<PolicyRule>, Vec<PolicyRule>) {
    let most = if rng.chance(2) { 150 } else { 6 };
    let owner = rng.some(rules, 0, most);
    let servant = (0..rng.below(4)).map(|_| {
        let from = if owner.is_empty() || rng.chance(15) {
            rules
        } else {
            &owner
        };
        let rule = rng.pick(from).clone();
        if rng.chance(50) {
            rule
        } else {
            narrowed(rng, &rule, rules)
        }
    });
    let servant = servant.collect();
    (owner, servant)
}

/// A rule with some words less, and now and then a field of another rule.
fn narrowed(rng: &mut Rng, rule: &PolicyRule, rules: &[PolicyRule]) -> PolicyRule {
    let mut rule = rule.clone();
    let other = rng.pick(rules).clone();
    let own = [
        &mut rule.verbs,
        &mut rule.api_groups,
        &mut rule.resources,
        &mut rule.non_resource_urls,
    ];
    let others = [
        other.verbs,
        other.api_groups,
        other.resources,
        other.non_resource_urls,
    ];
    for (own, other) in own.into_iter().zip(others) {
        if rng.chance(12) {
            *own = other;
        } else if own.len() > 1 && rng.chance(40) {
            *own = own.iter().skip(1).cloned().collect();
        }
    }
    if rng.chance(15) {
        rule.resource_names = other.resource_names;
    }
    rule
}

fn json(rules: &[PolicyRule]) -> Value {
    rules.iter().map(manifest::rule).collect()
}

/// Every combination that rules hold.
fn atoms(rules: &[Value]) -> BTreeSet<String> {
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut atoms = BTreeSet::new();
    for rule in rules {
        let names = words(rule, "resourceNames");
        for verb in words(rule, "verbs") {
            for url in words(rule, "nonResourceURLs") {
                atoms.insert(json!([verb, url]).to_string());
            }
            for group in words(rule, "apiGroups") {
                for resource in words(rule, "resources") {
                    if names.is_empty() {
                        atoms.insert(json!([verb, group, resource]).to_string());
                    }
                    for name in &names {
                        atoms.insert(json!([verb, group, resource, name]).to_string());
                    }
                }
            }
        }
    }
    atoms
}
