//! Decisions told to others than the log: as spans and records to an OpenTelemetry collector, as lines to standard
//! output.
//!
//! The log is the evidence; what is told here may be lost, which is counted, and nobody ever waits for it.

mod collector;
mod otlp;
mod span;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bailiwick_audit::DecisionRecord;
use http::HeaderMap;
use tokio::sync::{mpsc, watch};

use crate::metrics::Metrics;

pub use collector::{Collector, CollectorError};

pub(crate) use span::Parent;
use span::Span;

/// What is told to whom.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// The collector, where there is one.
    pub collector: Option<Collector>,
    /// The share of decisions that become spans, from 0 to 1, where the caller's own trace does not say it.
    pub traces: f64,
    /// Whether the collector gets records.
    pub records: bool,
    /// Whether standard output gets records, one line of JSON each.
    pub stdout: bool,
}

/// Decisions that wait to be told; more are dropped.
const WAITING: usize = 8_192;
/// Decisions that are told at once.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(500);

/// A decision to tell.
#[derive(Debug)]
struct Told {
    record: Arc<DecisionRecord>,
    span: Option<Span>,
    ended: SystemTime,
    took: Duration,
    recorded: bool,
}

/// Where doors tell their decisions.
#[derive(Debug)]
pub(crate) struct Teller {
    queue: mpsc::Sender<Told>,
    traces: f64,
    metrics: Arc<Metrics>,
}

impl Telemetry {
    /// The end for the doors, and what tells until `end` becomes true.
    pub(crate) fn start(self, metrics: Arc<Metrics>) -> (Teller, Telling) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let traces = if self.collector.is_some() {
            self.traces
        } else {
            0.0
        };
        let counted = Arc::clone(&metrics);
        let teller = Teller {
            queue,
            traces,
            metrics,
        };
        let telling = Telling {
            telemetry: self,
            waiting,
            metrics: counted,
            failing: false,
        };
        (teller, telling)
    }
}

impl Teller {
    /// Tells a decision, unless too many wait already.
    pub(crate) fn tell(
        &self,
        record: DecisionRecord,
        parent: Option<Parent>,
        took: Duration,
        recorded: bool,
    ) {
        let told = Told {
            record: Arc::new(record),
            span: Span::of(parent, self.traces),
            ended: SystemTime::now(),
            took,
            recorded,
        };
        if self.queue.try_send(told).is_err() {
            self.metrics.untold.inc();
        }
    }
}

/// The trace that a request belongs to.
pub(crate) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut found = headers.get_all("traceparent").iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Parent::parse(one.to_str().ok()?),
        _ => None,
    }
}

/// Tells what waits.
pub(crate) struct Telling {
    telemetry: Telemetry,
    waiting: mpsc::Receiver<Told>,
    metrics: Arc<Metrics>,
    failing: bool,
}

impl Telling {
    pub(crate) async fn run(mut self, mut end: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let more = tokio::select! {
                more = self.waiting.recv_many(&mut batch, BATCH) => more,
                _ = end.wait_for(|end| *end) => 0,
            };
            if more == 0 {
                break;
            }
            tokio::select! {
                () = self.gather(&mut batch) => {}
                _ = end.wait_for(|end| *end) => {}
            }
            self.tell(std::mem::take(&mut batch)).await;
        }
        // What the doors told before they closed.
        while let Ok(told) = self.waiting.try_recv() {
            batch.push(told);
        }
        self.tell(batch).await;
    }

    /// Waits a little for others, so that a busy time makes large batches.
    async fn gather(&mut self, batch: &mut Vec<Told>) {
        let until = tokio::time::Instant::now() + GATHER;
        while batch.len() < BATCH {
            let missing = BATCH - batch.len();
            match tokio::time::timeout_at(until, self.waiting.recv_many(batch, missing)).await {
                Ok(1..) => {}
                _ => return,
            }
        }
    }

    async fn tell(&mut self, batch: Vec<Told>) {
        if batch.is_empty() {
            return;
        }
        let batch = Arc::new(batch);
        if self.telemetry.stdout {
            let lines = Arc::clone(&batch);
            // Whoever reads it may be slow.
            let printed = tokio::task::spawn_blocking(move || print(&lines)).await;
            if !matches!(printed, Ok(Ok(()))) {
                self.metrics.untold.inc_by(batch.len() as u64);
            }
        }
        if self.telemetry.collector.is_some() {
            if self.telemetry.records {
                self.send("/v1/logs", otlp::logs(&batch), batch.len()).await;
            }
            let spans = batch.iter().filter(|told| told.span.is_some()).count();
            if spans > 0 {
                self.send("/v1/traces", otlp::traces(&batch), spans).await;
            }
        }
    }

    async fn send(&mut self, path: &str, body: serde_json::Value, count: usize) {
        let Some(collector) = &self.telemetry.collector else {
            return;
        };
        let sent = collector.post(path, body.to_string().into_bytes()).await;
        let failing = sent.is_err();
        if let Err(error) = sent {
            self.metrics.untold.inc_by(count as u64);
            if !self.failing {
                tracing::warn!(%error, "the collector takes nothing; the log of decisions is not concerned");
            }
        } else if self.failing {
            tracing::info!("the collector takes spans and records again");
        }
        self.failing = failing;
    }
}

fn print(batch: &[Told]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for told in batch {
        serde_json::to_writer(&mut out, &*told.record)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
