use std::fmt;

use bailiwick_core::names::{CREDENTIAL_ID, SERVICE_ACCOUNT_USER_PREFIX};
use bailiwick_core::{Revoked, Str, Timestamp, UserInfo};
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::question::{ApplicationRequest, Question};

/// A subject or a credential that is refused until further notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its name, unique.
    pub name: Str,
    /// What is refused.
    pub target: RevocationTarget,
    /// Why; whoever is refused reads it.
    pub reason: Str,
    /// The moment from which it no longer counts; `None` means never.
    pub expires: Option<Timestamp>,
}

/// What a revocation refuses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RevocationTarget {
    /// The user of this name.
    User(Str),
    /// Every member of a group.
    Group(Str),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: Str,
        /// Its name.
        name: Str,
    },
    /// One credential, as the API server names it under `authentication.kubernetes.io/credential-id`: `JTI=` and the id
    /// of a token, `X509SHA256=` and the hash of a certificate.
    Credential(Str),
}

impl RevocationTarget {
    /// Why a credential is most likely misspelt: the id of a token, the hash of a certificate and a SPIFFE id are what the
    /// API server and gateways name. What else names credentials may name them otherwise, so it is no error.
    pub fn oddity(&self) -> Option<&'static str> {
        let Self::Credential(text) = self else {
            return None;
        };
        let is_hash = |hash: &str| {
            let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            hash.len() == 64 && hash.bytes().all(is_digit)
        };
        if let Some(hash) = text.strip_prefix("X509SHA256=") {
            (!is_hash(hash)).then_some(
                "no certificate has this hash: it is SHA-256 in 64 hexadecimal digits, in lower case",
            )
        } else {
            let is_named = |prefix: &str| text.len() > prefix.len() && text.starts_with(prefix);
            let known = is_named("JTI=") || is_named("spiffe://");
            (!known).then_some(
                "most likely no credential: it is neither `JTI=` and the id of a token, `X509SHA256=` and the hash of a \
                 certificate, nor a SPIFFE id",
            )
        }
    }
}

/// The revocations, by what they refuse.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    by_name: HashMap<Str, RevocationTarget>,
    /// By user name; service accounts under the name that they make requests with.
    users: Refused,
    groups: Refused,
    credentials: Refused,
}

type Refused = HashMap<Str, SmallVec<[Box<Revocation>; 1]>>;

impl Revocations {
    /// Adds a revocation, in place of the one of its name.
    pub fn put(&mut self, revocation: Revocation) {
        self.remove(&revocation.name);
        let name = revocation.name.clone();
        self.by_name.insert(name, revocation.target.clone());
        let key = revocation.target.key();
        let list = self.table(&revocation.target).entry(key).or_default();
        let place = list.partition_point(|other| other.name < revocation.name);
        list.insert(place, Box::new(revocation));
    }

    /// Takes a revocation away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(target) = self.by_name.remove(name) else {
            return false;
        };
        let key = target.key();
        let table = self.table(&target);
        if let Some(list) = table.get_mut(&key) {
            list.retain(|revocation| &*revocation.name != name);
            if list.is_empty() {
                table.remove(&key);
            }
        }
        true
    }

    /// Adds those of another set, in place of those of their names.
    pub fn extend(&mut self, other: Self) {
        let tables = [other.users, other.groups, other.credentials];
        let all = tables
            .into_iter()
            .flat_map(|table| table.into_values().flatten());
        all.for_each(|revocation| self.put(*revocation));
    }

    /// Number of revocations, those that have ended included.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The revocation that applies to a question, if one does: of its credential, its user, or one of its groups, the
    /// first by name of each.
    pub fn applying(&self, question: Question<'_>, now: Timestamp) -> Option<&Revocation> {
        if self.is_empty() {
            return None;
        }
        match question {
            Question::Kubernetes { user, .. } => self.of_user(user, now),
            Question::Application(request) => self.of_application(request, now),
        }
    }

    fn of_user(&self, user: &UserInfo, now: Timestamp) -> Option<&Revocation> {
        let credentials = user.extra.get(CREDENTIAL_ID).into_iter().flatten();
        live(&self.credentials, credentials, now)
            .or_else(|| live(&self.users, [&user.name], now))
            .or_else(|| live(&self.groups, &user.groups, now))
    }

    fn of_application(&self, request: &ApplicationRequest, now: Timestamp) -> Option<&Revocation> {
        let Subject { user, group } = Subject::of(request);
        live(&self.credentials, [&request.credential], now)
            .or_else(|| live(&self.users, user.as_ref(), now))
            .or_else(|| live(&self.groups, request.groups.iter().chain(group), now))
    }

    fn table(&mut self, target: &RevocationTarget) -> &mut Refused {
        match target {
            RevocationTarget::User(_) | RevocationTarget::ServiceAccount { .. } => &mut self.users,
            RevocationTarget::Group(_) => &mut self.groups,
            RevocationTarget::Credential(_) => &mut self.credentials,
        }
    }
}

/// How an application's subject is known to revocations.
struct Subject<'a> {
    user: Option<String>,
    group: Option<&'a String>,
}

impl<'a> Subject<'a> {
    /// Types are compared without case: `User` and `user` are one person.
    fn of(request: &'a ApplicationRequest) -> Self {
        let (kind, id) = (&request.subject.kind, &request.subject.id);
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        let user = if is("user") {
            Some(id.clone())
        } else if is("serviceaccount") {
            Some(match id.split_once('/') {
                Some((namespace, name)) => {
                    format!("{SERVICE_ACCOUNT_USER_PREFIX}{namespace}:{name}")
                }
                None => id.clone(),
            })
        } else {
            None
        };
        Self {
            user,
            group: is("group").then_some(id),
        }
    }
}

