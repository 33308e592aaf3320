use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::console::Console;
use crate::exit::Exit;

/// Arguments of `bailiwick man`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  bailiwick man | man -l -
  bailiwick man --directory /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write `bailiwick.1` and a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, console: &mut Console) -> Result<Exit> {
    let command = Cli::command();
    match &args.directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(command, directory))
                .with_context(|| {
                    format!("the pages cannot be written to `{}`", directory.display())
                })?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            console.answer(String::from_utf8(page)?)?;
        }
    }
    Ok(Exit::Yes)
}
