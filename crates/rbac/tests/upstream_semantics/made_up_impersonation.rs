//! Made-up grants, requestors and headers against upstream's impersonation filters.

use std::collections::BTreeMap;

use bailiwick_core::{Str, UserInfo};
use bailiwick_model::{Delta, Object, ObjectMeta, Origin, PolicyRule, Role, Snapshot};
use bailiwick_testkit::generate::{Rng, seed};
use bailiwick_testkit::notation::{objects, user};
use bailiwick_testkit::oracle::Oracle;

use crate::impersonation::Attempted;
use crate::support::load;

const ATTEMPTS: usize = 20_000;

/// Attempts on one set of grants.
const ON_ONE_CLUSTER: usize = 100;

#[test]
fn every_attempt_ends_as_upstream_ends_it() {
    let seed = seed(0x1e_9e50);
    println!("BAILIWICK_SEED={seed}");
    let (mut rng, mut oracle) = (Rng::new(seed), Oracle::start().unwrap());
    let mut modes: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..ATTEMPTS / ON_ONE_CLUSTER {
        let engine = load(cluster(&mut rng), &mut oracle);
        for _ in 0..ON_ONE_CLUSTER {
            let attempt = attempt(&mut rng);
            let context = format!(
                "BAILIWICK_SEED={seed}\n{attempt:#?}\n{:#?}",
                engine.snapshot().roles
            );
            let mode = attempt.compare(&engine, &mut oracle, &context);
            *modes.entry(mode).or_default() += 1;
        }
    }
    println!("{ATTEMPTS} attempts, 0 differences: {modes:?}");
    // Comparing refusals alone would prove little.
    for mode in [
        "associated-node",
        "arbitrary-node",
        "serviceaccount",
        "user-info",
        "legacy",
    ] {
        assert!(
            modes.get(mode).is_some_and(|&n| n >= ATTEMPTS / 200),
            "{mode} is rare in {modes:?}"
        );
    }
}

const USERS: &[&str] = &[
    "ann",
    "system:anonymous",
    "system:serviceaccount:ci:runner",
    "system:serviceaccount:CI:runner",
    "system:serviceaccount:ci:a:b",
    "system:serviceaccount:ci:",
    "system:node:n1",
    "system:node:n2",
    "system:node:N1",
    "system:node:",
    "",
    "system:node:n1",
    "system:serviceaccount:ci:runner",
];

const GROUPS: &[&str] = &[
    "dev",
    "qa",
    "system:masters",
    "system:authenticated",
    "system:unauthenticated",
    "",
    "ops",
];

const KEYS: &[&str] = &[
    "acme.io/team",
    "acme.io/team",
    "acme.io/a b",
    "team",
    "Acme.io/team",
    "acme.io/Team",
    "x.io/y/z",
    "",
];

