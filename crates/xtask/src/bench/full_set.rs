//! The full set of the decision point: 10,000 policies, 100,000 bindings, 1,000,000 tuples.

use bailiwick_core::{Request, ResourceRequest, UserInfo};
use bailiwick_model::Snapshot;
use bailiwick_testkit::generate::Shape;

pub(super) const SEED: u64 = 0x2026_1121;
pub(super) const POLICIES: usize = 10_000;
pub(super) const BINDINGS: usize = 100_000;
pub(super) const TUPLES: usize = 1_000_000;

/// The types of the relations: their relations and their actions.
#[allow(
    clippy::type_complexity,
    reason = "what the schema of relations is made of"
)]
pub(super) const TYPES: [(&str, &[(&str, &str)], &[(&str, &str)]); 2] = [
    ("folder", &[("viewer", "[user, group#member]")], &[]),
    (
        "record",
        &[
            ("folder", "[folder]"),
            ("viewer", "[user] or viewer from folder"),
        ],
        &[("read", "viewer")],
    ),
];

pub(super) fn cluster() -> Snapshot {
    Shape::mixed(BINDINGS).cluster(SEED)
}

/// What policies ask for behind what the index tests.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// Something that Cedar has to evaluate.
    More,
    /// Nothing: the index settles them.
    NothingMore,
}

/// The policy of a team: three for each, so that a request of a member has up to three candidates.
pub(super) fn policy(number: usize, asks: Asks) -> String {
    let (team, shape) = (number / 3, number % 3);
    let (effect, resources, verbs) = match shape {
        0 => (
            "permit",
            "[\"deployments\", \"statefulsets\"]",
            "[k8s::Action::\"get\", k8s::Action::\"update\"]",
        ),
        1 => (
            "permit",
            "[\"replicasets\", \"deployments\"]",
            "[k8s::Action::\"get\", k8s::Action::\"list\"]",
        ),
        _ => (
            "forbid",
            "[\"daemonsets\", \"deployments\"]",
            "[k8s::Action::\"delete\", k8s::Action::\"get\"]",
        ),
    };
    let named = match (asks, shape) {
        (Asks::NothingMore, 2) => " && resource has name && resource.name == \"frozen\"",
        (Asks::NothingMore, _) => "",
        (Asks::More, 2) => " && resource has name && resource.name like \"frozen-*\"",
        (Asks::More, _) => " && !(resource has name && resource.name like \"*-frozen\")",
    };
    format!(
        "@reason(\"team {team} works in its own namespace\")\n{effect} (\n  principal in k8s::Group::\"team-{team}\",\n  \
         action in {verbs},\n  resource is k8s::Resource\n)\nwhen {{\n  resource.apiGroup == \"apps\" && \
         {resources}.contains(resource.resource) &&\n  resource has namespace && resource.namespace == \
         \"team-{team}\"{named}\n}};\n"
    )
}

/// Each as documents write it.
pub(super) fn tuples() -> impl Iterator<Item = String> {
    (0..TUPLES).map(|number| {
        // Another user each time that a record comes again.
        let user = (number.wrapping_mul(7_919) + number / 200_000 * 17) % 100_000;
        match number % 10 {
            0 => format!("record:{number}#folder@folder:{}", number % 1_000),
            1 if number < 100_000 => format!(
                "folder:{}#viewer@group:team-{}#member",
                number % 1_000,
                number % 3_333
            ),
            _ => format!("record:{}#viewer@user:user-{user}", number % 200_000),
        }
    })
}

/// A member of a team asks in its namespace: two policies permit, one forbids and is compared too.
pub(super) fn of_team(number: usize) -> (UserInfo, Request) {
    let team = number.wrapping_mul(7_919) % (POLICIES / 3);
    let groups = [
        "system:authenticated".to_owned(),
        "staff".to_owned(),
        "vpn".to_owned(),
        format!("team-{team}"),
        "on-call".to_owned(),
    ];
    let user = UserInfo {
        name: format!("member-{number}"),
        groups: groups.to_vec(),
        ..UserInfo::default()
    };
    let request = ResourceRequest::new("get", "apps", "deployments")
        .in_namespace(&format!("team-{team}"))
        .named("web");
    (user, request.into())
}
