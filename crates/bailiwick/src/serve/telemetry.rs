//! What the configuration says of telemetry.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bailiwick_server::{Collector, Telemetry};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TelemetryConfig {
    pub(super) otlp: Option<Otlp>,
    #[serde(default)]
    stdout: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Otlp {
    endpoint: String,
    pub(super) ca: Option<PathBuf>,
    #[serde(default)]
    traces: f64,
    #[serde(default)]
    records: bool,
}

impl TelemetryConfig {
    pub(crate) fn telemetry(&self) -> Result<Telemetry> {
        let mut telemetry = Telemetry {
            stdout: self.stdout,
            ..Telemetry::default()
        };
        if let Some(otlp) = &self.otlp {
            if !(0.0..=1.0).contains(&otlp.traces) {
                bail!(
                    "`telemetry.otlp.traces` is a share of all decisions, from 0 to 1, and not {}",
                    otlp.traces
                );
            }
            if otlp.traces == 0.0 && !otlp.records {
                bail!(
                    "the collector would get nothing; write `traces`, a share from 0 to 1, or `records: true`"
                );
            }
            let read = |path: &PathBuf| {
                std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
            };
            let ca = otlp.ca.as_ref().map(read).transpose()?;
            telemetry.collector = Some(Collector::new(&otlp.endpoint, ca.as_deref())?);
            telemetry.traces = otlp.traces;
            telemetry.records = otlp.records;
        }
        Ok(telemetry)
    }
}
