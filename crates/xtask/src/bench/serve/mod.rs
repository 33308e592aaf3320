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

use anyhow::{Result, ensure};

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
/// Requests a second of the load that comes whether others are answered or not.
const RATE: u32 = 10_000;

pub(super) fn run(bailiwick: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    let home = Home::make()?;
    let snapshot = full_set::cluster();
    home.cluster(&snapshot)?;
    let by_rbac = questions::by_rbac(&snapshot)?;
    drop(snapshot);
    let program = start(&home, bailiwick, &mut figures)?;
    {
        let constant = Program::start(
            Command::new(std::env::current_exe()?)
                .args(["bench", "constant"])
                .arg(home.path("")),
        )?;
        let servers = Servers::connect(&home, &program, &constant)?;
        servers.review(&home, &constant, &by_rbac, &mut figures)?;
        servers.others(&mut figures)?;
    }
    let client = home.client()?;
    let (load, connection) = (
        Load::connect(program.address, &client)?,
        Connection::open(program.address, &client)?,
    );
    changes::of_files(&home, &connection, &mut figures)?;
    changes::of_everything(&home, &program, &load, &connection, &by_rbac, &mut figures)?;
    drop(program);
    cluster::run(&home, bailiwick, &mut figures)?;
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
    std::thread::sleep(Duration::from_secs(2));
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
struct Servers {
    ours: Load,
    constant: Load,
}

impl Servers {
    fn connect(home: &Home, program: &Program, constant: &Program) -> Result<Self> {
        let client = home.client()?;
        Ok(Self {
            ours: Load::connect(program.address, &client)?,
            constant: Load::connect(constant.address, &client)?,
        })
    }

    /// The door of the API server.
    fn review(
        &self,
        home: &Home,
        constant: &Program,
        requests: &[Request],
        figures: &mut Figures,
    ) -> Result<()> {
        let (ours, bare, ratio) = self.rates(requests)?;
        figures.add("SAR, constant answer", bare, "/s", None);
        figures.add("SAR", ours, "/s", Some(AtLeast(45_000.0)));
        figures.add(
            "SAR, share of the constant answer",
            ratio,
            "",
            Some(AtLeast(0.7)),
        );
        home.write("body.json", "{\"apiVersion\":\"authorization.k8s.io/v1\"}")?;
        match h2load::rate(constant.address, &home.path("body.json"))? {
            Some(rate) => figures.add("constant answer, by h2load", rate, "/s", None),
            None => figures.add(
                "constant answer, by h2load, which is not installed",
                0.0,
                "",
                None,
            ),
        }
        let (mut ours, mut bare) = self.in_time(requests)?;
        let bar = |limit| Some(AtMost(limit));
        milliseconds(figures, "SAR at 10,000/s, p50", &mut ours, 50.0, bar(0.5));
        milliseconds(figures, "SAR at 10,000/s, p99", &mut ours, 99.0, bar(5.0));
        milliseconds(
            figures,
            "constant answer at 10,000/s, p50",
            &mut bare,
            50.0,
            None,
        );
        milliseconds(
            figures,
            "constant answer at 10,000/s, p99",
            &mut bare,
            99.0,
            None,
        );
        let times = ours.percentile(99.0) / bare.percentile(99.0);
        figures.add("times the constant answer, p99", times, "", bar(2.0));
        Ok(())
    }

    /// The other doors, and the questions that cost more.
    fn others(&self, figures: &mut Figures) -> Result<()> {
        for (name, requests) in [
            ("SAR, Cedar evaluates 3 policies", questions::by_cedar()?),
            ("AuthZEN evaluation, relations", questions::evaluations()),
            ("ext_authz over gRPC, one policy", questions::checks()),
        ] {
            self.ours.closed(&requests, WARM)?;
            let rate = self.ours.closed(&requests, LASTS)?.rate;
            figures.add(name, rate, "/s", None);
            let mut outcome = self.ours.open(&requests, RATE, LASTS)?;
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

    /// Answers a second of both, and the share, each the median of the rounds.
    fn rates(&self, requests: &[Request]) -> Result<(f64, f64, f64)> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let [ours, bare] = self.both(|load| {
                load.closed(requests, WARM)?;
                load.closed(requests, LASTS)
            })?;
            rounds.push([ours.rate, bare.rate, ours.rate / bare.rate]);
        }
        let median = |place: usize| {
            let mut all: Vec<f64> = rounds
                .iter()
                .filter_map(|round| round.get(place).copied())
                .collect();
            all.sort_unstable_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Ok((median(0), median(1), median(2)))
    }

    /// The times of all rounds of both.
    fn in_time(&self, requests: &[Request]) -> Result<(Times, Times)> {
        let (mut ours, mut bare) = (Times::default(), Times::default());
        for _ in 0..ROUNDS {
            let [one, other] = self.both(|load| {
                load.open(requests, RATE, WARM)?;
                load.open(requests, RATE, LASTS)
            })?;
            ours.extend(one.times);
            bare.extend(other.times);
        }
        Ok((ours, bare))
    }

    fn both(&self, mut measure: impl FnMut(&Load) -> Result<Outcome>) -> Result<[Outcome; 2]> {
        let both = [measure(&self.ours)?, measure(&self.constant)?];
        ensure!(both.iter().all(|one| one.answers > 0), "no answer");
        Ok(both)
    }
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
