use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use bailiwick_audit::ProcessRef;
use bailiwick_identity::cgroup::{CgroupError, pod_uid};
use bailiwick_identity::facts::{Facts, Process};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use thiserror::Error;

/// Files below /proc that are read are never longer.
const MAX_PROC_FILE: u64 = 64 * 1024;

/// The process at the other end of a unix socket, held so that no other process takes its number.
///
/// The kernel says who connected (SO_PEERCRED) and gives a handle of that process (SO_PEERPIDFD, Linux 6.5); where it
/// has none, the time at which the process started stands in.
#[derive(Debug)]
pub(crate) struct Peer {
    pid: u32,
    uid: u32,
    gid: u32,
    started: u64,
    handle: Option<OwnedFd>,
    proc_root: PathBuf,
    /// The pod that it ran in when it was looked at first, to count what it asks for. It proves nothing.
    pod: Option<String>,
}

/// Whose requests are counted together. Programs of one pod share; so do those of one user of the host. Users of pods are mostly
/// the same few numbers, so that by these one pod would take the node away from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// A pod, by its UID.
    Pod(String),
    /// A user, by its number.
    User(u32),
}

/// Why a process cannot be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The kernel does not say who it is: it is of another PID namespace.
    #[error("the process is not of this machine's namespace")]
    OutOfSight,
    /// It ended, or another process has its number now.
    #[error("process {0} ended")]
    Gone(u32),
    /// It became another user.
    #[error("process {pid} connected as uid {uid} and is uid {now} now")]
    OtherUser {
        /// Its number.
        pid: u32,
        /// Who connected.
        uid: u32,
        /// Who it is.
        now: u32,
    },
    /// It runs in a pod, of which nobody here knows anything.
    #[error("process {0} runs in a pod: this authority attests processes of the host alone")]
    InPod(u32),
    /// It runs in no pod.
    #[error("process {0} runs in no pod: this agent gives identities to pods of its node alone")]
    OfHost(u32),
    /// Its cgroups do not say in which pod it runs.
    #[error("process {pid} cannot be attested: {error}")]
    Cgroup {
        /// Its number.
        pid: u32,
        /// What they say.
        #[source]
        error: CgroupError,
    },
    /// /proc or the socket cannot be read.
    #[error("the process cannot be attested: {0}")]
    Unreadable(#[from] io::Error),
}

impl PeerError {
    /// The same for all processes to which it happens.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Gone(_) => "the process ended".to_owned(),
            Self::OtherUser { uid, now, .. } => {
                format!("the process connected as uid {uid} and is uid {now} now")
            }
            Self::InPod(_) => {
                "the process runs in a pod: this authority attests processes of the host alone"
                    .to_owned()
            }
            Self::OfHost(_) => {
                "the process runs in no pod: this agent gives identities to pods of its node alone"
                    .to_owned()
            }
            Self::Cgroup { error, .. } => format!("the process cannot be attested: {error}"),
            Self::OutOfSight | Self::Unreadable(_) => self.to_string(),
        }
    }
}

/// What would be proven about the process `pid` if it connected now. Not for giving anything: between this look and the
/// next the number may be another process's.
///
/// # Errors
/// When there is no such process, or it cannot be attested.
pub fn facts_of(pid: u32) -> Result<Facts, PeerError> {
    let peer = Peer::of_pid(pid, Path::new("/proc"))?;
    match peer.attest()? {
        (facts, None) => Ok(facts),
        (_, Some(_)) => Err(PeerError::InPod(pid)),
    }
}

