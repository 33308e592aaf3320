//! From a changed file to the first answer that follows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::connection::Connection;
use super::home::{Home, TEAMS, Version, document, file, policies_of};
use super::load::Load;
use super::program::Program;
use super::wire::Request;
use super::{MEBIBYTE, milliseconds, questions};
use crate::bench::figures::Bar::AtMost;
use crate::bench::figures::{Figures, Times};
use crate::bench::full_set::of_team;

/// Changes of each kind.
pub(super) const CHANGES: usize = 250;
/// Between two questions about whether a change is enforced.
const AGAIN: Duration = Duration::from_micros(500);
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(60);

/// Asks until the answer is the one that is waited for.
pub(super) fn until(connection: &Connection, request: &Request, allowed: bool) -> Result<Instant> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if is_allowed(connection, request)? == allowed {
            return Ok(Instant::now());
        }
        thread::sleep(AGAIN);
    }
    anyhow::bail!("the answer stays another than `allowed: {allowed}`")
}

fn is_allowed(connection: &Connection, request: &Request) -> Result<bool> {
    let told = connection.ask(request)?;
    ensure!(told.ok, "{}", String::from_utf8_lossy(&told.body));
    let answer: serde_json::Value = serde_json::from_slice(&told.body)?;
    let allowed = answer.pointer("/status/allowed").context("no answer")?;
    Ok(allowed == true)
}

/// A member's question, and the number of the team.
fn asked(number: usize) -> Result<(Request, String, usize)> {
    let (user, request) = of_team(number);
    let team = user
        .groups
        .iter()
        .find_map(|group| group.strip_prefix("team-"));
    let team = team.context("a member without a team")?.parse()?;
    Ok((questions::review(&user, &request)?, user.name, team))
}

/// One file of policies after the other, and one file of a revocation.
pub(super) fn of_files(home: &Home, connection: &Connection, figures: &mut Figures) -> Result<()> {
    let (mut policy, mut revoked, mut lifted) =
        (Times::default(), Times::default(), Times::default());
    let mut written = Times::default();
    for number in 0..CHANGES {
        let (request, user, team) = asked(number)?;
        until(connection, &request, true)?;
        let path = format!("policies/{}", file(team));
        let text = policies_of(team, Version::Second);
        policy.push(timed(connection, &request, false, &mut written, || {
            home.replace(&path, &text)
        })?);
        home.replace(&path, &policies_of(team, Version::First))?;
        until(connection, &request, true)?;
        thread::sleep(PAUSE);
        let revocation = document("Revocation", "one", &json!({"user": user}));
        revoked.push(timed(connection, &request, false, &mut written, || {
            home.replace("revocations/one.json", &revocation)
        })?);
        thread::sleep(PAUSE);
        let another = document("Revocation", "one", &json!({"user": "nobody"}));
        lifted.push(timed(connection, &request, true, &mut written, || {
            home.replace("revocations/one.json", &another)
        })?);
        thread::sleep(PAUSE);
    }
    enforced(figures, "a changed file of three policies", policy);
    enforced(figures, "a file of a revocation", revoked);
    enforced(figures, "the same file, of somebody else", lifted);
    let name = "writing such a file and renaming it into place";
    milliseconds(figures, &format!("{name}, p50"), &mut written, 50.0, None);
    milliseconds(figures, &format!("{name}, p99"), &mut written, 99.0, None);
    Ok(())
}

/// From the moment at which the file is in place. How long the system takes to put it there is told apart: a rename
/// waits for what others have the disk keep, such as the log of decisions.
fn timed(
    connection: &Connection,
    request: &Request,
    allowed: bool,
    written: &mut Times,
    change: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let start = Instant::now();
    change()?;
    let there = Instant::now();
    written.push(there.saturating_duration_since(start));
    Ok(until(connection, request, allowed)?.saturating_duration_since(there))
}

/// Half of the changes, and nearly all.
pub(super) fn enforced(figures: &mut Figures, what: &str, mut times: Times) {
    let name = format!("{what} → enforced");
    milliseconds(figures, &format!("{name}, p50"), &mut times, 50.0, None);
    milliseconds(
        figures,
        &format!("{name}, p99"),
        &mut times,
        99.0,
        Some(AtMost(50.0)),
    );
}

/// Every policy anew, while others ask.
pub(super) fn of_everything(
    home: &Home,
    program: &Program,
    load: &Load,
    connection: &Connection,
    requests: &[Request],
    figures: &mut Figures,
) -> Result<()> {
    let rest = program.resident()?;
    program.forget_peak()?;
    let members = [0, TEAMS / 2, TEAMS - 2].map(member_of);
    let (done, started) = (AtomicBool::new(false), Instant::now());
    let ((there, took), mut meanwhile) = thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let took = (|| {
                home.exchange()?;
                let there = started.elapsed();
                for member in members {
                    until(connection, &asked(member)?.0, false)?;
                }
                Ok::<_, anyhow::Error>((there, started.elapsed()))
            })();
            done.store(true, Ordering::Relaxed);
            took
        });
        let mut meanwhile = Times::default();
        while !done.load(Ordering::Relaxed) {
            let outcome = load.open(requests, 1_000, Duration::from_millis(250))?;
            meanwhile.extend(outcome.times);
        }
        let took = match changing.join() {
            Ok(took) => took?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok::<_, anyhow::Error>((took, meanwhile))
    })?;
    figures.add(
        "all 10,000 policies anew → enforced",
        took.as_secs_f64(),
        "s",
        Some(AtMost(5.0)),
    );
    figures.add(
        "of these, until every file is in place",
        there.as_secs_f64(),
        "s",
        None,
    );
    milliseconds(
        figures,
        "meanwhile, at 1,000/s, p99",
        &mut meanwhile,
        99.0,
        None,
    );
    let peak = program.peak()?;
    figures.add(
        "memory at its peak meanwhile",
        peak / MEBIBYTE,
        "MB",
        Some(AtMost(440.0)),
    );
    figures.add(
        "that, times the memory at rest before",
        peak / rest,
        "",
        None,
    );
    Ok(())
}

/// Somebody of a team.
fn member_of(team: usize) -> usize {
    let is = |number: &usize| asked(*number).is_ok_and(|(_, _, found)| found == team);
    (0..4 * TEAMS).find(is).unwrap_or_default()
}
