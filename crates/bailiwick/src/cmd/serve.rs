use std::path::PathBuf;

use anyhow::{Result, bail};
use bailiwick_server::Mode;

use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::serve::{Config, Program};

const EXAMPLES: &str = "\
Examples:
  bailiwick serve --config serve.yaml                    answer about the cluster that kubectl would talk to
  bailiwick serve --config serve.yaml -f manifests/      answer about manifests, which are read again when they change
  bailiwick serve --config serve.yaml --check            say what is wrong with the configuration, and end
  bailiwick serve --config serve.yaml --print-authorization-config /etc/kubernetes/bailiwick.kubeconfig
                                                         what an API server takes to ask here

SIGTERM ends it after the requests that are under way; SIGHUP reads everything again at once.
docs/serve.md has every field of the configuration.";

/// Arguments of `bailiwick serve`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Configuration, YAML or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read the configuration and the files that it names, and end
    #[arg(long)]
    check: bool,
    /// Print the AuthorizationConfiguration that has an API server ask here, and end. KUBECONFIG is where the API
    /// server finds the address of this program and the certificate to come with
    #[arg(long, value_name = "KUBECONFIG")]
    print_authorization_config: Option<String>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    log_format: LogFormat,
    /// How much to log
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    log_level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

pub(crate) fn run(args: &ServeArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let config = Config::read(&args.config, console)?;
    if let Some(kubeconfig) = &args.print_authorization_config {
        if !kubeconfig.starts_with('/') {
            bail!("`{kubeconfig}` is no absolute path; the API server takes no other");
        }
        let mode = config
            .access_review
            .as_ref()
            .map_or(Mode::Explain, |door| door.mode);
        let text = bailiwick_server::authorization_configuration(mode, kubeconfig, None);
        console.answer(text)?;
        return Ok(Exit::Yes);
    }
    let program = Program::new(config, global, console)?;
    if args.check {
        console.note("the configuration can be used");
        return Ok(Exit::Yes);
    }
    start_log(args);
    program.run()?;
    Ok(Exit::Yes)
}

fn start_log(args: &ServeArgs) {
    let level = match args.log_level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    match args.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
