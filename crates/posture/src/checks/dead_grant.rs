use bailiwick_core::Str;
use bailiwick_diag::{Finding, Place};
use bailiwick_model::api::{ApiTable, Liveness};
use bailiwick_model::{PolicyRule, Role};

use crate::check::check;
use crate::rights::{MOST_COMBINATIONS, combinations};
use crate::scan::Scan;
use crate::words::{quoted, ticked};

check! {
    /// A rule names a resource that its groups do not have, or a verb that none of its resources has: the word can match
    /// no request. Most are mistakes, so that somebody lacks a right that the rule was written for: `deployments` in the
    /// core group, `pod` for `pods`, `read` for `get`. Some name what a version of Kubernetes took away.
    ///
    /// The finding is exact for the API of this cluster. Groups that it does not have may come with an extension and are
    /// not reported, unless they have no dot, as `core`: groups of custom resources have one. The core group is written
    /// `""`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [pods, deployments]   # Deployments are in the group `apps`
    ///   verbs: [get, read]               # there is no verb `read`
    /// ```
    ///
    /// ## Fix
    ///
    /// - Correct the word or take it out. `kubectl api-resources -o wide` lists groups, resources and verbs.
    ///
    /// See "Using RBAC Authorization", section "Referring to resources", in the Kubernetes documentation.
    "dead-grant", "A rule that can match no request", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let rules = scan.written_rules();
    rules
        .filter_map(|(role, position, rule)| finding(scan, role, position, rule))
        .collect()
}

/// Words of a rule that match nothing, with their positions.
struct Dead<'a> {
    groups: Vec<(usize, &'a Str)>,
    resources: Vec<(usize, &'a Str)>,
    verbs: Vec<(usize, &'a Str)>,
    /// The resources that are there.
    live: Vec<Str>,
}

impl<'a> Dead<'a> {
    fn of(rule: &'a PolicyRule, api: &ApiTable) -> Self {
        let ask = |group: &str, resource: &str, verb: &str| api.liveness(group, resource, verb);
        let resources = dead(&rule.resources, |word| {
            let found = crossed(&rule.api_groups, &rule.verbs, |group, verb| {
                ask(group, word, verb)
            });
            only(Liveness::UnknownResource, found)
        });
        let is_live = |word: &&Str| !resources.iter().any(|(_, dead)| dead == word);
        let live: Vec<Str> = rule.resources.iter().filter(is_live).cloned().collect();
        let verbs = dead(&rule.verbs, |word| {
            let found = crossed(&rule.api_groups, &live, |group, resource| {
                ask(group, resource, word)
            });
            !live.is_empty() && only(Liveness::UnknownVerb, found)
        });
        let groups = dead(&rule.api_groups, |word| {
            let found = crossed(&rule.resources, &rule.verbs, |resource, verb| {
                ask(word, resource, verb)
            });
            !word.is_empty() && !word.contains('.') && only(Liveness::UnknownGroup, found)
        });
        Self {
            groups,
            resources,
            verbs,
            live,
        }
    }

    /// The field of the first of them.
    fn field(&self) -> Option<String> {
        let lists = [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("verbs", &self.verbs),
        ];
        lists
            .iter()
            .find_map(|(field, words)| words.first().map(|(first, _)| format!("{field}/{first}")))
    }

    fn words(&self, rule: &PolicyRule) -> String {
        let words = |list: &[(usize, &Str)]| ticked(list.iter().map(|(_, word)| word));
        let mut parts = Vec::new();
        if !self.groups.is_empty() {
            parts.push(format!("no group {}", words(&self.groups)));
        }
        if !self.resources.is_empty() {
            let groups = ticked(rule.api_groups.iter().map(|group| group_word(group)));
            parts.push(format!(
                "no resource {} in {groups}",
                words(&self.resources)
            ));
        }
        if !self.verbs.is_empty() {
            parts.push(format!(
                "no verb {} on {}",
                words(&self.verbs),
                ticked(&self.live)
            ));
        }
        parts.join(", and ")
    }
}

fn finding(scan: &Scan<'_>, role: &Role, position: usize, rule: &PolicyRule) -> Option<Finding> {
    let lists = [&rule.api_groups, &rule.resources, &rule.verbs];
    if lists.iter().any(|list| list.is_empty()) || combinations(rule) > MOST_COMBINATIONS {
        return None;
    }
    let dead = Dead::of(rule, scan.api);
    let field = dead.field()?;
    let object = role.object_ref();
    let message = format!("{}: there is {}", quoted(&object), dead.words(rule));
    let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
        .at(Place::field(object, format!("/rules/{position}/{field}")))
        .help("correct the word or take it out");
    if dead.groups.iter().any(|(_, word)| &***word == "core") {
        finding = finding.because("the core group is written `\"\"`");
    }
    if dead
        .verbs
        .iter()
        .any(|(_, word)| word.contains(char::is_uppercase))
    {
        finding =
            finding.because("verbs are compared letter by letter and are written in lower case");
    }
    let hints = dead
        .resources
        .iter()
        .filter_map(|(_, word)| hint(scan.api, word));
    finding.evidence.extend(hints);
    Some(finding)
}

/// Words of which `is_dead` holds, with their positions. What holds `*` is for `glob-in-rule`.
fn dead(words: &[Str], is_dead: impl Fn(&str) -> bool) -> Vec<(usize, &Str)> {
    let words = words.iter().enumerate();
    words
        .filter(|(_, word)| !word.contains('*') && is_dead(word))
        .collect()
}

fn only(expected: Liveness, mut found: impl Iterator<Item = Liveness>) -> bool {
    found.all(|liveness| liveness == expected)
}

fn crossed<'a>(
    first: &'a [Str],
    second: &'a [Str],
    ask: impl Fn(&str, &str) -> Liveness + 'a,
) -> impl Iterator<Item = Liveness> + 'a {
    let pairs = first
        .iter()
        .flat_map(move |one| second.iter().map(move |two| (one, two)));
    pairs.map(move |(one, two)| ask(one, two))
}

