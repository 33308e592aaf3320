use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use bailiwick_core::ObjectRef;
use bailiwick_diag::{Finding, Fix, Place, Severity};
use bailiwick_graph::{Atom, AtomId, Graph, Node, NodeId, Path};
use bailiwick_posture::{CHANGE, Mending};
use bailiwick_report::{COMMENT, Format, Look, Report, Rule, Tone, escape_markdown, inert};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::missing::{missing, start};
use crate::cmd::paths::{facts, graph_with, order};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::picture::{self, Canvas};

const EXAMPLES: &str = "\
Examples:
  bailiwick fix                                 close every way to full control of the cluster
  bailiwick fix --from sa:ci/runner             close the ways of one service account
  bailiwick fix --target node:worker-1 --from pod:shop/web
  bailiwick fix -o markdown                     a comment on a pull request, with the commands
  bailiwick fix -o sarif                        each change at its file and line
  bailiwick fix -o html > fix.html              the paths, and the steps that the changes take away

What must stay is marked on its object with the annotation `bailiwick.dev/needed: \"why\"`. Objects that
Kubernetes creates for itself always stay.";

/// Arguments of `bailiwick fix`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FixArgs {
    /// Where paths start, as `bailiwick paths` writes nodes. May be repeated; without it every identity and workload
    /// but those of the control plane and those that have the target in the first place
    #[arg(long, value_name = "NODE")]
    from: Vec<Node>,
    /// What nobody of them may reach
    #[arg(long, value_name = "NODE", default_value = "cluster")]
    target: Node,
    /// How many sets of changes to look at before the best one found is taken: some 20,000 a second
    #[arg(long, value_name = "NUMBER", default_value_t = 300_000)]
    work: u64,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::CHANGES))]
    output: Format,
}

/// The id of a change among findings.
const RULE: &str = "fix";

const PAGE: &str = "# A change of the smallest set that closes all paths\n\n\
    `bailiwick fix` looks for the fewest grants and settings whose removal leaves nobody a way to the target. All of \
    them have to be taken away: the paths that are left by one run through the others. `bailiwick paths` shows the \
    paths; an object that has to stay is marked with the annotation `bailiwick.dev/needed`.\n";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    target: Node,
    /// Identities and workloads that reach the target.
    sources: usize,
    changes: Vec<Change>,
    /// No set of fewer changes closes every path. `false` where that was not proven.
    smallest: bool,
    /// The number of changes that any set takes at least.
    at_least: u64,
    partial: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    object: ObjectRef,
    pointer: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

pub(crate) fn run(args: &FixArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let format = args.output;
    let opened = Opened::open(global, Need::Everything, console)?;
    opened.mention_problems(console);
    let graph = graph_with(&opened, args.from.iter().chain([&args.target]))?;
    let partial = opened.partial_paths(&graph, console);
    let target = graph.find(&args.target);
    if target.is_none() && args.target != Node::Cluster && graph.node_count() > 0 {
        return Err(missing(&graph, &args.target, partial));
    }
    let sources = sources(args, &opened, &graph, target, partial)?;
    let mending = Mending::new(opened.snapshot());
    let fix = best(&graph, &sources, target, &mending, args.work)?;
    let atoms = fix.atoms.iter().filter_map(|&atom| graph.atom_of(atom));
    let answer = Answer {
        target: args.target.clone(),
        sources: sources.len(),
        changes: atoms.map(|atom| change(&opened, &mending, atom)).collect(),
        smallest: fix.at_least / CHANGE >= fix.atoms.len() as u64 || fix.at_least == fix.cost,
        at_least: fix.at_least / CHANGE,
        partial,
    };
    match format {
        Format::Mermaid | Format::Dot | Format::Html => {
            let words = answer.changes.iter().map(|change| change.what.clone());
            let changes: Vec<(AtomId, String)> = fix.atoms.iter().copied().zip(words).collect();
            let canvas = target
                .map(|target| draw(&opened, &graph, &sources, target, &fix.atoms).cut(&changes));
            let picture = match canvas {
                Some(canvas) => canvas.finish(partial),
                None => picture::empty(&args.target, partial),
            };
            console.answer(picture::render(&opened, &picture, format)?)?;
        }
        Format::Json => console.answer(bailiwick_report::json("Fix", &answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("Fix", &answer)?)?,
        Format::Markdown => console.answer(markdown(&answer))?,
        Format::Sarif | Format::Junit => console.answer(report(&answer, &opened, format)?)?,
        _ => console.answer(text(&answer, &console.look()))?,
    }
    Ok(Exit::answer(answer.changes.is_empty(), partial))
}

/// The smallest set that was found. Where nothing leads to the target, nothing has to change.
fn best(
    graph: &Graph,
    sources: &[NodeId],
    target: Option<NodeId>,
    mending: &Mending<'_>,
    work: u64,
) -> Result<bailiwick_graph::Fix> {
    let Some(target) = target else {
        return Ok(bailiwick_graph::Fix::default());
    };
    let cost = |atom: AtomId| graph.atom_of(atom).and_then(|atom| mending.cost(atom));
    graph.fix(sources, target, &cost, work).map_err(|path| {
        anyhow!(
            "no change that may be made closes this path:\n{}",
            path_lines(graph, &path)
        )
    })
}

fn sources(
    args: &FixArgs,
    opened: &Opened,
    graph: &Graph,
    target: Option<NodeId>,
    partial: bool,
) -> Result<Vec<NodeId>> {
    if !args.from.is_empty() {
        let named = args.from.iter();
        let found = named.filter_map(|from| start(graph, from, partial).transpose());
        return found.collect();
    }
    let Some(target) = target else {
        return Ok(Vec::new());
    };
    let reaching = graph.reaching(target);
    let reaches = |&node: &NodeId| reaching.effort(node).is_some_and(|effort| effort > 0);
    Ok(graph
        .starts(opened.snapshot())
        .into_iter()
        .filter(reaches)
        .collect())
}

/// A path from each who starts, and one for each change that closes others.
fn draw<'a>(
    opened: &'a Opened,
    graph: &'a Graph,
    sources: &[NodeId],
    target: NodeId,
    changes: &[AtomId],
) -> Canvas<'a> {
    let reaching = graph.reaching(target);
    let paths = sources
        .iter()
        .filter_map(|&from| graph.path(from, &reaching));
    let mut paths: Vec<Path> = paths.collect();
    let edges = paths.iter().flat_map(|path| &path.edges);
    let drawn: BTreeSet<AtomId> = edges
        .flat_map(|&edge| graph.closing(edge, &|atom| changes.contains(&atom)))
        .collect();
    let others = changes.iter().filter(|atom| !drawn.contains(atom));
    paths.extend(others.filter_map(|&atom| graph.path_closed_by(atom, changes, sources, target)));
    paths.sort_by_key(|path| order(path.effort, path.edges.len(), graph.node(path.from)));
    Canvas::new(opened, graph, target, false).paths(&paths)
}

