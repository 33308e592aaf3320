//! A server in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The process, which ends with this value.
pub(super) struct Program {
    child: Child,
    lines: Receiver<String>,
    pub(super) address: SocketAddr,
}

/// How long a server has to do what is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

impl Program {
    /// Starts it, and waits until it says where it listens.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let stderr = child.stderr.take().context("no output")?;
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        let mut program = Self {
            child,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = program.wait_for("listening address=")?;
        let address = line.split("listening address=").nth(1).unwrap_or_default();
        program.address = address.split(' ').next().unwrap_or_default().parse()?;
        Ok(program)
    }

    /// The next line that holds a text.
    pub(super) fn wait_for(&mut self, text: &str) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        let mut last = String::new();
        loop {
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => last = line,
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the server ended before it said `{text}`; last it said: {last}")
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() > until => {
                    bail!("the server does not say `{text}`; last it said: {last}")
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Bytes of it in memory, now.
    pub(super) fn resident(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most since [`Program::forget_peak`].
    pub(super) fn peak(&self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    pub(super) fn forget_peak(&self) -> Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(path, "5").context("the peak of memory cannot be taken back")
    }

    /// Seconds that the processors have worked for it.
    pub(super) fn worked(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything: fields 14 and 15 of proc(5), in hundredths of a second.
        let (_, fields) = text.rsplit_once(')').context("no statistics")?;
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks = times.map(|ticks| Ok(ticks.parse::<f64>()?));
        Ok(ticks.sum::<Result<f64>>()? / 100.0)
    }

    fn memory(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        super::super::figures::memory(&status, field)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
