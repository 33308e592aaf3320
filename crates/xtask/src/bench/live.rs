//! `who-can get secrets -A` on a real API server with 10,000 bindings, beside kubectl and kubectl-who-can.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bailiwick_model::{Role, Snapshot};
use bailiwick_testkit::binaries;
use bailiwick_testkit::generate::{Shape, manifest};
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::{Value, json};

use super::figures::Bar::AtMost;
use super::figures::Figures;

const SEED: u64 = 0x2026_1121;
const BINDINGS: usize = 10_000;
/// How often each program runs; they take turns, and the median counts.
const ROUNDS: usize = 9;
/// Requests in flight while the cluster is filled.
const WRITERS: usize = 8;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const KINDS: [&str; 4] = [
    "clusterroles",
    "roles",
    "clusterrolebindings",
    "rolebindings",
];

pub(super) fn run(bailiwick: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    let cluster = Cluster::builder().start()?;
    cluster.wait_for_aggregation()?;
    let admin = cluster.admin();
    let snapshot = Shape::mixed(BINDINGS).cluster(SEED);
    fill(admin, &snapshot)?;
    let expected = granting(admin)?;
    complete(admin, bailiwick, &expected)?;
    figures.add(
        "bindings that allow get secrets",
        expected.len() as f64,
        "",
        None,
    );
    beside_kubectl(&mut figures, admin, bailiwick)?;
    beside_who_can(&mut figures, admin, &expected)?;
    Ok(figures)
}

/// Writes the made-up cluster to the API server.
pub(super) fn fill(admin: &Identity, snapshot: &Snapshot) -> Result<()> {
    let namespaces: BTreeSet<&str> = snapshot
        .roles
        .iter()
        .map(|role| &*role.metadata.namespace)
        .chain(
            snapshot
                .bindings
                .iter()
                .map(|binding| &*binding.metadata.namespace),
        )
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let namespaces = namespaces.into_iter().map(|name| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ("/api/v1/namespaces".to_owned(), object)
    });
    post_all(admin, &namespaces.collect::<Vec<_>>())?;
    let path = |namespace: &str, resource: &str| match namespace {
        "" => format!("{RBAC}/cluster{resource}"),
        namespace => format!("{RBAC}/namespaces/{namespace}/{resource}"),
    };
    let of_role = |role: &Role| {
        (
            path(&role.metadata.namespace, "roles"),
            manifest::role(role),
        )
    };
    post_all(
        admin,
        &snapshot.roles.iter().map(of_role).collect::<Vec<_>>(),
    )?;
    let bindings = snapshot.bindings.iter().map(|binding| {
        (
            path(&binding.metadata.namespace, "rolebindings"),
            manifest::binding(binding),
        )
    });
    post_all(admin, &bindings.collect::<Vec<_>>())
}

pub(super) fn post_all(admin: &Identity, objects: &[(String, Value)]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let write = || -> Result<()> {
        while let Some((path, object)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            let reply = admin.post(path, object)?;
            ensure!(reply.status == 201, "{path}: {}", reply.body);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        for writer in writers {
            match writer.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })
}

/// Kind, namespace and name of every binding whose role allows `get secrets` for every name: found with nothing but
/// the objects that the API server gives, to check the answers of both programs.
fn granting(admin: &Identity) -> Result<BTreeSet<[String; 3]>> {
    let [cluster_roles, roles, cluster_bindings, bindings] =
        KINDS.map(|resource| items(admin, resource));
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut allowing = BTreeSet::new();
    for (kind, roles) in [("ClusterRole", cluster_roles?), ("Role", roles?)] {
        for role in roles.iter().filter(|role| allows(role)) {
            let key = [
                kind.to_owned(),
                text(role, "/metadata/namespace"),
                text(role, "/metadata/name"),
            ];
            allowing.insert(key);
        }
    }
    let mut granting = BTreeSet::new();
    for (kind, bindings) in [
        ("ClusterRoleBinding", cluster_bindings?),
        ("RoleBinding", bindings?),
    ] {
        for binding in &bindings {
            let (role_kind, namespace) = (
                text(binding, "/roleRef/kind"),
                text(binding, "/metadata/namespace"),
            );
            let role_namespace = if role_kind == "Role" {
                namespace.clone()
            } else {
                String::new()
            };
            let subjects = binding.get("subjects").and_then(Value::as_array);
            let has_subjects = subjects.is_some_and(|subjects| !subjects.is_empty());
            if has_subjects
                && allowing.contains(&[role_kind, role_namespace, text(binding, "/roleRef/name")])
            {
                granting.insert([kind.to_owned(), namespace, text(binding, "/metadata/name")]);
            }
        }
    }
    Ok(granting)
}

fn items(admin: &Identity, resource: &str) -> Result<Vec<Value>> {
    let mut list = admin.get(&format!("{RBAC}/{resource}"))?.json()?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => bail!("{resource} cannot be listed: {list}"),
    }
}

fn allows(role: &Value) -> bool {
    let rules = role.get("rules").and_then(Value::as_array);
    rules.into_iter().flatten().any(|rule| {
        let has = |key: &str, word: &str| {
            let words = rule.get(key).and_then(Value::as_array);
            words.is_some_and(|words| words.iter().any(|w| w == "*" || w == word))
        };
        let names = rule.get("resourceNames").and_then(Value::as_array);
        has("verbs", "get")
            && has("apiGroups", "")
            && has("resources", "secrets")
            && names.is_none_or(Vec::is_empty)
    })
}

fn who_can(admin: &Identity, bailiwick: &Path) -> Command {
    let mut command = Command::new(bailiwick);
    command
        .args(["who-can", "get", "secrets", "-A", "-o", "json"])
        .env("KUBECONFIG", admin.kubeconfig());
    command
}

