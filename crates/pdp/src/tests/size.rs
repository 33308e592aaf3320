//! What the index and the store are for: few candidates, small tuples.

use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;

use super::world::{World, request_of, user_of};
use crate::{PolicyDocument, Question, RelationSchema, Relations, Tuple};

/// Three policies for each of twenty teams, all about the same resources: only those of the member's own team are
/// compared with its request.
#[test]
fn a_request_meets_the_policies_of_its_own_scope_alone() {
    let mut world = World::new();
    let policies = Arc::make_mut(&mut world.state.policies);
    for team in 0..20 {
        let when = format!(
            "resource.apiGroup == \"apps\" && [\"deployments\", \"statefulsets\"].contains(resource.resource)
             && resource has namespace && resource.namespace == \"team-{team}\""
        );
        let scope = format!(
            "principal in k8s::Group::\"team-{team}\", action in k8s::Action::\"read\", resource is k8s::Resource"
        );
        let cedar = format!(
            "permit ({scope}) when {{ {when} }};
             forbid ({scope}) when {{ {when} && resource has name && resource.name == \"frozen\" }};
             permit (principal, action == k8s::Action::\"get\", resource is k8s::Resource) when {{ {when} }};"
        );
        let document = PolicyDocument {
            name: format!("team-{team}").into(),
            cedar,
            ..PolicyDocument::default()
        };
        policies.put(&document).unwrap();
    }
    let snapshot = Snapshot::default();
    let check = |user: &str, request: &str, expected: usize| {
        let (user, request) = (user_of(user), request_of(request));
        let question = Question::Kubernetes {
            user: &user,
            request: &request,
        };
        let asked = world.state.policies.ask(question, &snapshot, None);
        let found = asked.map_or(0, |asked| asked.cluster.len());
        assert_eq!(found, expected, "{request}");
    };
    check("anna team-7 staff", "get deployments.apps team-7/web", 2);
    check("anna team-7 staff", "get deployments.apps team-7/frozen", 3);
    check("anna team-7 staff", "list deployments.apps team-7/", 1);
    check("anna team-7 staff", "get deployments.apps team-8/web", 1);
    check("anna team-7 staff", "get pods team-7/web", 0);
    check("anna", "get deployments.apps", 0);
}

/// Ids and both directions together, each id counted once.
#[test]
fn a_tuple_takes_less_than_64_bytes() {
    let schema = RelationSchema::new([
        ("folder", vec![("viewer", "[user, group#member]")], vec![]),
        (
            "record",
            vec![
                ("folder", "[folder]"),
                ("viewer", "[user] or viewer from folder"),
            ],
            vec![("read", "viewer")],
        ),
    ]);
    let mut relations = Relations::new(schema.unwrap());
    let tuples: Vec<Tuple> = (0..200_000)
        .map(|number| match number % 10 {
            0 => format!("record:{number}#folder@folder:{}", number % 1_000),
            _ => format!(
                "record:{}#viewer@user:user-{}",
                number % 40_000,
                number * 7_919 % 20_000
            ),
        })
        .map(|text| text.parse().unwrap())
        .collect();
    relations.extend(&Str::default(), &tuples).unwrap();
    let size = relations.size();
    assert!(size.tuples == 56_000, "{size:?}");
    let each = (size.tuple_bytes + size.id_bytes) / size.tuples;
    println!("{size:?}: {each} bytes a tuple");
    assert!(each <= 64, "{size:?}: {each} bytes a tuple");
}
