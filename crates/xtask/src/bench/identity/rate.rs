//! SVIDs a second, of our server and of SPIRE's. They take turns, each asked in the same way by one agent.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::spire::Spire;

use super::issuers::{Issuer, WORKLOADS};
use super::stage::Stage;
use crate::bench::figures::Bar::AtLeast;
use crate::bench::figures::Figures;

/// How often the servers take turns; of each the median counts.
const ROUNDS: usize = 5;
const LASTS: Duration = Duration::from_secs(2);
/// How long SPIRE may take until it knows its entries.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way of asking.
struct Shape {
    name: &'static str,
    connections: usize,
    /// Certificates in one request; a token where it is nothing.
    batch: Option<usize>,
    /// How many times as many as SPIRE's.
    bar: f64,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "X.509-SVIDs, 8 connections",
        connections: 8,
        batch: Some(1),
        bar: 3.0,
    },
    Shape {
        name: "X.509-SVIDs, 4 connections, 100 in a request",
        connections: 4,
        batch: Some(WORKLOADS),
        bar: 3.5,
    },
    Shape {
        name: "JWT-SVIDs, 8 connections",
        connections: 8,
        batch: None,
        bar: 2.0,
    },
];

pub(super) fn run(bailiwick: &Path, figures: &mut Figures) -> Result<()> {
    let stage = Stage::new(bailiwick)?;
    let (server, address, _) = stage.server(&["--agent-rate", "0"])?;
    let spire = Spire::start("bench.example", "")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ours = runtime.block_on(Issuer::ours(&stage, &server, &address))?;
    let theirs = match &spire {
        Some(spire) => Some(runtime.block_on(Issuer::spire(spire, &stage.path("")))?),
        None => None,
    };
    let issuers: Vec<(&str, &Issuer)> = std::iter::once(("ours", &ours))
        .chain(theirs.as_ref().map(|theirs| ("SPIRE", theirs)))
        .collect();
    for (_, issuer) in &issuers {
        runtime.block_on(warm(issuer))?;
    }
    for shape in &SHAPES {
        let mut rates = vec![Vec::new(); issuers.len()];
        let mut costs = vec![Vec::new(); issuers.len()];
        for _ in 0..ROUNDS {
            for ((_, issuer), (rates, costs)) in
                issuers.iter().zip(rates.iter_mut().zip(&mut costs))
            {
                let (rate, cost) = runtime.block_on(measure(issuer, shape))?;
                rates.push(rate);
                costs.push(cost);
            }
        }
        let rates: Vec<f64> = rates.into_iter().map(median).collect();
        for (((name, _), rate), costs) in issuers.iter().zip(&rates).zip(costs) {
            let name = format!("{}: {name}", shape.name);
            figures.add(&name, *rate, "/s", None);
            let name = format!("{name}, processor time of the server");
            figures.add(&name, median(costs), "µs each", None);
        }
        if let [ours, theirs] = rates.as_slice() {
            let name = format!("{}: times SPIRE's", shape.name);
            figures.add(&name, ours / theirs, "", Some(AtLeast(shape.bar)));
        }
    }
    Ok(())
}

/// Asks until everything is known that was just made.
async fn warm(issuer: &Issuer) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut caller = issuer.connect().await?;
        let came = issuer.asks.x509(&mut caller, 0, WORKLOADS).await;
        if came.as_ref().is_ok_and(|came| *came == WORKLOADS) {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "not all workloads are known: {came:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// SVIDs a second, and microseconds of the server's processors for each.
async fn measure(issuer: &Issuer, shape: &Shape) -> Result<(f64, f64)> {
    let mut callers = Vec::new();
    for _ in 0..shape.connections {
        callers.push(issuer.connect().await?);
    }
    let before = processor_time(issuer.pid)?;
    let started = Instant::now();
    let batch = shape.batch;
    let asking: Vec<_> = callers
        .into_iter()
        .enumerate()
        .map(|(number, mut caller)| {
            let asks = issuer.asks.clone();
            tokio::spawn(async move {
                let mut all = 0;
                for at in (0..WORKLOADS).cycle().skip(number) {
                    if started.elapsed() > LASTS {
                        break;
                    }
                    let (came, wanted) = match batch {
                        Some(count) => (asks.x509(&mut caller, at, count).await?, count),
                        None => (asks.jwt(&mut caller, at).await?, 1),
                    };
                    ensure!(came == wanted, "{came} of {wanted} came");
                    all += came;
                }
                Ok(all)
            })
        })
        .collect();
    let mut all = 0;
    for asked in asking {
        all += asked.await??;
    }
    let took = started.elapsed().as_secs_f64();
    let busy = processor_time(issuer.pid)? - before;
    Ok((all as f64 / took, busy.as_secs_f64() * 1e6 / all as f64))
}

/// What a process and its threads have used of the processors, user and system.
fn processor_time(pid: u32) -> Result<Duration> {
    /// Of `/proc/PID/stat`, in a second (proc(5); the same on every Linux that runs containers).
    const TICKS: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("no name of the process")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<u64> { Ok(fields.next().context("no time")?.parse()?) };
    Ok(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
