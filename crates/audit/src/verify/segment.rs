use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{Fault, Note, Place, Verifier};
use crate::chain::{Digest, HASH};
use crate::event::{Event, Opening};
use crate::line::{Line, LineError};

/// What a line is, without the fields of its event.
#[derive(Deserialize)]
struct KindOf<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// The lines of one segment.
struct Lines<'a> {
    lines: Vec<(Place, Result<Line<'a>, LineError>)>,
    /// Bytes behind the last newline.
    torn: &'a [u8],
    /// Hashes by number, to find where a line that was moved belongs.
    by_number: ByNumber,
}

/// The hash of a record, and the line where it stands first.
type ByNumber = HashMap<u64, (Digest, u64)>;

impl Verifier {
    /// Verifies the next segment: all of its bytes. Segments come in their order.
    pub fn segment(&mut self, name: &str, bytes: &[u8]) {
        let read = Lines::read(&name.into(), bytes);
        self.report.segments += 1;
        self.report.last_segment = name.to_owned();
        let name: Arc<str> = name.into();
        self.open(&name, &read);
        let mut closed = false;
        for (index, (place, line)) in read.lines.iter().enumerate() {
            self.report.last_line = place.line;
            match line {
                Ok(line) => {
                    let next = read
                        .lines
                        .get(index + 1)
                        .and_then(|(_, next)| next.as_ref().ok());
                    self.line(place, line, next, &read.by_number);
                    closed = self.event(place, line, index);
                }
                Err(error) => {
                    self.report.fault(place.problem(Fault::Unreadable(*error)));
                    self.unreadable(raw(bytes, place));
                }
            }
        }
        if let Some((_, Ok(last))) = read.lines.last() {
            self.ends.insert(last.number, last.hash);
        }
        let end = Place {
            segment: name,
            line: read.lines.len() as u64 + 1,
            offset: (bytes.len() - read.torn.len()) as u64,
        };
        if !read.torn.is_empty() {
            let bytes = read.torn.len() as u64;
            self.torn = Some((end.problem(Fault::Torn { bytes }), bytes));
        } else if !closed {
            self.report.note(end.problem(Note::NotClosed));
        }
    }

    /// Compares the opening of a segment with the end of the one before.
    fn open(&mut self, name: &Arc<str>, read: &Lines<'_>) {
        let place = Place {
            segment: name.clone(),
            line: 1,
            offset: 0,
        };
        let opening = read.lines.first().and_then(|(_, line)| line.as_ref().ok());
        let opening = opening.and_then(|line| Some((line, line.record()?.event)));
        let Some((line, Event::Opened(opening))) = opening else {
            self.report.fault(place.problem(Fault::NoOpening));
            self.torn_stays();
            return;
        };
        if opening.format != Opening::FORMAT {
            self.report
                .fault(place.problem(Fault::Format(opening.format)));
        }
        if let Some((problem, bytes)) = self.torn.take()
            && opening.cut != bytes
        {
            self.report.fault(problem);
        }
        if opening.cut > 0 {
            let bytes = opening.cut;
            self.report.note(place.problem(Note::Cut { bytes }));
        }
        if let Some(damage) = &opening.damage {
            let damage = damage.clone();
            self.report.fault(place.problem(Fault::Damaged(damage)));
        }
        match &self.last_opening {
            None => {
                if line.number > 1 {
                    let first = line.number;
                    self.report.note(place.problem(Note::Starts { first }));
                }
                self.report.first = line.number;
                self.expected = Some(line.number);
                // The first segment that is here has to be taken at its word for what came before.
                self.head = if line.number > 1 {
                    opening.previous
                } else {
                    Digest::ZERO
                };
                self.computed = self.head;
            }
            Some(before) => {
                let expected = before.segment.saturating_add(1);
                if before.log != opening.log {
                    self.report.fault(place.problem(Fault::Foreign));
                } else if opening.segment != expected {
                    let found = opening.segment;
                    self.report
                        .fault(place.problem(Fault::OutOfPlace { found, expected }));
                }
            }
        }
        self.last_opening = Some(opening);
    }

    fn torn_stays(&mut self) {
        if let Some((problem, _)) = self.torn.take() {
            self.report.fault(problem);
        }
    }

