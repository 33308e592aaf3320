//! From the moment at which somebody binds a pod to a node to the certificate in the hands of its workload.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bailiwick_spiffe::{Client, Endpoint};
use serde_json::json;

use super::stage::{NAMESPACE, NODE, Stage, percentile, pod};
use crate::bench::figures::Bar::AtMost;
use crate::bench::figures::Figures;

/// Pods that come one after another, and of which the first ones warm up.
const PODS: usize = 220;
const WARM_UP: usize = 20;

pub(super) fn run(bailiwick: &Path, figures: &mut Figures) -> Result<()> {
    let stage = Stage::new(bailiwick)?;
    let (server, address, _) = stage.server(&[])?;
    figures.add(
        "server of identities, no pods",
        server.resident()?,
        "MiB",
        Some(AtMost(50.0)),
    );
    let (_agent, socket) = stage.agent(&address)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut client = runtime.block_on(Client::connect(&Endpoint::Unix(socket)))?;
    let mut times = Vec::new();
    for number in 0..PODS {
        let name = format!("pod-{number}");
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let made = stage.admin().post(&path, &pod(&name, None))?.json()?;
        let uid = made.pointer("/metadata/uid").and_then(|uid| uid.as_str());
        stage.enter(uid.with_context(|| format!("{made}"))?)?;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        });
        let started = Instant::now();
        let reply = stage
            .admin()
            .post(&format!("{path}/{name}/binding"), &binding)?;
        ensure!(reply.status == 201, "{}", reply.body);
        let fetched = runtime.block_on(client.fetch_x509())?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        let id = fetched.first().map(|fetched| fetched.id.to_string());
        ensure!(
            id.is_some_and(|id| id.ends_with(&name)),
            "the certificate of another pod"
        );
        let path = format!("{path}/{name}?gracePeriodSeconds=0");
        stage.admin().request("DELETE", &path, &[], None)?;
    }
    let mut times = times.split_off(WARM_UP);
    times.sort_by(f64::total_cmp);
    figures.add(
        "pod bound to a node -> SVID at the workload, median",
        percentile(&times, 0.5),
        "ms",
        None,
    );
    let p99 = percentile(&times, 0.99);
    figures.add(
        "pod bound to a node -> SVID at the workload, p99",
        p99,
        "ms",
        Some(AtMost(250.0)),
    );
    Ok(())
}
