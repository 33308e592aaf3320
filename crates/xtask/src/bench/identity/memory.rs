//! An agent with many streams: what it holds, and how long until each of them has its certificate.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bailiwick_spiffe::{Client, Endpoint};
use serde_json::Value;

use super::stage::{NAMESPACE, NODE, Stage, pod};
use crate::bench::figures::Bar::AtMost;
use crate::bench::figures::Figures;

/// Streams, and the most that the agent may hold with them, in MiB.
const STREAMS: [(usize, f64); 2] = [(100, 20.0), (1000, 60.0)];
/// All of them are served within so many milliseconds.
const SERVED: f64 = 200.0;

pub(super) fn run(bailiwick: &Path, figures: &mut Figures) -> Result<()> {
    let stage = Stage::new(bailiwick)?;
    let (_server, address, _) = stage.server(&[])?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let made = stage.admin().post(&path, &pod("web", Some(NODE)))?.json()?;
    let uid = made.pointer("/metadata/uid").and_then(Value::as_str);
    let uid = uid.with_context(|| format!("{made}"))?.to_owned();
    for (streams, most) in STREAMS {
        let (agent, socket) = stage.agent(&address)?;
        stage.enter(&uid)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let endpoint = Endpoint::Unix(socket);
        let (held, took) = runtime.block_on(open(&endpoint, streams))?;
        let name = |what: &str| format!("agent with {streams} streams: {what}");
        figures.add(
            &name("all of them served"),
            took,
            "ms",
            Some(AtMost(SERVED)),
        );
        std::thread::sleep(Duration::from_secs(2));
        figures.add(
            &name("memory"),
            agent.resident()?,
            "MiB",
            Some(AtMost(most)),
        );
        drop(held);
    }
    Ok(())
}

/// Opens connections and then, at one moment, a stream on each; milliseconds until the last has its first message.
async fn open(
    endpoint: &Endpoint,
    streams: usize,
) -> Result<(Vec<(Client, bailiwick_spiffe::Watch)>, f64)> {
    let mut clients = Vec::new();
    for _ in 0..streams {
        clients.push(Client::connect(endpoint).await?);
    }
    // The agent has the certificate before the many come.
    clients
        .first_mut()
        .context("no client")?
        .fetch_x509()
        .await?;
    let started = Instant::now();
    let asked: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut watch = client.watch_x509().await?;
                watch.next().await?;
                anyhow::Ok((client, watch))
            })
        })
        .collect();
    let mut held = Vec::new();
    for stream in asked {
        held.push(stream.await??);
    }
    Ok((held, started.elapsed().as_secs_f64() * 1000.0))
}
