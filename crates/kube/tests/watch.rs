//! A watched cluster is what a fresh list of it says, whatever happens to objects, rights, connections and servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper of a test fails the test"
)]

#[allow(dead_code, reason = "the other tests use the rest of it")]
mod support;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use bailiwick_core::Kind;
use bailiwick_kube::{
    Cluster, ConnectOptions, LoadKinds, LoadOptions, Notice, Watch, WatchOptions,
};
use bailiwick_model::{Delta, Snapshot};
use bailiwick_testkit::generate::{Rng, seed};
use bailiwick_testkit::servers::{self, Identity};
use bailiwick_testkit::wire::Wire;

use support::load::{connect, define_custom_kinds, load};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// A snapshot that follows its cluster.
struct Followed {
    snapshot: Snapshot,
    watch: Watch,
    notices: Vec<Notice>,
    /// Kinds of which a change came.
    put: BTreeSet<Kind>,
    removed: BTreeSet<Kind>,
    /// Changes without a version: those found by listing anew.
    listed: usize,
}

impl Followed {
    fn start(cluster: &Cluster, kinds: LoadKinds, confirm: Duration) -> Self {
        let mut options = LoadOptions::new(kinds.clone());
        options.to_watch = true;
        let loaded = load(cluster, &options);
        let watch = WatchOptions {
            confirm,
            longest_wait: Duration::from_secs(1),
            ..WatchOptions::new(kinds)
        };
        Self {
            watch: cluster.watch(loaded.start, &loaded.snapshot.gaps, &watch),
            snapshot: loaded.snapshot,
            notices: Vec::new(),
            put: BTreeSet::new(),
            removed: BTreeSet::new(),
            listed: 0,
        }
    }

    /// Takes what there is, or what comes soon.
    fn take(&mut self) {
        let batch = self.watch.next(Duration::from_millis(200)).unwrap();
        for change in batch.changes {
            let kind = change.delta.object_ref().kind;
            match change.delta {
                Delta::Upsert(..) => self.put.insert(kind),
                Delta::Remove(_) => self.removed.insert(kind),
            };
            self.listed += usize::from(change.version.is_empty());
            assert!(!format!("{:?}", change.delta).contains("planted"));
            self.snapshot.apply(change.delta);
        }
        if let Some(gaps) = batch.gaps {
            self.snapshot.gaps = gaps;
        }
        self.notices.extend(batch.notices);
    }

    #[track_caller]
    fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(
                start.elapsed() < LIMIT,
                "{what}: {:?}, removed: {:?}",
                self.notices,
                self.removed
            );
            self.take();
        }
    }

    /// Waits until this is what a fresh list says.
    #[track_caller]
    fn settles(&mut self, what: &str, fresh: &Cluster, kinds: &LoadKinds) {
        let start = Instant::now();
        loop {
            self.take();
            let expected = load(fresh, &LoadOptions::new(kinds.clone())).snapshot;
            let (mut own, mut theirs) = (self.snapshot.clone(), expected);
            own.gaps.clear();
            theirs.gaps.clear();
            (own.cluster, theirs.cluster) = Default::default();
            if own == theirs {
                return;
            }
            if start.elapsed() > LIMIT {
                let names = |snapshot: &Snapshot| -> BTreeSet<String> {
                    snapshot
                        .objects()
                        .map(|(object, _)| format!("{object:?}"))
                        .collect()
                };
                let (own, theirs) = (names(&own), names(&theirs));
                let more: Vec<_> = own.difference(&theirs).collect();
                let less: Vec<_> = theirs.difference(&own).collect();
                panic!("{what}: left over {more:#?}, missing {less:#?}");
            }
        }
    }
}

/// Objects of every kind.
fn filled() -> Vec<String> {
    let all = include_str!("filled.yaml");
    let bindings = ["RoleBinding", "ClusterRoleBinding"].map(|kind| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: reader, namespace: shop}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: amy}}]\n"
        )
    });
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: own}\n\
                rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n";
    all.split("\n---\n")
        .chain([role])
        .map(str::to_owned)
        .chain(bindings)
        .collect()
}

fn delete(admin: &Identity, manifest: &str) {
    let arguments = ["delete", "--ignore-not-found", "--wait=false", "-f", "-"];
    admin
        .kubectl_with_input(&arguments, manifest)
        .unwrap()
        .success()
        .unwrap();
}

