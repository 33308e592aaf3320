use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bailiwick_identity::KeyType;
use bailiwick_identity::rotation::{Authority as Key, KeyId, Purpose, Step};
use bailiwick_kube::Cluster;
use bailiwick_report::{Format, Table};
use bailiwick_spiffe::keys::Pkcs11Options;
use bailiwick_spiffe::{
    Authority, Embedded, Evidence, ListOptions, Options, UpstreamKey, UpstreamOptions, pem,
};
use bailiwick_store::Store;
use serde::Serialize;

use super::List;
use super::place::PlaceOptions;
use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

/// The forms of lists here.
pub(super) const FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Yaml];

/// Which authority, and how it keeps its keys.
#[derive(clap::Args, Debug)]
pub(crate) struct AuthorityOptions {
    #[command(flatten)]
    pub(crate) place: PlaceOptions,
    /// Library of a PKCS#11 module that holds the keys
    #[arg(long, value_name = "FILE", requires = "pkcs11_pin_file")]
    pkcs11_module: Option<PathBuf>,
    /// Label of its token
    #[arg(long, value_name = "LABEL", default_value = "bailiwick")]
    pkcs11_token: String,
    /// File with the PIN of its user
    #[arg(long, value_name = "FILE")]
    pkcs11_pin_file: Option<PathBuf>,
    /// Certificate of an authority above this one and those between it and its root (PEM), whose roots stand in place of
    /// our own
    #[arg(long, value_name = "FILE", requires = "upstream_key")]
    upstream_certificate: Option<PathBuf>,
    /// Its key (PKCS#8 in PEM, 0600), or a key in a token:
    /// `pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=FILE`
    #[arg(long, value_name = "FILE|URI", requires = "upstream_certificate")]
    upstream_key: Option<UpstreamKey>,
    /// Its roots (PEM) where they are not in the same file, and those that it will have
    #[arg(long, value_name = "FILE", requires = "upstream_certificate")]
    upstream_roots: Option<PathBuf>,
    /// URL that tokens name as their issuer, for verifiers that know OpenID Connect
    #[arg(long, value_name = "URL")]
    jwt_issuer: Option<String>,
    /// Kind of key that signs tokens, the other one stays in the bundle
    #[arg(long, value_name = "KIND", default_value = "ec-p256", value_parser = jwt_key)]
    jwt_key: KeyType,
}

fn jwt_key(text: &str) -> Result<KeyType, String> {
    let mut both = [KeyType::EcP256, KeyType::Rsa2048].into_iter();
    both.find(|kind| kind.as_str() == text)
        .ok_or_else(|| "write ec-p256 or rsa-2048".to_owned())
}

/// What an authority signs beside certificates and JWT-SVIDs: nothing by default, as for commands that sign nothing.
#[derive(Default)]
pub(super) struct Signs {
    /// Lists of revoked certificates.
    pub(super) lists: Option<ListOptions>,
    /// WIT-SVIDs.
    pub(super) wit: bool,
}

impl AuthorityOptions {
    /// Opens the authority to change something.
    fn open_to_change(
        &self,
        global: &Global,
        console: &Console,
    ) -> Result<(Authority, Option<Arc<Store>>)> {
        let (evidence, store) = self.place.open_log()?.unzip();
        let cluster = self.place.cluster(global, console)?;
        Ok((
            self.open(evidence, cluster.as_ref(), Signs::default())?,
            store,
        ))
    }

    /// Where it is and how it keeps its keys.
    pub(super) fn embedded(&self, cluster: Option<&Arc<Cluster>>) -> Result<Embedded> {
        let pkcs11 = match (&self.pkcs11_module, &self.pkcs11_pin_file) {
            (Some(module), Some(file)) => {
                let pin = std::fs::read_to_string(file);
                let pin = pin.with_context(|| format!("`{}` cannot be read", file.display()))?;
                Some(Pkcs11Options {
                    module: module.clone(),
                    token: self.pkcs11_token.clone(),
                    pin: pin.trim_end().to_owned().into(),
                })
            }
            _ => None,
        };
        Ok(Embedded {
            pkcs11,
            ..self.place.embedded(cluster)?
        })
    }

    /// The URL that tokens name as their issuer.
    pub(super) fn jwt_issuer(&self) -> Option<&str> {
        self.jwt_issuer.as_deref()
    }

    fn upstream(&self) -> Option<UpstreamOptions> {
        Some(UpstreamOptions {
            certificate: self.upstream_certificate.clone()?,
            key: self.upstream_key.clone()?,
            roots: self.upstream_roots.clone(),
        })
    }

    /// Opens the authority to sign with it.
    pub(super) fn open_to_sign(
        &self,
        evidence: Evidence,
        cluster: Option<&Arc<Cluster>>,
        signs: Signs,
    ) -> Result<Authority> {
        let authority = self.open(Some(evidence), cluster, signs)?;
        if self.upstream_certificate.is_none() && authority.state().is_below_upstream() {
            bail!(
                "certificates of this authority come from an upstream one: name it with --upstream-certificate and --upstream-key. There is no way back to roots of its own: for that begin a new authority in another folder, and give its bundle to all validators before the old one ends"
            );
        }
        Ok(authority)
    }

