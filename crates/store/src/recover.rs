//! What the last run left behind, and where the log goes on.

use std::fs::{self, OpenOptions};
use std::path::Path;

use bailiwick_audit::{Chain, Event, Fault, Line, Opening, Verifier};

use crate::directory::{Directory, list};
use crate::error::Error;

/// Where the log goes on.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) chain: Chain,
    /// The log's id; `None` where there is no log yet.
    pub(crate) log: Option<String>,
    /// Position of the last segment.
    pub(crate) last: u64,
    /// Bytes cut off its end.
    pub(crate) cut: u64,
    /// What is wrong with it beside that.
    pub(crate) damage: Option<String>,
}

/// Looks at the last segment, and cuts off what has no end there.
pub(crate) fn recover(directory: &Directory) -> Result<Found, Error> {
    let mut found = Found {
        chain: Chain::new(),
        log: None,
        last: 0,
        cut: 0,
        damage: None,
    };
    let segments = list(directory.path())?;
    let Some((last, _)) = segments.last() else {
        return Ok(found);
    };
    found.last = *last;
    // A segment without a single readable record says nothing of where the log ended; the one before does.
    for (index, (_, path)) in segments.iter().enumerate().rev() {
        let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let (lines, torn) = bytes.split_at(whole);
        if index + 1 == segments.len() && !torn.is_empty() {
            cut(path, whole as u64)?;
            found.cut = torn.len() as u64;
        }
        look(&mut found, path, lines);
        if found.log.is_some() {
            break;
        }
    }
    Ok(found)
}

fn look(found: &mut Found, path: &Path, lines: &[u8]) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut verifier = Verifier::new();
    verifier.segment(&name, lines);
    let report = verifier.finish();
    if let Some(first) = report.faults.first() {
        let more = match report.faults.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        found.damage.get_or_insert(format!("{first}{more}"));
    }
    let each = || lines.split(|&byte| byte == b'\n');
    let Some(last) = each().rev().find_map(|line| Line::parse(line).ok()) else {
        return;
    };
    found.chain = Chain::after(last.number, last.hash);
    found.log = each().find_map(|line| match Line::parse(line).ok()?.record()?.event {
        Event::Opened(Opening { log, .. }) => Some(log),
        _ => None,
    });
    if found.log.is_none() {
        let fault = Fault::NoOpening;
        found.damage.get_or_insert(format!("{name}: {fault}"));
    }
}

fn cut(path: &Path, size: u64) -> Result<(), Error> {
    let cut = || {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(size)?;
        file.sync_all()
    };
    cut().map_err(Error::io(path, "cut to its last whole record"))
}
