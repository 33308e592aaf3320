//! A server that starts beside 30,000 pods: how long until it knows them all.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::stage::{NAMESPACE, Stage, pod};
use crate::bench::figures::Bar::AtMost;
use crate::bench::figures::Figures;
use crate::bench::live::post_all;

const PODS: usize = 30_000;
const NODES: usize = 300;

pub(super) fn run(bailiwick: &Path, figures: &mut Figures) -> Result<()> {
    let stage = Stage::new(bailiwick)?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let pods = (0..PODS).map(|number| {
        let node = format!("node-{}", number % NODES);
        let pod = pod(&format!("pod-{number}"), Some(&node));
        (path.clone(), pod)
    });
    let pods: Vec<(String, Value)> = pods.collect();
    post_all(stage.admin(), &pods)?;
    let (server, _, took) = stage.server(&[])?;
    figures.add(
        "server of identities knows 30,000 pods",
        took.as_secs_f64(),
        "s",
        Some(AtMost(10.0)),
    );
    figures.add(
        "server of identities with 30,000 pods",
        server.resident()?,
        "MiB",
        None,
    );
    Ok(())
}
