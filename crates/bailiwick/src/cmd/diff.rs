use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use bailiwick_core::{Kind, Subject};
use bailiwick_graph::{Node, NodeId};
use bailiwick_model::{Gap, PolicyRule, Snapshot, Store, Workload};
use bailiwick_report::{COMMENT, Cell, Column, Format, Table, Tone};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened, cut_short};
use crate::cmd::access::{names, targets};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::picture::{self, Canvas};

const EXAMPLES: &str = "\
Examples:
  bailiwick diff old/ new/                     two directories of manifests
  bailiwick diff main:deploy/rbac deploy/rbac  what a branch changes: a revision of git against the files
  bailiwick diff monday.bwk live               what has changed in the cluster since the snapshot
  bailiwick diff live manifests/               what applying the manifests would change
  bailiwick diff main:deploy deploy --fail-on new-path    a gate for pull requests

OLD and NEW are files, directories, archives or snapshots as -f has them, REVISION:PATH of the git repository here,
or `live`. Rules that are worded differently and allow the same are no change.";

/// Arguments of `bailiwick diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The state before
    old: String,
    /// The state after
    new: String,
    /// What ends with 1: any change, somebody who gains a right or a path, or a new path to full control
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    fail_on: FailOn,
    /// Form of the output; `sarif`, `junit`, `mermaid`, `dot` and `html` have the new paths to full control alone
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::PATHS))]
    output: Format,
}

/// What ends with 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Any change.
    #[default]
    Changed,
    /// Somebody gains a right or a path.
    Gained,
    /// Somebody gets to full control who did not.
    NewPath,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Who can do what he could not before, or no longer can what he could.
    access: Vec<Change>,
    /// Who gets to full control and did not before.
    paths_gained: Vec<Node>,
    /// Who got to full control and no longer does.
    paths_lost: Vec<Node>,
    partial: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    subject: Subject,
    /// The namespace; empty is the whole cluster.
    namespace: String,
    gained: Vec<PolicyRule>,
    lost: Vec<PolicyRule>,
}

pub(crate) fn run(args: &DiffArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let format = args.output;
    if !global.filename.is_empty() {
        bail!("diff takes OLD and NEW in place of -f");
    }
    if args.old == args.new && args.old == "live" {
        bail!("OLD and NEW are both `live`");
    }
    let old = open(&args.old, global, console)?;
    let new = open(&args.new, global, console)?;
    let mut partial = false;
    let doubts = [
        "who gains something here may have had it before",
        "who loses something here may have it still, and more may be gained",
    ];
    for ((name, opened), doubt) in [(&args.old, &old), (&args.new, &new)]
        .into_iter()
        .zip(doubts)
    {
        let gaps = opened.snapshot().gaps_touching(&Kind::ALL, "");
        if gaps.count() > 0 {
            opened.mention_losses(console);
            console.warn(format_args!("parts of {name} could not be read: {doubt}"));
            partial = true;
        }
    }
    let [before, after] = paths(&old, &new);
    for (name, side) in [(&args.old, &before), (&args.new, &after)] {
        if let Some(gap) = &side.cut_short {
            console.warn(format_args!("{name}: {}", gap.message));
            partial = true;
        }
    }
    let paths_gained = after.beside(&before);
    let paths_lost = before.beside(&after);
    let changes = bailiwick_rbac::diff(&old.engine, &new.engine)
        .into_iter()
        .map(|change| Change {
            subject: change.subject,
            namespace: change.namespace,
            gained: change.gained,
            lost: change.lost,
        });
    let answer = Answer {
        access: changes.collect(),
        paths_gained,
        paths_lost,
        partial,
    };
    match format {
        Format::Sarif | Format::Junit | Format::Mermaid | Format::Dot | Format::Html => {
            console.answer(draw(&new, &answer, &after, format)?)?;
        }
        format => show(&answer, format, console)?,
    }
    Ok(Exit::answer(!args.fail_on.is_met(&answer), partial))
}

