//! One changed object after the other in the graphs of made-up clusters, by kind of object. Each cluster has a process
//! of its own, so that its peak memory is its own.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bailiwick_core::{Kind, ObjectRef};
use bailiwick_graph::{Graph, Live, Node as GraphNode};
use bailiwick_model::{
    Binding, BindingSubject, CustomResource, Delta, Namespace, Node, Object, ObjectMeta, Origin,
    PodSpec, PolicyRule, Role, RoleRef, Secret, ServiceAccount, Snapshot, Store, Workload,
};
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::{Pods, Shape};
use serde_json::{Value, json};

use super::figures::Bar::AtMost;
use super::figures::{Figures, Times};
use super::graph::{SEED, resident};

/// Pods, and how many times the RBAC of the shape.
const CLUSTERS: [(usize, usize); 3] = [(25_000, 1), (25_000, 10), (150_000, 10)];

/// Objects of each kind that are changed and changed back.
const OBJECTS: usize = 100;

/// Changes between the two states that are compared.
const DIFFERENCES: usize = 1_000;

/// How often each is changed.
const ROUNDS: usize = 3;

/// Bindings of the one role that is bound most.
const BOUND_MOST: usize = 4_000;

/// Milliseconds that one changed object may take.
const BAR: f64 = 10.0;

pub(super) fn run(figures: &mut Figures) -> Result<()> {
    diff(figures);
    for (pods, times) in CLUSTERS {
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        let output = Command::new(program)
            .args(["bench", "graph-changes"])
            .args([pods.to_string(), times.to_string()])
            .output()
            .context("cannot start the measurement")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the measurement failed: {said}");
        let measured: BTreeMap<String, Value> =
            serde_json::from_slice(&output.stdout).context("the measurement said no JSON")?;
        for (what, value) in measured {
            let name = |part: &str| format!("{pods} pods, {times} times the RBAC: {what}{part}");
            match value {
                Value::Number(value) => {
                    let unit = if what.contains("memory") { "MiB" } else { "s" };
                    figures.add(&name(""), value.as_f64().unwrap_or_default(), unit, None);
                }
                value => {
                    for part in ["p50", "p99", "max"] {
                        let bar = (part == "p99").then_some(AtMost(BAR));
                        let value = value.get(part).and_then(Value::as_f64).unwrap_or_default();
                        figures.add(&name(&format!(", {part}")), value, "ms", bar);
                    }
                }
            }
        }
    }
    Ok(())
}

/// What two states of one cluster that are 1,000 changes apart differ in: who can do what, and who gets to full control.
fn diff(figures: &mut Figures) {
    let old = Pods { pods: 25_000 }.cluster(&Shape::KUBEHOUND_87.times(10), SEED);
    let mut new = old.clone();
    let changes: Vec<Delta> = changes(&old)
        .into_iter()
        .flat_map(|(_, changes)| changes)
        .collect();
    let step = (changes.len() / DIFFERENCES).max(1);
    for change in changes.into_iter().step_by(step).take(DIFFERENCES) {
        new.apply(change);
    }
    let (old, new) = (Engine::new(old), Engine::new(new));
    let mut access = Times::default();
    let changed = access.measure(|| bailiwick_rbac::diff(&old, &new).len());
    let mut paths = Times::default();
    let sovereigns = |engine: &Engine| {
        let graph = Graph::new(engine.snapshot(), BTreeMap::new());
        let cluster = graph.find(&GraphNode::Cluster);
        cluster.map_or(0, |cluster| graph.reaching(cluster).nodes().count())
    };
    let found = paths.measure(|| {
        std::thread::scope(|scope| {
            let before = scope.spawn(|| sovereigns(&old));
            let after = sovereigns(&new);
            (before.join().unwrap_or_default(), after)
        })
    });
    let name = |what: &str| format!("25000 pods, 10 times the RBAC, {DIFFERENCES} changes: {what}");
    let (access, paths) = (
        access.percentile(100.0) / 1e9,
        paths.percentile(100.0) / 1e9,
    );
    figures.add(
        &name("subjects whose access differs"),
        changed as f64,
        "",
        None,
    );
    figures.add(&name("diff of access"), access, "s", None);
    figures.add(
        &name("who gets to full control, before"),
        found.0 as f64,
        "",
        None,
    );
    figures.add(
        &name("who gets to full control, after"),
        found.1 as f64,
        "",
        None,
    );
    figures.add(&name("diff of paths"), paths, "s", None);
    figures.add(
        &name("diff, both read already"),
        access + paths,
        "s",
        Some(AtMost(3.0)),
    );
}

