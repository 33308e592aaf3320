//! A writer that is killed under load loses no record that it was told is written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_audit::{DecisionId, Durability, Fault, Log as _};
use bailiwick_store::{Options, Store, verify};
use common::{decision, decisions};

const DIRECTORY: &str = "BAILIWICK_TEST_KILL_DIRECTORY";
const RUN: &str = "BAILIWICK_TEST_KILL_RUN";

/// Not a test of its own: the process that is killed.
#[test]
fn the_writer() {
    let (Ok(directory), Ok(run)) = (std::env::var(DIRECTORY), std::env::var(RUN)) else {
        return;
    };
    let run: u64 = run.parse().unwrap();
    let options = Options {
        segment_size: 200_000,
        ..Options::default()
    };
    let store = Arc::new(Store::open(Path::new(&directory), options).unwrap());
    let runtime = common::runtime();
    let next = Arc::new(std::sync::atomic::AtomicU64::new(1));
    for _ in 0..16 {
        let (store, next) = (Arc::clone(&store), Arc::clone(&next));
        runtime.spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let durability = match number % 100 {
                    0 => Durability::Synced,
                    _ => Durability::Written,
                };
                store
                    .append(decision(run, number), durability)
                    .await
                    .unwrap();
                // Told after it is written, as a door answers.
                writeln!(std::io::stdout().lock(), "acknowledged {number}").unwrap();
            }
        });
    }
    std::thread::sleep(Duration::from_secs(60));
}

/// Starts a writer, kills it in the middle of its work, and gives what it had acknowledged.
fn kill_one(directory: &Path, run: u64) -> Vec<DecisionId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["the_writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(RUN, run.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let mut kill_at = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The last line may be cut off in the middle of its number; it then says nothing.
        let Ok(line) = line else { break };
        if let Some(number) = line.strip_prefix("acknowledged ") {
            acknowledged.push(number.to_owned());
        }
        // A slow start is no reason to kill it before it has written anything.
        if kill_at.is_none() && !acknowledged.is_empty() {
            kill_at = Some(Instant::now() + Duration::from_millis(150 + run * 40));
        }
        if kill_at.is_some_and(|at| Instant::now() > at) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged.pop();
    let id = |number: &String| DecisionId {
        run,
        number: number.parse().unwrap(),
    };
    acknowledged.iter().map(id).collect()
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut acknowledged = Vec::new();
    for run in 0..5 {
        let of_run = kill_one(path, run);
        assert!(of_run.len() > 100, "only {} acknowledged", of_run.len());
        acknowledged.extend(of_run);
        // A record may have been half written; nobody was told of it, and the next start cuts it off.
        let report = verify(path, None).unwrap();
        let whole = report
            .faults
            .iter()
            .all(|fault| matches!(fault.what, Fault::Torn { .. }));
        assert!(whole, "after run {run}: {:?}", report.faults);
    }
    drop(Store::open(path, Options::default()).unwrap());
    let there: HashSet<DecisionId> = decisions(path).into_iter().collect();
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|id| !there.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let report = verify(path, None).unwrap();
    assert!(report.is_intact(), "{:?}", report.faults);
}
