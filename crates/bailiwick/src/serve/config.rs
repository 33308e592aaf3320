//! The configuration file.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bailiwick_audit::Durability;
use bailiwick_server::{Callers, Limits, Listener, Mode, TokenIssuer};
use serde::Deserialize;

use super::callers::{self, CallerConfig, TokenReview, TokensConfig};
use super::fields::{address, document, maybe_address, time};
use super::gateway::ExtAuthz;
use super::identity::IdentityConfig;
use super::telemetry::TelemetryConfig;

use crate::console::Console;

/// What `bailiwick serve` needs to know. docs/serve.md says the same in words.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: Listen,
    #[serde(default, deserialize_with = "maybe_address")]
    pub(crate) operations: Option<SocketAddr>,
    pub(crate) log: Log,
    callers: Vec<CallerConfig>,
    #[serde(default)]
    tokens: Vec<TokensConfig>,
    pub(crate) token_review: Option<TokenReview>,
    pub(crate) access_review: Option<AccessReview>,
    pub(crate) authzen: Option<Authzen>,
    pub(crate) ext_authz: Option<ExtAuthz>,
    pub(crate) telemetry: Option<TelemetryConfig>,
    pub(crate) identity: Option<IdentityConfig>,
    #[serde(default)]
    pub(crate) floor: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) policies: Vec<PathBuf>,
    pub(crate) snapshot: Option<PathBuf>,
    #[serde(default)]
    pub(crate) cluster: ClusterConfig,
    #[serde(default = "five_seconds", deserialize_with = "time")]
    pub(crate) staleness: Duration,
    #[serde(default = "one_second", deserialize_with = "time")]
    pub(crate) reread: Duration,
}

/// What is followed of a cluster beside its roles, bindings and namespaces.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ClusterConfig {
    /// Policies, relations, delegations and revocations as custom resources.
    pub(crate) documents: bool,
    /// What becomes of them, told in their status.
    pub(crate) status: bool,
    /// Nodes, service accounts, pods and what controls them, for relations that speak of them.
    pub(crate) workloads: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            documents: true,
            status: true,
            workloads: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Listen {
    #[serde(deserialize_with = "address")]
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsConfig>,
    connections: Option<NonZeroU16>,
    requests: Option<NonZeroU16>,
    #[serde(default = "five_seconds", deserialize_with = "time")]
    arrival: Duration,
    #[serde(default = "ten_seconds", deserialize_with = "time")]
    drain: Duration,
}

