//! What the engine says beyond yes and no: who can, where, through what, and what it could not see.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

use std::collections::BTreeSet;

use bailiwick_core::{Kind, Reason, Request};
use bailiwick_model::{Gap, Snapshot};
use bailiwick_rbac::{Engine, Memberships, WhoCan};
use bailiwick_testkit::generate::{Requests, Wild};
use bailiwick_testkit::notation::{request, snapshot, user};

const SHOP: &str = "\
    ClusterRole reader
      get,list on pods,secrets of ''
      get at /healthz
    Role shop/editor
      * on * of *
    ClusterRoleBinding readers gives ClusterRole/reader to group:audit user:zoe
    ClusterRoleBinding late gives ClusterRole/missing to user:ann
    RoleBinding shop/editors gives Role/editor to user:ann sa:/robot user:system:serviceaccount:shop:robot
    RoleBinding shop/readers gives ClusterRole/reader to user:ann group:dev
    RoleBinding lab/readers gives ClusterRole/reader to group:dev group:dev
    RoleBinding lab/late gives Role/missing to group:dev";

fn shop() -> Engine {
    Engine::new(snapshot(SHOP))
}

/// Everybody with the bindings through which they can, one line each, sorted.
fn lines(who_can: &WhoCan<'_>) -> Vec<String> {
    let mut lines: Vec<String> = who_can
        .subjects()
        .map(|who| {
            let grants: Vec<String> = who
                .grants()
                .map(|g| format!("{} {}:{}", g.binding_ref(), g.rule(), g.subject()))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            format!("{} by {}", who.subject(), grants.join(", "))
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn who_can_names_everybody_once_with_every_grant() {
    let check = |text: &str, expected: &[&str]| {
        let engine = shop();
        let mut expected = expected.to_vec();
        expected.push("group:system:masters by ");
        expected.sort_unstable();
        assert_eq!(lines(&engine.who_can(&request(text))), expected, "{text}");
    };
    let readers = [
        "group:audit by ClusterRoleBinding readers 0:0",
        "user:zoe by ClusterRoleBinding readers 0:1",
    ];
    check("get secrets", &readers);
    check("get secrets -n elsewhere", &readers);
    check(
        "get secrets -n shop",
        &[
            readers[0],
            readers[1],
            "group:dev by RoleBinding shop/readers 0:1",
            // One service account, spelled in two ways.
            "sa:shop/robot by RoleBinding shop/editors 0:1, RoleBinding shop/editors 0:2",
            "user:ann by RoleBinding shop/editors 0:0, RoleBinding shop/readers 0:0",
        ],
    );
    check("delete secrets", &[]);
}

#[test]
fn who_can_everywhere_is_all_namespaces_together() {
    let check = |engine: &Engine, request: &Request| {
        let mut each: BTreeSet<(String, String)> = BTreeSet::new();
        let mut take = |who_can: &WhoCan<'_>| {
            for who in who_can.subjects() {
                let name = who.subject().to_string();
                each.extend(who.grants().map(|g| (name.clone(), format!("{g:?}"))));
            }
        };
        let Request::Resource(resource) = request else {
            return;
        };
        take(&engine.who_can(&resource.clone().in_namespace("").into()));
        for binding in engine.snapshot().bindings.iter() {
            let namespace = &binding.metadata.namespace;
            take(&engine.who_can(&resource.clone().in_namespace(namespace).into()));
        }
        let mut everywhere = BTreeSet::new();
        for who in engine.who_can_everywhere(request).subjects() {
            let name = who.subject().to_string();
            everywhere.extend(who.grants().map(|g| (name.clone(), format!("{g:?}"))));
        }
        assert_eq!(everywhere, each, "{request}");
    };
    check(&shop(), &request("get secrets"));
    for seed in 0..5 {
        let engine = Engine::new(Wild::default().cluster(seed));
        let mut requests = Requests::new(engine.snapshot(), seed);
        (0..50).for_each(|_| check(&engine, &requests.question().request));
    }
}

#[test]
fn members_of_groups_can_where_memberships_are_known() {
    let check = |text: &str, expected: &[(&str, &[&str])]| {
        let groups = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let memberships = Memberships::from([
            ("ann".to_owned(), groups(&["dev"])),
            ("bob".to_owned(), groups(&["audit", "dev", "choir"])),
            ("eve".to_owned(), groups(&["choir"])),
            ("root".to_owned(), groups(&["system:masters"])),
        ]);
        let engine = shop();
        let who_can = engine.who_can(&request(text));
        let members = who_can.members(&memberships);
        let found: Vec<_> = members.iter().map(|m| (m.user, &*m.groups)).collect();
        assert_eq!(found, expected, "{text}");
    };
    let root: (&str, &[&str]) = ("root", &["system:masters"]);
    check("get secrets", &[("bob", &["audit"]), root]);
    check(
        "get secrets -n lab",
        &[("ann", &["dev"]), ("bob", &["audit", "dev"]), root],
    );
    check("create nodes", &[root]);
}

#[test]
fn the_grant_that_is_named_depends_on_the_objects_alone() {
    // Both bindings allow it; whichever is read first, one is named.
    let forward = shop();
    let mut backward = Snapshot {
        cluster: forward.snapshot().cluster.clone(),
        ..Snapshot::default()
    };
    let mut objects: Vec<_> = forward.snapshot().objects().collect();
    objects.reverse();
    for (object, origin) in objects {
        backward.apply(bailiwick_model::Delta::Upsert(Box::new(object), origin));
    }
    let mut changed = Engine::new(Snapshot::default());
    for (object, origin) in forward
        .snapshot()
        .objects()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        changed.apply(bailiwick_model::Delta::Upsert(Box::new(object), origin));
    }
    let (ann, secrets) = (user("ann+audit+dev"), request("get secrets -n shop"));
    let expected = forward.decide(&ann, &secrets).to_decision();
    for engine in [Engine::new(backward), changed] {
        assert_eq!(engine.decide(&ann, &secrets).to_decision(), expected);
    }
}

/// The user name of an account whose name holds a colon reads as that of no account.
#[test]
fn an_account_that_cannot_be_is_named_as_its_binding_spells_it() {
    let check = |spelled: &str, expected: &str| {
        let text = format!(
            "ClusterRole reader\n  get on pods of ''\n\
             ClusterRoleBinding readers gives ClusterRole/reader to {spelled}"
        );
        let engine = Engine::new(snapshot(&text));
        let who = user("system:serviceaccount:shop:a:b");
        let pods = request("get pods");
        let decision = engine.decide(&who, &pods).to_decision();
        let Reason::Rbac(grant) = decision.reason else {
            panic!("{spelled} allows nothing");
        };
        assert_eq!(grant.subject.kind(), expected, "{spelled}");
    };
    check("sa:shop/a:b", "ServiceAccount");
    check("user:system:serviceaccount:shop:a:b", "User");
}

#[test]
fn problems_are_told_where_they_touch_the_answer() {
    let check = |who: &str, text: &str, expected: &[&str]| {
        let mut snapshot = snapshot(SHOP);
        snapshot.gaps.push(Gap {
            kinds: vec![Kind::Role],
            namespace: "lab".into(),
            message: "roles of lab could not be read".to_owned(),
            ..Gap::default()
        });
        let engine = Engine::new(snapshot);
        let (user, request) = (user(who), request(text));
        let decision = engine.decide(&user, &request).to_decision();
        assert_eq!(decision.problems, expected, "{who} {text}");
    };
    let late = "ClusterRoleBinding late refers to ClusterRole missing, which does not exist: it grants nothing until \
                somebody creates it";
    let lab = "RoleBinding lab/late refers to Role lab/missing, which does not exist: it grants nothing until \
               somebody creates it";
    let gap = "roles of lab could not be read";
    check("zoe", "get pods", &[]);
    check("zoe", "get pods -n lab", &[gap]);
    check("ann", "get pods", &[late]);
    // Also beside an answer of yes.
    check("ann", "get pods -n shop", &[late]);
    check("bob+dev", "get pods -n lab", &[lab, gap]);
    check("bob+dev", "get pods -n shop", &[]);
    check(
        "system:node:n1+system:nodes",
        "get pods",
        &[
            "`system:node:n1` is a node, for which the Node authorizer answers besides RBAC: it may allow more",
        ],
    );
    check("system:node:n1", "get pods", &[]);
}

#[test]
fn a_resource_with_a_slash_of_its_own_is_compared_letter_for_letter() {
    let check = |rule: &str, resource: &str, subresource: &str, expected: bool| {
        let engine = Engine::new(snapshot(&format!(
            "ClusterRole odd
               get on {rule} of ''
             ClusterRoleBinding odd gives ClusterRole/odd to user:ann"
        )));
        let request: Request = bailiwick_core::ResourceRequest {
            verb: "get".to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            ..Default::default()
        }
        .into();
        let allowed = engine.decide(&user("ann"), &request).is_allowed();
        assert_eq!(allowed, expected, "{rule}: {resource:?} {subresource:?}");
    };
    check("pods/log", "pods", "log", true);
    check("pods/log", "pods/log", "", true);
    check("pods/log/tail", "pods/log", "tail", true);
    check("pods/log/tail", "pods", "log/tail", true);
    check("pods/log/tail", "pods/lo", "g/tail", false);
    check("pods/log/tail", "pods/log", "tai", false);
    check("pods/log", "pods/log", "tail", false);
    check("*/tail", "pods/log", "tail", true);
    check("*/log", "pods/log", "", false);
    check("*/log", "*", "log", true);
    check("*/log", "*/log", "", true);
    check("pods/", "pods/", "", true);
    check("pods/", "pods", "", false);
    check("*/", "pods", "", false);
}
