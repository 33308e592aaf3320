//! What is proven about a workload before a rule is asked.

use std::fmt;

use bailiwick_audit::{PodRef, ProcessRef, WorkloadRef};
use bailiwick_model::ObjectMeta;
use serde::Serialize;

/// What was proven about a workload. Nothing in here comes from the workload's own mouth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The process that asks, where one was seen by the kernel's word.
    pub process: Option<Process>,
    /// The pod that it runs in, where it does.
    pub pod: Option<Pod>,
}

/// A process, as the kernel tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number, for the log alone: numbers are given again.
    pub pid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The program it runs, as an absolute path; `None` where that file is gone or cannot be read.
    pub path: Option<String>,
}

/// A pod, as the Kubernetes API tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// The pod itself.
    pub meta: ObjectMeta,
    /// Its namespace.
    pub namespace: ObjectMeta,
    /// The node that it runs on.
    pub node: ObjectMeta,
    /// Its service account.
    pub service_account: String,
    /// Images of all of its containers.
    pub images: Vec<String>,
    /// Image of the one container that asks, where that is known.
    pub own_image: Option<String>,
}

impl Process {
    /// The file name of the program.
    pub fn program(&self) -> Option<&str> {
        self.path.as_deref()?.rsplit('/').next()
    }
}

/// What the log says of a workload.
impl From<&Facts> for WorkloadRef {
    fn from(facts: &Facts) -> Self {
        let process = facts.process.as_ref().map(|process| ProcessRef {
            pid: process.pid,
            uid: process.uid,
            gid: process.gid,
            program: process.path.clone(),
        });
        let pod = facts.pod.as_ref();
        let node = pod.map(|pod| pod.node.name.to_string());
        Self {
            process,
            pod: pod.map(|pod| PodRef {
                namespace: pod.meta.namespace.to_string(),
                name: pod.meta.name.to_string(),
                uid: pod.meta.uid.to_string(),
                service_account: pod.service_account.clone(),
            }),
            node: node.unwrap_or_default(),
        }
    }
}

/// On one line, for explanations.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut join = "";
        if let Some(pod) = &self.pod {
            write!(
                f,
                "pod {}/{} of service account {} on node {}",
                pod.meta.namespace, pod.meta.name, pod.service_account, pod.node.name
            )?;
            join = ", ";
        }
        if let Some(process) = &self.process {
            write!(
                f,
                "{join}process {} of uid {} and gid {}",
                process.pid, process.uid, process.gid
            )?;
            match &process.path {
                Some(path) => write!(f, " running {path:?}")?,
                None => f.write_str(" running an unknown program")?,
            }
            join = ", ";
        }
        if join.is_empty() {
            f.write_str("nothing")?;
        }
        Ok(())
    }
}