impl Peer {
    /// Who connected, as the files below `proc_root` tell of it.
    pub(crate) fn of(socket: &impl AsFd, proc_root: &Path) -> Result<Self, PeerError> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials).map_err(io::Error::from)?;
        let pid = u32::try_from(credentials.pid()).unwrap_or(0);
        if pid == 0 {
            return Err(PeerError::OutOfSight);
        }
        let handle = match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(handle) => Some(handle),
            Err(Errno::ENOPROTOOPT) => None,
            Err(_) => return Err(PeerError::Gone(pid)),
        };
        let peer = Self {
            pid,
            uid: credentials.uid(),
            gid: credentials.gid(),
            started: 0,
            handle,
            proc_root: proc_root.to_owned(),
            pod: None,
        };
        let started = peer.start_time()?;
        let pod = peer.pod_now();
        peer.check_alive()?;
        Ok(Self {
            started,
            pod,
            ..peer
        })
    }

    /// The process that has this number now, by the word of somebody else. It is held by the time at which it started.
    pub(crate) fn of_pid(pid: u32, proc_root: &Path) -> Result<Self, PeerError> {
        let mut peer = Self {
            pid,
            uid: 0,
            gid: 0,
            started: 0,
            handle: None,
            proc_root: proc_root.to_owned(),
            pod: None,
        };
        peer.started = peer.start_time()?;
        let status = peer.read("status")?;
        let number = |field| effective(&status, field).ok_or(PeerError::Gone(pid));
        (peer.uid, peer.gid) = (number("Uid:")?, number("Gid:")?);
        Ok(peer)
    }

    fn pod_now(&self) -> Option<String> {
        pod_uid(&self.read("cgroup").ok()?).ok()?
    }

    /// Whose requests it counts among.
    pub(crate) fn share(&self) -> Share {
        match &self.pod {
            Some(pod) => Share::Pod(pod.clone()),
            None => Share::User(self.uid),
        }
    }

    /// As the log has it, but for the program.
    pub(crate) fn process(&self) -> ProcessRef {
        ProcessRef {
            pid: self.pid,
            uid: self.uid,
            gid: self.gid,
            program: None,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Who connected, by the word of the kernel at that time.
    pub(crate) fn facts(&self) -> Facts {
        let process = Process {
            pid: self.pid,
            uid: self.uid,
            gid: self.gid,
            ..Process::default()
        };
        Facts {
            process: Some(process),
            pod: None,
        }
    }

    /// The pod that it ran in when it connected. It proves nothing now.
    pub(crate) fn first_pod(&self) -> Option<&str> {
        self.pod.as_deref()
    }

    /// What is proven about the process now, and the UID of the pod that it runs in. Asked again before every message: a
    /// process can end, and become another user or program.
    pub(crate) fn attest(&self) -> Result<(Facts, Option<String>), PeerError> {
        self.check_same()?;
        let status = self.read("status")?;
        let now = effective(&status, "Uid:").ok_or(PeerError::Gone(self.pid))?;
        if now != self.uid {
            let (pid, uid) = (self.pid, self.uid);
            return Err(PeerError::OtherUser { pid, uid, now });
        }
        let pid = self.pid;
        let cgroups = self.read("cgroup")?;
        let pod = pod_uid(&cgroups).map_err(|error| PeerError::Cgroup { pid, error })?;
        // A kubelet that puts its pods elsewhere: no process of the host, and of no pod that could be told.
        if pod.is_none() && cgroups.contains("kubepods") {
            return Err(PeerError::InPod(pid));
        }
        let process = Process {
            pid: self.pid,
            uid: self.uid,
            gid: self.gid,
            groups: groups(&status),
            path: self.program(),
        };
        // What was read belongs to this process only if it still is that process.
        self.check_same()?;
        let process = Some(process);
        let facts = Facts { process, pod: None };
        Ok((facts, pod))
    }

    /// The program, if it is a file of this machine: within another mount namespace any file may be at that path.
    fn program(&self) -> Option<String> {
        let folder = self.proc_root.join(self.pid.to_string());
        let theirs = fs::read_link(folder.join("ns/mnt")).ok()?;
        let ours = fs::read_link(self.proc_root.join("self/ns/mnt")).ok()?;
        let path = fs::read_link(folder.join("exe")).ok()?;
        let path = path.to_str()?;
        let there = theirs == ours && !path.ends_with(" (deleted)");
        there.then(|| path.to_owned())
    }

    fn check_same(&self) -> Result<(), PeerError> {
        self.check_alive()?;
        if self.start_time()? != self.started {
            return Err(PeerError::Gone(self.pid));
        }
        Ok(())
    }

    /// A handle of a process becomes readable when the process ends.
    fn check_alive(&self) -> Result<(), PeerError> {
        let Some(handle) = &self.handle else {
            return Ok(());
        };
        let mut polled = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::ZERO).map_err(io::Error::from)? {
            0 => Ok(()),
            _ => Err(PeerError::Gone(self.pid)),
        }
    }

    /// Field 22 of /proc/PID/stat, in ticks since the start of the machine.
    fn start_time(&self) -> Result<u64, PeerError> {
        let stat = self.read("stat")?;
        // The name of the program stands in brackets and may hold anything, brackets too.
        let after = stat.rsplit_once(')').map(|(_, after)| after);
        let field = after.and_then(|after| after.split_whitespace().nth(19));
        let started = field.and_then(|field| field.parse().ok());
        started.ok_or(PeerError::Gone(self.pid))
    }

    fn read(&self, name: &str) -> Result<String, PeerError> {
        let path = self.proc_root.join(self.pid.to_string()).join(name);
        let mut text = Vec::new();
        let read =
            fs::File::open(path).and_then(|file| file.take(MAX_PROC_FILE).read_to_end(&mut text));
        match read {
            Ok(_) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PeerError::Gone(self.pid)),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {
                Err(PeerError::Gone(self.pid))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The second number of a line of /proc/PID/status: real, effective, saved, file system.
fn effective(status: &str, field: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn groups(status: &str) -> Vec<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .unwrap_or_default();
    line.split_whitespace()
        .filter_map(|group| group.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
