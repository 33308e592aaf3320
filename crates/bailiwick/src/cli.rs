use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::cmd;
use crate::console::Color;
use crate::exit;

const ABOUT: &str = "\
Identity and access for Kubernetes: who can do what, why, and how far.

Questions are answered about the cluster that kubectl would talk to, or with -f about manifests, dumps and snapshots.";

const EXAMPLES: &str = "\
Examples:
  bailiwick scan -f manifests/                  what is wrong with the access they grant
  bailiwick can alice delete pods -n shop       may alice do this
  bailiwick explain alice delete pods -n shop   why, or why not and what would allow it
  bailiwick who-can get secrets -A              who can, and through which binding
  bailiwick access sa:ci/runner                 everything that a service account can do
  bailiwick paths --from sa:ci/runner           how an attacker gets further from there
  bailiwick fix                                 the smallest change that stops everybody
  bailiwick snapshot -o cluster.bwk             take the cluster home, without secret values";

/// The command line.
#[derive(Parser, Debug)]
#[command(
    name = "bailiwick",
    version,
    about = "Identity and access for Kubernetes: who can do what, why, and how far",
    long_about = ABOUT,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command line of this program.
    ///
    /// # Errors
    /// Where it cannot be understood, or asks for help.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let words: Vec<_> = std::env::args_os().collect();
        match Self::of_agent(&words) {
            Some(cli) => Ok(cli),
            None => Self::try_parse_from(words),
        }
    }

    /// The command line of an agent, of which every node holds one in memory: the options of all other commands are not
    /// even listed. Nothing where it is wrong, or asks for help: then all that there is counts.
    fn of_agent(words: &[OsString]) -> Option<Self> {
        words.get(1).filter(|name| *name == "agent")?;
        let agent = cmd::agent::AgentArgs::augment_args(clap::Command::new("agent"));
        let all = Global::augment_args(clap::Command::new("bailiwick")).subcommand(agent);
        let mut given = all.try_get_matches_from(words).ok()?;
        Self::from_arg_matches_mut(&mut given).ok()
    }
}

/// What can be asked.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// May this subject do this?
    Can(cmd::can::CanArgs),
    /// Who may do this, and through which binding?
    WhoCan(cmd::who_can::WhoCanArgs),
    /// Everything that a subject can do, everywhere
    Access(cmd::access::AccessArgs),
    /// Why is this allowed or not, or what does a check look for?
    Explain(cmd::explain::ExplainArgs),
    /// How somebody gets to full control, or to anything else, step by step
    Paths(cmd::paths::PathsArgs),
    /// Everything that somebody can become and reach
    Blast(cmd::blast::BlastArgs),
    /// The smallest change that closes every path
    Fix(cmd::fix::FixArgs),
    /// Who gains or loses what between two states
    Diff(cmd::diff::DiffArgs),
    /// Find access that is too broad, dangling, dead or open to everybody
    Scan(cmd::scan::ScanArgs),
    /// Save what Bailiwick reads of a cluster to one file, without any secret value
    Snapshot(cmd::snapshot::SnapshotArgs),
    /// Answer an API server, gateways and applications: may this subject do this?
    Serve(cmd::serve::ServeArgs),
    /// Check and test policies
    Policy(cmd::policy::PolicyArgs),
    /// Verify and read the log of decisions
    Audit(cmd::audit::AuditArgs),
    /// Give identities to the processes of this machine: SPIFFE Workload API and Envoy SDS on a socket
    Agent(cmd::agent::AgentArgs),
    /// Identities of workloads: fetch, check and explain them, and look after the keys behind them
    Identity(cmd::identity::IdentityArgs),
    /// Print the smallest ClusterRole that lets Bailiwick read a cluster
    PrintRole(cmd::print_role::PrintRoleArgs),
    /// Print the CustomResourceDefinitions of policies, relations, delegations and revocations
    Crds(cmd::crds::CrdsArgs),
    /// Print a completion script for a shell
    Completions(cmd::completions::CompletionsArgs),
    /// Print the manual page, or write one a command to a directory
    Man(cmd::man::ManArgs),
}

