use bailiwick_core::Str;
use bailiwick_diag::{Finding, Place};
use bailiwick_model::api::{ApiTable, Liveness};
use bailiwick_model::{PolicyRule, Role};

use crate::check::check;
use crate::scan::Scan;
use crate::words::{quoted, ticked};

check! {
    /// A rule names a resource that its groups do not have, or a verb that none of its resources has: the word can match
    /// no request. Most are mistakes, so that somebody lacks a right that the rule was written for: `deployments` in the
    /// core group, `pod` for `pods`, `read` for `get`. Some name what a version of Kubernetes took away.
    ///
    /// The finding is exact for the API of this cluster. Groups that it does not have may come with an extension and are
    /// not reported.
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
    let mut findings = Vec::new();
    for role in scan
        .snapshot
        .roles
        .iter()
        .filter(|role| role.aggregation.is_none())
    {
        for (position, rule) in role.rules.iter().enumerate() {
            if !scan.is_default_rule(role, rule) {
                findings.extend(finding(scan, role, position, rule));
            }
        }
    }
    findings
}

fn finding(scan: &Scan<'_>, role: &Role, position: usize, rule: &PolicyRule) -> Option<Finding> {
    let resources = dead(&rule.resources, |word| {
        let mut liveness = crossed(&rule.api_groups, &rule.verbs, |group, verb| {
            scan.api.liveness(group, word, verb)
        });
        liveness.all(|liveness| liveness == Liveness::UnknownResource)
    });
    let live: Vec<Str> = rule
        .resources
        .iter()
        .filter(|word| !resources.iter().any(|(_, dead)| dead == word))
        .cloned()
        .collect();
    let verbs = dead(&rule.verbs, |word| {
        let mut liveness = crossed(&rule.api_groups, &live, |group, resource| {
            scan.api.liveness(group, resource, word)
        });
        !live.is_empty() && liveness.all(|liveness| liveness == Liveness::UnknownVerb)
    });
    let (field, first) = match (resources.first(), verbs.first()) {
        (Some((first, _)), _) => ("resources", first),
        (None, Some((first, _))) => ("verbs", first),
        (None, None) => return None,
    };
    let mut parts = Vec::new();
    if !resources.is_empty() {
        let groups = ticked(rule.api_groups.iter().map(|group| group_word(group)));
        parts.push(format!(
            "no resource {} in {groups}",
            ticked(resources.iter().map(|(_, word)| word))
        ));
    }
    if !verbs.is_empty() {
        parts.push(format!(
            "no verb {} on {}",
            ticked(verbs.iter().map(|(_, word)| word)),
            ticked(&live)
        ));
    }
    let message = format!(
        "{}: there is {}",
        quoted(&role.object_ref()),
        parts.join(", and ")
    );
    let place = Place::field(
        role.object_ref(),
        format!("/rules/{position}/{field}/{first}"),
    );
    let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
        .at(place)
        .help("correct the word or take it out");
    finding.evidence = resources
        .iter()
        .filter_map(|(_, word)| hint(scan.api, word))
        .collect();
    Some(finding)
}

/// Words of which `is_dead` holds, with their positions. What holds `*` is for `glob-in-rule`.
fn dead(words: &[Str], is_dead: impl Fn(&str) -> bool) -> Vec<(usize, &Str)> {
    let words = words.iter().enumerate();
    words
        .filter(|(_, word)| !word.contains('*') && is_dead(word))
        .collect()
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