fn group_word(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

/// What was meant, where the API has something of that name elsewhere or close to it.
fn hint(api: &ApiTable, word: &str) -> Option<String> {
    let (name, sub) = word.split_once('/').unwrap_or((word, ""));
    let sub = if sub.is_empty() {
        String::new()
    } else {
        format!("/{sub}")
    };
    if let Some(own) = api
        .resources()
        .iter()
        .find(|resource| *resource.resource == *name)
    {
        let serves = sub.is_empty()
            || own
                .subresources
                .iter()
                .any(|s| sub.strip_prefix('/') == Some(&*s.name));
        return serves
            .then(|| format!("`{name}{sub}` is in the group `{}`", group_word(&own.group)));
    }
    match api.resolve(name) {
        Ok(resolved) => Some(format!(
            "`{name}` may mean `{}{sub}` of the group `{}`",
            resolved.resource.resource,
            group_word(&resolved.resource.group)
        )),
        Err(unknown) => unknown
            .suggestions
            .first()
            .map(|near| format!("`{name}` may mean `{near}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, check, found, snapshot};

    #[test]
    fn words_that_match_nothing() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [pods, deployments, pods/logs], verbs: [get, read]}",
            ),
            &[
                "low /rules/0/resources/1: ClusterRole `r`: there is no resource `deployments` and `pods/logs` in `core`, \
               and no verb `read` on `pods`",
            ],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods/log], verbs: [get, delete]}"),
            &["low /rules/0/verbs/1: ClusterRole `r`: there is no verb `delete` on `pods/log`"],
        );
    }

    #[test]
    fn what_was_meant_is_evidence() {
        let manifests = bound("{apiGroups: [''], resources: [deployments, pod], verbs: [get]}");
        let findings = found(CHECK, snapshot(&manifests));
        assert_eq!(
            findings[0].evidence,
            [
                "`deployments` is in the group `apps`",
                "`pod` may mean `pods` of the group `core`"
            ]
        );
    }

    #[test]
    fn groups_without_a_dot_are_built_in_or_not_there() {
        check(
            CHECK,
            &bound("{apiGroups: [core, apps], resources: [pods, deployments], verbs: [get]}"),
            &["low /rules/0/apiGroups/0: ClusterRole `r`: there is no group `core`"],
        );
    }

    #[test]
    fn a_rule_of_a_million_combinations_is_left_alone() {
        let words = |start: char| {
            (0..100)
                .map(|n| format!("{start}{n}, "))
                .collect::<String>()
        };
        let rule = format!(
            "{{apiGroups: [{}], resources: [{}], verbs: [{}]}}",
            words('g'),
            words('r'),
            words('v')
        );
        check(CHECK, &bound(&rule), &[]);
    }

    #[test]
    fn live_in_one_group_is_live() {
        check(
            CHECK,
            &bound("{apiGroups: ['', apps], resources: [pods, deployments], verbs: [get, patch]}"),
            &[],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [extensions, networking.k8s.io], resources: [ingresses], verbs: [get]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [acme.example], resources: [widgets], verbs: [polish]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [users], verbs: [impersonate]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: ['pods/*', '*'], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{nonResourceURLs: [/metrics], verbs: [get]}"),
            &[],
        );
    }
}