/// The answer names exactly the bindings that grant.
fn complete(admin: &Identity, bailiwick: &Path, expected: &BTreeSet<[String; 3]>) -> Result<()> {
    let output = who_can(admin, bailiwick)
        .output()
        .context("cannot run bailiwick")?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut named = BTreeSet::new();
    bindings(&answer, &mut named);
    let missing: Vec<_> = expected.difference(&named).take(3).collect();
    let wrong: Vec<_> = named.difference(expected).take(3).collect();
    ensure!(
        missing.is_empty() && wrong.is_empty(),
        "bailiwick's answer misses {missing:?} and has {wrong:?} too many"
    );
    Ok(())
}

/// Collects every `binding` of a JSON answer.
fn bindings(value: &Value, named: &mut BTreeSet<[String; 3]>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| bindings(item, named)),
        Value::Object(fields) => {
            if let Some(Value::Object(binding)) = fields.get("binding") {
                let text = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default();
                named.insert(["kind", "namespace", "name"].map(text).map(str::to_owned));
            }
            fields.values().for_each(|field| bindings(field, named));
        }
        _ => {}
    }
}

fn beside_kubectl(figures: &mut Figures, admin: &Identity, bailiwick: &Path) -> Result<()> {
    let kubectl = binaries::server("kubectl")?;
    // kubectl keeps what it discovers in its home; the first round fills it.
    let get = |resources: &str| {
        let mut command = Command::new(&kubectl);
        command
            .args(["get", resources, "-A"])
            .env("KUBECONFIG", admin.kubeconfig())
            .env(
                "HOME",
                admin.kubeconfig().parent().unwrap_or(Path::new("/")),
            );
        command
    };
    let (mut ours, mut one, mut four, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..=ROUNDS {
        let (time, memory) = timed(&mut who_can(admin, bailiwick))?;
        let together = timed(&mut get(&KINDS.join(",")))?.0;
        let mut apart = Duration::ZERO;
        for resource in KINDS {
            apart += timed(&mut get(resource))?.0;
        }
        if round > 0 {
            ours.push(time);
            one.push(together);
            four.push(apart);
            peak = peak.max(memory);
        }
    }
    let [ours, one, four] = [ours, one, four].map(median);
    let mut add = |name: &str, value, unit, bar| {
        figures.add(&format!("live, 10,000 bindings: {name}"), value, unit, bar);
    };
    add("who-can get secrets -A", ours * 1e3, "ms", None);
    add("kubectl get, one command", one * 1e3, "ms", None);
    add("kubectl get, four commands", four * 1e3, "ms", None);
    add(
        "share of the shorter kubectl get",
        ours / one.min(four),
        "",
        Some(AtMost(0.4)),
    );
    add(
        "peak memory",
        peak as f64 / 1024.0,
        "MB",
        Some(AtMost(100.0)),
    );
    Ok(())
}

/// kubectl-who-can once: it takes long enough for one run to tell.
fn beside_who_can(
    figures: &mut Figures,
    admin: &Identity,
    expected: &BTreeSet<[String; 3]>,
) -> Result<()> {
    let mut command = Command::new(kubectl_who_can()?);
    command
        .args(["get", "secrets", "-A", "-o", "json"])
        .env("KUBECONFIG", admin.kubeconfig());
    let start = Instant::now();
    let output = command.output().context("cannot run kubectl-who-can")?;
    let time = start.elapsed().as_secs_f64();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let listed = |key: &str| {
        answer
            .get(key)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    let of_kind = |kind: &str| expected.iter().filter(|[k, ..]| k == kind).count();
    figures.add(
        "live, 10,000 bindings: kubectl-who-can 0.4.0",
        time * 1e3,
        "ms",
        None,
    );
    for (key, kind) in [
        ("clusterRoleBindings", "ClusterRoleBinding"),
        ("roleBindings", "RoleBinding"),
    ] {
        let name = format!("kubectl-who-can: {kind}s named of {}", of_kind(kind));
        figures.add(&name, listed(key) as f64, "", None);
    }
    Ok(())
}

/// The module of kubectl-who-can.
const WHO_CAN: &str = "github.com/aquasecurity/kubectl-who-can@v0.4.0";

/// kubectl-who-can, built once into the cache of the test environment.
fn kubectl_who_can() -> Result<PathBuf> {
    let program = binaries::cache_root()?.join("kubectl-who-can-0.4.0/kubectl-who-can");
    if program.is_file() {
        return Ok(program);
    }
    let mut download = Command::new("go");
    let output = download
        .args(["mod", "download", "-json", WHO_CAN])
        .output()
        .context("cannot run go")?;
    let module: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let sources = module.get("Dir").and_then(Value::as_str);
    let sources = sources.with_context(|| format!("{WHO_CAN} cannot be had: {module}"))?;
    let status = Command::new("go")
        .args(["build", "-C", sources, "-o"])
        .arg(&program)
        .arg("./cmd/kubectl-who-can")
        .envs(binaries::GO_ENVIRONMENT)
        .status()?;
    ensure!(status.success(), "{WHO_CAN} does not build");
    Ok(program)
}

/// Runs a program to its end. Gives the time from start to end and its peak memory in kilobytes.
fn timed(command: &mut Command) -> Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        // The high-water mark is gone with the process, so that the last look must come shortly before its end.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = mark.and_then(|mark| mark.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    };
    ensure!(ended.success(), "{command:?} ended with {ended}");
    Ok((start.elapsed(), peak))
}

/// In seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .copied()
        .unwrap_or_default()
        .as_secs_f64()
}
