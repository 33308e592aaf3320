use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bailiwick_identity::wit::{self, Kind};
use bailiwick_identity::{Bundle, BundleMap, TrustDomain, UnixTime, jwt, x509};
use bailiwick_spiffe::{Clock as _, SystemClock, pem};

use super::{SocketOptions, block_on};
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity validate svid.pem                        with the keys that the Workload API gives us
  bailiwick identity validate svid.pem --bundle td=td.json    with those of a file
  bailiwick identity validate token.txt --audience orders
  bailiwick identity fetch --audience orders | bailiwick identity validate - --audience orders
  bailiwick identity validate wit.txt --proof wpt.txt --audience https://orders.example/   a WIT-SVID with its proof

Exit code 1 says that it is not to be believed, and standard output says why.";

/// Arguments of `bailiwick identity validate`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateArgs {
    /// File with a certificate chain (PEM, leaf first) or a token (JWT-SVID, WIT-SVID); `-` is standard input
    file: PathBuf,
    /// Whom a token, or the proof for a WIT-SVID, has to be for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// File with the proof (WPT) that came with a WIT-SVID. Both are experimental
    #[arg(long, value_name = "FILE", requires = "audience")]
    proof: Option<PathBuf>,
    /// Look at a WIT-SVID without a proof, which says nothing of whoever shows it
    #[arg(long, conflicts_with = "proof")]
    unproven: bool,
    /// File with the access token of OAuth that came along
    #[arg(long, value_name = "FILE", requires = "proof")]
    access_token: Option<PathBuf>,
    /// File with the transaction token that came along
    #[arg(long, value_name = "FILE", requires = "proof")]
    transaction_token: Option<PathBuf>,
    /// File with another token that came along, by the name of its header. May be repeated
    #[arg(long, value_name = "HEADER=FILE", requires = "proof")]
    other_token: Vec<String>,
    /// Keys of a trust domain, in place of those that the Workload API gives. May be repeated
    #[arg(long, value_name = "DOMAIN=FILE")]
    bundle: Vec<String>,
    #[command(flatten)]
    socket: SocketOptions,
}

pub(super) fn run(args: &ValidateArgs, console: &mut Console) -> Result<Exit> {
    let bytes = console.read(&args.file)?;
    let text = String::from_utf8(bytes).ok();
    let text = text.with_context(|| format!("`{}` is no text", args.file.display()))?;
    if text.trim().is_empty() {
        bail!(
            "`{}` is empty: neither certificates in PEM nor a token",
            args.file.display()
        );
    }
    let is_certificate = text.contains("-----BEGIN");
    let kind = match is_certificate {
        true => Kind::Other,
        false => wit::kind_of(text.trim()),
    };
    if kind == Kind::Proof {
        bail!("this is a proof: name the WIT-SVID that it came with, and this file with --proof");
    }
    if kind == Kind::Other && (args.proof.is_some() || args.unproven) {
        bail!("--proof and --unproven are for WIT-SVIDs, whose `typ` is `wit+jwt`");
    }
    let bundles = bundles(args, kind, console)?;
    let now = SystemClock.now();
    let checked = match kind {
        _ if is_certificate => certificate(&text, &args.file, &bundles, now)?,
        Kind::Wit => workload_token(text.trim(), args, &bundles, now, console)?,
        _ => token(text.trim(), args.audience.as_deref(), &bundles, now)?,
    };
    match checked {
        Ok(said) => {
            console.answer(said)?;
            Ok(Exit::Yes)
        }
        Err(why) => {
            console.answer(format_args!("invalid: {}\n", bailiwick_report::inert(&why)))?;
            Ok(Exit::No)
        }
    }
}

/// What is said of a document: that it is good, or why it is not.
type Verdict = Result<String, String>;

fn certificate(text: &str, file: &Path, bundles: &BundleMap, now: UnixTime) -> Result<Verdict> {
    let chain = pem::decode("CERTIFICATE", text);
    let chain = chain.with_context(|| match file.to_str() {
        Some("-") => "standard input holds no certificates in PEM".to_owned(),
        _ => format!("`{}` holds no certificates in PEM", file.display()),
    })?;
    Ok(x509::validate(&chain, bundles, now)
        .map(|svid| {
            format!(
                "valid: {} until {}\n",
                svid.id(),
                svid.profile.validity.not_after
            )
        })
        .map_err(|error| error.to_string()))
}

