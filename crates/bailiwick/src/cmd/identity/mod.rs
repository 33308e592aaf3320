mod agents;
mod authority;
mod ban;
pub(crate) mod census;
pub(crate) mod daemon;
mod exchange;
mod experimental;
mod federation;
mod fetch;
mod ledgers;
mod live_rules;
pub(crate) mod place;
mod published;
mod revoking;
pub(crate) mod rules;
mod server;
mod signer;
mod validate;
mod why;

use std::path::PathBuf;

use anyhow::{Context, Result};
use bailiwick_spiffe::{Client, Endpoint};
use clap::Subcommand;

use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity fetch                          who am I: certificates from the Workload API
  bailiwick identity fetch --write /run/web         the same as PEM files
  bailiwick identity fetch --audience orders        a token for orders
  bailiwick identity exchange --cloud aws --role-arn ARN   a credential of a cloud for it
  bailiwick identity watch --write /run/web         keep the files fresh
  bailiwick identity why 4711 --rules rules.yaml    what process 4711 gets, and what keeps each rule from it
  bailiwick identity why --pod shop/web --rules rules.yaml   the same for a pod of the cluster
  bailiwick identity rules --rules rules.yaml       check rules and list them
  bailiwick identity authority                      keys of the authority and where they stand
  bailiwick identity federation list --federation partners/   whose bundles are known
  bailiwick identity ban node:worker-7 --why '...'  nothing more for the pods there
  bailiwick identity signer --name example.org/spiffe   certificates for pods of a cluster, without agents
  bailiwick identity server --listen 0.0.0.0:8443       identities for pods, with agents and without
  bailiwick identity agent-token --node worker-7    a token by which an agent joins, one time";

/// Arguments of `bailiwick identity`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct IdentityArgs {
    #[command(subcommand)]
    command: IdentityCommand,
}

#[derive(Subcommand, Debug)]
enum IdentityCommand {
    /// Certificates or tokens of this process, from the Workload API
    Fetch(fetch::FetchArgs),
    /// Certificates of this process, again whenever they change
    Watch(fetch::WatchArgs),
    /// Exchange a token of this process for a credential of a cloud
    Exchange(exchange::ExchangeArgs),
    /// Check a certificate chain or a token
    Validate(validate::ValidateArgs),
    /// Keys of the trust domains that this process may talk to
    Bundle(fetch::BundleArgs),
    /// What a process or a pod gets, rule by rule
    Why(why::WhyArgs),
    /// Check rules and list them
    Rules(rules::RulesArgs),
    /// Keys of the embedded authority and where they stand
    Authority(authority::ShowArgs),
    /// Let the next key sign
    Rotate(authority::RotateArgs),
    /// Trust a key no longer: everything that it signed is made anew
    Taint(authority::KeyArgs),
    /// Take a tainted key out of the bundle
    Revoke(authority::KeyArgs),
    /// Other trust domains, and what is known of their keys
    Federation(federation::FederationArgs),
    /// Give a workload or node nothing more
    Ban(ban::BanArgs),
    /// Lift a ban
    Unban(ban::UnbanArgs),
    /// Who is banned
    Bans(ban::BansArgs),
    /// Make a token by which the agent of a node joins a server, one time
    AgentToken(agents::TokenArgs),
    /// Agents that a server let in
    Agents(agents::AgentsArgs),
    /// Send the agent of a node away: it has to prove the node again. `ban node:NAME` keeps it away
    Evict(agents::EvictArgs),
    /// Sign certificates for pods of a cluster, without agents: PodCertificateRequests and the trust bundle
    Signer(signer::SignerArgs),
    /// Give identities to pods of a cluster, through agents of nodes and to those that come with a token
    Server(server::ServerArgs),
}

pub(crate) fn run(args: &IdentityArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    match &args.command {
        IdentityCommand::Fetch(args) => fetch::run(args, console),
        IdentityCommand::Exchange(args) => exchange::run(args, console),
        IdentityCommand::Watch(args) => fetch::watch(args, console),
        IdentityCommand::Validate(args) => validate::run(args, console),
        IdentityCommand::Bundle(args) => fetch::bundle(args, console),
        IdentityCommand::Why(args) => why::run(args, global, console),
        IdentityCommand::Rules(args) => rules::run(args, console),
        IdentityCommand::Authority(args) => authority::show(args, global, console),
        IdentityCommand::Rotate(args) => authority::rotate(args, global, console),
        IdentityCommand::Taint(args) => authority::taint(args, global, console),
        IdentityCommand::Revoke(args) => authority::revoke(args, global, console),
        IdentityCommand::Federation(args) => federation::run(args, console),
        IdentityCommand::Ban(args) => ban::ban(args, global, console),
        IdentityCommand::Unban(args) => ban::unban(args, global, console),
        IdentityCommand::Bans(args) => ban::list(args, global, console),
        IdentityCommand::AgentToken(args) => agents::token(args, global, console),
        IdentityCommand::Agents(args) => agents::list(args, global, console),
        IdentityCommand::Evict(args) => agents::evict(args, global, console),
        IdentityCommand::Signer(args) => signer::run(args, global, console),
        IdentityCommand::Server(args) => server::run(args, global, console),
    }
}

/// A list as machines read it.
#[derive(serde::Serialize)]
struct List<'l, T> {
    items: &'l [T],
}

impl<'l, T> List<'l, T> {
    fn of(items: &'l [T]) -> Self {
        Self { items }
    }
}

/// Which Workload API to ask.
#[derive(clap::Args, Debug)]
struct SocketOptions {
    /// Socket of the Workload API, as a path or as unix:///PATH or tcp://IP:PORT; that of `bailiwick agent` where it is
    /// not given
    #[arg(long, value_name = "SOCKET", env = "SPIFFE_ENDPOINT_SOCKET")]
    socket: Option<String>,
}

impl SocketOptions {
    fn endpoint(&self) -> Result<Endpoint> {
        match &self.socket {
            None => Ok(Endpoint::Unix(place::default_socket())),
            Some(path) if path.starts_with('/') => Ok(Endpoint::Unix(PathBuf::from(path))),
            Some(text) => Ok(text.parse()?),
        }
    }

    async fn connect(&self) -> Result<Client> {
        Ok(Client::connect(&self.endpoint()?).await?)
    }
}

/// Runs what waits for a socket.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("no runtime")?.block_on(future)
}
