use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick snapshot -o prod.bwk                    everything that Bailiwick reads of the live cluster
  bailiwick who-can get secrets -A -f prod.bwk      ask it later, elsewhere
  bailiwick snapshot -f manifests/ -o release.bwk   manifests with the default roles, as the cluster would hold them

The file holds no value of any Secret or ConfigMap. What could not be read is noted in it and said with every answer.";

/// Arguments of `bailiwick snapshot`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SnapshotArgs {
    /// File to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: &SnapshotArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let opened = Opened::open(global, Need::Everything, console)?;
    opened.mention_problems(console);
    let snapshot = opened.snapshot();
    if args.output == std::path::Path::new("-") {
        bailiwick_input::snapshot::write(snapshot, std::io::stdout().lock())?;
    } else {
        write_whole(&args.output, |file| {
            Ok(bailiwick_input::snapshot::write(snapshot, file)?)
        })
        .with_context(|| format!("`{}` cannot be written", args.output.display()))?;
        console.note(format_args!(
            "{} objects written to {}",
            snapshot.objects().count(),
            args.output.display()
        ));
    }
    let everything = bailiwick_core::Kind::ALL;
    Ok(Exit::answer(true, opened.partial(&everything, "", console)))
}

/// Writes beside the file and renames, so that nobody ever finds half of it.
pub(crate) fn write_whole(
    path: &std::path::Path,
    write: impl FnOnce(&mut std::fs::File) -> Result<()>,
) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        write(&mut file)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        Ok(())
    })();
    if written.is_err() {
        // The first error is the one to report; a part that was never made cannot be removed either.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
