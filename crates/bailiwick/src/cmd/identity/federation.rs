use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bailiwick_audit::{FederatedKeys, FederationRecord};
use bailiwick_identity::federation::{Relationship, check_all, decode};
use bailiwick_identity::{Bundle, BundleMap, TrustDomain};
use bailiwick_report::{Format, Table};
use bailiwick_server::Metrics;
use bailiwick_spiffe::{Federation, Heard, Kept, KeptBundles};
use clap::Subcommand;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::authority::{AuthorityOptions, FORMATS};
use super::rules::each_document;
use super::{List, block_on};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity federation list --federation partners/
  bailiwick identity federation show partner.example --federation partners/
  bailiwick identity federation refresh --federation partners/             ask every endpoint now
  bailiwick identity federation refresh partner.example --reset --federation partners/

A relationship is a document:
  apiVersion: bailiwick.dev/v1alpha1
  kind: FederatedTrustDomain
  metadata: {name: partner}
  spec:
    trustDomain: partner.example
    endpoint: {url: 'https://spiffe.partner.example:8443', profile: https_spiffe, spiffeID: 'spiffe://partner.example/bailiwick/server'}
    bundle: '{\"keys\": [...]}'";

/// The most relationships.
const MOST: usize = 1000;

/// With whom the trust domain federates.
#[derive(clap::Args, Debug)]
pub(super) struct FederationOptions {
    /// File or folder with FederatedTrustDomain or ClusterFederatedTrustDomain documents: other trust domains and where
    /// their bundles are. May be repeated
    #[arg(long, value_name = "PATH")]
    federation: Vec<PathBuf>,
    /// Bundle of another trust domain in a file, for rules that federate with it. May be repeated
    #[arg(long, value_name = "DOMAIN=FILE", value_parser = federated)]
    federate: Vec<(TrustDomain, PathBuf)>,
}

fn federated(text: &str) -> Result<(TrustDomain, PathBuf), String> {
    let (domain, file) = text.split_once('=').ok_or("write DOMAIN=FILE")?;
    let domain = TrustDomain::parse(domain).map_err(|error| error.to_string())?;
    Ok((domain, file.into()))
}

impl FederationOptions {
    /// All relationships, or why one of them cannot be followed.
    pub(super) fn relationships(
        &self,
        own: &TrustDomain,
        console: &mut Console,
    ) -> Result<Vec<Relationship>> {
        let mut relationships = Vec::new();
        for path in &self.federation {
            each_document(path, console, |item, place| {
                relationships.push(decode(item).with_context(|| place.to_owned())?);
                Ok(())
            })?;
        }
        if relationships.len() > MOST {
            bail!("{} relationships: the most is {MOST}", relationships.len());
        }
        check_all(own, &relationships)?;
        Ok(relationships)
    }

    /// The bundles in files.
    pub(super) fn given(&self, console: &mut Console) -> Result<BundleMap> {
        let mut given = BundleMap::default();
        for (domain, file) in &self.federate {
            let json = console.read(file)?;
            let bundle = Bundle::from_json(domain.clone(), &json);
            given.insert(bundle.with_context(|| format!("`{}`", file.display()))?);
        }
        Ok(given)
    }
}

/// Says in the log of the program what becomes of questions to endpoints.
pub(super) fn trace(heard: &Heard) {
    match heard {
        Heard::Changed {
            domain,
            to: Some(bundle),
            ..
        } => tracing::info!(
            %domain,
            sequence = bundle.sequence,
            x509 = bundle.x509_authorities().len(),
            jwt = bundle.jwt_authorities().len(),
            "new bundle"
        ),
        Heard::Changed { domain, .. } => tracing::info!(%domain, "not believed any more"),
        Heard::Failed {
            domain,
            error,
            again,
            ..
        } => {
            let error = format!("{:#}", Chain(error));
            let seconds = again.as_secs();
            tracing::warn!(%domain, error, seconds, "no bundle came; the last good one stays");
        }
        Heard::Unreadable(error) => tracing::error!(%error, "a kept bundle cannot be read"),
        _ => {}
    }
}

