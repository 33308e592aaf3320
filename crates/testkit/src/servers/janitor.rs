//! Stops a cluster's processes and removes its directory, whatever becomes of the test process.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::{fs, io};

/// A shell that waits for the end of its standard input.
///
/// The pipe's other end is held by the test process alone, so that it ends when the [`Janitor`] is
/// dropped, and just as well when the test process is killed: no server outlives its test. The
/// shell leads a process group that the servers join, which covers a server that was started but
/// not yet made known.
const SCRIPT: &str = r#"
trap '' TERM INT HUP
pids=
while read -r pid; do pids="$pids $pid"; done
kill -s TERM 0
[ -z "$pids" ] || kill -s KILL $pids
[ -e "$1/keep" ] || rm -rf "$1"
"#;

/// Owns the directory of a cluster and the processes that run in it.
pub(super) struct Janitor {
    dir: PathBuf,
    shell: Child,
    lifeline: Option<ChildStdin>,
    servers: Vec<Child>,
}

impl Janitor {
    /// Takes over `dir`, which is removed in the end unless [`Janitor::keep`] was called.
    pub(super) fn start(dir: PathBuf) -> io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .arg(&dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let lifeline = shell.stdin.take();
        Ok(Self {
            dir,
            shell,
            lifeline,
            servers: Vec::new(),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a server whose output goes to a log file of its name in the directory.
    pub(super) fn spawn(&mut self, name: &str, mut command: Command) -> io::Result<()> {
        let log = fs::File::create(self.dir.join(format!("{name}.log")))?;
        let group = i32::try_from(self.shell.id()).map_err(io::Error::other)?;
        let child = command
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(group)
            .spawn()?;
        let pid = child.id();
        self.servers.push(child);
        match &mut self.lifeline {
            Some(lifeline) => writeln!(lifeline, "{pid}"),
            None => Err(io::Error::other("the janitor is gone")),
        }
    }

    /// Whether a server has ended by itself.
    pub(super) fn any_ended(&mut self) -> bool {
        self.servers
            .iter_mut()
            .any(|server| !matches!(server.try_wait(), Ok(None)))
    }

    /// Leaves the directory in place for somebody to read.
    pub(super) fn keep(&self) {
        // Without the mark the directory goes away: nothing worse, so nothing to report.
        let _ = fs::write(self.dir.join("keep"), "");
    }

    /// Process ids of the servers, in the order of their start.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Child::id).collect()
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell does the work; waiting only makes sure that it is done when this returns.
        let _ = self.shell.wait();
        for server in &mut self.servers {
            let _ = server.wait();
        }
    }
}
