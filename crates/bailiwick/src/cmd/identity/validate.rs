use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
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

Exit code 1 says that it is not to be believed, and standard output says why.";

/// Arguments of `bailiwick identity validate`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateArgs {
    /// File with a certificate chain (PEM, leaf first) or a token; `-` is standard input
    file: PathBuf,
    /// Whom a token has to be for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
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
    let bundles = bundles(args, console)?;
    let now = SystemClock.now();
    let checked = if text.contains("-----BEGIN") {
        certificate(&text, &args.file, &bundles, now)?
    } else {
        token(text.trim(), args.audience.as_deref(), &bundles, now)?
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

fn bundles(args: &ValidateArgs, console: &mut Console) -> Result<BundleMap> {
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
            Ok(client.bundles().await?)
        })?;
        bundles.into_iter().for_each(|bundle| map.insert(bundle));
    }
    Ok(map)
}
