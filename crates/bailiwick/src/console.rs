use std::fmt::Display;
use std::io::{self, IsTerminal, Read as _, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result, bail};
use bailiwick_diag::{Finding, Severity};
use bailiwick_report::Look;

/// Where answers go (standard output) and where everything else goes (standard error).
pub(crate) struct Console {
    out: io::BufWriter<io::Stdout>,
    quiet: bool,
    stdin_in_use: bool,
    color: bool,
    color_err: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Console {
    pub(crate) fn new(color: Color, quiet: bool) -> Self {
        let wanted = |auto: ColorChoice| match color {
            Color::Auto => !matches!(auto, ColorChoice::Never),
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            color: wanted(AutoStream::choice(&io::stdout())),
            color_err: wanted(AutoStream::choice(&io::stderr())),
            out: io::BufWriter::new(io::stdout()),
            quiet,
            stdin_in_use: false,
        }
    }

    /// Columns of the terminal on standard output; `None` where it is none and lines may be of any length.
    fn width(&self) -> Option<u16> {
        if !io::stdout().is_terminal() {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| width.0)
    }

    /// How answers for people are laid out.
    pub(crate) fn look(&self) -> Look {
        Look {
            width: self.width(),
            colour: self.color,
        }
    }

    /// Prints a part of the answer.
    pub(crate) fn answer(&mut self, text: impl Display) -> Result<()> {
        if !self.quiet {
            write!(self.out, "{text}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Something that the reader should know about the answer.
    pub(crate) fn note(&self, text: impl Display) {
        self.say("note", "36", text);
    }

    /// Something that may make the answer less than it seems.
    pub(crate) fn warn(&self, text: impl Display) {
        self.say("warning", "33", text);
    }

    /// Why there is no answer.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let mut text = error.to_string();
        for cause in error.chain().skip(1) {
            let cause = cause.to_string();
            // Libraries like to repeat the cause in their own message; nobody wants to read it twice.
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
        }
        self.line("error", "31", &text);
    }

    /// Whether progress may be drawn.
    pub(crate) fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Something that the input has wrong: with source and caret where something was lost by it, else on one line.
    pub(crate) fn finding(&self, finding: &Finding) {
        if finding.input_lost && !self.quiet {
            let look = Look {
                width: None,
                colour: self.color_err,
            };
            let text = bailiwick_report::text_evidence(std::slice::from_ref(finding), &look);
            // Nothing sensible can be done when standard error is closed.
            let _ = write!(io::stderr(), "{text}");
            return;
        }
        let place = finding
            .places
            .first()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        let help = finding
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        let text = format!("{place}{}{help}", finding.message);
        match finding.severity {
            Severity::Info => self.note(text),
            _ => self.warn(text),
        }
    }

    /// Reads a file of the command line; `-` is standard input, which can be read once.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Vec<u8>> {
        if path != Path::new("-") {
            return read_file(path);
        }
        if std::mem::replace(&mut self.stdin_in_use, true) {
            bail!("standard input is named more than once, but it can be read only once");
        }
        bounded(path, io::stdin(), 0)
    }

    /// Whether standard input holds a file of the command line, so that nobody may ask the user there.
    pub(crate) fn stdin_in_use(&self) -> bool {
        self.stdin_in_use
    }

    fn say(&self, word: &str, color: &str, text: impl Display) {
        if !self.quiet {
            self.line(word, color, &text.to_string());
        }
    }

    fn line(&self, word: &str, color: &str, text: &str) {
        let text = bailiwick_report::inert(text);
        let _ = if self.color_err {
            writeln!(io::stderr(), "\u{1b}[1;{color}m{word}:\u{1b}[0m {text}")
        } else {
            writeln!(io::stderr(), "{word}: {text}")
        };
    }
}

/// The bytes of a file, unless there are too many of them.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| unreadable(path))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    bounded(path, file, size)
}

/// Everything from a reader that is thought to hold `size` bytes.
fn bounded(path: &Path, reader: impl io::Read, size: u64) -> Result<Vec<u8>> {
    let room = usize::try_from(size.min(LARGEST)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room);
    let read = reader.take(LARGEST + 1).read_to_end(&mut bytes);
    read.with_context(|| unreadable(path))?;
    if bytes.len() as u64 > LARGEST {
        bail!(
            "`{}` is larger than {} MiB; split it",
            path.display(),
            LARGEST >> 20
        );
    }
    Ok(bytes)
}

fn unreadable(path: &Path) -> String {
    format!("`{}` cannot be read", path.display())
}

/// Whether `error` only says that the reader of our output has gone, as `head` does.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Bytes of a file of the command line, or of policies.
const LARGEST: u64 = 256 << 20;