/// Measures one cluster; prints what came of it.
#[allow(
    clippy::print_stdout,
    reason = "the line is what the process that started this one reads"
)]
pub(super) fn of(pods: usize, times: usize) -> Result<()> {
    let snapshot = Pods { pods }.cluster(&Shape::KUBEHOUND_87.times(times), SEED);
    let start = Instant::now();
    let mut live = Live::new(snapshot, BTreeMap::new());
    let mut measured = BTreeMap::from([(
        "a graph to change".to_owned(),
        json!(start.elapsed().as_secs_f64()),
    )]);
    measured.insert("memory with it".to_owned(), json!(resident().1 / 1024.0));
    for (what, changes) in changes(live.snapshot()) {
        let mut taken = Times::default();
        for _ in 0..ROUNDS {
            for change in &changes {
                let undo = undo(live.snapshot(), change);
                let change = change.clone();
                taken.measure(|| live.apply(change));
                taken.measure(|| live.apply(undo));
            }
        }
        let figures = figures_of(&taken, 2 * changes.len());
        measured.insert(what.to_owned(), figures);
    }
    measured.insert(
        "one role with 4,000 bindings changed".to_owned(),
        bound_most(&mut live),
    );
    measured.insert(
        "a ServiceAccount with a pod on every node changed".to_owned(),
        everywhere(&mut live),
    );
    measured.insert("peak memory".to_owned(), json!(resident().0 / 1024.0));
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn put(object: Object) -> Delta {
    Delta::Upsert(Box::new(object), Origin::Live)
}

/// What makes a change undone.
fn undo(snapshot: &Snapshot, change: &Delta) -> Delta {
    let object = change.object_ref();
    match snapshot.object(&object) {
        Some(before) => put(before),
        None => Delta::Remove(object),
    }
}

/// Some of these, from all over.
fn some<'s, T: 's>(
    all: impl ExactSizeIterator<Item = &'s T> + 's,
) -> impl Iterator<Item = &'s T> + 's {
    let step = (all.len() / OBJECTS).max(1);
    all.step_by(step).take(OBJECTS)
}

fn changes(snapshot: &Snapshot) -> Vec<(&'static str, Vec<Delta>)> {
    let bindings = |cluster: bool| {
        let all: Vec<&Binding> = snapshot
            .bindings
            .iter()
            .filter(|binding| binding.metadata.namespace.is_empty() == cluster)
            .collect();
        all
    };
    let of_bindings = |cluster: bool, change: &dyn Fn(&Binding) -> Delta| -> Vec<Delta> {
        let all = bindings(cluster);
        some(all.iter()).map(|binding| change(binding)).collect()
    };
    let gone = |binding: &Binding| Delta::Remove(binding.object_ref());
    let other_subject = |binding: &Binding| {
        let mut binding = binding.clone();
        binding.subjects = [BindingSubject {
            kind: "User".into(),
            name: "somebody-new".into(),
            ..BindingSubject::default()
        }]
        .into();
        put(Object::Binding(binding))
    };
    let roles = |cluster: bool| {
        let all: Vec<&Role> = snapshot
            .roles
            .iter()
            .filter(|role| role.metadata.namespace.is_empty() == cluster)
            .collect();
        let changed = some(all.iter()).map(|role| put(Object::Role(with_secrets(role))));
        changed.collect::<Vec<_>>()
    };
    let pods: Vec<&Workload> = snapshot
        .workloads
        .get(&Kind::Pod)
        .into_iter()
        .flat_map(Store::iter)
        .collect();
    let deployments: Vec<&Workload> = snapshot
        .workloads
        .get(&Kind::Deployment)
        .into_iter()
        .flat_map(Store::iter)
        .collect();
    let privileged = |workload: &&Workload| {
        let mut workload = (**workload).clone();
        let mut pod = (*workload.pod).clone();
        pod.host_pid = !pod.host_pid;
        workload.pod = Arc::new(pod);
        put(Object::Workload(workload))
    };
    vec![
        (
            "one RoleBinding removed and added",
            of_bindings(false, &gone),
        ),
        (
            "one ClusterRoleBinding removed and added",
            of_bindings(true, &gone),
        ),
        (
            "one RoleBinding to somebody else",
            of_bindings(false, &other_subject),
        ),
        (
            "one ClusterRoleBinding to somebody else",
            of_bindings(true, &other_subject),
        ),
        ("one Role changed", roles(false)),
        ("one ClusterRole changed", roles(true)),
        (
            "one Namespace labelled",
            some(snapshot.namespaces.iter()).map(labelled).collect(),
        ),
        (
            "one Namespace added and removed",
            (0..OBJECTS).map(new_namespace).collect(),
        ),
        (
            "one ServiceAccount changed",
            some(snapshot.service_accounts.iter())
                .map(unmounted)
                .collect(),
        ),
        (
            "one ServiceAccount removed and added",
            some(snapshot.service_accounts.iter())
                .map(|account| removed(Kind::ServiceAccount, &account.metadata))
                .collect(),
        ),
        (
            "one Secret removed and added",
            some(snapshot.secrets.iter())
                .map(|secret| removed(Kind::Secret, &secret.metadata))
                .collect(),
        ),
        (
            "one Secret changed",
            some(snapshot.secrets.iter()).map(retyped).collect(),
        ),
        (
            "one Node labelled",
            some(snapshot.nodes.iter()).map(of_control_plane).collect(),
        ),
        (
            "one Node removed and added",
            some(snapshot.nodes.iter())
                .map(|node| removed(Kind::Node, &node.metadata))
                .collect(),
        ),
        (
            "one Pod removed and added",
            some(pods.iter())
                .map(|pod| removed(Kind::Pod, &pod.metadata))
                .collect(),
        ),
        (
            "one Pod changed",
            some(pods.iter()).map(privileged).collect(),
        ),
        (
            "one Deployment changed",
            some(deployments.iter()).map(privileged).collect(),
        ),
        (
            "one CustomResourceDefinition added and removed",
            (0..OBJECTS).map(new_resource).collect(),
        ),
    ]
}

/// The role with one more right that leads somewhere.
fn with_secrets(role: &Role) -> Role {
    let mut role = role.clone();
    let mut rules = role.rules.to_vec();
    rules.push(PolicyRule {
        verbs: ["get".into(), "list".into()].into(),
        api_groups: ["".into()].into(),
        resources: ["secrets".into(), "pods/exec".into()].into(),
        ..PolicyRule::default()
    });
    role.rules = rules.into();
    role
}

fn removed(kind: Kind, metadata: &ObjectMeta) -> Delta {
    Delta::Remove(ObjectRef::new(kind, &metadata.namespace, &metadata.name))
}

fn labelled(namespace: &Namespace) -> Delta {
    let mut namespace = namespace.clone();
    let label = "pod-security.kubernetes.io/enforce";
    let level = match namespace.metadata.label(label) {
        Some(_) => "privileged",
        None => "restricted",
    };
    namespace.metadata.labels = [(label.into(), level.into())].into();
    put(Object::Namespace(namespace))
}

fn new_namespace(number: usize) -> Delta {
    let metadata = ObjectMeta::named("", &format!("new-{number}"));
    put(Object::Namespace(Namespace { metadata }))
}

fn unmounted(account: &ServiceAccount) -> Delta {
    let mut account = account.clone();
    account.automount_service_account_token = Some(false);
    put(Object::ServiceAccount(account))
}

fn retyped(secret: &Secret) -> Delta {
    let mut secret = secret.clone();
    secret.secret_type = "example.com/other".into();
    put(Object::Secret(secret))
}

fn of_control_plane(node: &Node) -> Delta {
    let mut node = node.clone();
    node.metadata.labels = match node.metadata.labels.len() {
        0 => [("node-role.kubernetes.io/control-plane".into(), "".into())].into(),
        _ => Box::default(),
    };
    put(Object::Node(node))
}

fn new_resource(number: usize) -> Delta {
    let plural = format!("things-{number}");
    put(Object::CustomResource(CustomResource {
        metadata: ObjectMeta::named("", &format!("{plural}.example.com")),
        group: "example.com".into(),
        plural: plural.as_str().into(),
        kind: "Thing".into(),
        versions: ["v1".into()].into(),
        ..CustomResource::default()
    }))
}

/// Changes a role that gets very many bindings first.
fn bound_most(live: &mut Live) -> Value {
    let role = Role {
        metadata: ObjectMeta::named("", "bound-most"),
        rules: [PolicyRule {
            verbs: ["get".into()].into(),
            api_groups: ["".into()].into(),
            resources: ["pods/log".into()].into(),
            ..PolicyRule::default()
        }]
        .into(),
        aggregation: None,
    };
    live.apply(put(Object::Role(role.clone())));
    let all: Vec<Binding> = live
        .snapshot()
        .bindings
        .iter()
        .take(BOUND_MOST)
        .cloned()
        .collect();
    for (number, binding) in all.into_iter().enumerate() {
        let binding = Binding {
            metadata: ObjectMeta::named(&binding.metadata.namespace, &format!("most-{number}")),
            role_ref: RoleRef {
                kind: "ClusterRole".into(),
                name: "bound-most".into(),
                ..binding.role_ref
            },
            subjects: binding.subjects,
        };
        live.apply(put(Object::Binding(binding)));
    }
    let mut taken = Times::default();
    for _ in 0..ROUNDS {
        let (changed, same) = (with_secrets(&role), role.clone());
        taken.measure(|| live.apply(put(Object::Role(changed))));
        taken.measure(|| live.apply(put(Object::Role(same))));
    }
    figures_of(&taken, 2)
}

/// Changes whether a ServiceAccount gives its token to pods on every node, which leave that to it.
fn everywhere(live: &mut Live) -> Value {
    let pods = live.snapshot().workloads.get(&Kind::Pod);
    let pods = pods.into_iter().flat_map(Store::iter);
    let own: Vec<Workload> = pods
        .filter(|pod| pod.pod.service_account() == "logs")
        .cloned()
        .collect();
    for mut pod in own {
        let spec = PodSpec {
            tokens: Box::default(),
            ..(*pod.pod).clone()
        };
        pod.pod = Arc::new(spec);
        live.apply(put(Object::Workload(pod)));
    }
    let account = ServiceAccount {
        metadata: ObjectMeta::named("kube-system", "logs"),
        ..ServiceAccount::default()
    };
    let mut taken = Times::default();
    for _ in 0..ROUNDS {
        let (changed, same) = (unmounted(&account), account.clone());
        taken.measure(|| live.apply(changed));
        taken.measure(|| live.apply(put(Object::ServiceAccount(same))));
    }
    figures_of(&taken, 2)
}

/// Of the fastest of several times of each call, so that what else the machine does has little say.
fn figures_of(taken: &Times, calls: usize) -> Value {
    let mut fastest = taken.fastest(calls);
    let mut ms = |share| fastest.percentile(share) / 1e6;
    json!({"p50": ms(50.0), "p99": ms(99.0), "max": ms(100.0)})
}
