use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::console::Console;
use crate::exit::Exit;

/// Arguments of `bailiwick completions`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  source <(bailiwick completions bash)
  bailiwick completions zsh > \"${fpath[1]}/_bailiwick\"
  bailiwick completions fish > ~/.config/fish/completions/bailiwick.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, console: &mut Console) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bailiwick", &mut script);
    console.answer(String::from_utf8(script)?)?;
    Ok(Exit::Yes)
}
