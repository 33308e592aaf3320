//! A cluster, a server, and an agent in whose eyes this program runs in a pod.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) const NAMESPACE: &str = "bench";
pub(super) const NODE: &str = "bench-node";
const RULES: &str = "\
apiVersion: bailiwick.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: all}
spec: {selector: {namespaces: [bench]}, id: '/ns/{namespace}/sa/{serviceAccount}/{pod}'}
";
const MANIFESTS: &str = "\
{apiVersion: v1, kind: Namespace, metadata: {name: bench}}
---
{apiVersion: v1, kind: Node, metadata: {name: bench-node}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: bench}}
";

pub(super) struct Stage {
    pub(super) cluster: Cluster,
    dir: TempDir,
    program: PathBuf,
}

/// A program that ends with this.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// What it holds of the memory, in MiB.
    pub(super) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        let kib: f64 = number.context("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }
}

impl Stage {
    pub(super) fn new(program: &Path) -> Result<Self> {
        let program = program.to_owned();
        let cluster = Cluster::builder().start()?;
        cluster.admin().apply(MANIFESTS)?;
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("rules.yaml"), RULES)?;
        Ok(Self {
            cluster,
            dir,
            program,
        })
    }

    pub(super) fn admin(&self) -> &Identity {
        self.cluster.admin()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--trust-domain", "bench.example"]);
        command
    }

    /// The server; its address, and how long it took until it had read the cluster.
    pub(super) fn server(&self, more: &[&str]) -> Result<(Running, String, Duration)> {
        let started = Instant::now();
        let mut child = self
            .command(&["identity", "server", "--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(self.path("data"))
            .arg("--rules")
            .arg(self.path("rules.yaml"))
            .arg("--kubeconfig")
            .arg(self.admin().kubeconfig())
            .args(["--log-format", "json"])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = child.stderr.take().context("no standard error")?;
        let server = Running(child);
        let mut lines = BufReader::new(errors).lines();
        let mut address = None;
        for line in lines.by_ref() {
            let event: Value = serde_json::from_str(&line?)?;
            let said = |field| event.get(field).and_then(Value::as_str);
            let message = said("message").unwrap_or_default();
            if message == "giving identities" {
                address = said("address").map(str::to_owned);
            }
            if message == "the cluster is read" {
                let took = started.elapsed();
                // Somebody has to go on reading.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok((server, address.context("no address")?, took));
            }
        }
        bail!("the server ended")
    }

    /// A token by which an agent of the node joins.
    pub(super) fn join_token(&self) -> Result<String> {
        let token = self.say(&["identity", "agent-token", "--node", NODE])?;
        Ok(String::from_utf8(token)?.trim().to_owned())
    }

    /// What a command about the authority prints.
    fn say(&self, args: &[&str]) -> Result<Vec<u8>> {
        let mut command = self.command(args);
        let output = command.arg("--data").arg(self.path("data")).output()?;
        ensure!(output.status.success(), "{args:?}: {output:?}");
        Ok(output.stdout)
    }

    /// An agent of the node, and its socket. It takes this program for a process of the pod that [`Stage::enter`] says.
    pub(super) fn agent(&self, address: &str) -> Result<(Running, PathBuf)> {
        let roots = self.say(&["identity", "authority", "--roots"])?;
        fs::write(self.path("roots.pem"), roots)?;
        fs::write(self.path("token"), self.join_token()?)?;
        self.enter("none")?;
        let socket = self.path("agent.sock");
        let child = self
            .command(&["agent", "--server", address])
            .arg("--trust-bundle")
            .arg(self.path("roots.pem"))
            .arg("--join-token-file")
            .arg(self.path("token"))
            .arg("--socket")
            .arg(&socket)
            .arg("--proc-root")
            .arg(self.path("proc"))
            .args(["--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(File::create(self.path("agent.log"))?)
            .spawn()?;
        let agent = Running(child);
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let health = Command::new(&self.program)
                .args(["agent", "healthcheck", "--fresh", "--socket"])
                .arg(&socket)
                .output()?;
            if health.status.success() {
                return Ok((agent, socket));
            }
            ensure!(Instant::now() < end, "the agent is not well: {health:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// This program is in the pod of this UID from now on.
    pub(super) fn enter(&self, uid: &str) -> Result<()> {
        let own = self.path("proc").join(std::process::id().to_string());
        fs::create_dir_all(&own)?;
        for file in ["stat", "status"] {
            fs::copy(Path::new("/proc/self").join(file), own.join(file))?;
        }
        let next = own.join("next");
        fs::write(&next, format!("0::/kubepods/burstable/pod{uid}/1\n"))?;
        Ok(fs::rename(next, own.join("cgroup"))?)
    }
}

/// A pod, which is bound to no node yet where none is named.
pub(super) fn pod(name: &str, node: Option<&str>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "bench"}},
        "spec": {
            "nodeName": node, "serviceAccountName": "default", "automountServiceAccountToken": false,
            "schedulerName": "nobody", "containers": [{"name": "c", "image": "img"}],
        },
    })
}

/// A figure of a distribution: the smallest number that this part of all is not above.
pub(super) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part).ceil() as usize;
    let index = index.saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
