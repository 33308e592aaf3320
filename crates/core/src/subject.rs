use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::SERVICE_ACCOUNT_USER_PREFIX;

/// Somebody who can be granted access, as a binding names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Subject {
    /// A user, by the name that the authenticator gives.
    User {
        /// The user name, compared exactly.
        name: String,
    },
    /// A group.
    Group {
        /// The group name, compared exactly.
        name: String,
    },
    /// A service account.
    ServiceAccount {
        /// The namespace it lives in.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Why a text is no subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectParseError {
    /// Nothing was given.
    #[error(
        "the subject is empty; write `user:NAME`, `group:NAME`, `sa:NAMESPACE/NAME` or a bare user name"
    )]
    Empty,
    /// A prefix without a name behind it.
    #[error("`{0}` names nobody; write a name after the colon")]
    NoName(String),
    /// `sa:` without the slash between namespace and name.
    #[error("`{0}` is no service account; write `sa:NAMESPACE/NAME`")]
    ServiceAccount(String),
}

impl Subject {
    /// The user called `name`, or the service account that this user name stands for.
    ///
    /// Kubernetes makes no difference between the two (`pkg/registry/rbac/validation/rule.go`, `appliesToUser`).
    pub fn from_user_name(name: &str) -> Self {
        match split_service_account(name) {
            Some((namespace, name)) => Self::ServiceAccount {
                namespace: namespace.into(),
                name: name.into(),
            },
            None => Self::User { name: name.into() },
        }
    }

    /// The user name under which this subject makes requests; `None` for a group.
    pub fn user_name(&self) -> Option<String> {
        match self {
            Self::User { name } => Some(name.clone()),
            Self::ServiceAccount { namespace, name } => {
                Some(format!("{SERVICE_ACCOUNT_USER_PREFIX}{namespace}:{name}"))
            }
            Self::Group { .. } => None,
        }
    }

    /// The kind as a binding spells it: `User`, `Group` or `ServiceAccount`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "User",
            Self::Group { .. } => "Group",
            Self::ServiceAccount { .. } => "ServiceAccount",
        }
    }
}

/// Namespace and name of the service account that `user` is the user name of.
///
/// Both parts have to be there and the name must hold no further colon, as in
/// `k8s.io/apiserver/pkg/authentication/serviceaccount` (which also validates the parts as DNS labels: a name that
/// could not exist grants nothing either way).
pub(crate) fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix(SERVICE_ACCOUNT_USER_PREFIX)?
        .split_once(':')?;
    let plain = |part: &str| !part.is_empty() && !part.contains([':', '/']);
    (plain(namespace) && plain(name)).then_some((namespace, name))
}

impl fmt::Display for Subject {
    /// The form that [`FromStr`] reads back: `user:NAME`, `group:NAME`, `sa:NAMESPACE/NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name } => write!(f, "user:{name}"),
            Self::Group { name } => write!(f, "group:{name}"),
            Self::ServiceAccount { namespace, name } => write!(f, "sa:{namespace}/{name}"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |name: &str| match name {
            "" => Err(SubjectParseError::NoName(text.to_owned())),
            name => Ok(name.to_owned()),
        };
        if let Some(name) = text.strip_prefix("user:") {
            named(name).map(|name| Self::from_user_name(&name))
        } else if let Some(name) = text.strip_prefix("group:") {
            named(name).map(|name| Self::Group { name })
        } else if let Some(account) = text.strip_prefix("sa:") {
            match account.split_once('/') {
                Some((namespace, name))
                    if !namespace.is_empty()
                        && !name.is_empty()
                        && !name.contains('/')
                        && !account.contains(':') =>
                {
                    Ok(Self::ServiceAccount {
                        namespace: namespace.into(),
                        name: name.into(),
                    })
                }
                _ => Err(SubjectParseError::ServiceAccount(text.to_owned())),
            }
        } else if text.is_empty() {
            Err(SubjectParseError::Empty)
        } else {
            Ok(Self::from_user_name(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, SubjectParseError>) {
        let read = text.parse::<Subject>();
        assert_eq!(
            read.map(|s| s.to_string()),
            expected.map(str::to_owned),
            "{text:?}"
        );
    }

    #[test]
    fn reads_every_form() {
        check("alice", Ok("user:alice"));
        check("user:alice", Ok("user:alice"));
        check("user:group:x", Ok("user:group:x"));
        check("alice@example.com", Ok("user:alice@example.com"));
        check("group:system:masters", Ok("group:system:masters"));
        check("sa:ci/runner", Ok("sa:ci/runner"));
        check("system:serviceaccount:ci:runner", Ok("sa:ci/runner"));
        check("user:system:serviceaccount:ci:runner", Ok("sa:ci/runner"));
        check(
            "system:serviceaccount:ci:",
            Ok("user:system:serviceaccount:ci:"),
        );
        check(
            "system:serviceaccount:ci/x:a",
            Ok("user:system:serviceaccount:ci/x:a"),
        );
        check(
            "system:serviceaccount:ci:a:b",
            Ok("user:system:serviceaccount:ci:a:b"),
        );
    }

    #[test]
    fn refuses_what_names_nobody() {
        check("", Err(SubjectParseError::Empty));
        check("user:", Err(SubjectParseError::NoName("user:".into())));
        check("group:", Err(SubjectParseError::NoName("group:".into())));
        check(
            "sa:runner",
            Err(SubjectParseError::ServiceAccount("sa:runner".into())),
        );
        check(
            "sa:/runner",
            Err(SubjectParseError::ServiceAccount("sa:/runner".into())),
        );
        check(
            "sa:ci:/a",
            Err(SubjectParseError::ServiceAccount("sa:ci:/a".into())),
        );
        check(
            "sa:ci/a/b",
            Err(SubjectParseError::ServiceAccount("sa:ci/a/b".into())),
        );
    }
}
