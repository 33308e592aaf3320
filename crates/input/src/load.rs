use std::sync::Mutex;

use bailiwick_core::Str;
use bailiwick_diag::{Finding, Severity};
use bailiwick_model::{Interner, Snapshot};

use crate::assemble::Assembly;
use crate::file::{FileRead, read_file};
use crate::held::Held;
use crate::read::{Lines, read_embedded, to_utf8};
use crate::snapshot;
use crate::source::{Format, LoadOptions, Loaded, Source, Unit, UnitPlace, lost, members, units};

/// Reads everything behind `sources`, in their order.
///
/// Never fails as a whole: what cannot be read is a finding that says so and a gap of the snapshot, the rest is read.
pub fn load(sources: &[Source], options: &LoadOptions) -> Loaded {
    let (units, problems) = units(sources);
    let mut assembly = Assembly::default();
    problems
        .into_iter()
        .for_each(|problem| assembly.say(problem));
    for outcomes in read_units(&units, options) {
        for outcome in outcomes {
            match outcome {
                Outcome::File(name, read, held) => assembly.file(&name, read, held),
                Outcome::Snapshot(snapshot) => assembly.snapshot(*snapshot),
                Outcome::Problem(finding) => assembly.say(finding),
            }
        }
    }
    assembly.finish(options)
}

/// What one file came to; an archive comes to several.
enum Outcome {
    File(Str, FileRead, Held),
    Snapshot(Box<Snapshot>),
    Problem(Finding),
}

/// Reads on two threads where there are several files; the results are in the order of the files.
fn read_units(units: &[Unit], options: &LoadOptions) -> Vec<Vec<Outcome>> {
    if units.len() < 2 {
        let mut names = Interner::reading(Some(read_embedded));
        return units
            .iter()
            .map(|unit| read_unit(unit, options, &mut names))
            .collect();
    }
    let next = Mutex::new(units.iter().enumerate());
    let work = || {
        let mut names = Interner::reading(Some(read_embedded));
        let mut done = Vec::new();
        loop {
            // A poisoned lock still holds the iterator: the other thread died between two files.
            let unit = next
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .next();
            let Some((position, unit)) = unit else {
                return done;
            };
            done.push((position, read_unit(unit, options, &mut names)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut done = work();
        match other.join() {
            Ok(others) => done.extend(others),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        done
    });
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, outcomes)| outcomes).collect()
}

fn read_unit(unit: &Unit, options: &LoadOptions, names: &mut Interner) -> Vec<Outcome> {
    let bytes = match unit.read() {
        Ok(bytes) => bytes,
        Err(finding) => return vec![Outcome::Problem(*finding)],
    };
    match Format::of(&bytes) {
        Format::Text => {
            let hold = unit.place == UnitPlace::Stdin;
            vec![read_text(&unit.name, bytes, hold, options, names)]
        }
        Format::Zstd => vec![read_snapshot(&unit.name, &bytes)],
        Format::Binary => vec![Outcome::Problem(binary(&unit.name))],
        format => {
            let mut outcomes = Vec::new();
            let problem = members(&unit.name, format, bytes, &mut |member| {
                outcomes.push(match Format::of(&member.bytes) {
                    Format::Text => read_text(&member.name, member.bytes, true, options, names),
                    _ => Outcome::Problem(binary(&member.name)),
                });
            });
            outcomes.extend(problem.map(Outcome::Problem));
            outcomes
        }
    }
}

fn read_text(
    name: &Str,
    bytes: Vec<u8>,
    hold: bool,
    options: &LoadOptions,
    names: &mut Interner,
) -> Outcome {
    if bytes.is_empty() {
        let finding = Finding::new("empty-file", Severity::Low, format!("{name}: it is empty"));
        return Outcome::Problem(finding.help("check that it was written to the end"));
    }
    let (text, start) = to_utf8(bytes);
    let read = read_file(name, &text, start, &options.namespace, names);
    let mut held = Held::default();
    if hold {
        let lines = Lines::of(&text);
        for (object, origin) in &read.objects {
            held.hold(object, origin, &text, &lines);
        }
    }
    Outcome::File(name.clone(), read, held)
}

fn read_snapshot(name: &Str, bytes: &[u8]) -> Outcome {
    match snapshot::read(bytes) {
        Ok(snapshot) => Outcome::Snapshot(Box::new(snapshot)),
        Err(error) => Outcome::Problem(lost(
            "broken-snapshot",
            format!("{name}: {}", chain(&error)),
            "write it anew with `bailiwick snapshot -o FILE`",
        )),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn binary(name: &str) -> Finding {
    lost(
        "binary-file",
        format!("{name}: it is neither text, nor an archive, nor a snapshot"),
        "name files of YAML or JSON",
    )
}
