//! `bailiwick serve` with the full set, beside a server that gives everybody the same answer.

mod changes;
mod cluster;
mod connection;
mod constant;
mod h2load;
mod home;
mod load;
mod program;
mod questions;
mod wire;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::figures::Bar::{AtLeast, AtMost};
use super::figures::{Bar, Figures, Times};
use super::full_set;
use connection::Connection;
use home::Home;
use load::{Load, Outcome};
use program::Program;
use wire::Request;

pub(super) use constant::run as constant;

const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// How often the servers take turns.
const ROUNDS: usize = 3;
const WARM: Duration = Duration::from_secs(1);
const LASTS: Duration = Duration::from_secs(4);
/// How often they take turns where single answers are timed.
const ROUNDS_IN_TIME: usize = 12;
const WARM_IN_TIME: Duration = Duration::from_millis(500);
const LASTS_IN_TIME: Duration = Duration::from_secs(2);
/// Requests a second of the load that comes whether others are answered or not.
const RATE: u32 = 10_000;

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Stage {
    /// SubjectAccessReviews, beside the constant answer
    Sar,
    /// The other doors, and questions that cost more
    Doors,
    /// Changes of files
    Files,
    /// Custom resources of a real API server
    Cluster,
}

pub(super) fn run(bailiwick: &Path, only: &[Stage]) -> Result<Figures> {
    let wanted = |stage| only.is_empty() || only.contains(&stage);
    let mut figures = Figures::default();
    let home = Home::make()?;
    let snapshot = full_set::cluster();
    home.cluster(&snapshot)?;
    let by_rbac = questions::by_rbac(&snapshot)?;
    drop(snapshot);
    let program = start(&home, bailiwick, &mut figures)?;
    if wanted(Stage::Sar) {
        let constant = Program::start(
            Command::new(std::env::current_exe()?)
                .args(["bench", "constant"])
                .arg(home.path("")),
        )?;
        let servers = Servers::connect(&home, &program, &constant)?;
        servers.review(&home, &by_rbac, &mut figures)?;
    }
    let client = home.client()?;
    if wanted(Stage::Doors) {
        others(&Load::connect(program.address, &client)?, &mut figures)?;
    }
    if wanted(Stage::Files) {
        let connection = Connection::open(program.address, &client)?;
        changes::of_files(&home, &connection, &mut figures)?;
        // Only now: the server ends connections on which nobody answers its pings.
        let load = Load::connect(program.address, &client)?;
        changes::of_everything(&home, &program, &load, &connection, &by_rbac, &mut figures)?;
    }
    drop(program);
    if wanted(Stage::Cluster) {
        home.as_at_first()?;
        cluster::run(&home, bailiwick, &mut figures)?;
    }
    Ok(figures)
}

/// Starts the decision point with the full set.
fn start(home: &Home, bailiwick: &Path, figures: &mut Figures) -> Result<Program> {
    let config = home.configure("serve.yaml", "log", "")?;
    let begun = Instant::now();
    let mut program = Program::start(
        Command::new(bailiwick)
            .args(["serve", "--config"])
            .arg(config)
            .arg("-f")
            .arg(home.path("cluster.bwk"))
            .args(["--defaults", "none"]),
    )?;
    program.wait_for("new state revision=")?;
    figures.add(
        "from the start to the first answer",
        begun.elapsed().as_secs_f64(),
        "s",
        None,
    );
    // What the start took goes back with the next look at all files, 2.6 seconds later.
    std::thread::sleep(Duration::from_secs(5));
    figures.add(
        "memory at rest",
        program.resident()? / MEBIBYTE,
        "MB",
        Some(AtMost(220.0)),
    );
    figures.add(
        "memory at its peak since the start",
        program.peak()? / MEBIBYTE,
        "MB",
        None,
    );
    Ok(program)
}

/// The two servers that take turns.
struct Servers<'a> {
    ours: Server<'a>,
    constant: Server<'a>,
}

/// A server, and who asks it.
struct Server<'a> {
    program: &'a Program,
    load: Load,
}

impl<'a> Servers<'a> {
    fn connect(home: &Home, program: &'a Program, constant: &'a Program) -> Result<Self> {
        let client = home.client()?;
        let server = |program: &'a Program| -> Result<Server<'a>> {
            let load = Load::connect(program.address, &client)?;
            Ok(Server { program, load })
        };
        Ok(Self {
            ours: server(program)?,
            constant: server(constant)?,
        })
    }

    /// The door of the API server.
    fn review(&self, home: &Home, requests: &[Request], figures: &mut Figures) -> Result<()> {
        let [ours, bare, ratio, work, bare_work] = self.rates(requests)?;
        figures.add("SAR, constant answer", bare, "/s", None);
        figures.add("SAR", ours, "/s", Some(AtLeast(45_000.0)));
        // What others do on the machine changes these little.
        figures.add(
            "SAR, constant answer, processor time",
            bare_work,
            "µs",
            None,
        );
        figures.add("SAR, processor time", work, "µs", None);
        figures.add(
            "SAR, share of the constant answer",
            ratio,
            "",
            Some(AtLeast(0.7)),
        );
        home.write("body.json", "{\"apiVersion\":\"authorization.k8s.io/v1\"}")?;
        match h2load::rate(self.constant.program.address, &home.path("body.json"))? {
            Some(rate) => figures.add("constant answer, by h2load", rate, "/s", None),
            None => figures.add(
                "constant answer, by h2load, which is not installed",
                0.0,
                "",
                None,
            ),
        }
        self.in_time(requests, figures)
    }

