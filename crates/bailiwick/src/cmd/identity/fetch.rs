use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bailiwick_identity::x509::leaf_profile;
use bailiwick_identity::{Bundle, BundleMap, SpiffeId, TrustDomain};
use bailiwick_report::{Format, Table};
use bailiwick_spiffe::{Fetched, IssuerClient, pem};
use serde::Serialize;

use super::List;
use super::authority::FORMATS;
use super::place::server_address;
use super::{SocketOptions, block_on};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

/// Arguments of `bailiwick identity fetch`.
#[derive(clap::Args, Debug)]
pub(super) struct FetchArgs {
    #[command(flatten)]
    socket: SocketOptions,
    #[command(flatten)]
    server: ServerOptions,
    /// Fetch tokens for this receiver in place of certificates. May be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "write")]
    audience: Vec<String>,
    /// Only this identity
    #[arg(long, value_name = "SPIFFE_ID")]
    id: Option<SpiffeId>,
    /// Folder for svid.pem, svid.key and bundle.pem of the identity, or of the default one, and bundles.json with the keys
    /// of all domains that it federates with
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

/// Which server of identities to ask, in place of a Workload API.
#[derive(clap::Args, Debug)]
struct ServerOptions {
    /// Ask this server (`bailiwick identity server`) and not a Workload API
    #[arg(long, value_name = "HOST:PORT", value_parser = server_address, requires_all = ["token_file", "roots", "trust_domain"], conflicts_with = "socket")]
    server: Option<String>,
    /// Token of the service account of this pod, for the audience that is the name of the trust domain
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// Root certificates of the trust domain (PEM), or its keys in SPIFFE's JSON: what the server is known by
    #[arg(long, value_name = "FILE", requires = "server")]
    roots: Option<PathBuf>,
    /// Trust domain of the server
    #[arg(long, value_name = "DOMAIN", requires = "server")]
    trust_domain: Option<TrustDomain>,
}

impl ServerOptions {
    /// What the server is known by, and what we prove ourselves with.
    fn read(&self, console: &mut Console) -> Result<(Bundle, String)> {
        let missing = "--server needs --token-file, --roots and --trust-domain";
        let domain = self.trust_domain.clone().context(missing)?;
        let file = self.roots.as_ref().context(missing)?;
        let unusable = || format!("`{}` cannot be used", file.display());
        let bytes = console.read(file)?;
        let bundle = if bytes.trim_ascii_start().starts_with(b"{") {
            Bundle::from_json(domain, &bytes).with_context(unusable)?
        } else {
            let ders = pem::decode("CERTIFICATE", &String::from_utf8_lossy(&bytes));
            let mut bundle = Bundle::new(domain);
            for der in ders
                .context("no certificates in PEM")
                .with_context(unusable)?
            {
                bundle.add_x509(der).with_context(unusable)?;
            }
            bundle
        };
        let token = console.read(self.token_file.as_ref().context(missing)?)?;
        let token = String::from_utf8(token).context("the token is no text")?;
        Ok((bundle, token.trim().to_owned()))
    }
}

/// Arguments of `bailiwick identity watch`.
#[derive(clap::Args, Debug)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    socket: SocketOptions,
    /// Only this identity
    #[arg(long, value_name = "SPIFFE_ID")]
    id: Option<SpiffeId>,
    /// Folder for svid.pem, svid.key and bundle.pem of the identity, or of the default one, and bundles.json with the keys
    /// of all domains that it federates with
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Arguments of `bailiwick identity bundle`.
#[derive(clap::Args, Debug)]
pub(super) struct BundleArgs {
    #[command(flatten)]
    socket: SocketOptions,
    /// Root certificates as PEM in place of SPIFFE's JSON
    #[arg(long)]
    pem: bool,
    /// The keys of all domains, as a map
    #[arg(long, conflicts_with = "pem")]
    all: bool,
}

/// An identity, as machines read it. The key is not part of it: `--write` puts it into a file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: SpiffeId,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_names: Vec<String>,
    serial: String,
    not_before: String,
    not_after: String,
}

/// A token, as machines read it.
#[derive(Serialize)]
struct TokenRow<'t> {
    id: &'t SpiffeId,
    token: &'t str,
}

pub(super) fn run(args: &FetchArgs, console: &mut Console) -> Result<Exit> {
    let format = args.output.unwrap_or_default();
    if !args.audience.is_empty() {
        return tokens(args, format, console);
    }
    let fetched = match &args.server.server {
        Some(server) => {
            let (bundle, token) = args.server.read(console)?;
            let fetched = block_on(async {
                let mut client = IssuerClient::connect(server, bundle, &token).await?;
                Ok(client.fetch_x509(args.id.as_ref()).await?)
            });
            vec![fetched?]
        }
        None => {
            let fetched = block_on(async {
                let mut client = args.socket.connect().await?;
                Ok(client.fetch_x509().await?)
            })?;
            of_id(fetched, args.id.as_ref())?
        }
    };
    show(&fetched, format, console)?;
    if let (Some(folder), Some(first)) = (&args.write, fetched.first()) {
        write(folder, first)?;
        console.note(format_args!("{} is in {}", first.id, folder.display()));
    }
    Ok(Exit::Yes)
}