/// Options of every command.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Global {
    /// File, directory, archive or snapshot to read in place of a live cluster; `-` is standard input. May be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", global = true, help_heading = INPUT)]
    pub(crate) filename: Vec<PathBuf>,
    /// Kubernetes version whose default roles belong to the manifests: 1.37, `auto` or `none`
    ///
    /// `auto` adds the defaults of the newest known version when the manifests hold none of them, and says so.
    #[arg(long, value_name = "VERSION", default_value = "auto", global = true, help_heading = INPUT)]
    pub(crate) defaults: Defaults,
    /// YAML or JSON file that says who is in which group: `developers: [alice, "sa:ci/runner"]`
    #[arg(long, value_name = "FILE", global = true, help_heading = INPUT)]
    pub(crate) groups_file: Option<PathBuf>,
    /// Namespace of a question, and of objects that name none; the context's own, or `default`, where it is not given
    #[arg(short, long, global = true, value_name = "NAME", help_heading = SCOPE)]
    pub(crate) namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace", help_heading = SCOPE)]
    pub(crate) all_namespaces: bool,

    /// Path of the kubeconfig file
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) context: Option<String>,
    /// Cluster of the kubeconfig to use
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) cluster: Option<String>,
    /// User of the kubeconfig to use
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) user: Option<String>,
    /// Address of the API server
    #[arg(short, long, value_name = "URL", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) server: Option<String>,
    /// Bearer token for the API server
    #[arg(long, global = true, hide_short_help = true, help_heading = CONNECTION, hide_env_values = true)]
    pub(crate) token: Option<Token>,
    /// User to impersonate while reading the cluster
    #[arg(long = "as", value_name = "USER", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) as_user: Option<String>,
    /// Group to impersonate while reading the cluster. May be repeated
    #[arg(long, value_name = "GROUP", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) as_group: Vec<String>,
    /// UID to impersonate while reading the cluster
    #[arg(long, value_name = "UID", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) as_uid: Option<String>,
    /// File of the certificate authority that the server's certificate is checked against
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Name that the server's certificate has to carry, where it is not the host of the address
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) tls_server_name: Option<String>,
    /// Do not check the server's certificate
    #[arg(long, global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Longest time for one request, such as `30s` or `2m`; `0` sets no limit
    #[arg(long, value_name = "TIME", global = true, hide_short_help = true, help_heading = CONNECTION)]
    pub(crate) request_timeout: Option<Timeout>,

    /// When to colour
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true, help_heading = PRESENTATION)]
    pub(crate) color: Color,
    /// Print nothing; the exit code is the answer
    #[arg(short, long, global = true, help_heading = PRESENTATION)]
    pub(crate) quiet: bool,
}

const INPUT: &str = "Input";
const SCOPE: &str = "Scope";
const CONNECTION: &str = "Connection (as kubectl has it)";
const PRESENTATION: &str = "Presentation";

/// A bearer token from the command line. It has no way to be printed.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

/// Which default roles and bindings join manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Defaults {
    /// Those of the newest known version, when the input holds none of its own.
    #[default]
    Auto,
    /// None.
    None,
    /// Those of Kubernetes 1.N.
    Minor(u16),
}

impl From<Defaults> for bailiwick_input::Defaults {
    fn from(given: Defaults) -> Self {
        match given {
            Defaults::Auto => Self::Auto,
            Defaults::None => Self::None,
            Defaults::Minor(minor) => Self::Minor(minor),
        }
    }
}

impl std::str::FromStr for Defaults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            _ => {
                let version = text.strip_prefix('v').unwrap_or(text);
                let minor = version
                    .strip_prefix("1.")
                    .and_then(|minor| minor.split('.').next());
                let minor = minor.and_then(|minor| minor.parse().ok());
                minor
                    .map(Self::Minor)
                    .ok_or_else(|| "write 1.MINOR, auto or none".to_owned())
            }
        }
    }
}

/// How long one request may take; zero is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) std::time::Duration);

impl std::str::FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a number with s, m or h, such as 30s; 0 sets no limit".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let factor = match text.get(digits.len()..).unwrap_or_default() {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let seconds = number.checked_mul(factor).ok_or_else(wrong)?;
        Ok(Self(std::time::Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_line_of_an_agent_alone_says_what_the_whole_one_says() {
        let check = |line: &str, alone: bool| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            let read = Cli::of_agent(&words).map(|cli| format!("{cli:?}"));
            assert_eq!(read.is_some(), alone, "{line}");
            let whole = Cli::try_parse_from(&words).map(|cli| format!("{cli:?}"));
            assert!(read.is_none() || read == whole.ok(), "{line}");
        };
        check("bailiwick agent --embedded", true);
        check(
            "bailiwick agent --server a:1 --trust-bundle r.pem --token-file t --socket s --trust-domain td -q --color never",
            true,
        );
        check("bailiwick agent healthcheck --fresh", true);
        // Help and what is wrong are told of all that there is.
        check("bailiwick agent --help", false);
        check("bailiwick agent --misspelt", false);
        check("bailiwick -q agent --embedded", false);
        check("bailiwick print-role", false);
    }

    #[test]
    fn versions_of_defaults() {
        let check = |text: &str, expected: Option<Defaults>| {
            assert_eq!(text.parse::<Defaults>().ok(), expected, "{text}");
        };
        check("auto", Some(Defaults::Auto));
        check("none", Some(Defaults::None));
        check("1.37", Some(Defaults::Minor(37)));
        check("v1.29.6", Some(Defaults::Minor(29)));
        check("37", None);
        check("2.1", None);
        check("1.x", None);
    }

    #[test]
    fn timeouts() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                text.parse::<Timeout>().ok().map(|t| t.0.as_secs()),
                expected,
                "{text}"
            );
        };
        check("0", Some(0));
        check("30", Some(30));
        check("30s", Some(30));
        check("2m", Some(120));
        check("-1", None);
        check("1d", None);
        check("s", None);
        check("99999999999999999999h", None);
        check("18446744073709551615h", None);
        check("", None);
    }

    #[test]
    fn a_token_does_not_print() {
        let cli = Cli::parse_from(["bailiwick", "--token", "s3cr3t", "print-role"]);
        assert!(!format!("{cli:?}").contains("s3cr3t"));
    }
}
