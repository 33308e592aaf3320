//! Whatever is done to a log, verification finds it and says where.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use bailiwick_audit::{
    Chain, CloseReason, DecisionId, DecisionRecord, Digest, Door, Event, Fault, Gap, Input, Note,
    Opening, Report, SubjectRef, Verifier,
};
use bailiwick_core::{Effect, Reason, ResourceRequest, Timestamp};
use proptest::prelude::*;

/// Segments, each with its lines (newline included).
type Log = Vec<Vec<Vec<u8>>>;

fn decision(number: u64) -> Event {
    Event::Decision(Box::new(DecisionRecord {
        id: DecisionId { run: 7, number },
        door: Door::AccessReview,
        caller: "kube-apiserver".into(),
        request_id: None,
        subject: SubjectRef {
            kind: "user".into(),
            name: format!("user-{}\n\"é", number % 3),
            groups: vec!["system:authenticated".into()],
        },
        input: Input::Kubernetes {
            request: ResourceRequest::new("get", "", "pods")
                .in_namespace("shop")
                .into(),
        },
        effect: Effect::Allow,
        answered: None,
        reason: Reason::Masters,
        problems: vec![],
        revision: "12".into(),
        micros: 9,
    }))
}

#[test]
fn a_decision_is_encoded_as_the_event_that_it_is() {
    let event = decision(1);
    let Event::Decision(record) = &event else {
        panic!("{event:?}");
    };
    assert_eq!(record.encode(), event.encode());
    assert_eq!(record.encode().unwrap().decision(), Some(record.id));
}

/// A log with so many decisions in each of its segments; all but the last are closed.
fn log(sizes: &[u64]) -> (Log, Digest) {
    let mut chain = Chain::new();
    let mut segments = Log::new();
    for (position, &size) in (1..).zip(sizes) {
        let mut lines = Vec::new();
        let mut write = |event: &Event, chain: &mut Chain| {
            let mut line = Vec::new();
            let at = Timestamp::from_micros(
                1_795_262_400_000_000 + i64::try_from(chain.next()).unwrap(),
            );
            chain.append(at, &event.encode().unwrap(), &mut line);
            lines.push(line);
        };
        let opening = Opening {
            format: Opening::FORMAT,
            log: "4c1f".into(),
            segment: position,
            previous: chain.head(),
            cut: 0,
            damage: None,
            program: "0.1.0".into(),
        };
        write(&Event::Opened(opening), &mut chain);
        for number in 0..size {
            write(&decision(number), &mut chain);
        }
        if position < sizes.len() as u64 {
            let reason = CloseReason::Size;
            write(&Event::Closed { reason }, &mut chain);
        }
        segments.push(lines);
    }
    (segments, chain.head())
}

fn verify_with(log: &[Vec<u8>], anchor: Option<Digest>) -> Report {
    let mut verifier = Verifier::new();
    if let Some(anchor) = anchor {
        verifier = verifier.ends_with(anchor);
    }
    for (index, bytes) in log.iter().enumerate() {
        verifier.segment(&index.to_string(), bytes);
    }
    verifier.finish()
}

fn joined(log: &Log) -> Vec<Vec<u8>> {
    log.iter().map(|lines| lines.concat()).collect()
}

fn verify(log: &Log) -> Report {
    verify_with(&joined(log), None)
}