    /// Checks number and hash of one line, in its place.
    fn line(
        &mut self,
        place: &Place,
        line: &Line<'_>,
        next: Option<&Line<'_>>,
        by_number: &ByNumber,
    ) {
        let number = line.number;
        let expected = self.expected.unwrap_or(number);
        let stored = self.head.link(line.json);
        let fits = stored == line.hash || self.computed.link(line.json) == line.hash;
        // A record that was moved is whole where its predecessor, wherever that stands, vouches for it.
        let vouched = fits
            || number
                .checked_sub(1)
                .and_then(|n| {
                    by_number
                        .get(&n)
                        .map(|(hash, _)| hash)
                        .or(self.ends.get(&n))
                })
                .or((number == 1).then_some(&Digest::ZERO))
                .is_some_and(|before| before.link(line.json) == line.hash);
        let renumbered = !vouched
            && number != expected
            && next.is_some_and(|next| {
                next.number == expected.saturating_add(1) && line.hash.link(next.json) == next.hash
            });
        let unvouched = std::mem::take(&mut self.unvouched);
        self.report.records += 1;
        self.anchored |= vouched && self.anchor == Some(line.hash);
        self.head = line.hash;
        self.computed = stored;
        if renumbered || (number == expected && !vouched) {
            let fault = match unvouched {
                true => Fault::Unlinked { number: expected },
                false => Fault::Changed { number: expected },
            };
            self.report.fault(place.problem(fault));
            self.expected = Some(expected.saturating_add(1));
            self.report.last = expected;
            return;
        }
        if number < expected {
            let first = by_number.get(&number);
            let repeated = first.is_some_and(|&(hash, at)| hash == line.hash && at < place.line);
            self.backward(place, number, repeated, vouched);
            return;
        }
        if number > expected {
            let range = (number - 1, place.clone());
            self.missing.insert(expected, range);
        }
        self.expected = Some(number.saturating_add(1));
        self.report.last = number;
    }

    /// A line that is no record stands for the one that belongs here. What is left of it vouches for the next.
    fn unreadable(&mut self, line: &[u8]) {
        self.expected = self.expected.map(|expected| expected.saturating_add(1));
        let (hash, rest) = line.split_at_checked(HASH).unwrap_or((line, &[]));
        self.computed = self.head.link(rest.get(1..).unwrap_or_default());
        self.head = Digest::from_hex(hash).unwrap_or(self.computed);
        self.unvouched = true;
    }

    /// A record with a number that has been passed.
    fn backward(&mut self, place: &Place, number: u64, repeated: bool, vouched: bool) {
        let fault = match (self.found(number), repeated, vouched) {
            (true, _, true) => Fault::Moved { number },
            (true, _, false) => Fault::Unlinked { number },
            (false, true, _) => Fault::Repeated { number },
            (false, false, true) => Fault::Moved { number },
            (false, false, false) => Fault::Changed { number },
        };
        self.report.fault(place.problem(fault));
    }

    /// Takes a number off the missing ones, if it is one of them.
    fn found(&mut self, number: u64) -> bool {
        let Some((&first, (last, place))) = self.missing.range(..=number).next_back() else {
            return false;
        };
        let (last, place) = (*last, place.clone());
        if number > last {
            return false;
        }
        self.missing.remove(&first);
        if first < number {
            self.missing.insert(first, (number - 1, place.clone()));
        }
        if number < last {
            self.missing.insert(number + 1, (last, place));
        }
        true
    }

    /// Counts what a record is about. Gives whether it ends the segment.
    fn event(&mut self, place: &Place, line: &Line<'_>, index: usize) -> bool {
        let kind = serde_json::from_slice::<KindOf<'_>>(line.json);
        match kind.as_ref().map(|kind| &*kind.kind) {
            Ok("decision") => self.report.decisions += 1,
            Ok("issue") => self.report.issues += 1,
            Ok("denial") => self.report.denials += 1,
            Ok("gap") => {
                if let Some(Event::Gap(gap)) = line.record().map(|record| record.event) {
                    self.note_gap(place, gap);
                }
            }
            Ok("opened") if index > 0 => self.report.fault(place.problem(Fault::NoOpening)),
            Ok("closed") => return true,
            _ => {}
        }
        false
    }
}

impl<'a> Lines<'a> {
    fn read(name: &Arc<str>, bytes: &'a [u8]) -> Self {
        let mut lines = Vec::new();
        let mut by_number = HashMap::new();
        let mut rest = bytes;
        while let Some(length) = rest.iter().position(|&byte| byte == b'\n') {
            let place = Place {
                segment: name.clone(),
                line: lines.len() as u64 + 1,
                offset: (bytes.len() - rest.len()) as u64,
            };
            let (line, after) = rest.split_at(length);
            let line = Line::parse(line);
            if let Ok(line) = &line {
                by_number
                    .entry(line.number)
                    .or_insert((line.hash, place.line));
            }
            lines.push((place, line));
            rest = after.get(1..).unwrap_or_default();
        }
        Self {
            lines,
            torn: rest,
            by_number,
        }
    }
}

/// A line as it stands there.
fn raw<'a>(bytes: &'a [u8], place: &Place) -> &'a [u8] {
    let from = usize::try_from(place.offset).ok();
    let rest = from.and_then(|from| bytes.get(from..)).unwrap_or_default();
    rest.split(|&byte| byte == b'\n').next().unwrap_or_default()
}
