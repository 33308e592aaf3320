//! What is more than a yes or no of the points that tools get wrong about RBAC.

use bailiwick_core::Effect;
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation::{request, snapshot, user};

use crate::points;
use crate::support::{both, person};

#[test]
fn p10_dead_rules_still_count_for_covers() {
    let (engine, mut oracle) = both(
        "ClusterRole r
           get on nodes of ''
           get at /healthz
         RoleBinding shop/r gives ClusterRole/r to user:ann",
    );
    let ann = user("ann");
    let resolved = engine.rules_for(&ann, "shop");
    let theirs = oracle.rules(&person(&ann), "shop").unwrap();
    assert_eq!((resolved.rules.len(), theirs.rules.len()), (2, 2));
    assert!(!engine.decide(&ann, &request("get nodes")).is_allowed());
}

#[test]
fn p12_a_service_account_without_namespace_in_a_clusterrolebinding_is_nobody() {
    let (engine, mut oracle) = both(
        "ClusterRole r
           get on pods of ''
         ClusterRoleBinding r gives ClusterRole/r to sa:/runner",
    );
    for name in [
        "system:serviceaccount::runner",
        "system:serviceaccount:shop:runner",
        "runner",
    ] {
        let who = user(name);
        let request = request("get pods -n shop");
        assert!(!engine.decide(&who, &request).is_allowed(), "{name}");
        assert!(
            !oracle
                .authorize(&manifest::review_spec(&who, &request))
                .unwrap()
                .allowed,
            "{name}"
        );
    }
}

#[test]
fn p13_a_missing_role_is_a_problem() {
    let point = points::ALL
        .iter()
        .find(|point| point.name.starts_with("p13"))
        .unwrap();
    let (engine, mut oracle) = both(point.cluster);
    let ann = user("ann");
    let resolved = engine.rules_for(&ann, "shop");
    assert_eq!((resolved.rules.len(), resolved.problems.len()), (1, 2));
    let theirs = oracle.rules(&person(&ann), "shop").unwrap();
    assert_eq!(theirs.rules.len(), 1);
    for missing in ["\"here\"", "\"ghost\""] {
        assert!(theirs.error.contains(missing), "{}", theirs.error);
    }
    // A yes stands in spite of it.
    let request = request("get pods -n shop");
    let decision = engine.decide(&ann, &request).to_decision();
    assert_eq!(
        (decision.effect, decision.problems.len()),
        (Effect::Allow, 2)
    );
}

#[test]
fn p14_what_nothing_allows_is_no_opinion() {
    let engine = Engine::new(snapshot(""));
    let (who, request) = (user("ann"), request("get pods"));
    assert_eq!(engine.decide(&who, &request).effect(), Effect::NoOpinion);
}

#[test]
fn p21_who_can_names_masters_and_expands_no_group() {
    let (engine, mut oracle) = both(
        "ClusterRole r
           get on pods of ''
         RoleBinding shop/a gives ClusterRole/r to group:dev user:ann sa:/runner
         ClusterRoleBinding b gives ClusterRole/r to group:dev user:system:serviceaccount:shop:runner
         RoleBinding other/c gives ClusterRole/r to user:eve",
    );
    let request = request("get pods -n shop");
    let who_can = engine.who_can(&request);
    let mut ours: Vec<String> = who_can
        .subjects()
        .map(|who| format!("{} ×{}", who.subject(), who.grants().count()))
        .collect();
    ours[1..].sort();
    assert_eq!(
        ours,
        [
            "group:system:masters ×0",
            "group:dev ×2",
            "sa:shop/runner ×2",
            "user:ann ×1"
        ]
    );
    let theirs = oracle
        .subjects(&manifest::review_spec(&user(""), &request))
        .unwrap();
    let mut theirs: Vec<String> = theirs
        .subjects
        .iter()
        .map(|subject| {
            format!(
                "{} {}",
                subject["kind"].as_str().unwrap(),
                subject["name"].as_str().unwrap()
            )
        })
        .collect();
    theirs.sort();
    // Upstream lists a subject once for each binding, and does not know that two of them are the same.
    let expected = [
        "Group dev",
        "Group dev",
        "Group system:masters",
        "ServiceAccount runner",
        "User ann",
        "User system:serviceaccount:shop:runner",
    ];
    assert_eq!(theirs, expected);
}