/// Faults as `SEGMENT:LINE FAULT`.
fn faults(report: &Report) -> Vec<String> {
    let one = |problem: &bailiwick_audit::Problem<Fault>| {
        let what = match &problem.what {
            Fault::Head(_) => "Head".to_owned(),
            Fault::Torn { .. } => "Torn".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{}:{} {what}", problem.segment, problem.line)
    };
    report.faults.iter().map(one).collect()
}

fn check(change: impl FnOnce(&mut Log), expected: &[&str]) {
    let (mut log, head) = log(&[3, 3]);
    change(&mut log);
    let report = verify_with(&joined(&log), Some(head));
    assert_eq!(faults(&report), expected);
}

#[test]
fn an_untouched_log_is_intact() {
    let (log, head) = log(&[3, 0, 4]);
    let report = verify_with(&joined(&log), Some(head));
    assert_eq!(faults(&report), Vec::<String>::new());
    let counts = (report.segments, report.records, report.decisions);
    assert_eq!(counts, (3, 12, 7));
    assert_eq!((report.first, report.last, report.head), (1, 12, head));
    // The last segment is being written.
    assert_eq!(report.notes.len(), 1);
    assert_eq!(report.notes[0].what, Note::NotClosed);
}

#[test]
fn what_is_said_of_each_change() {
    // Records 1 to 5 are segment 0 (opening, 2 to 4, end), 6 to 9 are segment 1.
    check(|_| {}, &[]);
    check(
        |log| drop(log[0].remove(2)),
        &["0:3 Missing { first: 3, last: 3 }"],
    );
    check(
        |log| drop(log[0].drain(1..4)),
        &["0:2 Missing { first: 2, last: 4 }"],
    );
    // The end of a segment that another one follows.
    check(
        |log| drop(log[0].drain(3..)),
        &["1:1 Missing { first: 4, last: 5 }"],
    );
    check(|log| log[0].swap(2, 3), &["0:4 Moved { number: 3 }"]);
    check(
        |log| {
            let again = log[0][1].clone();
            log[0].insert(3, again);
        },
        &["0:4 Repeated { number: 2 }"],
    );
    let text = |log: &mut Log, line: usize, from: &str, to: &str| {
        let changed = String::from_utf8(log[0][line].clone()).unwrap();
        assert!(changed.contains(from));
        log[0][line] = changed.replacen(from, to, 1).into_bytes();
    };
    let changed = "0:3 Changed { number: 3 }";
    check(
        |log| text(log, 2, "\"micros\":9", "\"micros\":8"),
        &[changed],
    );
    check(|log| text(log, 2, "\"n\":3", "\"n\":2"), &[changed]);
    check(|log| text(log, 2, "\"n\":3", "\"n\":7"), &[changed]);
    check(
        |log| text(log, 2, "\"at\"", "\"bt\""),
        &["0:3 Unreadable(Json)"],
    );
    check(|log| log[0][2][64] = b'\t', &["0:3 Unreadable(Hash)"]);
    check(|log| log[0][2][0] = b'G', &["0:3 Unreadable(Hash)"]);
    check(
        |log| log[0][2] = b"nothing of the kind\n".to_vec(),
        &["0:3 Unreadable(Hash)", "0:4 Unlinked { number: 4 }"],
    );
    // The hash of a record: upper case, and another letter.
    check(
        |log| log[0][2][..64].make_ascii_uppercase(),
        &["0:3 Unreadable(Hash)"],
    );
    check(
        |log| log[0][2][0] = if log[0][2][0] == b'0' { b'1' } else { b'0' },
        &[changed],
    );
    // Two lines become one.
    check(
        |log| assert_eq!(log[0][2].pop(), Some(b'\n')),
        &["0:3 Unreadable(Json)", "0:4 Missing { first: 4, last: 4 }"],
    );
    // The last record was written half.
    check(
        |log| assert_eq!(log[1][3].pop(), Some(b'\n')),
        &["1:3 Head", "1:4 Torn"],
    );
    check(|log| drop(log[1].pop()), &["1:3 Head"]);
}

#[test]
fn whole_segments() {
    let (whole, head) = log(&[2, 2, 2]);
    let check = |order: &[usize], expected: &[&str]| {
        let part: Log = order.iter().map(|&index| whole[index].clone()).collect();
        assert_eq!(
            faults(&verify_with(&joined(&part), Some(head))),
            expected,
            "{order:?}"
        );
    };
    check(&[0, 1, 2], &[]);
    // Older ones may be taken away; the log says that they are not there.
    check(&[1, 2], &[]);
    let report = verify(&vec![whole[1].clone(), whole[2].clone()]);
    assert_eq!(report.notes[0].what, Note::Starts { first: 5 });
    check(
        &[0, 2],
        &[
            "1:1 OutOfPlace { found: 3, expected: 2 }",
            "1:1 Missing { first: 5, last: 8 }",
        ],
    );
    check(&[0, 1], &["1:4 Head"]);
    check(
        &[1, 0, 2],
        &[
            "1:1 OutOfPlace { found: 1, expected: 3 }",
            "1:1 Moved { number: 1 }",
            "1:2 Moved { number: 2 }",
            "1:3 Moved { number: 3 }",
            "1:4 Moved { number: 4 }",
            "2:1 OutOfPlace { found: 3, expected: 2 }",
        ],
    );
    let foreign: Log = vec![whole[0].clone(), log(&[5, 2]).0[1].clone()];
    let report = faults(&verify(&foreign));
    assert_eq!(report, ["1:1 Missing { first: 5, last: 7 }"]);
}

#[test]
fn a_gap_is_told_and_is_no_fault() {
    let gap = Gap {
        since: Timestamp::from_micros(1),
        until: Timestamp::from_micros(2),
        unwritten: 3,
        late: 1,
        ids: vec![DecisionId { run: 7, number: 9 }],
        cause: "no space left on device".into(),
    };
    let (mut log, head) = log(&[1]);
    let mut line = Vec::new();
    let event = Event::Gap(gap.clone()).encode().unwrap();
    Chain::after(2, head).append(Timestamp::from_micros(3), &event, &mut line);
    log[0].push(line);
    let report = verify(&log);
    assert!(report.is_intact());
    assert_eq!((report.gaps, &report.notes[0].what), (1, &Note::Gap(gap)));
    assert_eq!(
        report.notes[0].to_string(),
        "0:3: gap: 3 answers without a record and 1 with a late one, 1970-01-01T00:00:00.000001Z to \
         1970-01-01T00:00:00.000002Z: no space left on device"
    );
}

#[test]
fn a_record_of_a_kind_to_come_is_passed_over() {
    let (mut log, head) = log(&[1]);
    let mut line = Vec::new();
    let event = decision(1).encode().unwrap();
    Chain::after(2, head).append(Timestamp::from_micros(3), &event, &mut line);
    let json = String::from_utf8(line).unwrap()[65..]
        .trim_end()
        .replace("decision", "issued");
    let hash = sha256(&[head.to_string(), json.clone()]);
    log[0].push(format!("{hash} {json}\n").into_bytes());
    let report = verify(&log);
    assert_eq!(
        (faults(&report), report.decisions, report.records),
        (vec![], 1, 3)
    );
}

/// The hash of a hash in hex and a text, made without the crate's own code.
fn sha256(parts: &[String; 2]) -> String {
    use sha2::Digest as _;
    let byte = |at: usize| u8::from_str_radix(&parts[0][at..at + 2], 16).unwrap();
    let mut bytes: Vec<u8> = (0..64).step_by(2).map(byte).collect();
    bytes.extend_from_slice(parts[1].as_bytes());
    let digest = sha2::Sha256::digest(&bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_flipped_bit_is_found(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (log, head) = log(&[2, 1]);
        let mut bytes = joined(&log);
        let sizes = [bytes[0].len(), bytes[1].len()];
        let at = at.index(sizes[0] + sizes[1]);
        let (segment, offset) = if at < sizes[0] { (0, at) } else { (1, at - sizes[0]) };
        bytes[segment][offset] ^= 1 << bit;
        let report = verify_with(&bytes, Some(head));
        let line = 1 + joined(&log)[segment][..offset].iter().filter(|&&b| b == b'\n').count() as u64;
        // The line itself is named, or where its end was taken, the first one behind.
        let named = report.faults.iter().any(|fault| {
            fault.segment == segment.to_string() && (fault.line == line || fault.line == line + 1)
        });
        prop_assert!(named, "{segment}:{line} {:?}", faults(&report));
    }

    #[test]
    fn removed_repeated_swapped_and_cut_records_are_found(
        sizes in prop::collection::vec(0..5u64, 1..4),
        what in 0..4,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let (mut log, head) = log(&sizes);
        let places: Vec<(usize, usize)> = log
            .iter()
            .enumerate()
            .flat_map(|(segment, lines)| (0..lines.len()).map(move |line| (segment, line)))
            .collect();
        let (a, b) = (places[from.index(places.len())], places[to.index(places.len())]);
        match what {
            0 => drop(log[a.0].remove(a.1)),
            1 => {
                let line = log[a.0][a.1].clone();
                log[b.0].insert(b.1, line);
            }
            2 if a == b => return Ok(()),
            2 => {
                let line = log[a.0][a.1].clone();
                log[a.0][a.1] = std::mem::replace(&mut log[b.0][b.1], line);
            }
            _ => {
                let cut = to.index(log[a.0][a.1].len());
                log[a.0].truncate(a.1 + 1);
                log[a.0][a.1].truncate(cut);
            }
        }
        let report = verify_with(&joined(&log), Some(head));
        prop_assert!(!report.is_intact());
    }

    #[test]
    fn any_bytes_are_verified_without_a_panic(
        segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4)
    ) {
        let report = verify_with(&segments, None);
        prop_assert_eq!(report.segments, segments.len() as u64);
    }
}