impl Listen {
    /// What callers may take.
    pub(crate) fn limits(&self) -> Limits {
        let usual = Limits::default();
        let or = |number: Option<NonZeroU16>, usual| {
            number.map_or(usual, |number| usize::from(number.get()))
        };
        Limits {
            connections: or(self.connections, usual.connections),
            requests: or(self.requests, usual.requests),
            arrival: self.arrival,
            drain: self.drain,
            ..usual
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TlsConfig {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) directory: PathBuf,
    #[serde(default = "sixty_four")]
    pub(crate) segment_mebibytes: NonZeroU32,
    #[serde(default = "one_day", deserialize_with = "time")]
    pub(crate) segment_age: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccessReview {
    pub(crate) mode: Mode,
    #[serde(default = "usual_budget", deserialize_with = "time")]
    pub(crate) budget: Duration,
    #[serde(default)]
    pub(crate) durability: Durability,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Authzen {
    pub(crate) base: String,
    #[serde(default = "usual_budget", deserialize_with = "time")]
    pub(crate) budget: Duration,
    #[serde(default)]
    pub(crate) durability: Durability,
    pub(crate) entities: Option<PathBuf>,
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn one_day() -> Duration {
    Duration::from_secs(24 * 3600)
}

fn sixty_four() -> NonZeroU32 {
    const { NonZeroU32::new(64).unwrap() }
}

/// Less than the 500 ms after which the API server does not wait any more.
fn usual_budget() -> Duration {
    Duration::from_millis(400)
}

impl Config {
    /// Reads the file. Paths in it start from its own directory.
    pub(crate) fn read(path: &Path, console: &mut Console) -> Result<Self> {
        let bytes = console.read(path)?;
        let mut config: Self = document(&path.display().to_string(), &bytes)?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        config.from(&base);
        config
            .check()
            .with_context(|| format!("`{}` cannot be used", path.display()))?;
        for closed in config.closed() {
            console.warn(format_args!("{}: {closed}", path.display()));
        }
        Ok(config)
    }

    /// Callers who are let in by doors that are not open, or with what nobody is asked for.
    fn closed(&self) -> Vec<String> {
        let tls = self.listen.tls.is_some();
        let absent = self.callers.iter().filter_map(|caller| caller.absent(tls));
        let closed = self.callers.iter().flat_map(|caller| caller.closed(self));
        let closed = closed
            .map(|(caller, section)| {
                format!(
                    "the caller `{caller}` may use a door that is not open; write `{section}`, or take the door out of \
                     its `doors`"
                )
            });
        absent.chain(closed).collect()
    }

    fn from(&mut self, base: &Path) {
        let tls = self
            .listen
            .tls
            .iter_mut()
            .flat_map(|tls| [&mut tls.certificate, &mut tls.key, &mut tls.client_ca]);
        let entities = self
            .authzen
            .iter_mut()
            .filter_map(|door| door.entities.as_mut());
        let otlp = self
            .telemetry
            .iter_mut()
            .filter_map(|told| told.otlp.as_mut());
        let ca = otlp.filter_map(|otlp| otlp.ca.as_mut());
        let paths = tls
            .chain(ca)
            .chain(entities)
            .chain(self.floor.iter_mut())
            .chain(self.policies.iter_mut())
            .chain(self.snapshot.iter_mut())
            .chain(self.tokens.iter_mut().flat_map(TokensConfig::paths))
            .chain(self.identity.iter_mut().flat_map(IdentityConfig::paths))
            .chain([&mut self.log.directory]);
        for path in paths {
            *path = base.join(&*path);
        }
    }

    fn check(&self) -> Result<()> {
        if self.access_review.is_none() && self.authzen.is_none() && self.ext_authz.is_none() {
            bail!("no door is open; write `accessReview`, `authzen` or `extAuthz`");
        }
        if self.listen.tls.is_none() {
            Listener::check_plaintext(self.listen.address)?;
        }
        if let Some(door) = &self.ext_authz {
            door.door()?;
        }
        if let Some(telemetry) = &self.telemetry {
            telemetry.telemetry()?;
        }
        if let Some(door) = &self.authzen {
            let plain = self.listen.tls.is_none() && door.base.starts_with("http://");
            let (_, rest) = door.base.split_once("://").unwrap_or_default();
            let odd =
                rest.is_empty() || rest.contains(['?', '#']) || rest.contains(char::is_whitespace);
            if odd || !plain && !door.base.starts_with("https://") {
                bail!(
                    "`authzen.base` is the address by which callers know this, such as https://pdp.example.org, and \
                     not `{}`",
                    door.base
                );
            }
        }
        self.tokens()?;
        self.callers()?;
        Ok(())
    }

    /// Whose tokens are believed.
    pub(crate) fn tokens(&self) -> Result<Vec<TokenIssuer>> {
        self.tokens.iter().map(TokensConfig::issuer).collect()
    }

    /// The allow-list.
    pub(crate) fn callers(&self) -> Result<Callers> {
        callers::callers(&self.callers, &self.tokens, self.token_review.is_some())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const WHOLE: &str = "\
listen:
  address: 127.0.0.1:0
  tls: {certificate: a, key: b, clientCa: c}
operations: 127.0.0.1:0
log: {directory: log, segmentMebibytes: 1, segmentAge: 1h}
callers:
- name: api
  certificate: CN=api
  doors: [accessReview]
- name: shop
  spiffe: spiffe://example.org/shop
  doors: [evaluation, search]
  application: shop
accessReview: {mode: guard, budget: 300ms, durability: synced}
authzen: {base: 'https://pdp.example.org', entities: entities.yaml}
floor: [floor.yaml]
policies: [policies/]
snapshot: last.bwk
cluster: {documents: false, workloads: true}
staleness: 10s
reread: 500ms
identity: {trustDomain: dev.example, data: keys, socket: s, rules: [web.yaml], defaultRule: false}
";

    pub(in crate::serve) fn read(text: &str) -> Result<Config> {
        let mut config: Config = document("serve.yaml", text.as_bytes())?;
        config.from(Path::new("/etc/bailiwick"));
        config.check()?;
        Ok(config)
    }

    #[test]
    fn every_field_is_read() {
        let config = read(WHOLE).unwrap();
        assert_eq!(config.log.directory, Path::new("/etc/bailiwick/log"));
        assert_eq!(config.floor, [Path::new("/etc/bailiwick/floor.yaml")]);
        assert!(!config.cluster.documents && config.cluster.workloads);
        assert_eq!(config.staleness, Duration::from_secs(10));
        let door = config.access_review.unwrap();
        assert_eq!(door.mode, Mode::Guard);
        assert_eq!(door.budget, Duration::from_millis(300));
        assert_eq!(door.durability, Durability::Synced);
        let tls = config.listen.tls.unwrap();
        assert_eq!(tls.key, Path::new("/etc/bailiwick/b"));
        let limits = read(&WHOLE.replace("  tls:", "  requests: 8\n  drain: 1s\n  tls:"))
            .unwrap()
            .listen
            .limits();
        let expected = Limits {
            requests: 8,
            drain: Duration::from_secs(1),
            ..Limits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_caller_who_can_never_come_in_is_told() {
        let told = |text: &str| read(text).unwrap().closed();
        let by_nothing = told(&WHOLE.replace("certificate: CN=api", "loopback: true"));
        assert_eq!(
            by_nothing,
            [
                "the caller `api` is known by `loopback`, but the listener has `tls`: nobody comes in by that name"
            ]
        );
        let plain = told(&WHOLE.replace("  tls: {certificate: a, key: b, clientCa: c}\n", ""));
        assert_eq!(plain.len(), 2, "{plain:?}");
        assert!(plain[0].contains("the listener has no `tls`"), "{plain:?}");
    }

    #[test]
    fn a_door_that_is_not_open_is_told() {
        let check = |from: &str, expected: &[&str]| {
            let closed = read(&WHOLE.replace(from, "")).unwrap().closed();
            let expected = expected.iter().map(|what| {
                format!("the caller {what}, or take the door out of its `doors`")
                    .replace(": ", " may use a door that is not open; write ")
            });
            assert_eq!(closed, expected.collect::<Vec<_>>(), "{from}");
        };
        check("", &[]);
        check(
            "accessReview: {mode: guard, budget: 300ms, durability: synced}\n",
            &["`api`: `accessReview`"],
        );
        check(
            "authzen: {base: 'https://pdp.example.org', entities: entities.yaml}\n",
            &["`shop`: `authzen`"],
        );
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let check = |from: &str, to: &str, expected: &str| {
            assert!(WHOLE.contains(from), "{from}");
            let error = read(&WHOLE.replace(from, to)).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(expected), "{text}");
        };
        check(
            "guard",
            "gard",
            "serve.yaml:14:22: `accessReview.mode`: unknown variant `gard`, expected one of",
        );
        check(
            "staleness: 10s",
            "staleness: 10",
            "serve.yaml:20:12: `staleness`: `10` is no time; write a number",
        );
        check(
            "10s",
            "10d",
            "serve.yaml:20:12: `staleness`: `10d` is no time; write a number with ms, s, m or h",
        );
        check("10s", "0s", "is no time");
        check("floor:", "flor:", "unknown field `flor`, expected one of");
        check(
            "127.0.0.1:0\n  tls",
            "localhost\n  tls",
            "serve.yaml:2:12: `listen.address`: `localhost` is no address; write IP:PORT",
        );
        check(
            "operations: 127.0.0.1:0",
            "operations: 9090",
            "`operations`: `9090` is no address; write IP:PORT",
        );
        check(
            "{directory: log, segmentMebibytes: 1, segmentAge: 1h}",
            "log",
            "`log`: invalid type: string \"log\", expected a mapping",
        );
        assert!(
            read("[1]")
                .unwrap_err()
                .to_string()
                .contains("holds no mapping")
        );
        let open = "listen: {address: '0.0.0.0:1'}\nlog: {directory: l}\naccessReview: {mode: guard}\n\
                    callers: [{name: a, loopback: true, doors: [accessReview]}]";
        let error = format!("{:#}", read(open).unwrap_err());
        assert!(error.contains("is no loopback address"), "{error}");
        check(
            "certificate: CN=api",
            "spiffe: spiffe://a\n  loopback: true",
            "the caller `api` proves itself with one thing",
        );
        check(
            "  application: shop\n",
            "",
            "the caller `shop` asks for an application",
        );
        check(
            "[accessReview]",
            "[]",
            "no door is open to the caller `api`",
        );
        for wrong in ["api", "/CN=api", "CN = api"] {
            check(
                "CN=api",
                wrong,
                "is no subject of a certificate; write it as `openssl x509",
            );
        }
        check("https://pdp", "http://pdp", "`authzen.base` is the address");
        check(
            "https://pdp.example.org",
            "https://",
            "`authzen.base` is the address",
        );
        check(
            "segmentMebibytes: 1",
            "segmentMebibytes: 0",
            "`log.segmentMebibytes`: ",
        );
        check("callers:", "callers: []\nx:", "unknown field `x`");
        check(
            "staleness: 10s",
            "staleness: 10s\nstaleness: 2s",
            "serve.yaml:21: a key is there twice",
        );
        check(
            "log: {directory: log, segmentMebibytes: 1, segmentAge: 1h}",
            "",
            "missing field `log`",
        );
        assert!(read("").unwrap_err().to_string().contains("is empty"));
    }
}
