//! A full disk: who cannot be written waits, then is refused; once there is room, the log says so.
//!
//! Needs root and `mount`, for a file system that is small.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bailiwick_audit::{DecisionId, Durability, Log as _, Note};
use bailiwick_store::{Options, Store, verify};
use common::{decision, decisions};

/// A file system of its own, gone when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        mounted.then(|| Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What stays mounted is seen in the list of mounts; the test has ended either way.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// How long a door waits here.
const BUDGET: Duration = Duration::from_millis(100);

struct Door<'a> {
    store: &'a Store,
    runtime: tokio::runtime::Runtime,
    written: HashSet<DecisionId>,
    refused: HashSet<DecisionId>,
}

impl Door<'_> {
    /// Whether the record of one more decision was written within the budget.
    fn ask(&mut self, number: u64) -> bool {
        let pending = self.store.append(decision(1, number), Durability::Written);
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(BUDGET, pending).await });
        let id = DecisionId { run: 1, number };
        match answer {
            Ok(written) => {
                written.unwrap();
                self.written.insert(id)
            }
            Err(_) => {
                self.refused.insert(id);
                false
            }
        }
    }
}

fn ballast(directory: &Path) -> PathBuf {
    let path = directory.join("ballast");
    fs::write(&path, vec![0; 128 << 10]).unwrap();
    path
}

#[test]
fn a_full_disk_refuses_and_leaves_a_gap_record() {
    let Some(disk) = Small::mount("256k") else {
        eprintln!("NOT TESTED: a full disk; mounting a tmpfs takes root");
        return;
    };
    let ballast = ballast(disk.path());
    let path = disk.path().join("log");
    let store = Store::open(&path, Options::default()).unwrap();
    let mut door = Door {
        store: &store,
        runtime: common::runtime(),
        written: HashSet::new(),
        refused: HashSet::new(),
    };
    let full = (0..10_000)
        .find(|&number| !door.ask(number))
        .expect("128 KiB are never used up");
    let failing = store.health().failing.unwrap();
    assert!(failing.contains("No space left on device"), "{failing}");
    for number in full + 1..full + 4 {
        assert!(!door.ask(number), "written to a full disk");
    }

    fs::remove_file(ballast).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let after = (full + 4..)
        .find(|&number| door.ask(number) || Instant::now() > until)
        .unwrap();
    assert!(
        door.ask(after + 1),
        "the disk has room, and nothing is written"
    );
    assert_eq!(store.health().failing, None);
    let (written, refused) = (door.written, door.refused);
    drop(store);

    let report = verify(&path, None).unwrap();
    assert!(report.is_intact(), "{:?}", report.faults);
    let there: HashSet<DecisionId> = decisions(&path).into_iter().collect();
    assert!(written.is_subset(&there));
    let mut told = HashSet::new();
    let mut late = 0;
    for note in &report.notes {
        if let Note::Gap(gap) = &note.what {
            assert!(
                gap.cause.contains("No space left") || gap.late > 0,
                "{}",
                gap.cause
            );
            told.extend(gap.ids.iter().copied());
            late += gap.late;
        }
    }
    assert_eq!(
        told, refused,
        "every refused decision is in a gap record, and no other"
    );
    assert_eq!(there.len() as u64, written.len() as u64 + late);
}