fn token(
    text: &str,
    audience: Option<&str>,
    bundles: &BundleMap,
    now: UnixTime,
) -> Result<Verdict> {
    let Some(audience) = audience else {
        bail!("a token is for somebody: name yourself with --audience");
    };
    Ok(jwt::validate(text, &[audience], bundles, now)
        .map(|svid| format!("valid: {} until {}\n", svid.id, svid.expires_at))
        .map_err(|error| error.to_string()))
}

/// A WIT-SVID counts with the proof that whoever shows it has its key (W-3).
fn workload_token(
    text: &str,
    args: &ValidateArgs,
    bundles: &BundleMap,
    now: UnixTime,
    console: &mut Console,
) -> Result<Verdict> {
    let mut read = |file: &Path| {
        if file == args.file && file == Path::new("-") {
            bail!("standard input holds one of them: name a file for the other");
        }
        let text = String::from_utf8(console.read(file)?).ok();
        let text = text.with_context(|| format!("`{}` is no text", file.display()))?;
        Ok(text.trim().to_owned())
    };
    let (Some(proof), Some(audience)) = (&args.proof, &args.audience) else {
        if !args.unproven {
            bail!(
                "a WIT-SVID proves nothing of whoever shows it: name the proof that came along with --proof and \
                 yourself with --audience, or look at it alone with --unproven"
            );
        }
        return Ok(wit::read(text, bundles, None, now)
            .map(|wit| {
                let (id, until) = (wit.subject(), wit.expires_at());
                format!("unproven: {id} until {until}; whoever shows it may be anybody\n")
            })
            .map_err(|error| error.to_string()));
    };
    let proof = read(proof)?;
    let access = args.access_token.as_deref().map(&mut read).transpose()?;
    let transaction = args
        .transaction_token
        .as_deref()
        .map(&mut read)
        .transpose()?;
    let mut others = Vec::new();
    for named in &args.other_token {
        let (header, file) = named
            .split_once('=')
            .context("write --other-token HEADER=FILE")?;
        others.push((header.to_ascii_lowercase(), read(file.as_ref())?));
    }
    let named = others.iter();
    let request = wit::Request {
        audience: &[audience.as_str()],
        access_token: access.as_deref(),
        transaction_token: transaction.as_deref(),
        other_tokens: named
            .map(|(name, token)| (name.as_str(), token.as_str()))
            .collect(),
    };
    let unproven = match wit::read(text, bundles, None, now) {
        Ok(unproven) => unproven,
        Err(error) => return Ok(Err(error.to_string())),
    };
    // Of other requests nothing is known here: that a proof was shown before is for the receiver to notice.
    let proven = unproven.prove(&proof, &request, &mut wit::Replays::holding(1), now);
    Ok(proven
        .map(|svid| format!("valid: {} until {}\n", svid.id, svid.expires_at))
        .map_err(|error| error.to_string()))
}

fn bundles(args: &ValidateArgs, kind: Kind, console: &mut Console) -> Result<BundleMap> {
    let mut map = BundleMap::default();
    for named in &args.bundle {
        let (domain, file) = named
            .split_once('=')
            .context("write --bundle DOMAIN=FILE")?;
        let bundle = Bundle::from_json(TrustDomain::parse(domain)?, &console.read(file.as_ref())?);
        map.insert(bundle.with_context(|| format!("`{file}`"))?);
    }
    if args.bundle.is_empty() {
        let bundles = block_on(async {
            let mut client = args.socket.connect().await?;
            if kind == Kind::Wit {
                let bundles = client.wit_bundles().await?;
                return bundles.context(
                    "this Workload API has no keys for WIT-SVIDs: start what serves it with --experimental wit-svid, \
                     or name a bundle with --bundle",
                );
            }
            Ok(client.bundles().await?)
        })?;
        bundles.into_iter().for_each(|bundle| map.insert(bundle));
    }
    Ok(map)
}