    fn open(
        &self,
        evidence: Option<Evidence>,
        cluster: Option<&Arc<Cluster>>,
        Signs { lists, wit }: Signs,
    ) -> Result<Authority> {
        let mut jwt_keys = vec![self.jwt_key];
        jwt_keys.extend(
            [KeyType::EcP256, KeyType::Rsa2048]
                .iter()
                .filter(|kind| **kind != self.jwt_key),
        );
        let options = Options {
            jwt_keys,
            jwt_issuer: self.jwt_issuer.clone(),
            upstream: self.upstream(),
            lists,
            wit,
            ..Options::new(self.place.trust_domain().clone())
        };
        Ok(self.embedded(cluster)?.open(options, evidence)?)
    }
}

/// Arguments of `bailiwick identity authority`.
#[derive(clap::Args, Debug)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    authority: AuthorityOptions,
    /// Print the root certificates as PEM, for those who check what it signs
    #[arg(long, conflicts_with = "output")]
    roots: bool,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

/// Arguments of `bailiwick identity rotate`.
#[derive(clap::Args, Debug)]
pub(super) struct RotateArgs {
    /// What the key signs: x509, jwt-ec-p256, jwt-rsa-2048 or wit
    #[arg(default_value = "x509", value_parser = purpose)]
    purpose: Purpose,
    #[command(flatten)]
    authority: AuthorityOptions,
}

/// Arguments of `bailiwick identity taint` and `revoke`.
#[derive(clap::Args, Debug)]
pub(super) struct KeyArgs {
    /// Name of the key, as `bailiwick identity authority` lists it
    key: String,
    #[command(flatten)]
    authority: AuthorityOptions,
}

fn purpose(text: &str) -> Result<Purpose, String> {
    match text {
        "x509" => Ok(Purpose::X509),
        "jwt-ec-p256" => Ok(Purpose::Jwt(KeyType::EcP256)),
        "jwt-rsa-2048" => Ok(Purpose::Jwt(KeyType::Rsa2048)),
        "wit" => Ok(Purpose::Wit),
        _ => Err("write x509, jwt-ec-p256, jwt-rsa-2048 or wit".to_owned()),
    }
}

/// A key, as machines read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key: String,
    purpose: String,
    phase: &'static str,
    since: String,
    not_after: String,
    /// Whether it is the root of an upstream authority.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    upstream: bool,
}

pub(super) fn show(args: &ShowArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let cluster = args.authority.place.cluster(global, console)?;
    let authority = args
        .authority
        .open(None, cluster.as_ref(), Signs::default())?;
    if args.roots {
        console.answer(pem::certificates(authority.bundle().x509_authorities()))?;
        return Ok(Exit::Yes);
    }
    let state = authority.state();
    let row = |key: &Key| Row {
        key: key.id.to_string(),
        purpose: key.purpose.to_string(),
        phase: key.phase.as_str(),
        since: key.since.to_string(),
        not_after: key.not_after.to_string(),
        upstream: key.upstream,
    };
    let rows: Vec<Row> = state.authorities().iter().map(row).collect();
    match args.output.unwrap_or_default() {
        Format::Json => {
            console.answer(bailiwick_report::json("AuthorityKeys", &List::of(&rows))?)?;
        }
        Format::Yaml => {
            console.answer(bailiwick_report::yaml("AuthorityKeys", &List::of(&rows))?)?;
        }
        _ => {
            let mut table = Table::new(["KEY", "SIGNS", "PHASE", "SINCE", "UNTIL"]);
            for row in &rows {
                let above = if row.upstream { " (upstream)" } else { "" };
                table.row([
                    row.key.as_str(),
                    &format!("{}{above}", row.purpose),
                    row.phase,
                    &row.since,
                    &row.not_after,
                ]);
            }
            console.answer(table.text(&console.look(), false))?;
        }
    }
    Ok(Exit::Yes)
}

pub(super) fn rotate(args: &RotateArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let (authority, log) = args.authority.open_to_change(global, console)?;
    let state = authority.state();
    let next = state.successor(args.purpose);
    let next = next.with_context(|| format!("no key waits to sign for {}", args.purpose))?;
    if next.upstream {
        bail!(
            "roots of an upstream authority change when its files do: exchange those of --upstream-certificate"
        );
    }
    authority.step(Step::Activate(next.id.clone()))?;
    console.note(format_args!("{} signs for {}", next.id, args.purpose));
    heard(log, console);
    Ok(Exit::Yes)
}

pub(super) fn taint(args: &KeyArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    step(args, Step::Taint, "is tainted", global, console)
}

pub(super) fn revoke(args: &KeyArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    step(args, Step::Revoke, "is out of the bundle", global, console)
}

fn step(
    args: &KeyArgs,
    step: fn(KeyId) -> Step,
    done: &str,
    global: &Global,
    console: &mut Console,
) -> Result<Exit> {
    let (authority, log) = args.authority.open_to_change(global, console)?;
    let state = authority.state();
    let mut keys = state.authorities().iter();
    let key = keys.find(|key| key.id.as_str() == args.key);
    let key = key.with_context(|| {
        format!(
            "no key `{}`: `bailiwick identity authority` lists them",
            args.key
        )
    })?;
    authority.step(step(key.id.clone()))?;
    console.note(format_args!("{} {done}", key.id));
    heard(log, console);
    Ok(Exit::Yes)
}

/// Ends the log, or says who has it.
fn heard(log: Option<Arc<Store>>, console: &Console) {
    if let Some(log) = log {
        return log.close();
    }
    console.note("the agent that runs takes it over within a minute, and writes it to its log");
}
