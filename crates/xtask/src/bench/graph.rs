//! The access graph of made-up clusters, from their snapshot files. Each is read in a process of its own, so that its
//! peak memory is that of one cluster.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bailiwick_graph::{AtomId, Graph, Node};
use bailiwick_posture::{CHANGE, Mending};
use bailiwick_testkit::generate::{Pods, Shape};
use serde_json::{Value, json};

use super::figures::Bar::AtMost;
use super::figures::Figures;

pub(super) const SEED: u64 = 0x2026_1121;

/// Pods, how many times the RBAC of the shape, and the bar for reading and building in seconds.
const CLUSTERS: [(usize, usize, f64); 3] =
    [(25_000, 1, 2.0), (25_000, 10, 2.0), (150_000, 10, 15.0)];

/// What `bailiwick fix` does without `--work`.
const WORK_OF_FIX: u64 = 300_000;

pub(super) fn run() -> Result<Figures> {
    let directory = tempfile::tempdir().context("cannot make a directory for the snapshots")?;
    let mut figures = Figures::default();
    for (pods, times, bar) in CLUSTERS {
        let path = directory.path().join(format!("{pods}-{times}.bailiwick"));
        write(pods, times, &path)?;
        let measured = measured(&path)?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        let figure = |key: &str| {
            let value = measured.get(key).and_then(Value::as_f64);
            value.with_context(|| format!("the measurement says nothing of {key}"))
        };
        let mut add = |what: &str, key: &str, unit, bar| -> Result<()> {
            let name = format!("{pods} pods, {times} times the RBAC: {what}");
            figures.add(&name, figure(key)?, unit, bar);
            Ok(())
        };
        add("reading and building", "total", "s", None)?;
        add(
            "reading and building, CPU time",
            "cpu",
            "s",
            Some(AtMost(bar)),
        )?;
        add("reading", "read", "s", None)?;
        add("building", "build", "s", None)?;
        add(
            "all sources to the cluster",
            "reaching",
            "s",
            Some(AtMost(1.0)),
        )?;
        add("peak memory", "peak", "MiB", Some(AtMost(2048.0)))?;
        add("memory of the cluster, a pod", "bytes", "bytes", None)?;
        add("nodes", "nodes", "", None)?;
        add("edges", "edges", "", None)?;
        add("sources", "sources", "", None)?;
        add("fix", "fix", "s", None)?;
        add("changes of fix", "changes", "", None)?;
        add("changes at least", "at_least", "", None)?;
    }
    super::changes::run(&mut figures)?;
    Ok(figures)
}

fn write(pods: usize, times: usize, path: &Path) -> Result<()> {
    let cluster = Pods { pods }.cluster(&Shape::KUBEHOUND_87.times(times), SEED);
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    bailiwick_input::snapshot::write(&cluster, file)?;
    Ok(())
}

fn measured(path: &Path) -> Result<Value> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let output = Command::new(program)
        .args(["bench", "graph-of"])
        .arg(path)
        .output()
        .context("cannot start the measurement")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the measurement failed: {said}");
    serde_json::from_slice(&output.stdout).context("the measurement said no JSON")
}

/// Reads a snapshot file and builds its graph; prints what that took.
#[allow(
    clippy::print_stdout,
    reason = "the line is what the process that started this one reads"
)]
pub(super) fn of(path: &Path) -> Result<()> {
    let start = Instant::now();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let snapshot = bailiwick_input::snapshot::read(BufReader::new(file))?;
    let read = start.elapsed().as_secs_f64();
    let (_, memory) = resident();
    let graph = Graph::new(&snapshot, std::collections::BTreeMap::new());
    let total = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds();
    let start = Instant::now();
    let cluster = graph
        .find(&Node::Cluster)
        .context("nothing leads to full control")?;
    let sources = graph.reaching(cluster).nodes().count();
    let reaching = start.elapsed().as_secs_f64();
    let pods = snapshot.workloads.get(&bailiwick_core::Kind::Pod);
    let pods = pods.map_or(1, |store| store.len().max(1));
    let (peak, _) = resident();
    let mending = Mending::new(&snapshot);
    let cost = |atom: AtomId| graph.atom_of(atom).and_then(|atom| mending.cost(atom));
    let start = Instant::now();
    let reach = graph.reaching(cluster);
    let starts = graph.starts(&snapshot).into_iter();
    let starts = starts.filter(|&node| reach.effort(node).is_some_and(|effort| effort > 0));
    let fix = graph.fix(&starts.collect::<Vec<_>>(), cluster, &cost, WORK_OF_FIX);
    let fix_took = start.elapsed().as_secs_f64();
    let fix = fix.ok().context("nothing closes some path")?;
    let mut kinds: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for step in graph.edges() {
        *kinds.entry(step.kind.id).or_default() += 1;
    }
    let line = json!({
        "read": read,
        "build": total - read,
        "total": total,
        "cpu": cpu,
        "reaching": reaching,
        "peak": peak / 1024.0,
        "bytes": memory * 1024.0 / pods as f64,
        "nodes": graph.node_count(),
        "edges": graph.edge_count(),
        "sources": sources,
        "fix": fix_took,
        "changes": fix.atoms.len(),
        "at_least": fix.at_least / CHANGE,
        "kinds": kinds,
    });
    println!("{line}");
    Ok(())
}

/// CPU time of this process, user and system, as Linux tells it in hundredths: what else the machine does changes it
/// little. 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let times = fields.skip(11).take(2);
    times
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Resident memory of this process in KiB, as Linux tells it: the most so far, and now. 0 elsewhere.
pub(super) fn resident() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap_or_default()
    };
    (field("VmHWM:"), field("VmRSS:"))
}
