use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{
    ANONYMOUS, AUTHENTICATED, MASTERS, NODE_USER_PREFIX, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED,
};
use crate::subject::{Subject, split_service_account};

/// An authenticated identity as the API server's authorizers see it: exactly the groups listed, none implied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The user name.
    pub name: String,
    /// The unique id, empty where the authenticator gives none. RBAC does not read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Every group, implicit ones included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Further attributes by key. RBAC does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A user with exactly these groups: what a SubjectAccessReview says.
    pub fn exactly(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|&g| g.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The identity that a request of `subject` arrives with, with the groups that the API server adds by itself.
    ///
    /// - a service account is in `system:serviceaccounts`, `system:serviceaccounts:NAMESPACE` and
    ///   `system:authenticated`;
    /// - `system:anonymous` is in `system:unauthenticated` only;
    /// - a user named `system:node:NAME` is in `system:nodes` (kubelets get it from their certificate);
    /// - everybody else is in `system:authenticated`.
    ///
    /// For a group the identity is a member without a name: what the group alone allows. A group that only
    /// unauthenticated requests carry does not become authenticated by it.
    pub fn of(subject: &Subject, more_groups: &[String]) -> Self {
        let name = subject.user_name().unwrap_or_default();
        let mut groups = more_groups.to_vec();
        match subject {
            Subject::ServiceAccount { namespace, .. } => {
                groups.push(SERVICE_ACCOUNTS.to_owned());
                groups.push(format!("{SERVICE_ACCOUNTS}:{namespace}"));
            }
            Subject::Group { name } => groups.insert(0, name.clone()),
            Subject::User { name } if name.starts_with(NODE_USER_PREFIX) => {
                groups.push(NODES.to_owned());
            }
            Subject::User { .. } => {}
        }
        let unauthenticated = name == ANONYMOUS || groups.iter().any(|g| g == UNAUTHENTICATED);
        groups.push(
            if unauthenticated {
                UNAUTHENTICATED
            } else {
                AUTHENTICATED
            }
            .to_owned(),
        );
        let mut seen = std::collections::BTreeSet::new();
        groups.retain(|group| seen.insert(group.clone()));
        Self {
            name,
            groups,
            ..Self::default()
        }
    }

    /// Whether the API server allows everything to this user before it asks an authorizer.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// Whether the Node authorizer, which is not RBAC, also answers for this user
    /// (`pkg/auth/nodeidentifier`: name prefix and group).
    pub fn is_node(&self) -> bool {
        self.name.len() > NODE_USER_PREFIX.len()
            && self.name.starts_with(NODE_USER_PREFIX)
            && self.groups.iter().any(|group| group == NODES)
    }

    /// Namespace and name, where this is a service account's user name.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        split_service_account(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &str, more: &[&str], expected: &[&str]) {
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        let user = UserInfo::of(&subject.parse().unwrap(), &more);
        assert_eq!(user.groups, expected, "{subject} with {more:?}");
    }

    #[test]
    fn implicit_groups() {
        check("alice", &[], &["system:authenticated"]);
        check("alice", &["dev", "dev"], &["dev", "system:authenticated"]);
        check("system:anonymous", &[], &["system:unauthenticated"]);
        check(
            "group:system:unauthenticated",
            &[],
            &["system:unauthenticated"],
        );
        check("group:dev", &[], &["dev", "system:authenticated"]);
        check(
            "system:node:n1",
            &[],
            &["system:nodes", "system:authenticated"],
        );
        check(
            "sa:ci/runner",
            &[],
            &[
                "system:serviceaccounts",
                "system:serviceaccounts:ci",
                "system:authenticated",
            ],
        );
    }

    #[test]
    fn a_node_needs_name_and_group() {
        assert!(UserInfo::exactly("system:node:n1", &["system:nodes"]).is_node());
        assert!(!UserInfo::exactly("system:node:n1", &[]).is_node());
        assert!(!UserInfo::exactly("alice", &["system:nodes"]).is_node());
    }
}
