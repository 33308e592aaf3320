//! Both kinds of impersonation against upstream's filters: a table, and how an attempt is compared.

use std::collections::BTreeMap;

use bailiwick_core::{Effect, UserInfo};
use bailiwick_rbac::{Engine, Impersonation, ImpersonationOutcome, request_info};
use bailiwick_testkit::notation::user;
use bailiwick_testkit::oracle::{self, Oracle, Target};
use serde_json::{Value, json};

use crate::support::{both, person};

/// Grants for the table: `lea` by the old verb, the others each by one of the constrained modes.
pub(crate) const CLUSTER: &str = "
    ClusterRole legacy
      impersonate on users of '' named ann,system:anonymous,system:node:n1
      impersonate on groups of '' named dev,system:masters,system:nodes
      impersonate on uids of authentication.k8s.io named u1
      impersonate on userextras/acme.io/team of authentication.k8s.io named x
    ClusterRoleBinding legacy gives ClusterRole/legacy to user:lea
    Role ci/legacy
      impersonate on serviceaccounts of '' named runner
    RoleBinding ci/legacy gives Role/legacy to user:lea
    ClusterRole on
      impersonate-on:user-info:create,impersonate-on:serviceaccount:create on selfsubjectreviews of authentication.k8s.io
      impersonate-on:arbitrary-node:create on selfsubjectreviews of authentication.k8s.io
    ClusterRoleBinding on gives ClusterRole/on to user:uma user:star user:sam user:nell
    ClusterRole user-info
      impersonate:user-info on users of authentication.k8s.io named ann,system:anonymous,system:node:n1
      impersonate:user-info on groups of authentication.k8s.io named dev,g1,g2,g3,g4,system:masters
      impersonate:user-info on uids of authentication.k8s.io named u1
      impersonate:user-info on userextras/acme.io/team of authentication.k8s.io named x
    ClusterRoleBinding user-info gives ClusterRole/user-info to user:uma user:half
    ClusterRole star
      impersonate:user-info on users of authentication.k8s.io named ann
      impersonate:user-info on groups of authentication.k8s.io named *
      impersonate:user-info on userextras/* of authentication.k8s.io named *
    ClusterRoleBinding star gives ClusterRole/star to user:star
    Role ci/account
      impersonate:serviceaccount on serviceaccounts of authentication.k8s.io named runner
    RoleBinding ci/account gives Role/account to user:sam
    ClusterRole node
      impersonate:arbitrary-node on nodes of authentication.k8s.io named n1
    ClusterRoleBinding node gives ClusterRole/node to user:nell
    ClusterRole core
      * on * of ''
    ClusterRoleBinding core gives ClusterRole/core to user:cora
    ClusterRole who-am-i
      create on selfsubjectreviews of authentication.k8s.io
    ClusterRoleBinding who-am-i gives ClusterRole/who-am-i to group:system:authenticated group:system:unauthenticated
    ClusterRole agent
      impersonate:associated-node on nodes of authentication.k8s.io named *
      impersonate-on:associated-node:create on selfsubjectreviews of authentication.k8s.io
    ClusterRoleBinding agent gives ClusterRole/agent to sa:shop/agent";

/// Who asks, as whom (`NAME+GROUP...#uid=UID#KEY=VALUE`), and what comes of it: the mode and the identity, or a
/// status.
const TABLE: &str = "
    lea | ann | legacy ann+system:authenticated
    lea | ann+dev | legacy ann+dev+system:authenticated
    lea | ann+system:masters | legacy ann+system:masters+system:authenticated
    lea | system:anonymous | legacy system:anonymous+system:unauthenticated
    lea | ann#uid=u1#acme.io/team=x | legacy ann+system:authenticated#uid=u1#acme.io/team=x
    lea | ann#uid=u2 | 403
    lea | ann#acme.io/team=y | 403
    lea | ann+qa | 403
    lea | bob | 403
    lea | +dev | 400
    lea | #uid=u1 | 400
    lea | system:serviceaccount:ci:runner | legacy system:serviceaccount:ci:runner+system:serviceaccounts+system:serviceaccounts:ci+system:authenticated
    lea | system:serviceaccount:ci:runner+dev | legacy system:serviceaccount:ci:runner+dev+system:authenticated
    lea | system:serviceaccount:ci:other | 403
    lea | system:serviceaccount:shop:runner | 403
    # Only the constrained modes put a node in its group.
    lea | system:node:n1 | legacy system:node:n1+system:authenticated
    lea | system:node:n1+system:nodes | legacy system:node:n1+system:nodes+system:authenticated
    uma | ann | user-info ann+system:authenticated
    uma | ann+dev#uid=u1#acme.io/team=x | user-info ann+dev+system:authenticated#uid=u1#acme.io/team=x
    uma | system:anonymous | user-info system:anonymous+system:unauthenticated
    uma | ann+system:masters | 403
    uma | system:node:n1 | 403
    uma | system:serviceaccount:ci:runner | 403
    # The names are asked one by one once `*` was refused.
    uma | ann+g1+g2+g3+g4 | user-info ann+g1+g2+g3+g4+system:authenticated
    uma | ann+g1+g2+g3+g5 | 403
    # A resource name `*` answers the question for all groups at once, which is asked from four on.
    star | ann+a+b+c+d | user-info ann+a+b+c+d+system:authenticated
    star | ann+a+b+c | 403
    star | ann#a.io/k=1#a.io/l=2#a.io/m=3#a.io/n=4 | user-info ann+system:authenticated#a.io/k=1#a.io/l=2#a.io/m=3#a.io/n=4
    star | ann#a.io/k=1 | 403
    star | ann#a.io/k=1#a.io/l=2#a.io/m=3#team=4 | 403
    sam | system:serviceaccount:ci:runner | serviceaccount system:serviceaccount:ci:runner+system:serviceaccounts+system:serviceaccounts:ci+system:authenticated
    sam | system:serviceaccount:ci:runner+dev | 403
    sam | system:serviceaccount:shop:runner | 403
    nell | system:node:n1 | arbitrary-node system:node:n1+system:nodes+system:authenticated
    nell | system:node:n2 | 403
    # Without impersonate-on the request itself is missing.
    half | ann | 403
    # The constrained modes ask another group than core, so that all of core gives the old verb alone.
    cora | ann+system:masters | legacy ann+system:masters+system:authenticated
    cora | ann#uid=u1 | 403
    nobody | ann | 403
    king+system:masters | ann | user-info ann+system:authenticated";

/// The rows of the table.
pub(crate) fn rows() -> impl Iterator<Item = [&'static str; 3]> {
    let lines = TABLE.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(|line| {
        line.split(" | ")
            .collect::<Vec<_>>()
            .try_into()
            .expect(line)
    })
}

/// The request of the table, which answers with the identity that made it.
pub(crate) const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

#[test]
fn a_table_of_both_kinds() {
    let (engine, mut oracle) = both(CLUSTER);
    for [requestor, target, expected] in rows() {
        let context = format!("{requestor} as {target}");
        let attempt = Attempted {
            requestor: user(requestor),
            target: identity(target),
            method: "POST",
            url: WHO_AM_I,
            minor: 37,
        };
        attempt.compare(&engine, &mut oracle, &context);
        assert_eq!(
            answer(&engine, &attempt.requestor, &attempt.target),
            expected,
            "{context}"
        );
    }
}

#[test]
fn p20_before_1_36_there_is_only_the_old_verb() {
    let (engine, mut oracle) = both(CLUSTER);
    for (requestor, minor, expected) in [
        ("uma", 35, "refused"),
        ("uma", 36, "user-info"),
        ("lea", 35, "legacy"),
        ("lea", 36, "legacy"),
    ] {
        let attempt = Attempted {
            requestor: user(requestor),
            target: identity("ann"),
            method: "POST",
            url: WHO_AM_I,
            minor,
        };
        assert_eq!(
            attempt.compare(&engine, &mut oracle, requestor),
            expected,
            "{requestor} on 1.{minor}"
        );
    }
}

/// What the engine says, in the words of the table.
pub(crate) fn answer(engine: &Engine, requestor: &UserInfo, target: &UserInfo) -> String {
    let request = request_info("POST", WHO_AM_I).unwrap();
    match engine
        .impersonate(requestor, target, &request, Some(37))
        .outcome
    {
        ImpersonationOutcome::As(found) => format!("{} {}", found.mode, show(&found.user)),
        ImpersonationOutcome::NotAttempted => "not attempted".to_owned(),
        ImpersonationOutcome::NoUserName => "400".to_owned(),
        ImpersonationOutcome::Refused => "403".to_owned(),
    }
}

/// `NAME+GROUP...#uid=UID#KEY=VALUE...`
pub(crate) fn identity(text: &str) -> UserInfo {
    let mut parts = text.split('#');
    let mut found = user(parts.next().unwrap());
    for part in parts {
        let (key, value) = part.split_once('=').unwrap();
        match key {
            "uid" => value.clone_into(&mut found.uid),
            key => found
                .extra
                .entry(key.to_owned())
                .or_default()
                .push(value.to_owned()),
        }
    }
    found
}

/// The reverse of [`identity`].
pub(crate) fn show(user: &UserInfo) -> String {
    let mut text = [vec![user.name.clone()], user.groups.clone()]
        .concat()
        .join("+");
    if !user.uid.is_empty() {
        text.push_str(&format!("#uid={}", user.uid));
    }
    for (key, values) in &user.extra {
        values
            .iter()
            .for_each(|value| text.push_str(&format!("#{key}={value}")));
    }
    text
}

/// Somebody who asks to be somebody else, on a server of a minor version.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) requestor: UserInfo,
    pub(crate) target: UserInfo,
    pub(crate) method: &'static str,
    pub(crate) url: &'static str,
    pub(crate) minor: u16,
}

impl Attempted {
    /// Our answer, which has to be upstream's. Gives the mode that succeeded, or why none did.
    pub(crate) fn compare(&self, engine: &Engine, oracle: &mut Oracle, context: &str) -> String {
        let request = request_info(self.method, self.url).unwrap();
        let ours = engine.impersonate(&self.requestor, &self.target, &request, Some(self.minor));
        let theirs = oracle.impersonate(&self.question()).unwrap();
        // Go visits extra values in any order, so that with several keys another question may be the last.
        // The filter of older servers asks the same in another order.
        if self.target.extra.len() < 2 && self.minor >= 36 {
            let (ours, theirs) = (our_checks(&ours), their_checks(&theirs));
            assert_eq!(ours, theirs, "{context}");
        }
        match ours.outcome {
            ImpersonationOutcome::As(impersonated) => {
                let theirs = theirs
                    .user
                    .unwrap_or_else(|| panic!("{context}\n{:?}", theirs.status));
                assert_eq!(person(&impersonated.user), theirs, "{context}");
                impersonated.mode.to_string()
            }
            ImpersonationOutcome::NotAttempted => {
                assert_eq!(theirs.user, Some(person(&self.requestor)), "{context}");
                "not attempted".to_owned()
            }
            ImpersonationOutcome::NoUserName => {
                assert_eq!((theirs.allowed, theirs.code), (false, 400), "{context}");
                "no user name".to_owned()
            }
            ImpersonationOutcome::Refused => {
                assert_eq!((theirs.allowed, theirs.code), (false, 403), "{context}");
                "refused".to_owned()
            }
        }
    }

    fn question(&self) -> oracle::Impersonation {
        oracle::Impersonation {
            user: person(&self.requestor),
            headers: headers(&self.target),
            request: Target {
                method: self.method.to_owned(),
                url: self.url.to_owned(),
            },
            legacy: self.minor < 36,
        }
    }
}

/// The headers by which a client asks for this identity.
pub(crate) fn headers(target: &UserInfo) -> BTreeMap<String, Vec<String>> {
    let mut headers = BTreeMap::new();
    let mut put = |name: String, values: Vec<String>| {
        if !values.is_empty() {
            headers.insert(name, values);
        }
    };
    let some = |text: &str| {
        Some(text.to_owned())
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect()
    };
    put("Impersonate-User".to_owned(), some(&target.name));
    put("Impersonate-Uid".to_owned(), some(&target.uid));
    put("Impersonate-Group".to_owned(), target.groups.clone());
    for (key, values) in &target.extra {
        // Upper case survives as an escape alone: header names have no case.
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'.';
        let escaped: String = key
            .bytes()
            .map(|b| {
                if plain(b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02x}")
                }
            })
            .collect();
        put(format!("Impersonate-Extra-{escaped}"), values.clone());
    }
    headers
}

/// What we asked, up to the first attempt that succeeded.
fn our_checks(ours: &Impersonation) -> Vec<(Value, bool)> {
    let succeeded = ours
        .attempts
        .iter()
        .position(|attempt| attempt.result.is_ok());
    let tried = ours
        .attempts
        .iter()
        .take(succeeded.map_or(usize::MAX, |position| position + 1));
    tried
        .flat_map(|attempt| &attempt.legs)
        .map(|leg| (json!(leg.request), leg.decision.effect == Effect::Allow))
        .collect()
}

fn their_checks(theirs: &oracle::Impersonated) -> Vec<(Value, bool)> {
    let asked = |check: &oracle::Check| {
        let attributes = check
            .resource_attributes
            .as_ref()
            .or(check.non_resource_attributes.as_ref());
        let mut attributes = attributes.cloned().unwrap_or_default();
        let fields = attributes.as_object_mut().unwrap();
        // The same form as ours: group and verb always there, nothing else that is empty.
        for key in ["group", "verb"] {
            if fields.contains_key("resource") {
                fields.entry(key).or_insert(json!(""));
            }
        }
        (attributes, check.allowed)
    };
    theirs.checks.iter().map(asked).collect()
}
