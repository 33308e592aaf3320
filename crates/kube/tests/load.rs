//! What is read from a real API server, and what is said of what cannot be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_kube::{Cluster, LoadKinds, LoadOptions, Loaded};
use bailiwick_testkit::servers::{self, Identity};

use support::load::{connect, define_custom_kinds, load};
use support::{Fake, version};

/// Records what crosses the wire.
const WHOLE_ANSWERS: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: RequestResponse, users: [reader]}, {level: None}]
";

/// A cluster of one's own that holds something of every kind, with values that must not be read.
fn filled() -> servers::Cluster {
    let server = servers::Cluster::builder()
        .user("reader", &["system:masters"])
        .audit_policy(WHOLE_ANSWERS)
        .start()
        .unwrap();
    server.wait_for_aggregation().unwrap();
    let mut manifests = String::from(include_str!("filled.yaml"));
    for number in 0..25 {
        manifests += &format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: reader-{number}, namespace: shop}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: user-{number}}}]\n"
        );
    }
    define_custom_kinds(server.admin());
    server.admin().apply(&manifests).unwrap();
    // The controllers answer with objects of their own: wait until they have.
    let admin = server.admin();
    let start = Instant::now();
    for path in [
        "/apis/apps/v1/namespaces/shop/replicasets",
        "/apis/batch/v1/namespaces/shop/jobs",
    ] {
        while admin.get(path).unwrap().json().unwrap()["items"][0].is_null() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{path} stays empty"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    server
}

#[test]
fn everything_is_read_and_no_value_of_a_secret() {
    let server = filled();
    let cluster = connect(server.user("reader").unwrap());
    let all = LoadOptions::new(LoadKinds::all());
    let Loaded {
        snapshot, findings, ..
    } = load(&cluster, &all);
    assert_eq!(findings, []);
    assert_eq!(snapshot.gaps, []);
    assert_eq!(
        (snapshot.cluster.minor, snapshot.cluster.stored),
        (Some(37), true)
    );

    let kinds: BTreeSet<Kind> = snapshot
        .objects()
        .map(|(object, _)| object.kind())
        .collect();
    let missing: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| !kinds.contains(kind))
        .collect();
    assert_eq!(missing, [], "kinds that were not read");

    let maps: Vec<_> = snapshot.identity_maps.iter().collect();
    let [map] = maps.as_slice() else {
        panic!("{maps:?}");
    };
    let identity = &map.identities[0];
    assert_eq!(
        (&*identity.arn, &*identity.username, &*identity.groups[0]),
        ("arn:aws:iam::1:role/dev", "dev", "ops")
    );
    assert!(!format!("{snapshot:?}").contains("planted-elsewhere"));

    let secret_type = |name: &str| {
        snapshot
            .secrets
            .get("shop", name)
            .map(|secret| secret.secret_type.to_string())
    };
    assert_eq!(secret_type("plain").as_deref(), Some("Opaque"));
    assert_eq!(
        secret_type("login").as_deref(),
        Some("kubernetes.io/basic-auth")
    );
    assert_eq!(
        secret_type("token").as_deref(),
        Some("kubernetes.io/service-account-token")
    );
    assert_eq!(secret_type("custom").as_deref(), Some("example.com/own"));
    let token = snapshot.secrets.get("shop", "token").unwrap();
    assert_eq!(
        token
            .metadata
            .annotation("kubernetes.io/service-account.name"),
        Some("worker")
    );

    let text = format!("{snapshot:?}");
    // "planted" in clear and in base64.
    for planted in ["planted", "cGxhbnRlZ", "last-applied", "managedFields"] {
        assert!(!text.contains(planted), "`{planted}` was kept");
    }

    no_value_crosses_the_wire(&server);
    pages_do_not_matter(&cluster, &all, &snapshot);
    resources_are_discovered(&server, &cluster);
}

/// The API server's own record of its answers holds the Secrets and none of their values, except where `kubectl apply`
/// copied them into an annotation: metadata cannot be had without those, and they are dropped unread.
fn no_value_crosses_the_wire(server: &servers::Cluster) {
    let mut events = server.audit_events().unwrap();
    events.retain(|event| event.pointer("/objectRef/resource") == Some(&"secrets".into()));
    assert_eq!(events.len(), 1, "one list of secrets: {events:?}");
    let rows = events[0].pointer_mut("/responseObject/rows").unwrap();
    let mut copies = 0;
    for row in rows.as_array_mut().unwrap() {
        if let Some(annotations) = row["object"]["metadata"]["annotations"].as_object_mut() {
            let copy = annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            copies += usize::from(copy.is_some());
        }
    }
    assert!(copies > 0);
    let text = events[0].to_string();
    for name in ["plain", "login", "token", "custom"] {
        assert!(
            text.contains(&format!("\"name\":\"{name}\"")),
            "{name}: {text}"
        );
    }
    for planted in ["planted", "cGxhbnRlZ"] {
        assert!(
            !text.contains(planted),
            "`{planted}` crossed the wire: {text}"
        );
    }
}