impl FailOn {
    fn is_met(self, answer: &Answer) -> bool {
        let new_path = !answer.paths_gained.is_empty();
        let gained = answer.access.iter().any(|change| !change.gained.is_empty());
        match self {
            Self::Changed => !answer.access.is_empty() || new_path || !answer.paths_lost.is_empty(),
            Self::Gained => gained || new_path,
            Self::NewPath => new_path,
        }
    }
}

fn show(answer: &Answer, format: Format, console: &mut Console) -> Result<()> {
    match format {
        Format::Json => return console.answer(bailiwick_report::json("AccessDiff", answer)?),
        Format::Yaml => return console.answer(bailiwick_report::yaml("AccessDiff", answer)?),
        _ => {}
    }
    let (access, paths) = (access_table(answer), paths_table(answer));
    for table in [access, paths].iter().filter(|table| !table.is_empty()) {
        let text = match format {
            Format::Markdown => table.markdown(true, COMMENT / 2),
            format => table.text(&console.look(), format == Format::Wide),
        };
        console.answer(format_args!("{text}\n"))?;
    }
    if answer.access.is_empty() && answer.paths_gained.is_empty() && answer.paths_lost.is_empty() {
        console.note("nobody's access changes");
    }
    Ok(())
}

fn access_table(answer: &Answer) -> Table {
    let columns = ["", "SUBJECT", "SCOPE", "VERBS", "RESOURCES", "NAMES"];
    let mut table = Table::new(columns.map(Column::new));
    for change in &answer.access {
        let rules = change.gained.iter().map(|rule| ("+", Tone::Bad, rule));
        let rules = rules.chain(change.lost.iter().map(|rule| ("-", Tone::Good, rule)));
        for (sign, tone, rule) in rules {
            let scope = if change.namespace.is_empty() {
                "cluster"
            } else {
                &change.namespace
            };
            table.row([
                Cell::new(sign).tone(tone),
                Cell::new(&change.subject),
                Cell::new(scope),
                Cell::new(&rule.verbs.join(", ")),
                Cell::new(&targets(rule)),
                Cell::new(&names(rule)),
            ]);
        }
    }
    table
}

fn paths_table(answer: &Answer) -> Table {
    let mut table = Table::new(["", "GETS TO FULL CONTROL OF THE CLUSTER"].map(Column::new));
    for node in &answer.paths_gained {
        table.row([Cell::new("+").tone(Tone::Bad), Cell::new(node)]);
    }
    for node in &answer.paths_lost {
        table.row([Cell::new("-").tone(Tone::Good), Cell::new(node)]);
    }
    table
}

/// What the graph of one side says.
struct Side {
    /// Who gets to full control, each with the node that stands for him in the graph. Pods go by what makes them: those
    /// of another day have other names, and manifests have none.
    sovereigns: BTreeMap<Node, Node>,
    /// What would make pods and has none, where those that are there were looked at in place of plans.
    plans: BTreeSet<Node>,
    /// What it leaves out.
    cut_short: Option<Gap>,
}

fn paths(old: &Opened, new: &Opened) -> [Side; 2] {
    // Each takes about as long as the other, and neither needs it.
    std::thread::scope(|scope| {
        let before = scope.spawn(|| side(old));
        let after = side(new);
        let before = before.join();
        [
            before.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            after,
        ]
    })
}

fn side(opened: &Opened) -> Side {
    let graph = opened.graph();
    let reaching = graph
        .find(&Node::Cluster)
        .map(|cluster| graph.reaching(cluster));
    let starts = graph.starts(opened.snapshot()).into_iter();
    let reaches = |node: &NodeId| {
        reaching
            .as_ref()
            .is_some_and(|reaching| reaching.effort(*node).is_some())
    };
    let reached = starts.filter(reaches);
    let mut sovereigns = BTreeMap::new();
    for node in reached.filter_map(|node| graph.node(node)) {
        let kept = kept(opened.snapshot(), node);
        sovereigns.entry(kept).or_insert_with(|| node.clone());
    }
    Side {
        sovereigns,
        plans: plans(opened.snapshot()),
        cut_short: cut_short(&graph),
    }
}

