use bailiwick_core::Kind;

/// How much of an object's text may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    /// Any lines: the kind has no place for a secret.
    Lines,
    /// One line, and only if it is a plain `key: value` of a field that holds no secret: environment variables and
    /// arguments may.
    Field,
    /// Nothing.
    Nothing,
}

/// How much of the text of an object of this kind may be shown. Kinds that are not known may hold anything.
pub(crate) fn quote_for(kind: Option<Kind>) -> Quote {
    match kind {
        Some(
            Kind::Role
            | Kind::ClusterRole
            | Kind::RoleBinding
            | Kind::ClusterRoleBinding
            | Kind::Namespace
            | Kind::ServiceAccount
            | Kind::Node,
        ) => Quote::Lines,
        Some(
            Kind::Pod
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::ReplicationController,
        ) => Quote::Field,
        _ => Quote::Nothing,
    }
}

/// Fields of a pod spec whose lines may be shown.
const FIELDS: [&str; 20] = [
    "kind",
    "name",
    "namespace",
    "apiVersion",
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "nodeName",
    "secretName",
    "expirationSeconds",
    "audience",
    "hostNetwork",
    "hostPID",
    "hostProcess",
    "hostUsers",
    "mountPath",
    "privileged",
    "readOnly",
    "runAsNonRoot",
    "runAsUser",
];

/// Whether one line of a workload may be shown.
pub(super) fn is_plain_field(line: &str) -> bool {
    let line = line.trim().trim_start_matches("- ").trim_end_matches(',');
    let Some((key, value)) = line.split_once(':') else {
        return false;
    };
    let key = key.trim().trim_matches(['"', '\'']);
    FIELDS.contains(&key) && !value.contains([':', '{', ',', '#'])
}

/// What a document that cannot be read may say it is, for its text to be shown.
const HARMLESS: [&str; 15] = [
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "RoleList",
    "ClusterRoleList",
    "RoleBindingList",
    "ClusterRoleBindingList",
    "Namespace",
    "ServiceAccount",
    "NamespaceList",
    "ServiceAccountList",
    "User",
    "Group",
    "List",
];

/// Whether the text of a document that cannot be read may be shown: only where it says what it is, everything that it
/// says it is has no place for a secret, and nothing in it looks like the contents of one.
pub(super) fn is_harmless(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let lower = text.to_ascii_lowercase();
    let suspect = lower.contains('\\')
        || lower.contains("last-applied")
        || lower.contains("value")
        || lower.contains("password")
        || lower.replace("metadata", "").contains("data")
        || lower.replace("secrets", "").contains("secret");
    if suspect {
        return false;
    }
    let mut kinds = text.split("kind").skip(1).filter_map(|behind| {
        let word = behind.trim_start_matches(['"', '\'']).trim_start();
        let word = word.strip_prefix(':')?.trim_start();
        Some(
            word.trim_start_matches(['"', '\''])
                .split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap_or_default(),
        )
    });
    kinds.next().is_some_and(|kind| HARMLESS.contains(&kind))
        && kinds.all(|kind| HARMLESS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_document_is_shown_only_where_it_cannot_hold_a_secret() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_harmless(text.as_bytes()), expected, "{text}");
        };
        check("kind: Role\nmetadata: {name: x}\nrules: [", true);
        check(
            "{\"kind\": \"RoleBinding\", \"subjects\": [{\"kind\": \"User\"",
            true,
        );
        check(
            "kind: ClusterRole\nrules:\n- resources: [secrets]\n  verbs: [get",
            true,
        );
        check("kind: Secret\nmetadata: [", false);
        check("kind: Role\n---x\nkind: Secret\n", false);
        check("kind: ServiceAccount\nstringData: {a: b", false);
        check("kind: Role\ndata: {a: b", false);
        check("\"kind\": \"S\\u0065cret\"", false);
        check("kind: Deployment\nenv: [{name: A, value: b", false);
        check("metadata: {name: x}\nrules: [", false);
        check("kind: &x Role\nrules: [", false);
        check(
            "kind: Role\nannotations: {kubectl.kubernetes.io/last-applied-configuration: '",
            false,
        );
    }

    #[test]
    fn of_a_workload_only_plain_fields_are_shown() {
        let check =
            |line: &str, expected: bool| assert_eq!(is_plain_field(line), expected, "{line}");
        check("      serviceAccountName: builder", true);
        check("      \"serviceAccountName\": \"builder\",", true);
        check("  - name: app", true);
        check("        value: hunter2", false);
        check("  - {name: A, value: hunter2}", false);
        check("  name: A # hunter2", false);
        check("  args: [--password=hunter2]", false);
        check("  hunter2", false);
    }
}
