//! What is odd about policies, and where two sets of them differ.

use std::sync::Arc;

use bailiwick_core::Timestamp;
use bailiwick_model::Snapshot;
use bailiwick_rbac::Engine;

use super::world::World;
use crate::{Policies, PolicyDocument, State, differences};

fn policies(cedar: &str) -> Policies {
    let mut policies = Policies::default();
    let document = PolicyDocument {
        name: "p".into(),
        cedar: cedar.to_owned(),
        ..PolicyDocument::default()
    };
    policies.put(&document).unwrap();
    policies
}

/// Policies are not compared with all others: what two of them alone would show is found among many.
#[test]
fn what_covers_a_policy_is_found_among_many() {
    let principals = ["principal", "principal in k8s::Group::\"dev\""];
    let actions = [
        "action == k8s::Action::\"get\"",
        "action in k8s::Action::\"read\"",
        "action in [k8s::Action::\"get\", k8s::Action::\"list\"]",
    ];
    let conditions = ["", " when { resource.resource == \"pods\" }"];
    let mut all = Vec::new();
    for principal in principals {
        for action in actions {
            for condition in conditions {
                let effect = if all.len() % 5 == 0 {
                    "forbid"
                } else {
                    "permit"
                };
                all.push(format!(
                    "{effect}({principal}, {action}, resource is k8s::Resource){condition};"
                ));
            }
        }
    }
    let odd = |cedar: &str, id: &str| {
        let lints = policies(cedar).lints();
        let found = lints.iter().find(|lint| *lint.id == *id);
        found.map(|lint| lint.what.name())
    };
    let whole = policies(&all.concat()).lints();
    for (place, policy) in all.iter().enumerate() {
        let id = format!("p/{}", place + 1);
        let among_many = whole.iter().find(|lint| *lint.id == *id);
        let among_many = among_many.map(|lint| lint.what.name());
        let own = odd(policy, "p");
        let mut alone = Vec::new();
        for (other, text) in all.iter().enumerate().filter(|(other, _)| *other != place) {
            // In the order in which they stand.
            alone.extend(match other < place {
                true => odd(&format!("{text}{policy}"), "p/2"),
                false => odd(&format!("{policy}{text}"), "p/1"),
            });
        }
        let expected = own.or_else(|| {
            let named = |name: &str| alone.iter().copied().find(|found| *found == name);
            named("overruled").or_else(|| named("shadowed"))
        });
        assert_eq!(among_many, expected, "{id} {policy}");
    }
}

#[test]
fn what_is_odd_is_said_of_the_policy_that_is() {
    let check = |cedar: &str, expected: &[&str]| {
        let found: Vec<String> = policies(cedar)
            .lints()
            .iter()
            .map(|lint| format!("{} {}", lint.id, lint.what.name()))
            .collect();
        assert_eq!(found, expected, "{cedar}");
    };
    let get = "action == k8s::Action::\"get\", resource is k8s::Resource";
    let dev = "principal in k8s::Group::\"dev\"";
    let pods = "when { resource.resource == \"pods\" }";
    check("permit(principal, action, resource);", &["p overBroad"]);
    check("forbid(principal, action, resource);", &[]);
    check(
        &format!("permit(principal, {get}) {pods};"),
        &["p overBroad"],
    );
    // A condition on who asks is as good as a scope.
    check(
        &format!("permit(principal, {get}) when {{ principal.name like \"a*\" }};"),
        &[],
    );
    check(&format!("permit({dev}, {get}) {pods};"), &[]);
    // Of two equals the later is too many; a narrower one always is.
    check(
        &format!("permit({dev}, {get}) {pods}; permit({dev}, {get}) {pods};"),
        &["p/2 shadowed"],
    );
    check(
        &format!("permit({dev}, {get}) {pods}; permit({dev}, {get});"),
        &["p/1 shadowed"],
    );
    check(
        &format!(
            "permit({dev}, action in k8s::Action::\"read\", resource is k8s::Resource); permit({dev}, {get}) {pods};"
        ),
        &["p/2 shadowed"],
    );
    // The wider one asks for something that the index cannot tell.
    check(
        &format!(
            "permit({dev}, {get}) when {{ resource.resource like \"p*\" }}; permit({dev}, {get}) {pods};"
        ),
        &[],
    );
    check(
        &format!("permit({dev}, {get}) {pods}; forbid({dev}, action, resource is k8s::Resource);"),
        &["p/1 overruled"],
    );
    check(
        &format!(
            "permit({dev}, {get}) {pods}; forbid(principal in k8s::Group::\"ops\", action, resource);"
        ),
        &[],
    );
    check(
        &format!(
            "permit({dev}, {get}) {pods} when {{ [\"secrets\", \"nodes\"].contains(resource.resource) }};"
        ),
        &["p neverMatches"],
    );
    check(
        &format!(
            "permit({dev}, action == k8s::Action::\"create\", resource is k8s::NonResourceURL);"
        ),
        &["p neverMatches"],
    );
}

#[test]
fn differences_are_found_where_there_are_some() {
    let state = |cedar: &str| State {
        policies: Arc::new(policies(cedar)),
        ..State::new(Arc::new(Engine::new(Snapshot::default())))
    };
    let check = |old: &str, new: &str, expected: bool| {
        let mut words = policies(old).words();
        words.extend(policies(new).words());
        let now = Timestamp::default();
        let found = differences(&state(old), &state(new), &words, now, 50_000, 1);
        assert_eq!(found.differ > 0, expected, "{old}\n{new}\n{found:?}");
        assert_eq!(found.found.len(), usize::from(expected));
        assert!(found.asked > 0 && found.asked <= found.possible);
    };
    let get = "action == k8s::Action::\"get\", resource is k8s::Resource";
    let policy =
        |when: &str| format!("permit(principal in k8s::Group::\"dev\", {get}) when {{ {when} }};");
    let pods = policy("resource.resource == \"pods\"");
    check(&pods, &pods, false);
    check(
        &pods,
        &policy("[\"pods\"].contains(resource.resource)"),
        false,
    );
    check(
        &pods,
        &policy("[\"pods\", \"nodes\"].contains(resource.resource)"),
        true,
    );
    check(&pods, &policy("resource.resource like \"pod*\""), true);
    check(
        &pods,
        &policy(
            "resource.resource == \"pods\" && resource has namespace && resource.namespace == \"shop\"",
        ),
        true,
    );
    check(
        &pods,
        &format!("{pods} forbid(principal == k8s::User::\"anna\", {get});"),
        true,
    );
    check(
        "permit(principal is app::Subject, action, resource is app::Resource) when { context.action == \"read\" };",
        "permit(principal is app::Subject, action, resource is app::Resource) when { context.action == \"write\" };",
        true,
    );
}

/// To act as oneself: the resource is who asks, and in the same groups.
#[test]
fn who_acts_as_itself_is_found_by_its_groups() {
    World::new()
        .policy(
            "self",
            "permit(principal, action == k8s::Action::\"impersonate\", resource in k8s::Group::\"dev\");",
        )
        .check("anna dev", "impersonate users anna", "Allow by self");
}
