use bailiwick_core::Str;
use bailiwick_diag::{Finding, Place};
use bailiwick_model::{PolicyRule, Role};

use crate::check::check;
use crate::scan::Scan;
use crate::words::{quoted, ticked};

check! {
    /// A request that creates an object by POST, or deletes a collection, names no object. A rule with `resourceNames`
    /// does not match it: `create` and `deletecollection` do nothing there.
    ///
    /// `create` with names does count on subresources such as `pods/exec`, and together with `patch` or `update` on the
    /// same resource, when an object is created by apply or PUT: such rules are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [configmaps]
    ///   resourceNames: [leader]
    ///   verbs: [create, get]       # `create` does nothing
    /// ```
    ///
    /// ## Fix
    ///
    /// - Move `create` into a rule of its own without names.
    ///
    /// See "Using RBAC Authorization", section "Referring to resources", in the Kubernetes documentation.
    "dead-name", "A verb that names make useless", Low
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let rules = scan.written_rules();
    rules
        .filter_map(|(role, position, rule)| finding(role, position, rule))
        .collect()
}

fn finding(role: &Role, position: usize, rule: &PolicyRule) -> Option<Finding> {
    // An empty name matches exactly the requests without one.
    let named =
        !rule.resource_names.is_empty() && rule.resource_names.iter().all(|name| !name.is_empty());
    let plain = !rule.resources.is_empty()
        && rule
            .resources
            .iter()
            .all(|resource| !resource.contains('/') && &**resource != "*");
    if !named || !plain {
        return None;
    }
    let dead: Vec<(usize, &Str)> = rule
        .verbs
        .iter()
        .enumerate()
        .filter(|(_, verb)| match &***verb {
            "deletecollection" => true,
            "create" => !applies(role, rule),
            _ => false,
        })
        .collect();
    let (first, _) = dead.first()?;
    let message = format!(
        "{}: {} on {} does nothing in a rule with names",
        quoted(&role.object_ref()),
        ticked(dead.iter().map(|(_, verb)| verb)),
        ticked(&*rule.resources)
    );
    let place = Place::field(
        role.object_ref(),
        format!("/rules/{position}/verbs/{first}"),
    );
    Some(
        Finding::new(CHECK.id, CHECK.severity, message)
            .at(place)
            .help("move the verb into a rule without names, or take it out"),
    )
}

/// Whether the role also allows to write one of these resources by PATCH or PUT, which can create it.
fn applies(role: &Role, rule: &PolicyRule) -> bool {
    role.rules.iter().any(|own| {
        let writes = own
            .verbs
            .iter()
            .any(|verb| matches!(&**verb, "patch" | "update" | "*"));
        let same = |words: &[Str], own: &[Str]| {
            own.iter().any(|word| &**word == "*") || words.iter().any(|word| own.contains(word))
        };
        writes && same(&rule.resources, &own.resources) && same(&rule.api_groups, &own.api_groups)
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, check};

    #[test]
    fn no_request_names_what_it_creates() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [configmaps], verbs: [get, create], resourceNames: [leader]}",
            ),
            &[
                "low /rules/0/verbs/1: ClusterRole `r`: `create` on `configmaps` does nothing in a rule with names",
            ],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [pods], verbs: [patch, create, deletecollection], resourceNames: [a]}",
            ),
            &[
                "low /rules/0/verbs/2: ClusterRole `r`: `deletecollection` on `pods` does nothing in a rule with names",
            ],
        );
    }

    #[test]
    fn subresources_apply_and_the_empty_name() {
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [pods/exec], verbs: [create], resourceNames: [a]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound(
                "{apiGroups: [''], resources: [pods], verbs: [create, patch], resourceNames: [a]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods], verbs: [create], resourceNames: ['']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods], verbs: [create]}"),
            &[],
        );
    }
}
