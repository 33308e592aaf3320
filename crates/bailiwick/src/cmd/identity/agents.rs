use std::time::Duration;

use anyhow::{Result, bail};
use bailiwick_core::dns::is_dns_subdomain;
use bailiwick_identity::agents::{Admissions, Agent, LONGEST_INVITATION};
use bailiwick_report::{Format, Table};
use bailiwick_spiffe::{Clock, Embedded, JoinToken, SystemClock};
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
  bailiwick identity agent-token --node worker-7 --data /var/lib/bailiwick --trust-domain example.org > token
  bailiwick agent --server identity.example:8443 --join-token-file token --trust-bundle roots.pem \\
      --trust-domain example.org --socket /run/bailiwick/agent.sock

The token is good for one agent, on this node, within its time. What is stored is its hash. After that the agent renews
with its own certificate; one that lost its key needs another token.";

/// Arguments of `bailiwick identity agent-token`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArgs {
    /// Name of the node, as the cluster knows it
    #[arg(long, value_name = "NAME", value_parser = node)]
    node: String,
    /// How long the token is good, such as 5m or 90s; at most 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = ttl)]
    ttl: Duration,
    #[command(flatten)]
    authority: PlaceOptions,
}

/// Arguments of `bailiwick identity agents`.
#[derive(clap::Args, Debug)]
pub(super) struct AgentsArgs {
    #[command(flatten)]
    authority: PlaceOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

/// Arguments of `bailiwick identity evict`.
#[derive(clap::Args, Debug)]
pub(super) struct EvictArgs {
    /// Name of the node
    #[arg(value_parser = node)]
    node: String,
    #[command(flatten)]
    authority: PlaceOptions,
}

fn node(text: &str) -> Result<String, String> {
    match is_dns_subdomain(text) {
        true => Ok(text.to_owned()),
        false => Err("write the name of a node, which is a DNS name".to_owned()),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix('m'), text.strip_suffix('s')) {
        (Some(minutes), _) => (minutes, 60),
        (_, Some(seconds)) => (seconds, 1),
        _ => (text, 0),
    };
    let seconds = number.parse::<u64>().ok();
    let seconds = seconds.and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=LONGEST_INVITATION).contains(seconds));
    let time = seconds.map(Duration::from_secs);
    time.ok_or_else(|| "write a time from 1s to 10m".to_owned())
}

#[derive(Serialize)]
struct Row<'r> {
    node: &'r str,
    #[serde(flatten)]
    agent: Seen<'r>,
}

/// An agent, as machines read it.
#[derive(Serialize)]
struct Seen<'s> {
    id: &'s str,
    by: &'s str,
    joined: String,
    until: String,
}

pub(super) fn token(args: &TokenArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let (token, now) = (JoinToken::generate()?, SystemClock.now());
    let mut room = false;
    let invite = |admissions: &mut Admissions| {
        room = admissions.invite(token.hash(), &args.node, now, args.ttl.as_secs());
    };
    say(
        &args.authority,
        Embedded::admissions,
        global,
        console,
        invite,
    )?;
    if !room {
        bail!("there are too many join tokens that nobody used: wait until some have run out");
    }
    console.answer(format_args!("{}\n", token.reveal()))?;
    Ok(Exit::Yes)
}

pub(super) fn evict(args: &EvictArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let now = SystemClock.now();
    let cluster = args.authority.cluster(global, console)?;
    let known = args.authority.embedded(cluster.as_ref())?.agents().load()?;
    let mut known_here = false;
    let evict = |admissions: &mut Admissions| {
        known_here = admissions.is_expected(&args.node, now)
            || known
                .iter(admissions, now)
                .any(|(node, _)| node == args.node);
        admissions.evict(&args.node, now);
    };
    say(
        &args.authority,
        Embedded::admissions,
        global,
        console,
        evict,
    )?;
    if known_here {
        return Ok(Exit::Yes);
    }
    // Another replica may have let it in, and this one has a list of its own: what counts is said all the same.
    let node = &args.node;
    let list = "`bailiwick identity agents` lists those that were let in here";
    console.answer(format_args!(
        "no agent of the node `{node}` is known here, and no join token waits for one: {list}. If another server let one in, its certificates count no more\n"
    ))?;
    Ok(Exit::No)
}

pub(super) fn list(args: &AgentsArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let cluster = args.authority.cluster(global, console)?;
    let embedded = args.authority.embedded(cluster.as_ref())?;
    let (agents, admissions) = (embedded.agents().load()?, embedded.admissions()?.load()?);
    let row = |(node, agent): (&'_ str, &'_ Agent)| (node.to_owned(), agent.clone());
    let known: Vec<(String, Agent)> = agents
        .iter(&admissions, SystemClock.now())
        .map(row)
        .collect();
    let rows: Vec<Row<'_>> = known
        .iter()
        .map(|(node, agent)| Row {
            node,
            agent: Seen {
                id: &agent.id,
                by: &agent.by,
                joined: agent.joined.to_string(),
                until: agent.until.to_string(),
            },
        })
        .collect();
    match args.output.unwrap_or_default() {
        Format::Json => {
            console.answer(bailiwick_report::json("Agents", &List::of(&rows))?)?;
        }
        Format::Yaml => {
            console.answer(bailiwick_report::yaml("Agents", &List::of(&rows))?)?;
        }
        _ => {
            let mut table = Table::new(["NODE", "BY", "JOINED", "UNTIL"]);
            for Row { node, agent } in &rows {
                table.row([node, agent.by, &agent.joined, &agent.until]);
            }
            console.answer(table.text(&console.look(), false))?;
        }
    }
    Ok(Exit::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_join_token_is_good() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                ttl(text).ok().map(|time| time.as_secs()),
                expected,
                "{text}"
            );
        };
        check("10m", Some(600));
        check("90s", Some(90));
        check("11m", None);
        check("0s", None);
        check("5", None);
        check("m", None);
        check("18446744073709551615m", None);
    }
}
