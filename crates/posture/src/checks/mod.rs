//! The checks, one a file.

use crate::check::Check;

mod admission_write;
mod aggregation_drift;
mod aggregation_escalation;
mod anonymous_access;
mod bind_grant;
mod csr_approve;
mod dangling_role;
mod dangling_service_account;
mod dead_grant;
mod dead_name;
mod dead_scope;
mod default_changed;
mod default_service_account;
mod duplicate_binding;
mod empty_binding;
mod escalate_grant;
mod everyone_access;
mod full_control;
mod glob_in_rule;
mod impersonate_grant;
mod legacy_token;
mod masters_binding;
mod namespace_takeover;
mod namespace_write;
mod nodes_proxy;
mod path_to_cluster;
mod path_to_node;
mod persistent_volume_create;
mod pod_exec;
mod secrets_echo;
mod secrets_read;
mod token_create;
mod unused_role;
mod unused_token;
mod wildcard_groups;
mod wildcard_resources;
mod wildcard_verbs;
mod workload_create;

/// Every check, in the order of the index of the documentation.
pub const CHECKS: &[Check] = &[
    path_to_cluster::CHECK,
    path_to_node::CHECK,
    full_control::CHECK,
    wildcard_resources::CHECK,
    wildcard_verbs::CHECK,
    wildcard_groups::CHECK,
    escalate_grant::CHECK,
    bind_grant::CHECK,
    impersonate_grant::CHECK,
    token_create::CHECK,
    csr_approve::CHECK,
    nodes_proxy::CHECK,
    namespace_takeover::CHECK,
    secrets_read::CHECK,
    secrets_echo::CHECK,
    pod_exec::CHECK,
    workload_create::CHECK,
    admission_write::CHECK,
    persistent_volume_create::CHECK,
    namespace_write::CHECK,
    anonymous_access::CHECK,
    everyone_access::CHECK,
    masters_binding::CHECK,
    default_service_account::CHECK,
    default_changed::CHECK,
    aggregation_escalation::CHECK,
    aggregation_drift::CHECK,
    legacy_token::CHECK,
    unused_token::CHECK,
    empty_binding::CHECK,
    dangling_role::CHECK,
    dangling_service_account::CHECK,
    unused_role::CHECK,
    duplicate_binding::CHECK,
    dead_grant::CHECK,
    dead_scope::CHECK,
    dead_name::CHECK,
    glob_in_rule::CHECK,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bailiwick_graph::Graph;
    use bailiwick_model::{ApiTable, Delta, Origin, Snapshot, defaults};
    use bailiwick_rbac::{Engine, aggregation};

    use super::CHECKS;

    #[test]
    fn every_check_is_listed_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| Some(name.strip_suffix(".rs")?.replace('_', "-")))
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, files);
    }

    #[test]
    fn every_page_says_what_why_and_what_to_do() {
        for check in CHECKS {
            let page = check.page();
            for heading in ["\n## Example\n", "\n## Fix\n"] {
                assert!(page.contains(heading), "{} has no {heading:?}", check.id);
            }
            assert_eq!(
                page.matches("```").count() % 2,
                0,
                "{} leaves a block open",
                check.id
            );
            assert!(
                page.lines().all(|line| line.chars().count() <= 120),
                "{} is too wide",
                check.id
            );
        }
    }

    #[test]
    fn nothing_is_wrong_with_what_every_cluster_has() {
        for &minor in ApiTable::MINORS {
            let mut snapshot = Snapshot::default();
            snapshot.cluster.stored = true;
            snapshot.cluster.minor = Some(minor);
            for object in defaults(minor).unwrap() {
                snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
            }
            for delta in aggregation::aggregate(&snapshot).deltas(&snapshot) {
                snapshot.apply(delta);
            }
            let api = ApiTable::embedded(minor).unwrap();
            let graph = Graph::new(&snapshot, BTreeMap::new());
            let findings = crate::scan(&Engine::new(snapshot), &api, &graph);
            assert_eq!(findings, [], "1.{minor}");
        }
    }
}
