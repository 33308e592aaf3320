//! Made-up policy sets and requests: the index and the split change nothing.

use bailiwick_core::{Effect, Request, Timestamp, UserInfo};
use bailiwick_model::{Snapshot, Value};
use cedar_policy_core::ast::PolicySet;
use cedar_policy_core::authorizer::Authorizer;
use cedar_policy_core::parser::parse_policyset;
use proptest::prelude::*;

use super::world::{World, request_of, user_of};
use crate::cedar::{Types, kubernetes};
use crate::{Objects, Policies, Question, State};

fn principal() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "principal",
        "principal == k8s::User::\"anna\"",
        "principal == k8s::ServiceAccount::\"system:serviceaccount:ci:x\"",
        "principal in k8s::Group::\"dev\"",
        "principal in k8s::Group::\"ops\"",
        "principal is k8s::ServiceAccount",
        "principal is k8s::User in k8s::Group::\"dev\"",
    ])
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "action",
        "action == k8s::Action::\"create\"",
        "action == k8s::Action::\"get\"",
        "action in k8s::Action::\"write\"",
        "action in [k8s::Action::\"get\", k8s::Action::\"create\"]",
    ])
}

fn resource() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "resource",
        "resource is k8s::Resource",
        "resource is k8s::NonResourceURL",
        "resource in k8s::Namespace::\"shop\"",
        "resource is k8s::Resource in k8s::Namespace::\"bank\"",
    ])
}

/// Conditions in every shape that the index lifts, and in some that it must not; many of them fail where an attribute
/// is missing.
fn atom() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "true",
        "resource.resource == \"pods\"",
        "\"secrets\" == resource.resource",
        "resource.namespace == \"shop\"",
        "resource has namespace",
        "resource has name",
        "resource.name == \"web\"",
        "[\"shop\", \"bank\"].contains(resource.namespace)",
        "(resource.name == \"web\" || resource.name == \"db\")",
        "principal.name == \"anna\"",
        "principal.namespace == \"ci\"",
        "principal has namespace",
        "principal in [k8s::Group::\"dev\", k8s::Group::\"sre\"]",
        "principal == k8s::User::\"anna\"",
        "principal is k8s::User",
        "resource.path like \"/heal*\"",
        "!(resource.resource == \"pods\")",
        "9223372036854775807 + 1 > 0",
        "context has request",
        "resource in k8s::Namespace::\"shop\"",
        "resource == principal",
    ])
}

/// Conditions that read the object, of which some fail.
fn waiting() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "context.request.hasTag(\"a\")",
        "context.request.getTag(\"a\").contains(\"1\")",
        "context.request.hasTag(principal.name)",
        "context.request.getTag(\"b\") == [principal.name]",
        "[\"1\", resource.name].containsAny(context.request.getTag(\"a\"))",
        "(if context.request.hasTag(\"a\") then principal.name == \"anna\" else resource.name == \"web\")",
    ])
}

fn expression(atom: BoxedStrategy<&'static str>) -> impl Strategy<Value = String> {
    atom.prop_map(str::to_owned)
        .prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
}

fn policy(atom: BoxedStrategy<&'static str>) -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["permit", "forbid"]);
    let clauses = prop::collection::vec((any::<bool>(), expression(atom)), 0..3);
    (effect, principal(), action(), resource(), clauses).prop_map(
        |(effect, principal, action, resource, clauses)| {
            let clauses: String = clauses
                .iter()
                .map(|(when, text)| {
                    format!(" {} {{ {text} }}", if *when { "when" } else { "unless" })
                })
                .collect();
            format!("{effect}({principal}, {action}, {resource}){clauses};")
        },
    )
}

fn users() -> impl Strategy<Value = UserInfo> {
    prop::sample::select(vec![
        "anna",
        "anna dev",
        "ben ops dev",
        "system:serviceaccount:ci:x",
        "system:node:n1 ops",
    ])
    .prop_map(user_of)
}

fn requests() -> impl Strategy<Value = Request> {
    prop::sample::select(vec![
        "create pods shop/web",
        "create secrets bank/",
        "get pods shop/web",
        "get nodes n1",
        "update deployments.apps shop/db",
        "list pods",
        "get /healthz",
        "impersonate users anna",
        "frobnicate pods shop/web",
    ])
    .prop_map(request_of)
}