/// What makes a pod, where it is known; anything else as it is.
fn kept(snapshot: &Snapshot, node: &Node) -> Node {
    let pod = match node {
        Node::Workload(object) => {
            let store = snapshot.workloads.get(&object.kind);
            store.and_then(|store| store.get(&object.namespace, &object.name))
        }
        _ => None,
    };
    pod.map_or_else(
        || node.clone(),
        |pod| Node::Workload(snapshot.keeper(pod).object_ref()),
    )
}

fn plans(snapshot: &Snapshot) -> BTreeSet<Node> {
    let node = |workload: &Workload| Node::Workload(workload.object_ref());
    let pods = snapshot.workloads.get(&Kind::Pod).into_iter();
    let kept: BTreeSet<Node> = pods
        .flat_map(Store::iter)
        .map(|pod| node(snapshot.keeper(pod)))
        .collect();
    let all = snapshot.all_workloads().filter(|_| !kept.is_empty());
    let plans = all.filter(|workload| workload.kind != Kind::Pod).map(node);
    plans.filter(|plan| !kept.contains(plan)).collect()
}

impl Side {
    /// Who gets to full control here and not on the other side, as far as it was looked at there.
    fn beside(&self, other: &Self) -> Vec<Node> {
        let own = self.sovereigns.keys();
        let new = own
            .filter(|node| !other.sovereigns.contains_key(*node) && !other.plans.contains(*node));
        new.cloned().collect()
    }
}

/// The new paths, as a picture of the new state.
fn draw(new: &Opened, answer: &Answer, side: &Side, format: Format) -> Result<String> {
    let graph = new.graph();
    let Some(cluster) = graph.find(&Node::Cluster) else {
        let picture = picture::empty(&Node::Cluster, answer.partial);
        return picture::render(new, &picture, format);
    };
    let reaching = graph.reaching(cluster);
    let gained = answer.paths_gained.iter();
    let gained = gained.filter_map(|node| side.sovereigns.get(node));
    let gained = gained.filter_map(|node| graph.path(graph.find(node)?, &reaching));
    let paths: Vec<_> = gained.collect();
    let canvas = Canvas::new(new, &graph, cluster, false).paths(&paths);
    let canvas = match format {
        Format::Sarif | Format::Junit => canvas.causes(&paths, cluster),
        _ => canvas,
    };
    picture::render(new, &canvas.finish(answer.partial), format)
}

fn open(side: &str, global: &Global, console: &mut Console) -> Result<Opened> {
    let mut global = global.clone();
    let path = PathBuf::from(side);
    let revision = side.split_once(':').filter(|_| !path.exists());
    // Kept until everything is read.
    let mut checkout = None;
    if let Some((revision, path)) = revision {
        let archive = checkout.insert(git_archive(revision, path)?);
        global.filename = vec![archive.path().to_owned()];
    } else if side != "live" {
        global.filename = vec![path];
    }
    Opened::open(&global, Need::Everything, console)
        .with_context(|| format!("`{side}` cannot be compared"))
}

/// What git has at a path of a revision, as an archive.
fn git_archive(revision: &str, path: &str) -> Result<tempfile::NamedTempFile> {
    if revision.starts_with('-') || revision.is_empty() {
        bail!("`{revision}` is no revision of git");
    }
    let archive = tempfile::Builder::new().suffix(".tar").tempfile()?;
    let mut command = Command::new("git");
    command
        .args(["archive", "--format=tar", "-o"])
        .arg(archive.path());
    command
        .arg(revision)
        .arg("--")
        .arg(Path::new(path))
        .stdin(Stdio::null());
    let output = command
        .output()
        .context("git cannot be run; REVISION:PATH needs it")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "git has no `{path}` in `{revision}`, seen from the current directory: {}",
            said.trim()
        );
    }
    Ok(archive)
}
