//! The real Envoy, where it can be had: its binary comes in a Python package, and a machine that
//! has no Python goes without.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::binaries::{self, BinariesError};
use crate::janitor::Janitor;
use crate::packages::Packages;

/// How long Envoy may take to start on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where its administration listens: a port of Envoy's own choice, written to a file.
const ADMINISTRATION: &str =
    "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}";

/// Why Envoy did not start or did not answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EnvoyError {
    /// There is no place for its binary.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// A file or a process cannot be used.
    #[error("cannot run Envoy")]
    Io(#[from] io::Error),
    /// It did not become ready, mostly because it refused its configuration.
    #[error("Envoy is not ready after {seconds} s; the end of its log:\n{log}")]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// What it wrote last.
        log: String,
    },
    /// Its administration gave no answer.
    #[error("Envoy's administration gave no answer")]
    Administration(#[from] ureq::Error),
    /// It listens under no such name.
    #[error("Envoy has no listener `{0}`")]
    NoListener(String),
}

/// The message is for the person who reads a failed `unwrap`.
impl fmt::Debug for EnvoyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The binary: from the directory of ready servers when it is there, else from its package; nothing, and a word on
/// standard error, where neither is.
fn binary() -> Result<Option<PathBuf>, BinariesError> {
    let ready = binaries::ready_dir().map(|dir| dir.join("envoy"));
    if let Some(path) = ready.filter(|path| path.is_file()) {
        return Ok(Some(path));
    }
    Ok(Packages::Envoy.ready()?.map(|dir| Packages::envoy(&dir)))
}

/// A running Envoy. It ends with its owner, and so does its directory.
pub struct Envoy {
    janitor: Janitor,
    administration: SocketAddr,
}

impl Envoy {
    /// Starts Envoy with a bootstrap configuration in YAML and waits until it is ready. `{dir}` in
    /// it is Envoy's directory, where `files` are written first. Listeners may name port 0:
    /// [`Envoy::listener`] tells what they got.
    ///
    /// Returns nothing, and says so on standard error, where Envoy is not installed: it comes with
    /// a Python package, and Python is not among what the tests may ask for.
    ///
    /// # Errors
    /// When Envoy ends or is not ready in time; its log's end says why.
    pub fn start(bootstrap: &str, files: &[(&str, &str)]) -> Result<Option<Self>, EnvoyError> {
        let Some(binary) = binary()? else {
            return Ok(None);
        };
        let dir = tempfile::Builder::new()
            .prefix("bailiwick-envoy-")
            .tempdir()?
            .keep();
        let mut janitor = Janitor::start(dir.clone())?;
        for (name, text) in files {
            fs::write(dir.join(name), text)?;
        }
        let text = bootstrap.replace("{dir}", &dir.to_string_lossy());
        fs::write(dir.join("bootstrap.yaml"), text)?;
        let mut command = Command::new(binary);
        command
            .args(["--config-path", "bootstrap.yaml"])
            .args(["--config-yaml", ADMINISTRATION])
            .args(["--admin-address-path", "administration"])
            .args(["--concurrency", "1", "--log-level", "warning"])
            .args(["--use-dynamic-base-id", "--disable-hot-restart"]);
        janitor.spawn("envoy", command)?;
        let administration = wait_until_ready(&mut janitor)?;
        Ok(Some(Self {
            janitor,
            administration,
        }))
    }

    /// The address of the listener of this name.
    ///
    /// # Errors
    /// [`EnvoyError::NoListener`] when there is none.
    pub fn listener(&self, name: &str) -> Result<SocketAddr, EnvoyError> {
        let text = self.administration("/listeners?format=json")?;
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let found = document
            .pointer("/listener_statuses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|listener| listener.get("name").and_then(Value::as_str) == Some(name))
            .and_then(|listener| {
                let socket = listener.pointer("/local_address/socket_address")?;
                let port = u16::try_from(socket.get("port_value")?.as_u64()?).ok()?;
                let address = socket.get("address")?.as_str()?.parse().ok()?;
                Some(SocketAddr::new(address, port))
            });
        found.ok_or_else(|| EnvoyError::NoListener(name.to_owned()))
    }

    /// What the administration answers to `GET path`, such as `/stats` or `/certs`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn administration(&self, path: &str) -> Result<String, EnvoyError> {
        get(self.administration, path)
    }

    /// Envoy's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.janitor.dir()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.janitor.log_end("envoy")
    }
}

fn wait_until_ready(janitor: &mut Janitor) -> Result<SocketAddr, EnvoyError> {
    let start = Instant::now();
    loop {
        let ended = janitor.any_ended();
        let address = fs::read_to_string(janitor.dir().join("administration")).ok();
        if let Some(address) = address.and_then(|text| text.trim().parse().ok())
            && !ended
            && get(address, "/ready").is_ok_and(|text| text.trim() == "LIVE")
        {
            return Ok(address);
        }
        if ended || start.elapsed() > READY_LIMIT {
            return Err(EnvoyError::NotReady {
                seconds: start.elapsed().as_secs(),
                log: janitor.log_end("envoy"),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn get(address: SocketAddr, path: &str) -> Result<String, EnvoyError> {
    let mut response = ureq::get(format!("http://{address}{path}"))
        .config()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .call()?;
    Ok(response.body_mut().read_to_string()?)
}