fn change(opened: &Opened, mending: &Mending<'_>, atom: &Atom) -> Change {
    let (object, pointer) = (atom.object().clone(), atom.pointer());
    let bailiwick_posture::Change { what, command } = mending.change(atom);
    Change {
        at: opened.line_of(&object, &pointer),
        what,
        object,
        pointer,
        command,
    }
}

fn text(answer: &Answer, look: &Look) -> String {
    let mut out = String::new();
    for (number, change) in (1..).zip(&answer.changes) {
        let title = look.paint(Tone::Strong, &inert(&format!("{number}. {}", change.what)));
        let _ = writeln!(out, "{title}");
        for line in [&change.at, &change.command].into_iter().flatten() {
            let _ = writeln!(out, "   {}", inert(line));
        }
    }
    let _ = writeln!(out, "{}", inert(&verdict(answer)));
    out
}

/// For a comment on a pull request: changes that do not fit are counted.
fn markdown(answer: &Answer) -> String {
    let mut out = format!("**{}**\n\n", escape_markdown(&verdict(answer)));
    for (number, change) in (1..).zip(&answer.changes) {
        let mut item = format!("{number}. {}\n", escape_markdown(&change.what));
        if let Some(at) = &change.at {
            let _ = writeln!(item, "   at {}", escape_markdown(at));
        }
        if let Some(command) = &change.command {
            let _ = writeln!(item, "\n   ```sh\n   {}\n   ```", inert(command));
        }
        if out.len() + item.len() > COMMENT {
            let left = answer.changes.len() + 1 - number;
            let _ = writeln!(
                out,
                "\n{left} more do not fit here; the other formats show them all."
            );
            break;
        }
        out += &item;
    }
    out
}

/// Each change as a finding, at the line of what it takes away.
fn report(answer: &Answer, opened: &Opened, format: Format) -> Result<String> {
    let count = answer.changes.len();
    let finding = |change: &Change| {
        let message = format!(
            "{}: of {count} changes that close every path of {} identities and workloads to {}",
            change.what, answer.sources, answer.target
        );
        let mut finding = Finding::new(RULE, Severity::High, message)
            .at(Place::field(change.object.clone(), &*change.pointer))
            .help(&*change.what);
        finding.fix = change.command.clone().map(|text| Fix {
            title: change.what.clone(),
            text,
        });
        finding
    };
    let mut findings: Vec<Finding> = answer.changes.iter().map(finding).collect();
    opened.locate(&mut findings);
    let rule = Rule {
        id: RULE,
        title: "something that paths to the target rest on",
        severity: Severity::High,
        page: Cow::Borrowed(PAGE),
    };
    let report = Report {
        findings: &findings,
        excepted: &[],
        known: &[],
        rules: &[rule],
        gaps: &opened.snapshot().gaps,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(match format {
        Format::Sarif => bailiwick_report::sarif_findings(&report)?,
        _ => bailiwick_report::junit_findings(&report, &verdict(answer)),
    })
}

fn verdict(answer: &Answer) -> String {
    let count = answer.changes.len();
    let whose = match answer.sources {
        1 => "one identity or workload".to_owned(),
        sources => format!("{sources} identities and workloads"),
    };
    let what = match count {
        1 => format!(
            "This one change closes every path of {whose} to {}",
            answer.target
        ),
        _ => format!(
            "These {count} changes close every path of {whose} to {}",
            answer.target
        ),
    };
    match (count, answer.smallest) {
        (0, _) if answer.partial => format!(
            "Nothing that could be read has to change: it lets nobody reach {}.",
            answer.target
        ),
        (0, _) => format!("Nothing has to change: nobody reaches {}.", answer.target),
        (1, _) => format!("{what}."),
        (_, true) => format!("{what}; fewer do not."),
        (_, false) => format!(
            "{what}. They are the fewest that were found; it takes at least {}. A higher --work may find fewer.",
            answer.at_least
        ),
    }
}

fn path_lines(graph: &Graph, path: &Path) -> String {
    let mut out = graph
        .node(path.from)
        .map(|from| format!("  from {from}\n"))
        .unwrap_or_default();
    for step in path.edges.iter().filter_map(|&edge| graph.step(edge)) {
        let _ = writeln!(out, "  {} → {}", step.kind.title, step.to);
        for fact in facts(&step.evidence) {
            let _ = writeln!(out, "     {fact}");
        }
    }
    out
}
