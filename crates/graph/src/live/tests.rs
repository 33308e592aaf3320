use std::collections::BTreeSet;

use bailiwick_core::ObjectRef;
use bailiwick_model::{Object, Origin, Snapshot};
use bailiwick_testkit::generate::{Rng, Wild, seed};

use super::*;
use crate::edges::EDGES;
use crate::edges::testing::cluster;
use crate::node::Node;

/// Objects on which more hangs than on those of the examples: what there is of APIServices, and what pods trust.
const ODD: &str = "ClusterRole odd
       create on apiservices of apiregistration.k8s.io
       patch on apiservices of apiregistration.k8s.io named v1.batch,v1.rbac.authorization.k8s.io
       create,delete on clustertrustbundles of certificates.k8s.io
       attest on signers of certificates.k8s.io named shop.example/*
     ClusterRoleBinding odd gives ClusterRole/odd to user:eve
     ---
     {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.}, spec: {group: '', version: v1}}
     {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.batch}, spec: {group: batch, version: v1}}
     {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.rbac.authorization.k8s.io},
      spec: {group: rbac.authorization.k8s.io, version: v1, insecureSkipTLSVerify: true, service: {namespace: shop, name: web}}}
     {apiVersion: certificates.k8s.io/v1, kind: ClusterTrustBundle, metadata: {name: roots}, spec: {trustBundle: PEM}}
     {apiVersion: certificates.k8s.io/v1, kind: ClusterTrustBundle, metadata: {name: 'shop.example:web:a'},
      spec: {signerName: shop.example/web, trustBundle: PEM}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: trusting}, spec: {containers: [{name: web, image: web}],
      volumes: [{name: a, projected: {sources: [{clusterTrustBundle: {name: roots, path: a}}]}}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: choosing}, spec: {containers: [{name: web, image: web}],
      volumes: [{name: b, projected: {sources: [{clusterTrustBundle: {signerName: shop.example/web, labelSelector: {}, path: b}}]}}]}}";

/// Objects to put: those of every example, with its step and without it, and odd ones.
fn pool(rng: &mut Rng) -> Vec<Object> {
    let wild = Wild::default();
    let mut pool: Vec<Object> = Vec::new();
    for kind in EDGES {
        let (word, instead) = kind.example.safe;
        let text = kind.example.cluster;
        for text in [text.to_owned(), text.replacen(word, instead, 1)] {
            let snapshot = cluster(&text, 37);
            pool.extend(snapshot.objects().map(|(object, _)| object));
        }
    }
    pool.extend(cluster(ODD, 37).objects().map(|(object, _)| object));
    for _ in 0..40 {
        pool.push(Object::Role(wild.any_role(rng)));
        pool.push(Object::Binding(wild.any_binding(rng)));
    }
    pool
}

/// Everything that a graph says, without positions.
pub(super) fn contents(graph: &Graph) -> BTreeSet<String> {
    let nodes = graph.nodes().map(|(_, node)| format!("{node:?}"));
    let edges = graph.edges().map(|step| {
        let mut evidence = step.evidence.clone();
        evidence.iter_mut().for_each(|clause| clause.sort());
        let (from, to, kind) = (step.from, step.to, step.kind.id);
        format!("{from:?} {kind} {} {to:?} {evidence:?}", step.rule)
    });
    let held = graph.held_back().map(|held| format!("{held:?}"));
    nodes.chain(edges).chain(held).collect()
}

/// Who gets to full control, and how hard it is.
fn reaching(graph: &Graph) -> BTreeSet<(String, u32)> {
    let Some(cluster) = graph.find(&Node::Cluster) else {
        return BTreeSet::new();
    };
    let reaching = graph.reaching(cluster);
    let nodes = reaching.nodes();
    let named = nodes.filter_map(|(node, effort)| Some((graph.node(node)?.to_string(), effort)));
    named.collect()
}

#[track_caller]
pub(super) fn assert_same(live: &Live, what: &str) {
    let whole = Graph::new(live.snapshot(), live.memberships.clone());
    let (found, expected) = (contents(live.graph()), contents(&whole));
    let more: Vec<_> = found.difference(&expected).take(5).collect();
    let less: Vec<_> = expected.difference(&found).take(5).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}\nleft over: {more:#?}\nmissing: {less:#?}"
    );
    let counts = [live.graph(), &whole].map(|graph| graph.edges().count());
    assert_eq!(counts[0], counts[1], "{what}");
    assert_eq!(reaching(live.graph()), reaching(&whole), "{what}");
}

fn memberships() -> BTreeMap<Str, Vec<Str>> {
    let groups = ["devs".into(), "system:masters".into()];
    BTreeMap::from([
        ("eve".into(), groups[..1].into()),
        ("amy".into(), groups.into()),
    ])
}

#[test]
fn any_sequence_of_changes_equals_a_rebuild() {
    let first = seed(0x2026_1121);
    println!("BAILIWICK_SEED={first}");
    let mut rng = Rng::new(first);
    for _ in 0..8 {
        let run = rng.bits();
        let mut rng = Rng::new(run);
        let pool = pool(&mut rng);
        let mut live = Live::new(Snapshot::default(), memberships());
        live.snapshot.cluster.minor = Some(37);
        // What is not there is missing, or may be in the cluster all the same.
        live.snapshot.cluster.stored = rng.chance(50);
        live.make_anew();
        for step in 0..150 {
            let object = rng.pick(&pool).clone();
            let delta = match rng.below(4) {
                0 => {
                    let there: Vec<_> = live.snapshot().objects().collect();
                    if there.is_empty() {
                        continue;
                    }
                    Delta::Remove(rng.pick(&there).0.object_ref())
                }
                _ => Delta::Upsert(Box::new(object), Origin::Live),
            };
            let what = format!("run {run}, step {step}: {delta:?}");
            live.apply(delta);
            if step % 3 == 0 {
                assert_same(&live, &what);
            }
        }
        let mut objects: Vec<_> = live.snapshot().objects().collect();
        while !objects.is_empty() {
            let (object, _) = objects.swap_remove(rng.below(objects.len()));
            live.apply(Delta::Remove(object.object_ref()));
            if objects.len().is_multiple_of(16) {
                assert_same(
                    &live,
                    &format!("run {run}, without {}", object.object_ref()),
                );
            }
        }
    }
}

/// What the roles of the next test give: alone, beside one another, on everything and on names.
const RIGHTS: &[&str] = &[
    "get on secrets of ''",
    "get on secrets of '' named db",
    "get on secrets of '' named db,other",
    "create on secrets of ''",
    "create on serviceaccounts/token of ''",
    "create on serviceaccounts/token of '' named app",
    "impersonate on users of ''",
    "impersonate on users of '' named bob",
    "impersonate on groups of '' named devs",
    "create on pods of ''",
    "patch on pods of ''",
    "get on pods of ''",
    "bind on clusterroles of rbac.authorization.k8s.io named r1,r2",
    "create on rolebindings of rbac.authorization.k8s.io",
    "escalate on clusterroles of rbac.authorization.k8s.io named r3",
    "patch on clusterroles of rbac.authorization.k8s.io",
    "create on certificatesigningrequests of certificates.k8s.io",
    "update on certificatesigningrequests/approval of certificates.k8s.io",
    "approve on signers of certificates.k8s.io",
    "impersonate:user-info on users of authentication.k8s.io named bob",
    "impersonate-on:user-info:get on secrets of ''",
];

/// Who has them: some are in groups of the others.
const SUBJECTS: &[&str] = &[
    "user:eve",
    "user:amy",
    "group:devs",
    "group:system:authenticated",
    "sa:shop/app",
];

/// What several roles give to one subject is one step, and what one of them limits to names depends on the others.
#[test]
fn roles_that_share_their_subjects_equal_a_rebuild() {
    let first = seed(0x2026_1122);
    println!("BAILIWICK_SEED={first}");
    let mut rng = Rng::new(first);
    let things = "---
         {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: db}}
         {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: other}}
         {apiVersion: v1, kind: Secret, metadata: {namespace: pay, name: db}}
         {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: app}}
         {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
          spec: {serviceAccountName: app, containers: [{name: web, image: web}]}}";
    for _ in 0..3 {
        let run = rng.bits();
        let mut rng = Rng::new(run);
        let mut live = Live::new(cluster(things, 37), memberships());
        for step in 0..60 {
            let object = match rng.below(3) {
                0 => {
                    let rights = (0..=rng.below(3)).map(|_| format!("\n  {}", rng.pick(RIGHTS)));
                    let rights: String = rights.collect();
                    format!("ClusterRole r{}{rights}", rng.below(4))
                }
                _ => {
                    let (number, role) = (rng.below(9), rng.below(4));
                    let subject = rng.pick(SUBJECTS);
                    let kinds = [
                        "RoleBinding shop/",
                        "RoleBinding pay/",
                        "ClusterRoleBinding ",
                    ];
                    let kind = kinds[number % 3];
                    format!("{kind}b{number} gives ClusterRole/r{role} to {subject}")
                }
            };
            let mut objects = cluster(&object, 37)
                .objects()
                .map(|(object, _)| object)
                .collect::<Vec<_>>();
            let changed = objects.pop().unwrap();
            let delta = match rng.below(4) {
                0 => Delta::Remove(changed.object_ref()),
                _ => Delta::Upsert(Box::new(changed), Origin::Live),
            };
            live.apply(delta);
            assert_same(&live, &format!("run {run}, step {step}: {object}"));
        }
    }
}

/// Each change of what somebody can bind with a role that he has bound woke him for himself, without end.
#[test]
fn who_binds_a_role_that_binds_the_next_is_made_once() {
    let text = "ClusterRole first
                  bind on clusterroles of rbac.authorization.k8s.io named second
                  create on rolebindings of rbac.authorization.k8s.io
                ClusterRole second
                  bind on clusterroles of rbac.authorization.k8s.io named mint
                ClusterRole mint
                  create on secrets of ''
                Role shop/read
                  get on secrets of ''
                RoleBinding shop/first gives ClusterRole/first to user:eve group:devs
                RoleBinding shop/read gives Role/read to user:eve";
    let mut live = Live::new(cluster(text, 37), memberships());
    let with_both = Node::Bound {
        by: Box::new(Node::Bound {
            by: Box::new("eve".parse().unwrap()),
            role: ObjectRef::new(Kind::ClusterRole, "", "second"),
            namespace: "shop".into(),
        }),
        role: ObjectRef::new(Kind::ClusterRole, "", "mint"),
        namespace: "shop".into(),
    };
    assert!(live.graph().find(&with_both).is_some());
    let objects: Vec<_> = live.snapshot().objects().collect();
    for (object, _) in objects {
        let reference = object.object_ref();
        live.apply(Delta::Remove(reference.clone()));
        assert_same(&live, &format!("without {reference}"));
        live.apply(Delta::Upsert(Box::new(object), Origin::Live));
        assert_same(&live, &format!("again with {reference}"));
    }
}

/// Somebody who has none of what a step takes comes to have it part by part, by roles that he has.
#[test]
fn roles_that_gain_one_right_after_another_add_up() {
    let roles = ["one", "two", "three"];
    let bindings = roles.map(|role| {
        format!("RoleBinding shop/{role} gives ClusterRole/{role} to user:eve group:devs")
    });
    let mut live = Live::new(cluster(&bindings.join("\n"), 37), memberships());
    let rights = [
        "create on serviceaccounts of ''",
        "create on secrets of ''",
        "get on secrets of ''",
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        for gains in [true, false] {
            for at in order {
                let right = if gains {
                    rights[at]
                } else {
                    "get on nothing of ''"
                };
                let role = cluster(&format!("ClusterRole {}\n  {right}", roles[at]), 37);
                for (object, _) in role.objects() {
                    live.apply(Delta::Upsert(Box::new(object), Origin::Live));
                }
                assert_same(&live, &format!("{} has {right}", roles[at]));
            }
        }
    }
}

/// Roles that gain and lose rights one after another, while the same people have them here and there.
#[test]
fn roles_that_change_equal_a_rebuild() {
    let first = seed(0x2026_1124);
    println!("BAILIWICK_SEED={first}");
    let mut rng = Rng::new(first);
    let rights = [
        "create on serviceaccounts of ''",
        "create on secrets of ''",
        "create on secrets of '' named db",
        "get on secrets of ''",
        "get on secrets of '' named db",
        "create on pods/exec of ''",
        "get on pods/log of ''",
        "get on nodes/log of ''",
        "create on pods of ''",
        "bind on clusterroles of rbac.authorization.k8s.io",
        "create on rolebindings of rbac.authorization.k8s.io",
    ];
    let pod = "---
         {apiVersion: v1, kind: Secret, metadata: {namespace: shop, name: db}}
         {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
          spec: {nodeName: n1, volumes: [{name: host, hostPath: {path: /var/log}}],
           containers: [{name: web, image: web, volumeMounts: [{name: host, mountPath: /host}]}]}}";
    for _ in 0..4 {
        let run = rng.bits();
        let mut rng = Rng::new(run);
        let bindings = (0..8).map(|number| {
            let place = rng.pick(&[
                "RoleBinding shop/",
                "RoleBinding pay/",
                "ClusterRoleBinding ",
            ]);
            let (role, subject) = (rng.below(4), rng.pick(SUBJECTS));
            format!("{place}b{number} gives ClusterRole/r{role} to {subject}\n")
        });
        let text = format!("{}{pod}", bindings.collect::<String>());
        let mut live = Live::new(cluster(&text, 37), memberships());
        for step in 0..40 {
            let own = (0..rng.below(4)).map(|_| format!("\n  {}", rng.pick(&rights)));
            let own: String = own.collect();
            let role = format!("ClusterRole r{}{own}", rng.below(4));
            for (object, _) in cluster(&role, 37).objects() {
                live.apply(Delta::Upsert(Box::new(object), Origin::Live));
            }
            assert_same(&live, &format!("run {run}, step {step}: {text}\n{role}"));
        }
    }
}

/// Manifests without anything that runs leave open as whom something runs, until the first of it comes.
#[test]
fn the_first_workload_of_manifests_says_what_runs() {
    let text = "ClusterRole operator
                  * on * of kustomize.toolkit.fluxcd.io
                ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
                ---
                {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: kustomizations.kustomize.toolkit.fluxcd.io},
                 spec: {group: kustomize.toolkit.fluxcd.io, scope: Namespaced, names: {plural: kustomizations, singular: kustomization, kind: Kustomization},
                  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
                {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}";
    let mut manifests = cluster(text, 37);
    manifests.cluster.stored = false;
    let mut live = Live::new(manifests, BTreeMap::new());
    let before = contents(live.graph());
    let acts = |all: &BTreeSet<String>| all.iter().any(|step| step.contains("operator-rights"));
    assert!(acts(&before));
    let first = "---
                 {apiVersion: apps/v1, kind: StatefulSet, metadata: {namespace: shop, name: web},
                  spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c}]}}}}";
    let first = cluster(first, 37);
    let (first, _) = first
        .objects()
        .find(|(object, _)| matches!(object, Object::Workload(_)))
        .unwrap();
    let reference = first.object_ref();
    live.apply(Delta::Upsert(Box::new(first), Origin::Live));
    assert_same(&live, "with something that runs");
    assert!(!acts(&contents(live.graph())));
    live.apply(Delta::Remove(reference));
    assert_same(&live, "without");
    assert_eq!(contents(live.graph()), before);
}

const SAYS: &[&str] = &[
    "",
    "automountServiceAccountToken: true, ",
    "automountServiceAccountToken: false, ",
];
const VOLUMES: &[&str] = &[
    "",
    "{name: own, projected: {sources: [{serviceAccountToken: {path: token}}]}}",
    "{name: own, projected: {sources: [{serviceAccountToken: {path: token, audience: vault}}]}}",
];
const MOUNTS: &[&str] = &["/var/lib", "/var/log", "/tmp"];

/// Pods that leave it to their service accounts whether they get a token, and those who say so themselves.
#[test]
fn tokens_that_service_accounts_give_equal_a_rebuild() {
    let first = seed(0x2026_1123);
    println!("BAILIWICK_SEED={first}");
    let mut rng = Rng::new(first);
    for minor in [32, 37] {
        let run = rng.bits();
        let mut rng = Rng::new(run);
        let rights = "Role shop/r\n  get on pods/log of ''\n  get on secrets of ''\n\
            RoleBinding shop/r gives Role/r to sa:shop/app";
        let mut live = Live::new(cluster(rights, minor), BTreeMap::new());
        for step in 0..60 {
            let account = rng.pick(&["app", "other"]);
            let object = match rng.below(3) {
                0 => {
                    let says = rng.pick(SAYS);
                    format!(
                        "{{apiVersion: v1, kind: ServiceAccount, {says}metadata: {{namespace: shop, name: {account}}}}}"
                    )
                }
                _ => {
                    let (number, node) = (rng.below(6), rng.below(2));
                    let (says, volume) = (rng.pick(SAYS), rng.pick(VOLUMES));
                    let mount = rng.pick(MOUNTS);
                    format!(
                        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: p{number}}}, \
                         spec: {{nodeName: n{node}, serviceAccountName: {account}, {says}\
                         volumes: [{{name: host, hostPath: {{path: {mount}}}}}, {volume}], \
                         containers: [{{name: web, image: web, volumeMounts: [{{name: host, mountPath: /host}}]}}]}}}}"
                    )
                }
            };
            let changed = cluster(&format!("---\n{object}"), minor);
            let changed = changed.objects().map(|(object, _)| object);
            let changed = changed.last().unwrap();
            let delta = match rng.below(5) {
                0 => Delta::Remove(changed.object_ref()),
                _ => Delta::Upsert(Box::new(changed), Origin::Live),
            };
            live.apply(delta);
            assert_same(&live, &format!("run {run}, step {step}: {object}"));
        }
    }
}
