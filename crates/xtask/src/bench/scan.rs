//! Every check on made-up clusters: the graph of each, and what the checks and its paths come down to.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bailiwick_graph::Graph;
use bailiwick_model::ApiTable;
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::{Pods, Shape};

use super::figures::Bar::AtMost;
use super::figures::{Figures, Times};

const SEED: u64 = 0x2026_1121;
const ROUNDS: usize = 5;

/// Milliseconds that a scan may take, by the number of bindings.
const BARS: [(usize, Option<f64>); 3] = [
    (1_000, None),
    (10_000, Some(1_000.0)),
    (100_000, Some(5_000.0)),
];

pub(super) fn run() -> Result<Figures> {
    let newest = ApiTable::MINORS
        .last()
        .copied()
        .and_then(ApiTable::embedded);
    let api = newest.context("no API table is embedded")?;
    let mut figures = Figures::default();
    let mut each_at_1_000 = None;
    for (bindings, bar) in BARS {
        let engine = Engine::new(Shape::mixed(bindings).cluster(SEED));
        let mut times = Times::default();
        let mut findings = 0;
        for _ in 0..ROUNDS {
            findings = times.measure(|| scan(&engine, &api));
        }
        let median = times.percentile(50.0);
        let each = median / bindings as f64;
        let first = *each_at_1_000.get_or_insert(each);
        let name = |what: &str| format!("{bindings} bindings: {what}");
        figures.add(&name("findings"), findings as f64, "", None);
        figures.add(&name("scan"), median / 1e6, "ms", bar.map(AtMost));
        figures.add(&name("scan, a binding"), each, "ns", None);
        figures.add(
            &name("scan, a binding, times that at 1,000"),
            each / first,
            "",
            Some(AtMost(3.0)),
        );
    }
    let engine = Engine::new(Shape::one_user_everywhere(10_000, SEED));
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.measure(|| scan(&engine, &api));
    }
    let median = times.percentile(50.0) / 1e6;
    let name = "one user bound in 10,000 namespaces: scan";
    figures.add(name, median, "ms", Some(AtMost(1000.0)));
    for (pods, times_rbac) in [(25_000, 1), (25_000, 10)] {
        let shape = Shape::KUBEHOUND_87.times(times_rbac);
        let engine = Engine::new(Pods { pods }.cluster(&shape, SEED));
        let name = |what: &str| format!("{pods} pods, {times_rbac} times the RBAC: {what}");
        let mut build = Times::default();
        let graph = build.measure(|| graph(&engine));
        let mut times = Times::default();
        let findings = times.measure(|| bailiwick_posture::scan(&engine, &api, &graph).len());
        figures.add(&name("findings"), findings as f64, "", None);
        let seconds = |times: &mut Times| times.percentile(50.0) / 1e9;
        figures.add(&name("graph"), seconds(&mut build), "s", None);
        figures.add(&name("scan"), seconds(&mut times), "s", Some(AtMost(5.0)));
    }
    Ok(figures)
}

fn scan(engine: &Engine, api: &ApiTable) -> usize {
    bailiwick_posture::scan(engine, api, &graph(engine)).len()
}

fn graph(engine: &Engine) -> Graph {
    Graph::new(engine.snapshot(), BTreeMap::new())
}
