//! The real SPIRE, where it was built: its server, and an agent with a Workload API.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::binaries::{self, BinariesError};
use crate::janitor::{Janitor, free_ports};

/// The command that builds it.
const BUILD: &str = "cargo xtask testenv --spire";
/// How long it may take to start on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// Why SPIRE did not start or did not do what it was told.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SpireError {
    /// There is no place for its binaries.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// A file or a process cannot be used.
    #[error("cannot run SPIRE")]
    Io(#[from] io::Error),
    /// It did not become ready.
    #[error("SPIRE is not ready in time; the end of its logs:\n{0}")]
    NotReady(String),
    /// A command of it failed.
    #[error("`{command}` says: {message}")]
    Refused {
        /// What it was told.
        command: String,
        /// What it said.
        message: String,
    },
}

/// The message is for the person who reads a failed `unwrap`.
impl fmt::Debug for SpireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running SPIRE server with its agents. They end with their owner, and so does their directory.
pub struct Spire {
    janitor: Janitor,
    server: PathBuf,
    agent: PathBuf,
    domain: String,
    port: u16,
    endpoint: SocketAddr,
}

impl Spire {
    /// Starts the server of a trust domain, its keys in memory, its entries in SQLite, with a bundle endpoint of the
    /// profile `https_spiffe` and no limit on requests. `federation` stands in the block of that name in its
    /// configuration, which is HCL.
    ///
    /// Returns nothing, and says so on standard error, where SPIRE was not built.
    ///
    /// # Errors
    /// When the server ends or is not ready in time; its log's end says why.
    pub fn start(domain: &str, federation: &str) -> Result<Option<Self>, SpireError> {
        let (server, agent) = (
            binaries::spire("spire-server")?,
            binaries::spire("spire-agent")?,
        );
        let (Some(server), Some(agent)) = (server, agent) else {
            absent();
            return Ok(None);
        };
        let dir = tempfile::Builder::new()
            .prefix("bailiwick-spire-")
            .tempdir()?
            .keep();
        let janitor = Janitor::start(dir.clone())?;
        let [port, endpoint] = free_ports()?;
        let configuration = format!(
            r#"server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{dir}/server.sock"
  trust_domain = "{domain}"
  data_dir = "{dir}"
  log_level = "INFO"
  ratelimit {{ signing = false attestation = false }}
  federation {{
    bundle_endpoint {{
      address = "127.0.0.1"
      port = {endpoint}
      profile "https_spiffe" {{}}
    }}
    {federation}
  }}
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{dir}/entries.sqlite3" }} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
}}
"#,
            dir = dir.display()
        );
        fs::write(dir.join("server.conf"), configuration)?;
        let mut spire = Self {
            janitor,
            server,
            agent,
            domain: domain.to_owned(),
            port,
            endpoint: SocketAddr::from(([127, 0, 0, 1], endpoint)),
        };
        let mut command = Command::new(&spire.server);
        command.args(["run", "-config", "server.conf"]);
        spire.janitor.spawn("spire-server", command)?;
        spire.wait(|spire| spire.command(&["healthcheck"]).is_ok())?;
        Ok(Some(spire))
    }

    /// Runs a command of the server, such as `["bundle", "show"]`; gives what it prints.
    ///
    /// # Errors
    /// [`SpireError::Refused`] with its message.
    pub fn command(&self, arguments: &[&str]) -> Result<String, SpireError> {
        let socket = self.janitor.dir().join("server.sock");
        let output = Command::new(&self.server)
            .args(arguments)
            .arg("-socketPath")
            .arg(socket)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(SpireError::Refused {
            command: arguments.join(" "),
            message: said + &String::from_utf8_lossy(&output.stderr),
        })
    }

    /// Starts an agent, `spiffe://DOMAIN/host`, joined by a token; gives its Workload API as `unix://PATH`.
    ///
    /// # Errors
    /// When it is not ready in time; its log's end says why.
    pub fn agent(&mut self) -> Result<String, SpireError> {
        let id = format!("spiffe://{}/host", self.domain);
        let token = self.command(&["token", "generate", "-spiffeID", &id])?;
        let token = token.trim().trim_start_matches("Token:").trim().to_owned();
        let dir = self.janitor.dir().to_owned();
        let configuration = format!(
            r#"agent {{
  data_dir = "{dir}/agent"
  log_level = "INFO"
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{dir}/agent.sock"
  insecure_bootstrap = true
  trust_domain = "{domain}"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"#,
            dir = dir.display(),
            port = self.port,
            domain = self.domain
        );
        fs::write(dir.join("agent.conf"), configuration)?;
        let mut command = Command::new(&self.agent);
        command.args(["run", "-config", "agent.conf", "-joinToken", &token]);
        self.janitor.spawn("spire-agent", command)?;
        let socket = dir.join("agent.sock");
        self.wait(|_| socket.exists())?;
        Ok(format!("unix://{}", socket.display()))
    }

    /// Where the server's own API listens, over TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where its bundle is.
    #[must_use]
    pub fn bundle_endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// Process ids: the server's, then its agents'.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.janitor.pids()
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.janitor.dir()
    }

    /// The last lines of its logs.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.janitor.log_end("spire-server") + &self.janitor.log_end("spire-agent")
    }

    fn wait(&mut self, is_ready: impl Fn(&Self) -> bool) -> Result<(), SpireError> {
        let start = Instant::now();
        while !is_ready(self) {
            if self.janitor.any_ended() || start.elapsed() > READY_LIMIT {
                return Err(SpireError::NotReady(self.log_end()));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

#[allow(clippy::print_stderr, reason = "a test that could not be done says so")]
fn absent() {
    eprintln!("NOT TESTED with SPIRE: it is not built; `{BUILD}` does it, in six minutes");
}
