use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bailiwick_core::Kind;

use crate::console::Console;

/// One line on the terminal that says how far something has come. Shown only once it takes long enough for somebody to
/// wonder.
pub(crate) struct Line {
    wanted: bool,
    started: Instant,
    drawn: Option<Instant>,
}

const PATIENCE: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);

impl Line {
    pub(crate) fn new(console: &Console) -> Self {
        Self {
            wanted: console.draws_progress(),
            started: Instant::now(),
            drawn: None,
        }
    }

    /// Draws what is said, where it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let due = self.drawn.map_or(self.started.elapsed() > PATIENCE, |at| {
            at.elapsed() > INTERVAL
        });
        if self.wanted && due {
            self.drawn = Some(Instant::now());
            // Nothing sensible can be done when the terminal is gone.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{}", text());
        }
    }

    /// Clears the line.
    pub(crate) fn done(self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// How far reading a cluster has come.
pub(crate) struct Progress {
    line: Line,
    kinds: BTreeMap<Kind, (usize, u64)>,
}

impl Progress {
    pub(crate) fn new(console: &Console) -> Self {
        Self {
            line: Line::new(console),
            kinds: BTreeMap::new(),
        }
    }

    /// Takes note of a page that has come.
    pub(crate) fn show(&mut self, page: &bailiwick_kube::Progress) {
        self.kinds
            .insert(page.kind, (page.read, page.remaining.unwrap_or_default()));
        let Self { line, kinds } = self;
        line.show(|| {
            let read: usize = kinds.values().map(|(read, _)| read).sum();
            let left: u64 = kinds.values().map(|(_, left)| left).sum();
            let of = if left > 0 {
                format!(" of {}", read as u64 + left)
            } else {
                String::new()
            };
            format!("reading {}: {read}{of}", page.kind.resource())
        });
    }

    /// Clears the line.
    pub(crate) fn done(self) {
        self.line.done();
    }
}
