//! On made-up clusters of every odd thing: what is reported the engine allows, and what the engine allows is reported.

use std::collections::{BTreeMap, HashSet};

use bailiwick_core::{Request, ResourceRequest, UserInfo};
use bailiwick_graph::Graph;
use bailiwick_model::{ApiTable, PolicyRule, Snapshot};
use bailiwick_rbac::Engine;
use bailiwick_rbac::Right;
use bailiwick_testkit::generate::{Wild, seed};

use crate::grants::Live;
use crate::rights::{
    CHANGE_ADMISSION, CREATE_TOKENS, KUBELET, MAKE_PODS, READ_SECRETS, RUN_IN_PODS,
};
use crate::scan::Scan;

const CLUSTERS: u64 = 60;

fn rights() -> impl Iterator<Item = (Right, Live)> {
    let namespaced = [READ_SECRETS, CREATE_TOKENS]
        .into_iter()
        .chain(RUN_IN_PODS)
        .chain(MAKE_PODS);
    let everywhere = CHANGE_ADMISSION.into_iter().chain([KUBELET]);
    let namespaced = namespaced.map(|right| (right, Live::Anywhere));
    namespaced.chain(everywhere.map(|right| (right, Live::ClusterWide)))
}

fn find(right: Right) -> impl Fn(&PolicyRule) -> Option<String> {
    move |rule| {
        let unnamed = rule.resource_names.is_empty();
        right
            .named_in(rule)
            .filter(|_| unnamed)
            .map(|position| position.to_string())
    }
}

fn request(right: Right, verb: &str, namespace: &str) -> Request {
    let request = ResourceRequest::new(verb, right.group, right.resource);
    request.in_namespace(namespace).into()
}

/// Role, rule, binding and position of the subject: one way in which a right is given.
type Way = (String, usize, String, usize);

fn reported(scan: &Scan<'_>, right: Right, live: Live) -> HashSet<Way> {
    let mut ways = HashSet::new();
    for cause in scan.causes(live, find(right)) {
        let position = cause
            .role
            .rules
            .iter()
            .position(|rule| std::ptr::eq(rule, cause.rule));
        for holder in &cause.holders {
            let role = cause.role.object_ref().to_string();
            let binding = holder.binding.object_ref().to_string();
            ways.insert((role, position.unwrap(), binding, holder.position));
            let namespace = &*holder.binding.metadata.namespace;
            let verb = right.verbs.iter().find(|verb| {
                let own = |own: &bailiwick_core::Str| &**own == "*" || **own == ***verb;
                cause.rule.verbs.iter().any(own)
            });
            let user = UserInfo::of(&holder.subject().unwrap(), &[]);
            let request = request(right, verb.unwrap(), namespace);
            assert!(
                scan.engine.decide(&user, &request).is_allowed(),
                "{request} of {user:?}"
            );
        }
    }
    ways
}

fn allowed(engine: &Engine, right: Right, live: Live) -> HashSet<Way> {
    let mut ways = HashSet::new();
    for verb in right.verbs {
        let answer = engine.who_can_everywhere(&request(right, verb, ""));
        for grant in answer
            .subjects()
            .filter(|who| !who.is_master())
            .flat_map(|who| who.grants().collect::<Vec<_>>())
        {
            let listed = find(right)(grant.policy_rule().unwrap()).is_some();
            if listed && (live == Live::Anywhere || grant.namespace().is_empty()) {
                let (role, binding) = (grant.role_ref(), grant.binding_ref());
                ways.insert((
                    role.to_string(),
                    grant.rule(),
                    binding.to_string(),
                    grant.subject(),
                ));
            }
        }
    }
    ways
}

#[test]
fn what_is_reported_is_what_the_engine_allows() {
    let api = ApiTable::embedded(37).unwrap();
    let first = seed(1);
    let mut ways = 0;
    for seed in first..first + CLUSTERS {
        let snapshot: Snapshot = Wild::default().cluster(seed);
        let engine = Engine::new(snapshot);
        let graph = Graph::new(engine.snapshot(), BTreeMap::new());
        let scan = Scan::new(&engine, &api, &graph);
        for (right, live) in rights() {
            let reported = reported(&scan, right, live);
            assert_eq!(
                reported,
                allowed(&engine, right, live),
                "{right:?}, seed {seed}"
            );
            ways += reported.len();
        }
        crate::scan(&engine, &api, &graph);
    }
    assert!(
        ways > 200,
        "{ways} ways in all: the clusters hold too little of this"
    );
}
