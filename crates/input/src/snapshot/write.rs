use std::io::{self, BufWriter, Write};

use bailiwick_core::Kind;
use bailiwick_model::Snapshot;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::gaps::WrittenGap;
use super::{End, FORMAT, Header, Line, SnapshotError, Totals, VERSION, hex};

/// Compression level of zstd: higher ones take longer and save little.
const LEVEL: i32 = 3;

/// Writes `snapshot`. The same snapshot gives the same bytes.
///
/// # Errors
/// [`SnapshotError::Write`] when `out` fails.
pub fn write(snapshot: &Snapshot, out: impl Write) -> Result<(), SnapshotError> {
    write_lines(snapshot, out).map_err(SnapshotError::Write)
}

fn write_lines(snapshot: &Snapshot, out: impl Write) -> io::Result<()> {
    let mut lines = Lines {
        out: BufWriter::new(zstd::Encoder::new(out, LEVEL)?),
        hash: Sha256::new(),
        line: Vec::new(),
    };
    lines.write(&Header {
        format: FORMAT.into(),
        version: VERSION,
        created_by: concat!("bailiwick ", env!("CARGO_PKG_VERSION")).into(),
        cluster: snapshot.cluster.clone(),
        files: snapshot.files.clone(),
        gaps: snapshot
            .gaps
            .iter()
            .cloned()
            .map(WrittenGap::from)
            .collect(),
        kinds: Some(Kind::ALL.iter().map(ToString::to_string).collect()),
    })?;
    let mut objects = 0;
    for (object, origin) in snapshot.objects() {
        lines.write(&Line { object, origin })?;
        objects += 1;
    }
    let sha256 = hex(&lines.hash.finalize_reset());
    lines.write(&End {
        end: Totals { objects, sha256 },
    })?;
    let encoder = lines
        .out
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    encoder.finish()?.flush()
}

struct Lines<W: Write> {
    out: BufWriter<W>,
    hash: Sha256,
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line)
    }
}
