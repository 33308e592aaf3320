//! A log is written, ended, opened again and mended.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::task::{Context, Waker};
use std::time::Duration;

use bailiwick_audit::{
    CloseReason, DecisionId, Durability, Event, Fault, Log as _, Note, Pending, Refused,
};
use bailiwick_store::{Error, Options, Store, find, is_being_written, segments, verify};
use common::{decision, decisions, records, wait};

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

fn append(store: &Store, number: u64) -> u64 {
    wait(store.append(decision(1, number), Durability::Written)).unwrap()
}

fn faults(path: &Path) -> Vec<Fault> {
    let report = verify(path, None).unwrap();
    report.faults.into_iter().map(|fault| fault.what).collect()
}

#[test]
fn written_ended_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let store = open(&path);
    assert!(is_being_written(&path));
    // Record 1 is the opening.
    assert_eq!([append(&store, 1), append(&store, 2)], [2, 3]);
    let synced = wait(store.append(decision(1, 3), Durability::Synced));
    assert_eq!(synced, Ok(4));
    let while_open = verify(&path, Some(store.health().head)).unwrap();
    assert!(while_open.is_intact(), "{:?}", while_open.faults);
    store.close();
    assert!(!is_being_written(&path));
    let refused = wait(store.append(decision(1, 4), Durability::Written));
    assert_eq!(refused, Err(Refused::Closed));
    let head = store.health().head;
    drop(store);
    assert!(!is_being_written(&path));

    let store = open(&path);
    assert_eq!(append(&store, 5), 7);
    drop(store);
    let report = verify(&path, Some(head)).unwrap();
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!(
        (report.segments, report.records, report.decisions),
        (2, 8, 4)
    );
    assert_eq!(report.notes, []);
    let found = find(&path, "0000000000000001-3").unwrap();
    assert_eq!(found.unwrap().number, 4);
    assert_eq!(find(&path, "0000000000000001-99").unwrap(), None);
}

/// Every decision was looked for from the end of the log to its start.
#[test]
fn a_decision_is_found_without_reading_the_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = || Options {
        segment_size: 2_048,
        ..Options::default()
    };
    let ids: Vec<(u64, u64)> = (1..=3)
        .flat_map(|run| (1..=30).map(move |number| (run, number)))
        .collect();
    for run in 1..=3 {
        let store = Store::open(&path, options()).unwrap();
        for (_, number) in ids.iter().filter(|(of, _)| *of == run) {
            // Two that are under way at once may end in the other order.
            let number = if number % 2 == 1 {
                number + 1
            } else {
                number - 1
            };
            wait(store.append(decision(run, number), Durability::Written)).unwrap();
        }
    }
    let all = segments(&path).unwrap();
    assert!(all.len() > 15, "{}", all.len());
    let name = |(run, number): (u64, u64)| DecisionId { run, number }.to_string();
    for id in &ids {
        let found = find(&path, &name(*id)).unwrap().unwrap();
        assert!(found.event.is_named(&name(*id)));
    }
    for missing in [(1, 0), (1, 31), (2, 1_000), (4, 1)] {
        assert_eq!(find(&path, &name(missing)).unwrap(), None);
    }
}

#[test]
fn nobody_else_may_read_or_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let store = open(&path);
    append(&store, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    let second = Store::open(&path, Options::default());
    assert!(matches!(second, Err(Error::Locked(_))), "{second:?}");
    drop(store);
    open(&path);
}

/// Records went on into a file that nobody could read any more.
#[test]
fn a_segment_that_is_deleted_is_told_of_and_the_log_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let store = open(&path);
    append(&store, 1);
    store.close();
    let store = open(&path);
    append(&store, 2);
    let last = segments(&path).unwrap().pop().unwrap();
    fs::remove_file(last.path).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(append(&store, 3), 7);
    append(&store, 4);
    assert_eq!(store.health().failing, None);
    drop(store);
    assert_eq!(decisions(&path).len(), 3);
    let found = faults(&path);
    let deleted = Fault::Damaged("its file was deleted while records were written to it".into());
    assert!(found.contains(&deleted), "{found:?}");

    // Without its directory nothing is written, and nobody is told that it was.
    let store = open(&path);
    fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    fs::remove_dir_all(directory.path().join("elsewhere")).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let mut waiting = store.append(decision(1, 5), Durability::Written);
    while store.health().failing.is_none() {
        assert!(is_waiting(&mut waiting));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(is_waiting(&mut waiting));
}

#[test]
fn segments_end_by_size_and_age() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, options: Options, reason: CloseReason| {
        let path = directory.path().join(name);
        let store = Store::open(&path, options).unwrap();
        for number in 0..6 {
            append(&store, number);
            std::thread::sleep(Duration::from_millis(30));
        }
        drop(store);
        assert_eq!(faults(&path), []);
        assert_eq!(decisions(&path).len(), 6);
        let ended = records(&path)
            .into_iter()
            .filter(|record| record.event == Event::Closed { reason })
            .count();
        assert!(ended >= 2, "{ended} ended by {reason:?}");
        assert_eq!(segments(&path).unwrap().len(), ended + 1);
    };
    let small = Options {
        segment_size: 1_000,
        ..Options::default()
    };
    check("size", small, CloseReason::Size);
    let short = Options {
        segment_age: Duration::from_millis(60),
        ..Options::default()
    };
    check("age", short, CloseReason::Age);
}

