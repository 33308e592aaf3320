//! nghttp2's load generator, against the server that asks for no certificate, to show what our own one is worth.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Requests a second; `None` where it is not installed.
pub(super) fn rate(address: SocketAddr, body: &std::path::Path) -> Result<Option<f64>> {
    let output = Command::new("h2load")
        .args(["-t1", "-c4", "-m32", "-D5", "--warm-up-time=1"])
        .args(["-H", "content-type: application/json", "-d"])
        .arg(body)
        .arg(format!("https://{address}/kubernetes/authorize"))
        .output();
    let Ok(output) = output else {
        return Ok(None);
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = said.lines().find(|line| line.starts_with("requests:"));
    let failed = failed.context("h2load counts no requests")?;
    ensure!(failed.contains(" 0 failed"), "h2load: {failed}");
    let line = said.lines().find(|line| line.starts_with("finished in"));
    let rate = line.and_then(|line| line.split(", ").nth(1)?.strip_suffix(" req/s"));
    Ok(Some(rate.context("h2load names no rate")?.parse()?))
}