fn tokens(args: &FetchArgs, format: Format, console: &mut Console) -> Result<Exit> {
    let (id, audience) = (args.id.as_ref(), args.audience.clone());
    let tokens = match &args.server.server {
        Some(server) => {
            let (bundle, token) = args.server.read(console)?;
            block_on(async {
                let mut client = IssuerClient::connect(server, bundle, &token).await?;
                Ok(vec![client.fetch_jwt(id, audience).await?])
            })?
        }
        None => block_on(async {
            let mut client = args.socket.connect().await?;
            Ok(client.fetch_jwt(audience, id).await?)
        })?,
    };
    let rows: Vec<TokenRow<'_>> = tokens
        .iter()
        .map(|(id, token)| TokenRow { id, token })
        .collect();
    match format {
        Format::Json => console.answer(bailiwick_report::json("Tokens", &List::of(&rows))?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("Tokens", &List::of(&rows))?)?,
        // A token alone on its line, for `$(...)`.
        _ => {
            for row in &rows {
                console.answer(format_args!("{}\n", row.token))?;
            }
        }
    }
    Ok(Exit::Yes)
}

pub(super) fn watch(args: &WatchArgs, console: &mut Console) -> Result<Exit> {
    block_on(async {
        let mut client = args.socket.connect().await?;
        let mut watch = client.watch_x509().await?;
        loop {
            let fetched = of_id(watch.next().await?, args.id.as_ref())?;
            show(&fetched, Format::Table, console)?;
            if let (Some(folder), Some(first)) = (&args.write, fetched.first()) {
                write(folder, first)?;
            }
        }
    })
}

fn of_id(mut fetched: Vec<Fetched>, id: Option<&SpiffeId>) -> Result<Vec<Fetched>> {
    if let Some(id) = id {
        fetched.retain(|svid| svid.id == *id);
        if fetched.is_empty() {
            bail!("the Workload API does not give us `{id}`");
        }
    }
    Ok(fetched)
}

fn show(fetched: &[Fetched], format: Format, console: &mut Console) -> Result<()> {
    let mut rows = Vec::new();
    for svid in fetched {
        let leaf = svid
            .chain
            .first()
            .context("an identity without certificate")?;
        let profile = leaf_profile(leaf)?;
        rows.push(Row {
            id: svid.id.clone(),
            hint: svid.hint.clone(),
            dns_names: profile.dns_names,
            serial: profile.serial,
            not_before: profile.validity.not_before.to_string(),
            not_after: profile.validity.not_after.to_string(),
        });
    }
    match format {
        Format::Json => console.answer(bailiwick_report::json("Identities", &List::of(&rows))?),
        Format::Yaml => console.answer(bailiwick_report::yaml("Identities", &List::of(&rows))?),
        _ => {
            let mut table = Table::new(["ID", "HINT", "UNTIL", "SERIAL"]);
            for row in &rows {
                table.row([row.id.as_str(), &row.hint, &row.not_after, &row.serial]);
            }
            console.answer(table.text(&console.look(), false))
        }
    }
}

/// Certificate, key and roots as PEM files (0600), and the keys of all domains as a SPIFFE bundle map, each whole at any moment. The key comes first and the certificate
/// last: whoever waits for the certificate finds its key.
fn write(folder: &Path, svid: &Fetched) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    let key = pem::encode("PRIVATE KEY", &svid.key);
    let roots = pem::certificates(svid.bundle.x509_authorities());
    let mut bundles = svid.federated.clone();
    bundles.insert(svid.bundle.clone());
    let bundles = format!("{:#}\n", bundles.to_json());
    let files = [
        ("svid.key", key.as_bytes()),
        ("bundle.pem", roots.as_bytes()),
        ("bundles.json", bundles.as_bytes()),
        ("svid.pem", &pem::certificates(&svid.chain).into_bytes()),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        let beside = folder.join(format!(".{name}.{}", std::process::id()));
        let written = (|| {
            let mut options = fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(bytes)?;
            fs::rename(&beside, &path)
        })();
        written.with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(())
}

pub(super) fn bundle(args: &BundleArgs, console: &mut Console) -> Result<Exit> {
    let (own, bundles) = block_on(async {
        let mut client = args.socket.connect().await?;
        let fetched = client.fetch_x509().await?;
        let own = fetched.first().map(|svid| svid.id.trust_domain());
        Ok((own.context("no identity")?, client.bundles().await?))
    })?;
    if args.all {
        let mut map = BundleMap::default();
        bundles.into_iter().for_each(|bundle| map.insert(bundle));
        console.answer(format_args!("{:#}\n", map.to_json()))?;
        return Ok(Exit::Yes);
    }
    let mut bundles = bundles.iter();
    let bundle: &Bundle = bundles
        .find(|bundle| *bundle.trust_domain() == own)
        .context("the Workload API gave no bundle of our own domain")?;
    if args.pem {
        console.answer(pem::certificates(bundle.x509_authorities()))?;
    } else {
        console.answer(format_args!("{:#}\n", bundle.to_json()))?;
    }
    Ok(Exit::Yes)
}