/// Small pages read what large ones read.
fn pages_do_not_matter(cluster: &Cluster, all: &LoadOptions, expected: &bailiwick_model::Snapshot) {
    for page_size in [1, 7] {
        let mut steps = Vec::new();
        let small = LoadOptions {
            page_size: Some(page_size),
            ..all.clone()
        };
        let loaded = cluster.load(&small, &mut |step| steps.push(step));
        assert!(
            loaded.snapshot == *expected,
            "pages of {page_size} read something else"
        );
        let bindings: Vec<_> = steps
            .iter()
            .filter(|step| step.kind == Kind::RoleBinding)
            .collect();
        let count = expected
            .bindings
            .iter()
            .filter(|b| !b.metadata.namespace.is_empty())
            .count();
        assert_eq!(bindings.len(), count.div_ceil(page_size as usize));
        for step in bindings {
            assert_eq!(
                step.read as u64 + step.remaining.unwrap_or(0),
                count as u64,
                "{step:?}"
            );
        }
    }
}

/// Discovery knows custom resources, says which extension server is down, and reads the classic documents alike.
fn resources_are_discovered(server: &servers::Cluster, cluster: &Cluster) {
    let discovered = cluster.api_table().unwrap();
    assert_eq!(discovered.findings, []);
    let gadgets = discovered
        .table
        .resource("example.com", "gadgets")
        .expect("the custom resource");
    assert!(
        gadgets.namespaced && gadgets.verbs.contains(&"deletecollection".into()),
        "{gadgets:?}"
    );
    assert_eq!(discovered.table.resolve("gad").unwrap().resource, gadgets);

    let documents = classic_documents(server.admin());
    let fake = Fake::start(move |path| {
        version(path).or_else(|| documents.get(path).map(|text| (200, text.clone())))
    });
    let classic = Cluster::connect(&fake.options())
        .unwrap()
        .api_table()
        .unwrap();
    assert_eq!(classic.findings, []);
    let mut expected = discovered.table.resources().to_vec();
    let mut read = classic.table.resources().to_vec();
    for resources in [&mut expected, &mut read] {
        resources.sort_by(|a, b| (&a.group, &a.resource).cmp(&(&b.group, &b.resource)));
    }
    let names = |resources: &[bailiwick_model::api::ApiResource]| -> Vec<String> {
        resources
            .iter()
            .map(|r| format!("{} {} {:?}", r.group, r.resource, r.verbs))
            .collect()
    };
    assert_eq!(names(&read), names(&expected));

    server
        .admin()
        .apply(
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.down.example.com}\n\
             spec: {group: down.example.com, version: v1, groupPriorityMinimum: 100, versionPriority: 100, \
             insecureSkipTLSVerify: true, service: {name: nobody, namespace: shop}}\n",
        )
        .unwrap();
    let start = Instant::now();
    loop {
        let discovered = cluster.api_table().unwrap();
        assert!(discovered.table.resource("", "pods").is_some());
        if let Some(finding) = discovered.findings.first() {
            assert!(
                finding.message.contains("down.example.com/v1"),
                "{finding:?}"
            );
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no finding");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The discovery documents of a server as they were before there was one for all groups, by path.
fn classic_documents(admin: &Identity) -> HashMap<String, String> {
    let mut documents = HashMap::new();
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    while let Some(path) = paths.pop() {
        let reply = admin.get(&path).unwrap();
        let json = reply.json().unwrap();
        let texts = |value: &serde_json::Value, key: &str| -> Vec<serde_json::Value> {
            value[key].as_array().cloned().unwrap_or_default()
        };
        paths.extend(
            texts(&json, "versions")
                .iter()
                .map(|v| format!("{path}/{}", v.as_str().unwrap())),
        );
        for group in texts(&json, "groups") {
            let versions = texts(&group, "versions");
            paths.extend(
                versions
                    .iter()
                    .map(|v| format!("{path}/{}", v["groupVersion"].as_str().unwrap())),
            );
        }
        documents.insert(path, reply.body);
    }
    documents
}

#[test]
fn what_is_forbidden_is_a_gap() {
    let server = servers::Cluster::builder()
        .user("anna", &["dev"])
        .start()
        .unwrap();
    let admin = server.admin();
    admin
        .apply(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: anna, namespace: team}\n\
             roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n\
             subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]\n",
        )
        .unwrap();
    server.wait_for_aggregation().unwrap();
    let cluster = connect(server.user("anna").unwrap());

    let nothing = load(&cluster, &LoadOptions::new(LoadKinds::rbac()));
    assert_eq!(nothing.snapshot.objects().count(), 0);
    let kinds: Vec<_> = nothing
        .snapshot
        .gaps
        .iter()
        .map(|gap| gap.kinds.clone())
        .collect();
    assert_eq!(kinds, Kind::RBAC.map(|kind| vec![kind]));
    for (gap, finding) in nothing.snapshot.gaps.iter().zip(&nothing.findings) {
        assert!(
            gap.message.contains("User \"anna\" cannot list resource"),
            "{gap:?}"
        );
        assert!(
            finding.input_lost
                && finding
                    .help
                    .as_ref()
                    .unwrap()
                    .contains("bailiwick print-role")
        );
    }

    // Of her namespace she may read all that lives there.
    let own = load(
        &cluster,
        &LoadOptions::new(LoadKinds::rbac()).or_namespace("team"),
    );
    let bindings: Vec<_> = own
        .snapshot
        .bindings
        .iter()
        .map(|b| b.object_ref().to_string())
        .collect();
    assert_eq!(bindings, ["RoleBinding team/anna"]);
    let gap = |kind| {
        own.snapshot
            .gaps
            .iter()
            .find(|gap| gap.kinds == [kind])
            .unwrap()
    };
    assert_eq!(&*gap(Kind::RoleBinding).except, "team");
    assert!(
        gap(Kind::RoleBinding)
            .message
            .contains("namespace `team` only")
    );
    assert_eq!(
        own.snapshot
            .gaps_touching(&[Kind::RoleBinding], "team")
            .count(),
        0
    );
    assert_eq!(
        own.snapshot.gaps_touching(&[Kind::RoleBinding], "").count(),
        1
    );
    assert_eq!(
        own.snapshot
            .gaps_touching(&[Kind::ClusterRole], "team")
            .count(),
        1
    );

    let elsewhere = load(
        &cluster,
        &LoadOptions::new(LoadKinds::rbac()).or_namespace("default"),
    );
    assert_eq!(
        elsewhere
            .snapshot
            .gaps_touching(&[Kind::RoleBinding], "default")
            .count(),
        1
    );
}