#[test]
fn a_torn_end_is_cut_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop({
        let store = open(path);
        append(&store, 1);
        store
    });
    let last = segments(path).unwrap().pop().unwrap().path;
    let mut file = OpenOptions::new().append(true).open(&last).unwrap();
    file.write_all(b"0123 {\"n\":").unwrap();
    assert_eq!(faults(path), [Fault::Torn { bytes: 10 }]);

    let store = open(path);
    append(&store, 2);
    drop(store);
    assert_eq!(faults(path), []);
    let report = verify(path, None).unwrap();
    assert_eq!(report.notes[0].what, Note::Cut { bytes: 10 });
    assert_eq!(decisions(path).len(), 2);
}

#[test]
fn a_changed_log_goes_on_and_says_that_it_was_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop({
        let store = open(path);
        append(&store, 1);
        store
    });
    let last = segments(path).unwrap().pop().unwrap().path;
    let text = fs::read_to_string(&last).unwrap().replace("anna", "emma");
    fs::write(&last, text).unwrap();
    drop(open(path));
    let found = faults(path);
    assert_eq!(found[0], Fault::Changed { number: 2 });
    let Fault::Damaged(what) = &found[1] else {
        panic!("{found:?}");
    };
    assert_eq!(
        what,
        "00000000000000000001.log:2: record 2 was changed: its hash does not belong to it"
    );
}

#[test]
fn a_segment_of_nothing_does_not_end_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop({
        let store = open(path);
        append(&store, 1);
        store
    });
    fs::write(path.join("00000000000000000002.log"), "").unwrap();
    let store = open(path);
    assert_eq!(append(&store, 2), 5);
    drop(store);
    let report = verify(path, None).unwrap();
    let kinds: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        kinds[0],
        "00000000000000000002.log:1: the segment does not start with its opening"
    );
    assert_eq!(decisions(path).len(), 2);
}

#[test]
fn many_at_once_are_all_there_and_in_one_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = std::sync::Arc::new(open(path));
    let runtime = common::runtime();
    let tasks: Vec<_> = (0..32)
        .map(|run| {
            let store = std::sync::Arc::clone(&store);
            runtime.spawn(async move {
                let mut numbers = Vec::new();
                for number in 0..200 {
                    let durability = match number % 50 {
                        0 => Durability::Synced,
                        _ => Durability::Written,
                    };
                    numbers.push(
                        store
                            .append(decision(run, number), durability)
                            .await
                            .unwrap(),
                    );
                }
                numbers
            })
        })
        .collect();
    let mut numbers: Vec<u64> = Vec::new();
    for task in tasks {
        let of_one = runtime.block_on(task).unwrap();
        assert!(of_one.is_sorted());
        numbers.extend(of_one);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (2..6402).collect::<Vec<u64>>());
    drop(store);
    assert_eq!(faults(path), []);
    assert_eq!(decisions(path).len(), 6400);
}

#[test]
fn who_stops_waiting_is_in_a_gap_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let small = Options {
        waiting_bytes: 1,
        ..Options::default()
    };
    let store = Store::open(path, small).unwrap();
    // Dropped before it was ever polled: nothing happened. Dropped while it waited: told.
    drop(store.append(decision(1, 1), Durability::Written));
    let left = (2..).find(|&number| left_waiting(&store, number)).unwrap();
    append(&store, 0);
    drop(store);
    let report = verify(path, None).unwrap();
    assert!(report.is_intact());
    let Some(Note::Gap(gap)) = report.notes.first().map(|note| &note.what) else {
        panic!("{:?}", report.notes);
    };
    assert_eq!(gap.unwritten + gap.late, 1);
    let id = DecisionId {
        run: 1,
        number: left,
    };
    assert_eq!(gap.ids, [id]);
    assert_eq!(decisions(path).len() as u64, left - 2 + 1 + gap.late);
}

#[test]
fn who_stops_waiting_keeps_nobody_else_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let mut left = 0;
    for round in 0..400 {
        let mut all: Vec<_> = (0..20)
            .map(|number| store.append(decision(round, number), Durability::Written))
            .collect();
        // The first finds the writer asleep, lets the others come, and wakes it.
        for _ in 0..2 {
            all.retain_mut(is_waiting);
        }
        if round % 2 == 0 {
            // Records are written, and nobody has heard of it yet.
            std::thread::sleep(Duration::from_micros(200));
        }
        if all.is_empty() {
            continue;
        }
        // Whoever was to tell the others may be gone.
        let kept = all.swap_remove(round as usize % all.len());
        left += all.len();
        drop(all);
        wait(kept).unwrap();
    }
    drop(store);
    let report = verify(path, None).unwrap();
    assert!(report.is_intact());
    let gaps = report.notes.iter().filter_map(|note| match &note.what {
        Note::Gap(gap) => Some(gap.unwritten + gap.late),
        _ => None,
    });
    assert_eq!(gaps.sum::<u64>(), left as u64);
}

/// Asks for a record and does not wait for it. Gives whether it was not written yet.
fn left_waiting(store: &Store, number: u64) -> bool {
    let mut pending = store.append(decision(1, number), Durability::Written);
    is_waiting(&mut pending)
}

fn is_waiting(pending: &mut Pending) -> bool {
    let context = &mut Context::from_waker(Waker::noop());
    pending.as_mut().poll(context).is_pending()
}
