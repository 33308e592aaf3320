//! On small made-up clusters: the graph says that somebody gets to the service accounts of a namespace if and only if
//! he does when he binds and rewrites whatever the engine lets him.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef, Request, ResourceRequest, Subject, UserInfo};
use bailiwick_graph::{Area, Graph, Node};
use bailiwick_model::{Delta, Object, Origin, PolicyRule, Snapshot};
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::{Rng, seed};
use bailiwick_testkit::notation;

const CLUSTERS: usize = 2_000;
const ROLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const NAMESPACES: [&str; 2] = ["pay", "shop"];
const GROUP: &str = "rbac.authorization.k8s.io";

fn rule(rng: &mut Rng) -> String {
    let name = *rng.pick(&ROLES);
    match rng.below(8) {
        0 | 1 => format!("bind on clusterroles of {GROUP} named {name}"),
        2 => format!("create on rolebindings of {GROUP}"),
        3 => format!("create on rolebindings,clusterrolebindings of {GROUP}"),
        4 => format!("escalate on clusterroles of {GROUP} named {name}"),
        5 => format!("patch on clusterroles of {GROUP} named {name}"),
        6 => "create on secrets of ''".to_owned(),
        _ => "get on secrets of ''".to_owned(),
    }
}

fn text(rng: &mut Rng) -> String {
    let mut text = String::new();
    for role in ROLES {
        text += &format!("ClusterRole {role}\n");
        for _ in 0..=rng.below(2) {
            text += &format!("  {}\n", rule(rng));
        }
    }
    for number in 0..rng.below(4) + 2 {
        let role = *rng.pick(&ROLES);
        let subject = *rng.pick(&["user:eve", "user:eve", "group:system:authenticated"]);
        text += &match rng.below(3) {
            0 => format!("ClusterRoleBinding b{number} gives ClusterRole/{role} to {subject}\n"),
            _ => {
                let namespace = *rng.pick(&NAMESPACES);
                format!("RoleBinding {namespace}/b{number} gives ClusterRole/{role} to {subject}\n")
            }
        };
    }
    text
}

fn put(snapshot: &mut Snapshot, text: &str) {
    for object in notation::objects(text) {
        snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    }
}

fn may(engine: &Engine, verb: &str, resource: &str, name: &str, namespace: &str) -> bool {
    let user = UserInfo::of(&Subject::from_user_name("eve"), &[]);
    let group = if resource == "secrets" { "" } else { GROUP };
    let request = ResourceRequest::new(verb, group, resource).named(name);
    let request: Request = request.in_namespace(namespace).into();
    engine.decide(&user, &request).is_allowed()
}

/// What eve makes of her rights: each round she binds and rewrites what she can.
fn take(mut snapshot: Snapshot) -> Snapshot {
    loop {
        let engine = Engine::new(snapshot.clone());
        let mut changed = false;
        for (namespace, bindings) in [
            ("", "clusterrolebindings"),
            ("pay", "rolebindings"),
            ("shop", "rolebindings"),
        ] {
            for role in ROLES {
                let name = format!("eve-{role}");
                let known = snapshot.bindings.get(namespace, &name).is_some();
                let binds = may(&engine, "bind", "clusterroles", role, namespace);
                if binds && may(&engine, "create", bindings, "", namespace) && !known {
                    changed = true;
                    let binding = match namespace {
                        "" => format!("ClusterRoleBinding {name}"),
                        _ => format!("RoleBinding {namespace}/{name}"),
                    };
                    put(
                        &mut snapshot,
                        &format!("{binding} gives ClusterRole/{role} to user:eve"),
                    );
                }
            }
        }
        for role in ROLES {
            let object = ObjectRef::new(Kind::ClusterRole, "", role);
            let mut known = snapshot.roles.get("", role).unwrap().clone();
            let all = PolicyRule {
                verbs: ["*".into()].into(),
                api_groups: ["*".into()].into(),
                resources: ["*".into()].into(),
                ..PolicyRule::default()
            };
            let is_hers = snapshot
                .bindings
                .iter()
                .any(|b| b.role().as_ref() == Some(&object));
            let writes = ["escalate", "patch"]
                .iter()
                .all(|verb| may(&engine, verb, "clusterroles", role, ""));
            if writes && is_hers && !known.rules.contains(&all) {
                changed = true;
                known.rules = [all].into();
                let delta = Delta::Upsert(Box::new(Object::Role(known)), Origin::Live);
                snapshot.apply(delta);
            }
        }
        if !changed {
            return snapshot;
        }
    }
}

/// What the graph says of a cluster is what eve gets to there. Gives in how many namespaces she does, and whether roles
/// add up in it.
fn check(text: &str) -> (usize, bool) {
    let mut snapshot = Snapshot::default();
    put(&mut snapshot, text);
    for namespace in NAMESPACES {
        let binding = format!("RoleBinding {namespace}/any gives ClusterRole/none to user:eve");
        put(&mut snapshot, &binding);
    }
    let graph = Graph::new(&snapshot, BTreeMap::new());
    let eve: Node = "eve".parse().unwrap();
    let reach = graph.find(&eve).map(|eve| graph.reach(&[eve]));
    let engine = Engine::new(take(snapshot));
    let mut reached = 0;
    for namespace in NAMESPACES {
        let target = Node::area(Area::ServiceAccounts, &namespace.into());
        // Full control of the cluster leads no further.
        let targets = [target, Node::Cluster].map(|node| graph.find(&node));
        let says = reach.as_ref().is_some_and(|reach| {
            let mut targets = targets.into_iter().flatten();
            targets.any(|target| reach.effort(target).is_some())
        });
        let does = may(&engine, "create", "secrets", "", namespace)
            && may(&engine, "get", "secrets", "any", namespace);
        assert_eq!(says, does, "{namespace}\n{text}");
        reached += usize::from(says);
    }
    let is_bound = |node: &Node| matches!(node, Node::Bound { .. });
    (reached, graph.nodes().any(|(_, node)| is_bound(node)))
}

#[test]
fn who_binds_what_he_can_gets_where_the_graph_says() {
    let seed = seed(0x2026_1121);
    println!("BAILIWICK_SEED={seed}");
    let mut rng = Rng::new(seed);
    let (mut reached, mut together) = (0, 0);
    for _ in 0..CLUSTERS {
        let (namespaces, adds_up) = check(&text(&mut rng));
        reached += namespaces;
        together += usize::from(adds_up);
    }
    println!(
        "{reached} of {} reached, {together} clusters with roles that add up",
        2 * CLUSTERS
    );
    assert!(reached > 100 && together > 100);
}

/// Each leg is held on another object, and only the second role that she binds holds both on one.
#[test]
fn a_leg_on_another_object_does_not_end_the_search() {
    let text = format!(
        "ClusterRole a
           escalate on clusterroles of {GROUP} named f
         ClusterRole b
           patch on clusterroles of {GROUP} named f
         ClusterRole c
           bind on clusterroles of {GROUP} named a,b
           create on clusterrolebindings of {GROUP}
           patch on clusterroles of {GROUP} named e
         ClusterRole d
           get on configmaps of ''
         ClusterRole e
           get on configmaps of ''
         ClusterRole f
           get on configmaps of ''
         ClusterRoleBinding c gives ClusterRole/c to user:eve
         ClusterRoleBinding f gives ClusterRole/f to user:eve
"
    );
    assert_eq!(check(&text), (2, true));
}