#[test]
fn every_kind_is_followed() {
    let server = servers::Cluster::builder().start().unwrap();
    let admin = server.admin();
    define_custom_kinds(admin);
    let cluster = connect(admin);
    let kinds = LoadKinds::all();
    let mut followed = Followed::start(&cluster, kinds.clone(), Duration::from_secs(60));
    let objects = filled();
    let all = objects.join("\n---\n");
    admin.apply(&all).unwrap();
    let missing = |seen: &BTreeSet<Kind>| -> Vec<Kind> {
        Kind::ALL
            .into_iter()
            .filter(|kind| !seen.contains(kind))
            .collect()
    };
    followed.settles("everything created", &cluster, &kinds);
    let plural = |kind: Kind| match kind.group() {
        "" => kind.resource().to_owned(),
        group => format!("{}.{group}", kind.resource()),
    };
    for kind in Kind::ALL {
        // Some kinds are in no namespace, others in several.
        let kind_name = plural(kind);
        let label = ["label", &kind_name, "--all", "--overwrite", "watched=yes"];
        let label: Vec<&str> = match (kind.only(), kind.is_namespaced()) {
            (Some((namespace, _)), _) => label.into_iter().chain(["-n", namespace]).collect(),
            (None, true) => label.into_iter().chain(["-n", "shop"]).collect(),
            (None, false) => label.to_vec(),
        };
        admin.kubectl(&label).unwrap().success().unwrap();
    }
    followed.settles("everything changed", &cluster, &kinds);
    assert_eq!(missing(&followed.put), [], "kinds of which nothing came");
    assert_eq!(followed.listed, 0, "all by watching");

    let mut rng = Rng::new(seed(0x2026_1121));
    for _ in 0..40 {
        let object = rng.pick(&objects);
        // What lives in a namespace that is being deleted cannot be made.
        if object.contains("kind: Namespace") {
            continue;
        }
        if rng.chance(50) {
            delete(admin, object);
        } else {
            let _ = admin.apply(object);
        }
    }
    followed.settles("random changes", &cluster, &kinds);
    delete(admin, &all);
    followed.until("something of every kind vanishes", |followed| {
        missing(&followed.removed).is_empty()
    });
    followed.settles("everything removed", &cluster, &kinds);
    assert_eq!(followed.listed, 0, "all by watching");
}

/// Of 1.35 in what it serves, as the server emulates it.
#[test]
fn a_kind_that_came_later_is_no_gap() {
    let server = servers::Cluster::builder()
        .emulated_version("1.35")
        .start()
        .unwrap();
    let cluster = connect(server.admin());
    let later = [
        Kind::MutatingAdmissionPolicy,
        Kind::MutatingAdmissionPolicyBinding,
    ];
    let kinds = LoadKinds::of(&[Kind::Role, later[0], later[1]]);
    let loaded = load(&cluster, &LoadOptions::new(kinds.clone()));
    assert_eq!((loaded.snapshot.gaps.len(), loaded.findings.len()), (0, 0));
    let followed = Followed::start(&cluster, kinds, Duration::from_secs(60));
    let start = Instant::now();
    loop {
        let batch = followed.watch.next(Duration::from_millis(100)).unwrap();
        assert_eq!(batch.gaps, None);
        assert_eq!(batch.notices, []);
        let known = |kind: &Kind| {
            let confirmed = batch.confirmed.get(kind);
            confirmed.is_some_and(|confirmed| confirmed.trouble.is_none())
        };
        if later.iter().all(known) {
            return;
        }
        assert!(start.elapsed() < LIMIT, "{:?}", batch.confirmed);
    }
}

const ANNA: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: anna}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]
";

#[test]
fn rights_come_and_go() {
    let server = servers::Cluster::builder()
        .user("anna", &[])
        .start()
        .unwrap();
    let (admin, kinds) = (server.admin(), LoadKinds::rbac());
    let cluster = connect(server.user("anna").unwrap());
    let mut followed = Followed::start(&cluster, kinds.clone(), Duration::from_secs(1));
    assert_eq!(followed.snapshot.gaps.len(), 4);
    assert_eq!(followed.snapshot.objects().count(), 0);

    admin.apply(ANNA).unwrap();
    followed.until("nothing is a gap any more", |followed| {
        followed.snapshot.gaps.is_empty()
    });
    followed.settles("what is permitted now", &connect(admin), &kinds);

    delete(admin, ANNA);
    followed.until("all kinds are gaps", |followed| {
        followed.snapshot.gaps.len() == 4
    });
    assert!(
        followed.snapshot.objects().count() > 0,
        "what was read is still known"
    );
    let message = &followed.snapshot.gaps[0].message;
    assert!(
        message.contains("cannot be watched") && message.contains("anna"),
        "{message}"
    );
}

const LISTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lists}
rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [roles, clusterroles, rolebindings, clusterrolebindings], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lists}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lists}
subjects: [{kind: User, name: bert, apiGroup: rbac.authorization.k8s.io}]
";

#[test]
fn what_may_be_listed_and_not_watched_is_a_gap_that_is_told_once() {
    let server = servers::Cluster::builder()
        .user("bert", &[])
        .start()
        .unwrap();
    let (admin, kinds) = (server.admin(), LoadKinds::rbac());
    admin.apply(LISTS).unwrap();
    let cluster = connect(server.user("bert").unwrap());
    let mut followed = Followed::start(&cluster, kinds, Duration::from_secs(1));
    followed.until("all kinds are gaps", |followed| {
        followed.snapshot.gaps.len() == 4
    });
    admin.apply(&role("added", "get")).unwrap();
    followed.until("the lists are taken", |followed| {
        followed.snapshot.roles.get("default", "added").is_some()
    });
    assert_eq!(followed.snapshot.gaps.len(), 4);
    assert_eq!(followed.notices.len(), 4, "{:#?}", followed.notices);
    let batch = followed.watch.next(Duration::ZERO).unwrap();
    let mut confirmed = batch.confirmed.values();
    assert!(confirmed.all(|confirmed| confirmed.trouble.is_some()));
}