/// Says it, counts it, and sends on what belongs into the log.
pub(super) fn ears(
    metrics: &Arc<Metrics>,
    records: mpsc::UnboundedSender<FederationRecord>,
) -> Arc<dyn Fn(&Heard) + Send + Sync> {
    let metrics = Arc::clone(metrics);
    Arc::new(move |heard| {
        trace(heard);
        match heard {
            Heard::Fetched(domain) => metrics.federated(domain.as_str(), true),
            Heard::Failed { domain, .. } => metrics.federated(domain.as_str(), false),
            Heard::Held { domain, fetched } => {
                metrics.bundle_held(domain.as_str(), fetched.seconds());
            }
            Heard::Dropped(domain) => metrics.not_federated(domain.as_str()),
            Heard::Changed { domain, from, to } => {
                // Nobody listens where the program ends.
                let _ = records.send(FederationRecord {
                    domain: domain.to_string(),
                    from: from.as_ref().map(keys),
                    to: to.as_ref().map(keys),
                });
            }
            _ => {}
        }
    })
}

/// What the log says of the keys of a bundle.
fn keys(bundle: &Bundle) -> FederatedKeys {
    /// A record is one line: of more roots there is their number alone.
    const MOST_ROOTS: usize = 32;
    let roots = bundle.x509_authorities();
    FederatedKeys {
        sequence: bundle.sequence,
        roots: roots.iter().take(MOST_ROOTS).map(fingerprint).collect(),
        root_count: roots.len() as u64,
        token_key_count: bundle.jwt_authorities().len() as u64,
    }
}

fn fingerprint(der: &Vec<u8>) -> String {
    let hash = Sha256::digest(der);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error with everything below it.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(inner) = source {
            write!(f, ": {inner}")?;
            source = inner.source();
        }
        Ok(())
    }
}

/// Arguments of `bailiwick identity federation`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct FederationArgs {
    #[command(subcommand)]
    command: FederationCommand,
}

#[derive(Subcommand, Debug)]
enum FederationCommand {
    /// Whose bundles are known, and how old they are
    List(ListArgs),
    /// The bundle of a trust domain that is held now, in SPIFFE's JSON
    Show(ShowArgs),
    /// Ask endpoints now; a program that runs takes over what comes within a second
    Refresh(RefreshArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// The trust domain
    domain: TrustDomain,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
}

#[derive(clap::Args, Debug)]
struct RefreshArgs {
    /// The trust domain; all where it is not given
    domain: Option<TrustDomain>,
    /// Take its bundle though its sequence went back, since it began anew
    #[arg(long, requires = "domain")]
    reset: bool,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
}

pub(super) fn run(args: &FederationArgs, console: &mut Console) -> Result<Exit> {
    match &args.command {
        FederationCommand::List(args) => list(args, console),
        FederationCommand::Show(args) => show(args, console),
        FederationCommand::Refresh(args) => refresh(args, console),
    }
}

/// A relationship, as machines read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    trust_domain: TrustDomain,
    profile: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_keys: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_keys: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<String>,
}

fn row(relationship: &Relationship, kept: &KeptBundles) -> Result<Row> {
    let kept = kept.load(&relationship.domain)?;
    let bundle = kept.as_ref().map(|kept| &kept.bundle);
    Ok(Row {
        trust_domain: relationship.domain.clone(),
        profile: relationship.profile.as_str(),
        url: relationship.url.to_string(),
        sequence: bundle.and_then(|bundle| bundle.sequence),
        x509_keys: bundle.map(|bundle| bundle.x509_authorities().len()),
        jwt_keys: bundle.map(|bundle| bundle.jwt_authorities().len()),
        fetched: kept.as_ref().map(|kept| kept.fetched.to_string()),
    })
}

