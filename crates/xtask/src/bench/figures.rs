//! Figures with their bars, as a table and as JSON.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// What was measured.
#[derive(Default)]
pub(super) struct Figures(Vec<Figure>);

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    bar: Option<Bar>,
}

/// What a figure has to reach.
#[derive(Clone, Copy)]
pub(super) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Figures {
    /// Notes a figure and prints it.
    #[allow(
        clippy::print_stdout,
        reason = "the table is the output of the command"
    )]
    pub(super) fn add(&mut self, name: &str, value: f64, unit: &'static str, bar: Option<Bar>) {
        let verdict = match bar {
            None => String::new(),
            Some(Bar::AtMost(limit)) => verdict("≤", limit, value <= limit),
            Some(Bar::AtLeast(limit)) => verdict("≥", limit, value >= limit),
        };
        println!("{name:<64} {:>10} {unit:<9} {verdict}", rounded(value));
        self.0.push(Figure {
            name: name.to_owned(),
            value,
            unit,
            bar,
        });
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let figures: Vec<Value> = self.0.iter().map(Figure::json).collect();
        let text =
            serde_json::to_string_pretty(&json!({"machine": machine(), "figures": figures}))?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Figure {
    fn json(&self) -> Value {
        let (least, most) = match self.bar {
            None => (None, None),
            Some(Bar::AtMost(limit)) => (None, Some(limit)),
            Some(Bar::AtLeast(limit)) => (Some(limit), None),
        };
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "atLeast": least,
            "atMost": most,
        })
    }
}

fn verdict(sign: &str, limit: f64, reached: bool) -> String {
    let word = if reached { "reached" } else { "MISSED" };
    format!("{sign} {} {word}", rounded(limit))
}

/// Three digits are what such figures are worth.
fn rounded(value: f64) -> String {
    match value {
        v if v == v.trunc() || v >= 1000.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn machine() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({"processor": model, "cores": cores})
}

/// Times of single calls, without what reading the clock costs.
#[derive(Default)]
pub(super) struct Times(Vec<u64>);

impl Times {
    /// Times one call.
    pub(super) fn measure<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = std::hint::black_box(call());
        self.0.push(nanos(start));
        result
    }

    /// Notes a time that was measured elsewhere.
    pub(super) fn push(&mut self, time: Duration) {
        self.0
            .push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds others.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The fastest time of each of `calls` calls that took turns: what they take when nobody else uses the machine.
    pub(super) fn fastest(&self, calls: usize) -> Self {
        let mut fastest: Vec<u64> = self.0.iter().take(calls).copied().collect();
        for round in self.0.chunks(calls.max(1)) {
            for (best, &time) in fastest.iter_mut().zip(round) {
                *best = time.min(*best);
            }
        }
        Self(fastest)
    }

    /// The value that `percent` of the calls did not exceed, in nanoseconds, less the price of reading the clock.
    pub(super) fn percentile(&mut self, percent: f64) -> f64 {
        self.0.sort_unstable();
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        let value = self.0.get(rank.max(1) - 1).copied().unwrap_or_default();
        value.saturating_sub(clock()) as f64
    }
}

/// What two readings of the clock cost: the median of many pairs with nothing in between.
fn clock() -> u64 {
    let mut pairs: Vec<u64> = (0..100_001).map(|_| nanos(Instant::now())).collect();
    pairs.sort_unstable();
    pairs.get(pairs.len() / 2).copied().unwrap_or_default()
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes that a field of `/proc/PID/status` says.
pub(super) fn memory(status: &str, field: &str) -> Result<f64> {
    let said = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = said
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .with_context(|| format!("no {field}"))?;
    Ok(kibibytes.trim().parse::<f64>()? * 1024.0)
}