    /// Answers a second of both, the share, and the processor time of an answer of both in microseconds, each the
    /// median of the rounds.
    fn rates(&self, requests: &[Request]) -> Result<[f64; 5]> {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let [(ours, work), (bare, bare_work)] = self.both(round, |server| {
                server.load.closed(requests, WARM)?;
                let before = server.program.worked()?;
                let outcome = server.load.closed(requests, LASTS)?;
                let each = (server.program.worked()? - before) / outcome.answers as f64;
                Ok((outcome.rate, each * 1e6))
            })?;
            rounds.push([ours, bare, ours / bare, work, bare_work]);
        }
        let median = |place: usize| {
            let all = rounds.iter().filter_map(|round| round.get(place).copied());
            let [_, middle, _] = spread(&all.collect::<Vec<f64>>());
            middle
        };
        Ok([0, 1, 2, 3, 4].map(median))
    }

    /// The load that comes whether others are answered or not.
    ///
    /// A disk that takes its time, or somebody else on the machine, can make one round many times as slow as the others,
    /// and with it the p99 of all requests together. So the servers are compared twice: by all requests, and by the
    /// round in the middle of each.
    fn in_time(&self, requests: &[Request], figures: &mut Figures) -> Result<()> {
        let (mut ours, mut bare) = (InTime::default(), InTime::default());
        for round in 0..ROUNDS_IN_TIME {
            let [one, other] = self.both(round, |server| {
                server.load.open(requests, RATE, WARM_IN_TIME)?;
                let before = server.program.worked()?;
                let outcome = server.load.open(requests, RATE, LASTS_IN_TIME)?;
                Ok((outcome, server.program.worked()? - before))
            })?;
            ours.add(one);
            bare.add(other);
        }
        let bars = [0.5, 5.0].map(|limit| Some(AtMost(limit)));
        let [whole, middle] = ours.tell("SAR at 10,000/s", bars, figures);
        let [bare_whole, bare_middle] =
            bare.tell("constant answer at 10,000/s", [None; 2], figures);
        let twice = Some(AtMost(2.0));
        let name = "times the constant answer, p99";
        figures.add(name, whole / bare_whole, "", twice);
        let name = format!("{name} of the round in the middle");
        figures.add(&name, middle / bare_middle, "", twice);
        Ok(())
    }

    /// Whoever comes first in a round comes second in the next.
    fn both<T>(
        &self,
        round: usize,
        mut measure: impl FnMut(&Server<'_>) -> Result<T>,
    ) -> Result<[T; 2]> {
        if round % 2 == 1 {
            let constant = measure(&self.constant)?;
            return Ok([measure(&self.ours)?, constant]);
        }
        Ok([measure(&self.ours)?, measure(&self.constant)?])
    }
}

/// Answers to the load that comes whether others are answered or not.
#[derive(Default)]
struct InTime {
    times: Times,
    /// The p99 of each round, in nanoseconds.
    rounds: Vec<f64>,
    /// Seconds of the processors.
    worked: f64,
    answers: usize,
}

impl InTime {
    fn add(&mut self, (mut outcome, worked): (Outcome, f64)) {
        self.rounds.push(outcome.times.percentile(99.0));
        self.times.extend(outcome.times);
        self.worked += worked;
        self.answers += outcome.answers;
    }

    /// Gives the p99 of all, and of the round in the middle.
    fn tell(&mut self, name: &str, bars: [Option<Bar>; 2], figures: &mut Figures) -> [f64; 2] {
        let [half, most] = bars;
        let times = &mut self.times;
        milliseconds(figures, &format!("{name}, p50"), times, 50.0, half);
        milliseconds(figures, &format!("{name}, p99"), times, 99.0, most);
        let whole = times.percentile(99.0);
        let spread @ [_, middle, _] = spread(&self.rounds);
        for (which, nanos) in ["least", "in the middle", "most"].into_iter().zip(spread) {
            let name = format!("{name}, p99 of a round, {which}");
            figures.add(&name, nanos / 1e6, "ms", None);
        }
        let each = self.worked / self.answers as f64;
        figures.add(&format!("{name}, processor time"), each * 1e6, "µs", None);
        [whole, middle]
    }
}

/// The least, the one in the middle, and the most.
fn spread(all: &[f64]) -> [f64; 3] {
    let mut all = all.to_vec();
    all.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| all.get(place).copied().unwrap_or_default();
    [0, all.len() / 2, all.len().saturating_sub(1)].map(at)
}

/// The other doors, and the questions that cost more.
fn others(load: &Load, figures: &mut Figures) -> Result<()> {
    for (name, requests) in [
        ("SAR, Cedar evaluates 3 policies", questions::by_cedar()?),
        ("AuthZEN evaluation, relations", questions::evaluations()),
        ("ext_authz over gRPC, one policy", questions::checks()),
    ] {
        load.closed(&requests, WARM)?;
        figures.add(name, load.closed(&requests, LASTS)?.rate, "/s", None);
        let mut outcome = load.open(&requests, RATE, LASTS)?;
        milliseconds(
            figures,
            &format!("{name}, at 10,000/s, p50"),
            &mut outcome.times,
            50.0,
            None,
        );
        milliseconds(
            figures,
            &format!("{name}, at 10,000/s, p99"),
            &mut outcome.times,
            99.0,
            None,
        );
    }
    Ok(())
}

fn milliseconds(
    figures: &mut Figures,
    name: &str,
    times: &mut Times,
    percent: f64,
    bar: Option<Bar>,
) {
    figures.add(name, times.percentile(percent) / 1e6, "ms", bar);
}