/// Kubernetes 1.34 and 1.35 have mutating policies in a version of their own, where somebody turns it on.
#[test]
fn policies_of_an_older_version_are_read() {
    let server = servers::Cluster::builder()
        .emulated_version("1.35")
        .feature_gates("MutatingAdmissionPolicy=true")
        .runtime_config("admissionregistration.k8s.io/v1beta1=true")
        // The server of a later version asks itself for the later version of the policies.
        .disable_admission_plugins("MutatingAdmissionPolicy")
        .start()
        .unwrap();
    let filled = include_str!("filled.yaml").split("\n---\n");
    let policies: Vec<String> = filled
        .filter(|text| text.contains("kind: MutatingAdmissionPolicy"))
        .map(|text| text.replace("k8s.io/v1\n", "k8s.io/v1beta1\n"))
        .collect();
    assert_eq!(policies.len(), 2);
    server.admin().apply(&policies.join("\n---\n")).unwrap();
    let kinds = [
        Kind::MutatingAdmissionPolicy,
        Kind::MutatingAdmissionPolicyBinding,
    ];
    let options = LoadOptions::new(LoadKinds::of(&kinds));
    let Loaded {
        snapshot, findings, ..
    } = load(&connect(server.admin()), &options);
    assert_eq!((findings.len(), snapshot.gaps.len()), (0, 0));
    assert_eq!(snapshot.cluster.minor, Some(35));
    let read: Vec<_> = snapshot
        .objects()
        .map(|(object, _)| object.kind())
        .collect();
    assert_eq!(read, kinds);
}

/// Who may not list what nobody serves has no gap; where it is served he has one.
#[test]
fn what_is_not_served_is_no_gap_for_anybody() {
    let server = servers::Cluster::builder()
        .user("anna", &["dev"])
        .start()
        .unwrap();
    let anna = connect(server.user("anna").unwrap());
    let options = LoadOptions::new(LoadKinds::of(&[Kind::SecurityContextConstraints]));
    let gaps = || load(&anna, &options).snapshot.gaps.len();
    assert_eq!(gaps(), 0);
    define_custom_kinds(server.admin());
    assert_eq!(gaps(), 1);
}