fn live<'a, 'k>(
    table: &'a Refused,
    keys: impl IntoIterator<Item = &'k String>,
    now: Timestamp,
) -> Option<&'a Revocation> {
    if table.is_empty() {
        return None;
    }
    keys.into_iter()
        .filter_map(|key| table.get(key.as_str()))
        .flatten()
        .map(|revocation| &**revocation)
        .find(|revocation| revocation.expires.is_none_or(|expires| now < expires))
}

impl RevocationTarget {
    fn key(&self) -> Str {
        match self {
            Self::User(name) | Self::Group(name) | Self::Credential(name) => name.clone(),
            Self::ServiceAccount { namespace, name } => {
                format!("{SERVICE_ACCOUNT_USER_PREFIX}{namespace}:{name}").into()
            }
        }
    }
}

impl fmt::Display for RevocationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::ServiceAccount { namespace, name } => write!(f, "sa:{namespace}/{name}"),
            Self::Credential(id) => write!(f, "credential:{id}"),
        }
    }
}

impl Revocation {
    /// The same as evidence of a decision.
    pub fn to_evidence(&self) -> Revoked {
        Revoked {
            name: self.name.clone(),
            target: self.target.to_string(),
            reason: self.reason.clone(),
            expires: self.expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_core::{Request, ResourceRequest};

    use super::*;
    use crate::question::Entity;

    fn revocations() -> Revocations {
        let mut revocations = Revocations::default();
        let mut put = |name: &str, target, expires: Option<i64>| {
            revocations.put(Revocation {
                name: name.into(),
                target,
                reason: "lost laptop".into(),
                expires: expires.map(Timestamp::from_seconds),
            });
        };
        put("anna", RevocationTarget::User("anna".into()), Some(100));
        put("anna-later", RevocationTarget::User("anna".into()), None);
        put(
            "anna-later",
            RevocationTarget::User("anna".into()),
            Some(200),
        );
        put("ops", RevocationTarget::Group("ops".into()), None);
        let runner = RevocationTarget::ServiceAccount {
            namespace: "ci".into(),
            name: "runner".into(),
        };
        put("runner", runner, None);
        put("token", RevocationTarget::Credential("JTI=1".into()), None);
        put("gone", RevocationTarget::User("ben".into()), None);
        assert!(revocations.remove("gone"));
        assert!(!revocations.remove("gone"));
        revocations
    }

    #[test]
    fn credentials_that_nobody_has_are_odd() {
        let check = |text: &str, odd: &str| {
            let oddity = RevocationTarget::Credential(text.into()).oddity();
            assert_eq!(oddity.is_some(), !odd.is_empty(), "{text}: {oddity:?}");
            assert!(oddity.unwrap_or_default().contains(odd), "{text}");
        };
        let hash = "0123456789abcdef".repeat(4);
        check("JTI=7", "");
        check("spiffe://td/web", "");
        check(&format!("X509SHA256={hash}"), "");
        check(&format!("X509SHA256={}", hash.to_uppercase()), "lower case");
        check(&format!("X509SHA256={hash}0"), "64 hexadecimal digits");
        for text in ["foo", "JTI=", "jti=7", "spiffe://"] {
            check(text, "most likely no credential");
        }
        assert_eq!(RevocationTarget::User("foo".into()).oddity(), None);
    }

    #[test]
    fn refuse_users_groups_accounts_and_credentials_until_they_end() {
        let revocations = revocations();
        assert_eq!(revocations.len(), 5);
        let request: Request = ResourceRequest::new("get", "", "pods").into();
        let check = |user: &UserInfo, now: i64, expected: Option<&str>| {
            let request = &request;
            let question = Question::Kubernetes { user, request };
            let found = revocations.applying(question, Timestamp::from_seconds(now));
            let name = found.map(|revocation| &*revocation.name);
            assert_eq!(name, expected, "{user:?} at {now}");
        };
        let user = |name, groups: &[&str]| UserInfo::exactly(name, groups);
        check(&user("anna", &[]), 0, Some("anna"));
        check(&user("anna", &[]), 99, Some("anna"));
        check(&user("anna", &[]), 100, Some("anna-later"));
        check(&user("anna", &[]), 200, None);
        check(&user("ben", &[]), 0, None);
        check(&user("ben", &["dev", "ops"]), 0, Some("ops"));
        check(&user("ops", &[]), 0, None);
        check(
            &user("system:serviceaccount:ci:runner", &[]),
            0,
            Some("runner"),
        );
        let mut token = user("ben", &[]);
        let ids = vec!["JTI=0".into(), "JTI=1".into()];
        token.extra.insert(CREDENTIAL_ID.into(), ids);
        check(&token, 0, Some("token"));
    }

    #[test]
    fn refuse_subjects_of_applications() {
        let revocations = revocations();
        let check = |kind: &str, id: &str, groups: &[&str], credential: &str, expected| {
            let request = ApplicationRequest {
                subject: Entity::new(kind, id),
                groups: groups.iter().map(|&group| group.to_owned()).collect(),
                credential: credential.to_owned(),
                ..ApplicationRequest::default()
            };
            let found = revocations.applying(Question::Application(&request), Timestamp::default());
            let name = found.map(|revocation| &*revocation.name);
            assert_eq!(name, expected, "{kind} {id}");
        };
        check("user", "anna", &[], "", Some("anna"));
        check("User", "anna", &[], "", Some("anna"));
        check("device", "anna", &[], "", None);
        check("ServiceAccount", "ci/runner", &[], "", Some("runner"));
        check("group", "ops", &[], "", Some("ops"));
        check("user", "ben", &["ops"], "", Some("ops"));
        check("user", "ben", &[], "JTI=1", Some("token"));
        check("user", "ben", &[], "", None);
    }
}
