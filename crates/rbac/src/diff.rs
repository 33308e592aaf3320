//! What changes for whom between two states of a cluster.

use std::collections::BTreeSet;

use bailiwick_core::{Subject, UserInfo};
use bailiwick_model::{Binding, PolicyRule};

use crate::covers::covers;
use crate::engine::Engine;

/// What a subject of bindings can do in one scope and could not before, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// The subject, as bindings name it: what its groups give stands with the groups.
    pub subject: Subject,
    /// The namespace; empty is the whole cluster. What changes in the whole cluster is not said again for each
    /// namespace.
    pub namespace: String,
    /// What is new.
    pub gained: Vec<PolicyRule>,
    /// What is gone.
    pub lost: Vec<PolicyRule>,
}

/// What changes for each subject of a binding from `old` to `new`, in order.
///
/// Rules that are worded or split differently and allow the same are no change: each side is asked whether it covers
/// the other, as the API server asks before it lets somebody grant a role ([`covers`]).
pub fn diff(old: &Engine, new: &Engine) -> Vec<AccessChange> {
    let mut scopes: BTreeSet<(Subject, String)> = BTreeSet::new();
    for engine in [old, new] {
        let bindings = engine.snapshot().bindings.iter();
        scopes.extend(bindings.flat_map(scopes_of));
    }
    let mut changes = Vec::new();
    for (subject, namespace) in scopes {
        let user = alone(&subject);
        let (before, after) = (rules(old, &user, &namespace), rules(new, &user, &namespace));
        if before == after {
            continue;
        }
        let change = AccessChange {
            gained: covers(&before, &after).missing,
            lost: covers(&after, &before).missing,
            subject,
            namespace,
        };
        let is_empty = change.gained.is_empty() && change.lost.is_empty();
        if !is_empty && !is_said(&changes, &change) {
            changes.push(change);
        }
    }
    changes
}

/// Whether the change of the same subject in the whole cluster says all of this one.
fn is_said(changes: &[AccessChange], change: &AccessChange) -> bool {
    let of_subject = changes
        .iter()
        .rev()
        .take_while(|other| other.subject == change.subject);
    of_subject.last().is_some_and(|whole| {
        whole.namespace.is_empty()
            && covers(&whole.gained, &change.gained).covered
            && covers(&whole.lost, &change.lost).covered
    })
}

fn scopes_of(binding: &Binding) -> impl Iterator<Item = (Subject, String)> {
    let namespace = &binding.metadata.namespace;
    let subjects = binding
        .subjects
        .iter()
        .filter_map(|subject| subject.subject(namespace));
    subjects.map(|subject| {
        let subject = match subject {
            Subject::User { name } => Subject::from_user_name(&name),
            other => other,
        };
        (subject, namespace.to_string())
    })
}

/// A user with this name or group and no other.
fn alone(subject: &Subject) -> UserInfo {
    match subject {
        Subject::Group { name } => UserInfo::exactly("", &[name]),
        named => UserInfo::exactly(&named.user_name().unwrap_or_default(), &[]),
    }
}

/// The rules that hold, in order, each once.
fn rules(engine: &Engine, user: &UserInfo, namespace: &str) -> Vec<PolicyRule> {
    let resolved = engine.rules_for(user, namespace);
    let rules: BTreeSet<&PolicyRule> = resolved.rules.iter().map(|rule| rule.rule).collect();
    rules.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use bailiwick_testkit::notation::snapshot;

    use super::*;

    /// `SUBJECT@NAMESPACE +gained -lost`, each rule as `verbs resources`.
    fn check(old: &str, new: &str, expected: &[&str]) {
        let [old, new] = [old, new].map(|text| Engine::new(snapshot(text)));
        let words = |sign: char, rules: &[PolicyRule]| -> String {
            let rule = |rule: &PolicyRule| {
                format!(
                    " {sign}{} {}",
                    rule.verbs.join(","),
                    rule.resources.join(",")
                )
            };
            rules.iter().map(rule).collect()
        };
        let found: Vec<String> = diff(&old, &new)
            .iter()
            .map(|change| {
                let (gained, lost) = (words('+', &change.gained), words('-', &change.lost));
                format!("{}@{}{gained}{lost}", change.subject, change.namespace)
            })
            .collect();
        assert_eq!(found, expected);
    }

    const BOUND: &str = "RoleBinding shop/b gives Role/r to user:eve\n";

    fn role(rule: &str) -> String {
        format!("Role shop/r\n  {rule}\n{BOUND}")
    }

    #[test]
    fn gains_and_losses() {
        let get = role("get on pods of ''");
        check(&get, &get, &[]);
        check(
            &get,
            &role("get,list on pods of ''"),
            &["user:eve@shop +list pods"],
        );
        check(
            &role("get,list on pods of ''"),
            &get,
            &["user:eve@shop -list pods"],
        );
        check(
            &get,
            &role("get on secrets of ''"),
            &["user:eve@shop +get secrets -get pods"],
        );
        check("", &get, &["user:eve@shop +get pods"]);
    }

    #[test]
    fn other_words_for_the_same_are_no_change() {
        let split = role("get on pods of ''\n  list on pods of ''");
        check(&split, &role("get,list on pods of ''"), &[]);
    }

    #[test]
    fn what_holds_everywhere_is_said_once() {
        let cluster = "ClusterRole c\n  get on pods of ''\nClusterRoleBinding c gives ClusterRole/c to user:eve\n";
        let both = format!("{cluster}{}", role("get on pods of ''"));
        check("", cluster, &["user:eve@ +get pods"]);
        check("", &both, &["user:eve@ +get pods"]);
        check(&role("get on pods of ''"), &both, &["user:eve@ +get pods"]);
    }
}
