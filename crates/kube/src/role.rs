use std::collections::BTreeMap;

use bailiwick_core::Kind;
use bailiwick_model::CustomKind;

use crate::load::LoadKinds;
use crate::workloads::binding;

/// The paths that say which version and which resources a server has.
const DISCOVERY: [&str; 3] = ["/api", "/apis", "/version"];

/// The smallest ClusterRole that allows to read these kinds, and nothing else, as a manifest. It follows from the same
/// table as what is asked of the API server.
pub fn smallest_cluster_role(kinds: &LoadKinds) -> String {
    cluster_role(kinds, "list")
}

/// The same, to follow how they change as well ([`Cluster::watch`](crate::Cluster::watch)).
pub fn smallest_watching_cluster_role(kinds: &LoadKinds) -> String {
    cluster_role(kinds, "list, watch")
}

/// A manifest with everything that a decision point may do, for the service account `NAMESPACE/NAME`: follow these kinds
/// and these custom resources, tell in their status what has become of them, and, where callers come with tokens of the
/// cluster, ask whose those are.
pub fn decision_point_role(
    kinds: &LoadKinds,
    documents: &[CustomKind],
    statuses: bool,
    token_reviews: bool,
    (namespace, name): (&str, &str),
) -> String {
    let role = "bailiwick-serve";
    let mut text = format!(
        "# What `bailiwick serve` needs with this configuration, and nothing else.\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata:\n  name: {role}\nrules:\n"
    );
    text.push_str(&rules(kinds.iter(), "list, watch"));
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in documents {
        groups.entry(kind.group).or_default().push(kind.plural);
    }
    for (group, plurals) in groups {
        text.push_str(&rule(group, &plurals.join(", "), "list, watch"));
        if statuses {
            let statuses: Vec<String> = plurals.iter().map(|one| format!("{one}/status")).collect();
            text.push_str("# To tell in them what has become of them.\n");
            text.push_str(&rule(group, &statuses.join(", "), "patch"));
        }
    }
    if token_reviews {
        text.push_str("# Whose tokens are that callers come with.\n");
        text.push_str(&rule("authentication.k8s.io", "tokenreviews", "create"));
    }
    text.push_str(
        "# Version of the server. `system:discovery` gives it to everybody by default.\n",
    );
    text.push_str("- nonResourceURLs: [\"/version\"]\n  verbs: [get]\n");
    text + &binding(role, namespace, name)
}

/// A rule for each API group.
fn rules(kinds: impl Iterator<Item = Kind>, verbs: &str) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in kinds {
        groups
            .entry(kind.group())
            .or_default()
            .push(kind.resource());
    }
    let rule = |(group, resources): (&str, Vec<&str>)| rule(group, &resources.join(", "), verbs);
    groups.into_iter().map(rule).collect()
}

fn cluster_role(kinds: &LoadKinds, verbs: &str) -> String {
    let mut text = String::from(
        "# What `bailiwick` needs to read a cluster, and nothing else. Bind it with\n\
         #   kubectl create clusterrolebinding bailiwick-reader --clusterrole=bailiwick-reader --serviceaccount=NAMESPACE:NAME\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata:\n  name: bailiwick-reader\nrules:\n",
    );
    let open = kinds
        .iter()
        .filter(|kind| *kind != Kind::Secret && kind.only().is_none());
    text.push_str(&rules(open, verbs));
    for kind in kinds.iter() {
        if let Some((namespace, name)) = kind.only() {
            text.push_str(&format!("# Of these the one in {namespace}.\n"));
            let rule = rule(kind.group(), kind.resource(), verbs);
            text.push_str(&format!("{rule}  resourceNames: [{name}]\n"));
        }
    }
    if kinds.iter().any(|kind| kind == Kind::Secret) {
        text.push_str(
            "# Bailiwick asks for names and types of Secrets only, but RBAC cannot say that: this rule shows their values\n\
             # to whoever else uses this role. Leave it out with `--without-secrets`; findings about Secrets are missing then.\n",
        );
        text.push_str(&rule("", "secrets", verbs));
    }
    text.push_str("# Who the API server takes us for: the subject `me`. `system:basic-user` gives it to everybody by default.\n");
    text.push_str(&rule(
        "authentication.k8s.io",
        "selfsubjectreviews",
        "create",
    ));
    text.push_str("# Version and resources of the server. `system:discovery` gives them to everybody by default.\n");
    text.push_str(&format!(
        "- nonResourceURLs: [{}]\n  verbs: [get]\n",
        DISCOVERY.map(|path| format!("{path:?}")).join(", ")
    ));
    text
}

fn rule(group: &str, resources: &str, verb: &str) -> String {
    format!("- apiGroups: [{group:?}]\n  resources: [{resources}]\n  verbs: [{verb}]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_names_every_kind_and_only_reads() {
        let role = smallest_cluster_role(&LoadKinds::all());
        for kind in Kind::ALL {
            assert!(role.contains(kind.resource()), "{kind} is missing:\n{role}");
        }
        for verbs in role.lines().filter(|line| line.contains("verbs:")) {
            let verbs = verbs.trim();
            assert!(
                ["verbs: [list]", "verbs: [create]", "verbs: [get]"].contains(&verbs),
                "{verbs}"
            );
        }
    }

    #[test]
    fn watching_takes_one_verb_more() {
        let (once, on) = (
            smallest_cluster_role(&LoadKinds::all()),
            smallest_watching_cluster_role(&LoadKinds::all()),
        );
        assert_eq!(on.replace("[list, watch]", "[list]"), once);
        assert_eq!(
            on.matches("list, watch").count(),
            once.matches("[list]").count()
        );
    }

    #[test]
    fn secrets_can_be_left_out() {
        let role = smallest_cluster_role(&LoadKinds::all().without_secrets());
        assert!(!role.contains("secrets"), "{role}");
        let rbac = smallest_cluster_role(&LoadKinds::rbac());
        assert!(
            !rbac.contains("pods") && rbac.contains("rolebindings"),
            "{rbac}"
        );
    }
}