fn attempt(rng: &mut Rng) -> Attempted {
    let mut requestor = user(rng.pick::<&str>(&[
        "root",
        "root",
        "root",
        "system:serviceaccount:kube:agent",
        "king+system:masters",
    ]));
    if rng.chance(60) {
        let nodes = [&["n1"][..], &["n1"], &["n2"], &["n1", "n2"], &[]];
        let nodes = rng
            .pick(&nodes)
            .iter()
            .map(|&node| node.to_owned())
            .collect();
        requestor
            .extra
            .insert("authentication.kubernetes.io/node-name".to_owned(), nodes);
    }
    let mut target = UserInfo {
        name: (*rng.pick(USERS)).to_owned(),
        ..UserInfo::default()
    };
    if rng.chance(30) {
        let most = if rng.chance(30) { 6 } else { 2 };
        target.groups = rng
            .some(GROUPS, 0, most)
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    if rng.chance(10) {
        target.uid = "u1".to_owned();
    }
    for _ in 0..[0, 0, 0, 0, 1, 2][rng.below(6)] {
        let values = rng
            .some(&["x", "y", "z", ""], 1, 4)
            .into_iter()
            .map(str::to_owned)
            .collect();
        target.extra.insert((*rng.pick(KEYS)).to_owned(), values);
    }
    if rng.chance(10) {
        // By chance alone a service account seldom asks for its own node.
        let [name, node] = ["system:serviceaccount:kube:agent", "system:node:n1"];
        requestor = UserInfo {
            name: name.to_owned(),
            ..requestor
        };
        target = UserInfo {
            name: node.to_owned(),
            ..UserInfo::default()
        };
    }
    let (method, url) = *rng.pick(&[
        ("GET", "/api/v1/namespaces/shop/pods/web"),
        ("GET", "/api/v1/namespaces/shop/pods"),
        ("POST", "/api/v1/namespaces/shop/pods/web/exec"),
        ("GET", "/healthz"),
        ("OPTIONS", "/api/v1/pods"),
    ]);
    let minor = *rng.pick(&[35, 36, 37, 37]);
    Attempted {
        requestor,
        target,
        method,
        url,
        minor,
    }
}

/// Grants of `root` and of the agent: most of what impersonation asks for, each time another part.
fn cluster(rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let text = "ClusterRoleBinding grants gives ClusterRole/grants to user:root sa:kube/agent
                RoleBinding ci/grants gives ClusterRole/local to user:root sa:kube/agent
                RoleBinding shop/grants gives ClusterRole/shop to user:root sa:kube/agent";
    for object in objects(text) {
        put(&mut snapshot, object);
    }
    let all = [
        "impersonate",
        "impersonate:user-info",
        "impersonate:serviceaccount",
        "impersonate:arbitrary-node",
        "impersonate:associated-node",
    ];
    let on: Vec<String> = all[1..]
        .iter()
        .flat_map(|verb| {
            ["get", "list", "create", ""]
                .map(|on| format!("{}:{on}", verb.replace("impersonate", "impersonate-on")))
        })
        .collect();
    let identity = |rng: &mut Rng| PolicyRule {
        verbs: words(rng, &[&all[..], &["*"]].concat(), 1, 4),
        api_groups: words(
            rng,
            &["", "authentication.k8s.io", "authentication.k8s.io", "*"],
            1,
            2,
        ),
        resources: words(
            rng,
            &[
                "users",
                "groups",
                "serviceaccounts",
                "nodes",
                "uids",
                "userextras/acme.io/team",
                "userextras/*",
                "*/*",
                "*",
                "*",
            ],
            1,
            4,
        ),
        resource_names: if rng.chance(75) {
            [].into()
        } else {
            words(
                rng,
                &[
                    "ann",
                    "runner",
                    "n1",
                    "*",
                    "dev",
                    "qa",
                    "x",
                    "system:anonymous",
                ],
                1,
                5,
            )
        },
        ..PolicyRule::default()
    };
    let target = |rng: &mut Rng| PolicyRule {
        verbs: words(
            rng,
            &[
                &on.iter().map(String::as_str).collect::<Vec<_>>()[..],
                &["*", "*", "*"],
            ]
            .concat(),
            2,
            12,
        ),
        api_groups: words(rng, &["", "*"], 1, 2),
        resources: words(rng, &["pods", "pods/exec", "*", "*"], 1, 2),
        ..PolicyRule::default()
    };
    let url = |rng: &mut Rng| PolicyRule {
        verbs: words(
            rng,
            &[
                "impersonate-on:user-info:get",
                "impersonate-on:serviceaccount:get",
                "*",
            ],
            1,
            2,
        ),
        non_resource_urls: words(rng, &["*", "/healthz"], 1, 1),
        ..PolicyRule::default()
    };
    let mut role = |name: &str, rules: Vec<PolicyRule>| {
        let metadata = ObjectMeta::named("", name);
        put(
            &mut snapshot,
            Object::Role(Role {
                metadata,
                rules: rules.into(),
                aggregation: None,
            }),
        );
    };
    let grants = (0..1 + rng.below(5))
        .map(|_| identity(rng))
        .collect::<Vec<_>>();
    role("grants", [grants, vec![target(rng), url(rng)]].concat());
    role("local", (0..rng.below(3)).map(|_| identity(rng)).collect());
    role("shop", (0..rng.below(3)).map(|_| target(rng)).collect());
    snapshot
}

fn put(snapshot: &mut Snapshot, object: Object) {
    snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
}

fn words(rng: &mut Rng, words: &[&str], least: usize, most: usize) -> Box<[Str]> {
    rng.some(words, least, most)
        .into_iter()
        .map(Into::into)
        .collect()
}
