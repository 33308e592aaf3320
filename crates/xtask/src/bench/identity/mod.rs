//! Identities of pods through agents of nodes, with a real API server, beside SPIRE.

mod cold;
mod issuers;
mod latency;
mod memory;
mod rate;
mod stage;
mod wire;

use std::path::Path;

use anyhow::Result;

use super::figures::Figures;

pub(super) fn run(bailiwick: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    latency::run(bailiwick, &mut figures)?;
    memory::run(bailiwick, &mut figures)?;
    rate::run(bailiwick, &mut figures)?;
    cold::run(bailiwick, &mut figures)?;
    Ok(figures)
}