fn role(name: &str, verb: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: {name}, namespace: default}}, \
         rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [{verb}]}}]}}\n---\n"
    )
}

#[test]
fn lost_connections_and_forgotten_states_are_caught_up_with() {
    let mut server = servers::Cluster::builder().start().unwrap();
    let kinds = LoadKinds::rbac();
    let wire = Wire::to(server.server()).unwrap();
    let cluster = Cluster::connect(&ConnectOptions {
        kubeconfig: Some(server.admin().kubeconfig().to_owned()),
        server: Some(wire.address.clone()),
        ..ConnectOptions::default()
    })
    .unwrap();
    let direct = connect(server.admin());
    let names = ["kept", "changed", "removed"];
    let all: String = names.map(|name| role(name, "get")).concat();
    server.admin().apply(&all).unwrap();
    let mut followed = Followed::start(&cluster, kinds.clone(), Duration::from_secs(60));
    followed.settles("the start", &direct, &kinds);

    // A connection that breaks for a while: the watch goes on where it was.
    wire.cut();
    server.admin().apply(&role("added", "get")).unwrap();
    followed.until("the loss is told", |followed| !followed.notices.is_empty());
    let message = &followed.notices[0].message;
    assert!(message.contains("cannot be watched"), "{message}");
    let batch = followed.watch.next(Duration::ZERO).unwrap();
    assert!(
        batch
            .confirmed
            .values()
            .any(|confirmed| confirmed.trouble.is_some())
    );
    wire.mend();
    followed.settles("after the loss", &direct, &kinds);
    assert_eq!(followed.listed, 0, "what was missed came by watching");

    // A server that starts anew and has forgotten what was before: everything is listed, and the difference comes.
    wire.cut();
    server
        .admin()
        .apply(&(role("changed", "list") + &role("new", "get")))
        .unwrap();
    delete(server.admin(), &role("removed", "get"));
    server.restart_api_server().unwrap();
    // A fresh server's memory starts with what comes now.
    server.admin().apply(&role("newer", "get")).unwrap();
    wire.mend();
    let direct = connect(server.admin());
    followed.removed.clear();
    followed.settles("after the restart", &direct, &kinds);
    assert!(followed.removed.contains(&Kind::Role));
    assert!(
        followed.listed > 0,
        "the state was forgotten, so that this was found by listing"
    );
    assert!(
        followed.listed < 20,
        "only what has changed comes: {}",
        followed.listed
    );

    // A server that is stopped and started under an open watch.
    server.restart_api_server().unwrap();
    server.admin().apply(&role("newest", "get")).unwrap();
    followed.settles(
        "after a restart under the watch",
        &connect(server.admin()),
        &kinds,
    );
}

#[test]
fn a_state_that_etcd_has_forgotten_is_listed_anew() {
    // Without its own memory the API server asks etcd for what was.
    let server = servers::Cluster::builder()
        .flag("watch-cache", "false")
        .start()
        .unwrap();
    let kinds = LoadKinds::of(&[Kind::Role]);
    let wire = Wire::to(server.server()).unwrap();
    let admin = server.admin();
    let cluster = Cluster::connect(&ConnectOptions {
        kubeconfig: Some(admin.kubeconfig().to_owned()),
        server: Some(wire.address.clone()),
        ..ConnectOptions::default()
    })
    .unwrap();
    let direct = connect(admin);
    let all: String = ["kept", "removed"].map(|name| role(name, "get")).concat();
    admin.apply(&all).unwrap();
    let mut followed = Followed::start(&cluster, kinds.clone(), Duration::from_secs(60));
    followed.settles("the start", &direct, &kinds);
    let roles = "/apis/rbac.authorization.k8s.io/v1/roles";
    let list = admin.get(roles).unwrap().json().unwrap();
    let before = list["metadata"]["resourceVersion"].as_str().unwrap();

    wire.cut();
    admin.apply(&role("added", "get")).unwrap();
    delete(admin, &role("removed", "get"));
    server.compact().unwrap();
    let path = format!("{roles}?watch=true&timeoutSeconds=5&resourceVersion={before}");
    let reply = admin.get(&path).unwrap();
    assert!(reply.body.contains("\"code\":410"), "{}", reply.body);
    wire.mend();
    followed.removed.clear();
    followed.settles("after the compaction", &direct, &kinds);
    assert!(followed.removed.contains(&Kind::Role));
    // One came and one went.
    assert_eq!(followed.listed, 2, "found by listing");
}

#[test]
fn a_stopped_watch_ends() {
    let server = servers::Cluster::shared().unwrap();
    let cluster = connect(server.admin());
    let followed = Followed::start(&cluster, LoadKinds::rbac(), Duration::from_secs(60));
    let stopper = followed.watch.stopper();
    let start = Instant::now();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        stopper.stop();
    });
    while followed.watch.next(LIMIT).is_some() {}
    assert!(start.elapsed() < LIMIT);
}
