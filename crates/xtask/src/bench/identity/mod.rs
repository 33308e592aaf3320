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

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// From a pod that is bound to its certificate
    Latency,
    /// What an agent with many streams holds
    Memory,
    /// SVIDs a second, beside SPIRE's
    Rate,
    /// A server that starts beside 30,000 pods
    Cold,
}

pub(super) fn run(bailiwick: &Path, only: &[Part]) -> Result<Figures> {
    type Measure = fn(&Path, &mut Figures) -> Result<()>;
    let parts: [(Part, Measure); 4] = [
        (Part::Latency, latency::run),
        (Part::Memory, memory::run),
        (Part::Rate, rate::run),
        (Part::Cold, cold::run),
    ];
    let mut figures = Figures::default();
    for (part, measure) in parts {
        if only.is_empty() || only.contains(&part) {
            measure(bailiwick, &mut figures)?;
        }
    }
    Ok(figures)
}
