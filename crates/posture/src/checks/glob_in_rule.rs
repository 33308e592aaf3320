use bailiwick_core::Str;
use bailiwick_diag::{Finding, Place};
use bailiwick_model::{PolicyRule, Role};

use crate::check::check;
use crate::scan::Scan;
use crate::words::{quoted, ticked};

check! {
    /// Rules know few wildcards: `*` alone as verb, group or resource, `*/SUBRESOURCE` as resource, and a `*` at the end of
    /// a path. Everywhere else the star is a letter: `pods/*`, `get*`, `*.example.com` and the name `app-*` match what is
    /// spelt so and nothing else. Whoever wrote them meant more.
    ///
    /// Names of signers may end in `/*`, and `authentication.k8s.io` has wildcards of its own; those are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: ["pods/*"]           # no subresource at all
    ///   verbs: [get]
    /// - apiGroups: [""]
    ///   resources: [secrets]
    ///   resourceNames: ["app-*"]        # no Secret can have this name
    ///   verbs: [get]
    /// ```
    ///
    /// ## Fix
    ///
    /// - List what is meant. Names cannot be matched by pattern: put what belongs together into a namespace.
    ///
    /// See "Using RBAC Authorization", section "Referring to resources", in the Kubernetes documentation.
    "glob-in-rule", "A wildcard that is none", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let rules = scan.written_rules();
    rules
        .filter_map(|(role, position, rule)| finding(role, position, rule))
        .collect()
}

fn finding(role: &Role, position: usize, rule: &PolicyRule) -> Option<Finding> {
    if rule
        .api_groups
        .iter()
        .any(|group| &**group == "authentication.k8s.io")
    {
        return None;
    }
    let signers = rule
        .resources
        .iter()
        .any(|resource| &**resource == "signers");
    let mut found = Vec::new();
    let mut look = |field: &str, words: &[Str], literal: &dyn Fn(&str) -> bool| {
        for (number, word) in words.iter().enumerate() {
            if word.contains('*') && literal(word) {
                found.push((format!("{field}/{number}"), word.clone()));
            }
        }
    };
    look("verbs", &rule.verbs, &|word| word != "*");
    look("apiGroups", &rule.api_groups, &|word| word != "*");
    look("resources", &rule.resources, &is_literal_resource);
    look("resourceNames", &rule.resource_names, &|word| {
        !(signers && word.ends_with("/*"))
    });
    look("nonResourceURLs", &rule.non_resource_urls, &|word| {
        word.trim_end_matches('*').contains('*')
    });
    let (field, _) = found.first()?;
    let place = Place::field(role.object_ref(), format!("/rules/{position}/{field}"));
    let message = format!(
        "{}: the star in {} is no wildcard",
        quoted(&role.object_ref()),
        ticked(found.iter().map(|(_, word)| word))
    );
    Some(
        Finding::new(CHECK.id, CHECK.severity, message)
            .at(place)
            .help("list what is meant"),
    )
}

fn is_literal_resource(word: &str) -> bool {
    let any_resource = word
        .strip_prefix("*/")
        .is_some_and(|sub| !sub.contains('*'));
    word != "*" && !any_resource
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, check};

    fn check_rule(rule: &str, at: &str, words: &str) {
        let message =
            format!("low /rules/0/{at}: ClusterRole `r`: the star in {words} is no wildcard");
        check(CHECK, &bound(rule), &[&message]);
    }

    #[test]
    fn stars_that_are_letters() {
        check_rule(
            "{apiGroups: [''], resources: [pods, 'pods/*'], verbs: [get]}",
            "resources/1",
            "`pods/*`",
        );
        check_rule(
            "{apiGroups: [''], resources: ['*/*'], verbs: ['get*']}",
            "verbs/0",
            "`get*` and `*/*`",
        );
        check_rule(
            "{apiGroups: ['*.acme.example'], resources: ['*'], verbs: ['*']}",
            "apiGroups/0",
            "`*.acme.example`",
        );
        check_rule(
            "{apiGroups: [''], resources: [secrets], verbs: [get], resourceNames: ['app-*']}",
            "resourceNames/0",
            "`app-*`",
        );
        check_rule(
            "{nonResourceURLs: [/a/*, /a/*/b], verbs: [get]}",
            "nonResourceURLs/1",
            "`/a/*/b`",
        );
    }

    #[test]
    fn stars_that_are_wildcards() {
        check(
            CHECK,
            &bound("{apiGroups: ['*'], resources: ['*', '*/scale'], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{nonResourceURLs: ['*', '/a/*', '/b**'], verbs: [get]}"),
            &[],
        );
        let signers = "{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [approve], \
                       resourceNames: [acme.example/*]}";
        check(CHECK, &bound(signers), &[]);
    }
}
