use std::str::FromStr;

use anyhow::{Result, bail};
use bailiwick_identity::revoked::LONGEST_REASON;
use bailiwick_identity::rotation::Policy;
use bailiwick_identity::rules::Banned;
use bailiwick_identity::x509::Serial;
use bailiwick_report::{Format, Table};
use bailiwick_spiffe::{Clock, Embedded, SystemClock};
use serde::Serialize;

use super::List;
use super::authority::FORMATS;
use super::ledgers::say;
use super::place::PlaceOptions;
use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity ban id:spiffe://example.org/ns/shop/sa/cart --why 'key on a stolen laptop'
  bailiwick identity ban node:worker-7 --why 'being searched'
  bailiwick identity ban pod:0d9c6a1e-... --why 'crypto miner'
  bailiwick identity ban serial:4f2a... --why 'key on a stolen laptop'   this certificate, for who looks at lists

What is banned gets nothing more: its next renewal is refused, within a second. What it has lives until it runs out, an
hour by default; with --crl-endpoint it is put on the lists of revoked certificates as well. A request of a banned pod for
a certificate waits until the ban is lifted.";

/// Arguments of `bailiwick identity ban`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct BanArgs {
    /// Whom: pod:UID, node:NAME or id:SPIFFE-ID; or serial:NUMBER, one certificate, for those who look at lists of revoked
    /// ones (`--crl-endpoint`)
    who: Whom,
    /// Why, for the log and for whoever is refused
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    authority: PlaceOptions,
}

/// Arguments of `bailiwick identity unban`.
#[derive(clap::Args, Debug)]
pub(super) struct UnbanArgs {
    /// Whom, as `bailiwick identity bans` lists it
    who: Banned,
    #[command(flatten)]
    authority: PlaceOptions,
}

/// Arguments of `bailiwick identity bans`.
#[derive(clap::Args, Debug)]
pub(super) struct BansArgs {
    #[command(flatten)]
    authority: PlaceOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

#[derive(Serialize)]
struct Row {
    who: String,
    why: String,
}

pub(super) fn ban(args: &BanArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if args.why.trim().is_empty() || args.why.len() > 1000 {
        bail!("say why in 1 to 1000 bytes");
    }
    match &args.who {
        Whom::Serial(serial) => revoke(args, *serial, global, console)?,
        Whom::Banned(who) => {
            say(&args.authority, Embedded::bans, global, console, |bans| {
                bans.insert(who.clone(), &args.why);
            })?;
        }
    }
    Ok(Exit::Yes)
}

/// Whom a ban is about.
#[derive(Clone, Debug)]
enum Whom {
    /// Who gets nothing more.
    Banned(Banned),
    /// A certificate that was given.
    Serial(Serial),
}

impl FromStr for Whom {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.strip_prefix("serial:") {
            Some(serial) => Self::Serial(serial.parse()?),
            None => Self::Banned(text.parse()?),
        })
    }
}

/// Puts a certificate on the lists of revoked ones. How long it lives nobody wrote down: as long as any can.
fn revoke(args: &BanArgs, serial: Serial, global: &Global, console: &Console) -> Result<()> {
    if args.why.len() > LONGEST_REASON {
        bail!("say why in at most {LONGEST_REASON} bytes, since it is kept with the serial");
    }
    let now = SystemClock.now();
    let until = now.plus(Policy::DEFAULT.longest_life);
    let mut room = false;
    say(
        &args.authority,
        Embedded::revoked,
        global,
        console,
        |listed| {
            room = listed.revoke(serial, &args.why, now, until);
        },
    )?;
    if !room {
        bail!(
            "too many certificates are revoked one by one: taint the key that signed them (`bailiwick identity taint`)"
        );
    }
    console.note("programs with --crl-endpoint tell it within seconds, and nobody else does; `ban id:` keeps whoever has it from the next one");
    Ok(())
}

pub(super) fn unban(args: &UnbanArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let mut was = false;
    say(&args.authority, Embedded::bans, global, console, |bans| {
        was = bans.remove(&args.who);
    })?;
    if !was {
        bail!(
            "`{}` is not banned: `bailiwick identity bans` lists who is",
            args.who
        );
    }
    Ok(Exit::Yes)
}

pub(super) fn list(args: &BansArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let cluster = args.authority.cluster(global, console)?;
    let bans = args.authority.embedded(cluster.as_ref())?.bans()?;
    let bans = bans.load()?;
    let row = |(who, why): (&Banned, &str)| Row {
        who: who.to_string(),
        why: why.to_owned(),
    };
    let rows: Vec<Row> = bans.iter().map(row).collect();
    match args.output.unwrap_or_default() {
        Format::Json => {
            console.answer(bailiwick_report::json("IdentityBans", &List::of(&rows))?)?;
        }
        Format::Yaml => {
            console.answer(bailiwick_report::yaml("IdentityBans", &List::of(&rows))?)?;
        }
        _ => {
            let mut table = Table::new(["BANNED", "WHY"]);
            for row in &rows {
                table.row([&row.who, &row.why]);
            }
            console.answer(table.text(&console.look(), false))?;
        }
    }
    Ok(Exit::Yes)
}