fn named(policies: &[String]) -> PolicySet {
    parse_policyset(&policies.concat()).unwrap()
}

fn unchecked(policies: &[String], base: &Policies) -> Policies {
    let mut found = base.clone();
    for (place, policy) in policies.iter().enumerate() {
        found.put_unchecked(&format!("policy{place}"), policy);
    }
    found
}

thread_local! {
    static BASE: Policies = {
        let mut base = Policies::default();
        base.put_unchecked("none", "permit(principal, action, resource) when { false };");
        base
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Cedar over the whole set, and ours over the candidates alone: the same policies hold and the same fail.
    #[test]
    fn the_index_changes_nothing(
        policies in prop::collection::vec(policy(atom().boxed()), 1..12),
        removed in prop::collection::vec(policy(atom().boxed()), 0..4),
        user in users(),
        request in requests(),
    ) {
        let mut ours = BASE.with(|base| unchecked(&policies, base));
        // Policies that came and went leave nothing behind.
        for (place, policy) in removed.iter().enumerate() {
            ours.put_unchecked(&format!("gone{place}"), policy);
        }
        for place in 0..removed.len() {
            ours.remove_unchecked(&format!("gone{place}"));
        }
        let objects = Objects::default();
        let types = Types::new().unwrap();
        let input = kubernetes::input(&user, &request, &Snapshot::default(), &types, Some(&objects));
        let theirs = Authorizer::new().is_authorized_core(
            input.request.clone(),
            &named(&policies),
            &input.entities,
        );
        let mut expected_satisfied: Vec<String> = theirs
            .satisfied_permits.keys().chain(theirs.satisfied_forbids.keys()).map(ToString::to_string).collect();
        let mut expected_failed: Vec<String> = theirs
            .errors.iter().map(|error| match error {
                cedar_policy_core::authorizer::AuthorizationError::PolicyEvaluationError { id, .. } => id.to_string(),
            }).collect();
        let question = Question::Kubernetes { user: &user, request: &request };
        let snapshot = Snapshot::default();
        let (mut satisfied, mut failed) = (Vec::new(), Vec::new());
        if let Some(asked) = ours.ask(question, &snapshot, Some(&objects)) {
            let found = asked.evaluate(asked.cluster.iter().copied());
            satisfied.extend(found.satisfied.iter().map(|policy| policy.id().to_string()));
            failed.extend(found.failed.iter().map(|(policy, _)| policy.id().to_string()));
        }
        for list in [&mut satisfied, &mut failed, &mut expected_satisfied, &mut expected_failed] {
            list.sort();
        }
        prop_assert_eq!(satisfied, expected_satisfied);
        prop_assert_eq!(failed, expected_failed);
    }

    /// A policy set is split, and what is left of it is evaluated once the object is known: that is the answer of
    /// the whole with the object, whatever it is.
    #[test]
    fn split_and_settled_is_the_whole(
        policies in prop::collection::vec(policy(prop_oneof![atom(), waiting()].boxed()), 1..8),
        user in users(),
        request in prop::sample::select(vec!["create pods shop/web", "create secrets bank/", "update pods shop/db"])
            .prop_map(request_of),
        object in prop::sample::select(vec!["{}", "{\"a\":1}", "{\"a\":2,\"b\":\"anna\"}", "{\"anna\":true,\"a\":[1]}"]),
    ) {
        let mut state: State = World::new().rbac("anna", "create", "pods").state;
        state.policies = std::sync::Arc::new(BASE.with(|base| unchecked(&policies, base)));
        let Request::Resource(resource) = &request else {
            panic!("a request on a resource")
        };
        let question = Question::Kubernetes { user: &user, request: &request };
        let object: Value = serde_json::from_str(object).unwrap();
        let objects = Objects::new(Some(&object), None).unwrap();
        let now = Timestamp::default();
        let whole = state.decide_with_objects(question, &objects, now).to_decision();
        let before = state.decide(question, now).to_decision();
        let settled = State::settle(&before, resource, &objects);
        prop_assert_eq!(settled.effect, whole.effect, "{:#?}\n{:#?}", before, whole);
        prop_assert_ne!(whole.effect, Effect::Conditional);
        // Without an enforcer nothing is allowed that the whole would not allow.
        let alone = before.unconditional().effect;
        prop_assert!(alone == whole.effect || alone != Effect::Allow);
    }
}