fn list(args: &ListArgs, console: &mut Console) -> Result<Exit> {
    let own = args.authority.place.trust_domain();
    let relationships = args.federation.relationships(own, console)?;
    let kept = args.authority.place.in_folder()?.kept_bundles()?;
    let rows = relationships
        .iter()
        .map(|relationship| row(relationship, &kept));
    let rows: Vec<Row> = rows.collect::<Result<_>>()?;
    match args.output.unwrap_or_default() {
        Format::Json => {
            console.answer(bailiwick_report::json("Federation", &List::of(&rows))?)?;
        }
        Format::Yaml => {
            console.answer(bailiwick_report::yaml("Federation", &List::of(&rows))?)?;
        }
        _ => {
            let mut table = Table::new([
                "TRUST DOMAIN",
                "PROFILE",
                "ENDPOINT",
                "SEQUENCE",
                "KEYS",
                "FETCHED",
            ]);
            let number = |number: Option<u64>| number.map(|number| number.to_string());
            for row in &rows {
                let keys = row.x509_keys.zip(row.jwt_keys);
                let keys = keys.map(|(x509, jwt)| format!("{x509} X.509, {jwt} JWT"));
                table.row([
                    row.trust_domain.as_str(),
                    row.profile,
                    &row.url,
                    &number(row.sequence).unwrap_or_default(),
                    &keys.unwrap_or_default(),
                    row.fetched.as_deref().unwrap_or("never"),
                ]);
            }
            console.answer(table.text(&console.look(), false))?;
        }
    }
    Ok(Exit::Yes)
}

fn show(args: &ShowArgs, console: &mut Console) -> Result<Exit> {
    let own = args.authority.place.trust_domain();
    let relationships = args.federation.relationships(own, console)?;
    let federation = open(&args.federation, &args.authority, console)?;
    federation.adopt(&relationships);
    let bundles = federation.bundles();
    let bundles = Arc::clone(&bundles.borrow());
    let Some(bundle) = bundles.bundle(&args.domain) else {
        bail!(
            "no bundle of `{}` is held: `bailiwick identity federation refresh` asks for it",
            args.domain
        );
    };
    console.answer(format_args!("{}\n", bundle.to_json()))?;
    Ok(Exit::Yes)
}

fn open(
    options: &FederationOptions,
    authority: &AuthorityOptions,
    console: &mut Console,
) -> Result<Federation> {
    let kept = authority.place.in_folder()?.kept_bundles()?;
    Ok(Federation::new(
        kept,
        options.given(console)?,
        Arc::new(trace),
    ))
}

fn refresh(args: &RefreshArgs, console: &mut Console) -> Result<Exit> {
    let own = args.authority.place.trust_domain();
    let relationships = args.federation.relationships(own, console)?;
    let federation = open(&args.federation, &args.authority, console)?;
    federation.adopt(&relationships);
    let wanted = |relationship: &&Relationship| {
        args.domain
            .as_ref()
            .is_none_or(|domain| relationship.domain == *domain)
    };
    let wanted: Vec<&Relationship> = relationships.iter().filter(wanted).collect();
    if let (true, Some(domain)) = (wanted.is_empty(), &args.domain) {
        bail!("there is no relationship with `{domain}`: name its document with --federation");
    }
    let mut all = Exit::Yes;
    for relationship in wanted {
        let domain = &relationship.domain;
        let asked = federation.refresh(relationship, args.reset);
        match block_on(async { Ok(asked.await) })? {
            Ok(Kept { bundle, .. }) => console.answer(format_args!(
                "{domain}: {} X.509 and {} JWT keys\n",
                bundle.x509_authorities().len(),
                bundle.jwt_authorities().len(),
            ))?,
            Err(error) => {
                let error = Chain(&error).to_string();
                console.warn(format_args!(
                    "{domain}: {}",
                    bailiwick_report::inert(&error)
                ));
                all = Exit::No;
            }
        }
    }
    Ok(all)
}
