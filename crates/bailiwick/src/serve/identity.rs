//! Identities for the processes of this machine, beside the decisions and in the same log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use bailiwick_identity::TrustDomain;
use bailiwick_server::Metrics;
use bailiwick_spiffe::{Socket, check_socket};
use bailiwick_store::Store;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::cmd::agent;
use crate::cmd::identity::daemon::{Daemon, DaemonOptions, Whole};
use crate::console::Console;

/// An authority of its own and the Workload API, as `bailiwick agent --embedded` has them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdentityConfig {
    #[serde(default, deserialize_with = "domain")]
    trust_domain: Option<TrustDomain>,
    data: Option<PathBuf>,
    socket: Option<PathBuf>,
    #[serde(default)]
    rules: Vec<PathBuf>,
    #[serde(default = "yes")]
    default_rule: bool,
}

fn yes() -> bool {
    true
}

fn domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TrustDomain>, D::Error> {
    let text = String::deserialize(deserializer)?;
    TrustDomain::parse(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

impl IdentityConfig {
    /// The paths in it.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let own = self.data.iter_mut().chain(&mut self.socket);
        own.chain(&mut self.rules)
    }

    fn arguments(&self, log: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--log".into(), log.into()];
        if let Some(domain) = &self.trust_domain {
            arguments.extend(["--trust-domain".into(), domain.as_str().into()]);
        }
        if let Some(data) = &self.data {
            arguments.extend(["--data".into(), data.into()]);
        }
        for rules in &self.rules {
            arguments.extend(["--rules".into(), rules.into()]);
        }
        if !self.default_rule {
            arguments.push("--no-default-rule".into());
        }
        arguments
    }
}

/// Who gives identities, before anything of it is open.
pub(super) struct Identities {
    options: DaemonOptions,
    socket: Option<PathBuf>,
}

impl Identities {
    pub(super) fn new(config: &IdentityConfig, log: &Path) -> Result<Self> {
        Ok(Self {
            options: DaemonOptions::read(config.arguments(log))?,
            socket: config.socket.clone(),
        })
    }

    /// Whether the socket can be made, before anything is.
    pub(super) fn check_socket(&self) -> Result<()> {
        Ok(check_socket(&agent::socket(self.socket.as_deref())?)?)
    }

    /// Whether the rules can be followed, which are otherwise read when the authority is opened.
    pub(super) fn check(&self, console: &mut Console) -> Result<()> {
        self.options.check(console)
    }

    /// Opens the authority; what it does goes to the log of the decisions.
    pub(super) fn open(
        &self,
        store: &Arc<Store>,
        metrics: &Arc<Metrics>,
        console: &mut Console,
    ) -> Result<Identity<'_>> {
        let whole = Whole {
            store: Arc::clone(store),
            metrics: Arc::clone(metrics),
        };
        let daemon = self.options.open_part(console, whole)?;
        let path = agent::socket(self.socket.as_deref())?;
        Ok(Identity {
            daemon,
            socket: Socket::new(path, 0o600),
        })
    }
}

/// Who gives identities.
pub(super) struct Identity<'i> {
    daemon: Daemon<'i>,
    socket: Socket,
}

impl Identity<'_> {
    /// Gives them until somebody ends the program.
    pub(super) async fn attest(mut self, console: &mut Console) -> Result<()> {
        agent::attest(&mut self.daemon, self.socket, console).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_agent() {
        let check = |yaml: &str, expected: &[&str]| {
            let mut config: IdentityConfig =
                crate::serve::fields::document("serve.yaml", yaml.as_bytes()).unwrap();
            for path in config.paths() {
                *path = Path::new("/etc").join(&*path);
            }
            let arguments = config.arguments(Path::new("/log"));
            assert_eq!(arguments, expected, "{yaml}");
            DaemonOptions::read(arguments).unwrap();
        };
        check("{}", &["--log", "/log"]);
        check(
            "{trustDomain: dev.example, data: keys, socket: /run/s, rules: [a, b], defaultRule: false}",
            &[
                "--log",
                "/log",
                "--trust-domain",
                "dev.example",
                "--data",
                "/etc/keys",
                "--rules",
                "/etc/a",
                "--rules",
                "/etc/b",
                "--no-default-rule",
            ],
        );
    }
}
