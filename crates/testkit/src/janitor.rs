//! Runs servers in a directory of their own; stops them and removes it, whatever becomes of the test process.

use std::io::Write;
use std::net::TcpListener;
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

/// Owns a directory and the servers that run in it: a cluster's, or any other foreign program's.
pub struct Janitor {
    dir: PathBuf,
    shell: Child,
    lifeline: Option<ChildStdin>,
    servers: Vec<Child>,
}

impl Janitor {
    /// Takes over `dir`, which is removed in the end unless [`Janitor::keep`] was called.
    ///
    /// # Errors
    /// When there is no shell to start.
    pub fn start(dir: PathBuf) -> io::Result<Self> {
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

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a server whose output goes to a log file of its name in the directory, where it runs.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn spawn(&mut self, name: &str, mut command: Command) -> io::Result<()> {
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

    /// Kills a server, by its place in the order of their start, and starts it anew as it was started.
    ///
    /// # Errors
    /// When the system does not tell how it was started, or it does not start.
    pub fn restart(&mut self, place: usize, name: &str) -> io::Result<()> {
        let server = self.servers.get_mut(place);
        let server = server.ok_or_else(|| io::Error::other("there is no such server"))?;
        let line = fs::read(format!("/proc/{}/cmdline", server.id()))?;
        server.kill()?;
        server.wait()?;
        let line = String::from_utf8(line).map_err(io::Error::other)?;
        let mut words = line.split_terminator('\0');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        self.spawn(name, command)?;
        if let Some(new) = self.servers.pop()
            && let Some(slot) = self.servers.get_mut(place)
        {
            *slot = new;
        }
        Ok(())
    }

    /// Whether a server has ended by itself.
    pub fn any_ended(&mut self) -> bool {
        self.servers
            .iter_mut()
            .any(|server| !matches!(server.try_wait(), Ok(None)))
    }

    /// Leaves the directory in place for somebody to read.
    pub fn keep(&self) {
        // Without the mark the directory goes away: nothing worse, so nothing to report.
        let _ = fs::write(self.dir.join("keep"), "");
    }

    /// The last lines that a server wrote, each with its name in front.
    #[must_use]
    pub fn log_end(&self, name: &str) -> String {
        let text = fs::read(self.dir.join(format!("{name}.log"))).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        lines
            .iter()
            .rev()
            .map(|line| format!("{name}: {line}\n"))
            .collect()
    }

    /// Process ids of the servers, in the order of their start.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Child::id).collect()
    }
}

/// Ports of the loopback address that were free a moment ago.
///
/// # Errors
/// When no port can be had.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // All are held at once, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
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
