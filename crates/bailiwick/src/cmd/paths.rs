use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_graph::{Admission, Atom, EdgeId, Graph, Guard, Node, NodeId, Path, Step};
use bailiwick_report::{Cell, Column, Format, Look, Picture, Table, Tone, inert};
use serde::Serialize;

use super::held::{self, HeldStep};
use super::missing::{missing, start};
use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::picture::{self, Canvas};

const EXAMPLES: &str = "\
Examples:
  bailiwick paths                                    who gets to full control of the cluster
  bailiwick paths --from sa:ci/runner                the ways from one account, step by step
  bailiwick paths --from alice --to secret:shop/db   to one Secret
  bailiwick paths --to node:worker-1                 who gets root on a node
  bailiwick paths --from container:shop/web/app      from one container of a pod
  bailiwick paths --from outside                     what a flaw in an exposed program opens
  bailiwick paths --watch                            as they appear and vanish, until Ctrl-C

A node is user:NAME, group:NAME, sa:NAMESPACE/NAME, pod:NAMESPACE/NAME (deployment:, service:, ...),
container:NAMESPACE/POD/NAME, node:NAME, secret:NAMESPACE/NAME, namespace:NAME (full control of it),
cluster (full control of everything), outside (somebody without any credentials) or a bare user
name. Effort counts steps: what is free counts nothing, what takes luck or noise counts more.";

/// Arguments of `bailiwick paths`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PathsArgs {
    /// Where paths start; without it every identity and workload but those of the control plane
    #[arg(long, value_name = "NODE")]
    pub(super) from: Option<Node>,
    /// Where paths end
    #[arg(long, value_name = "NODE", default_value = "cluster")]
    pub(super) to: Node,
    /// How many paths to show from one start
    #[arg(short = 'k', long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(super) count: u16,
    /// Leave out paths of more effort; where none is left, the exit code is 0
    #[arg(long, value_name = "EFFORT", conflicts_with = "watch")]
    max_effort: Option<u32>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::PATHS))]
    pub(super) output: Format,
    /// Follow the live cluster: print ways as they appear (+) and vanish (−) until Ctrl-C; with `-o json` one object a
    /// line
    #[arg(short, long)]
    watch: bool,
}

/// Paths, for people and machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'g> {
    target: &'g Node,
    paths: Vec<PathAnswer<'g>>,
    /// Steps ahead of the one who is asked about, that a setting stands in the way of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_back: Vec<HeldStep<'g>>,
    partial: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PathAnswer<'g> {
    from: &'g Node,
    effort: u32,
    steps: Vec<StepAnswer<'g>>,
}

/// One step.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepAnswer<'g> {
    from: &'g Node,
    to: &'g Node,
    edge: &'static str,
    title: &'static str,
    /// Of each group one entry has to be there, with all of its parts.
    evidence: Vec<Vec<Vec<Evidence<'g>>>>,
    /// What may stop it all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guards: Vec<String>,
}

/// Something that a step rests on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence<'g> {
    #[serde(flatten)]
    atom: &'g Atom,
    /// `FILE:LINE:COLUMN`, where it came from a file and somebody will read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl Borrow<Atom> for Evidence<'_> {
    fn borrow(&self) -> &Atom {
        self.atom
    }
}

pub(crate) fn run(args: &PathsArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if args.watch {
        return super::watch::run(args, global, console);
    }
    let opened = Opened::open(global, Need::Everything, console)?;
    opened.mention_problems(console);
    let graph = graph_with(&opened, args.from.iter().chain([&args.to]))?;
    let partial = opened.partial_paths(&graph, console);
    let target = graph.find(&args.to);
    if target.is_none() && args.to != Node::Cluster && graph.node_count() > 0 {
        return Err(missing(&graph, &args.to, partial));
    }
    let source = args.from.as_ref().map(|from| start(&graph, from, partial));
    let mut paths = match (target, source.transpose()?) {
        (None, _) | (_, Some(None)) => Vec::new(),
        (Some(target), Some(Some(source))) => graph.paths(source, target, usize::from(args.count)),
        (Some(target), None) => nearest_from_everywhere(&opened, &graph, target),
    };
    let least = paths.iter().map(|path| path.effort).min();
    paths.retain(|path| args.max_effort.is_none_or(|most| path.effort <= most));
    let clean = paths.is_empty();
    let left_out = match (args.max_effort, least) {
        (Some(most), Some(least)) => {
            format!(" with effort of at most {most}; the easiest way takes {least}")
        }
        _ => String::new(),
    };
    if is_text(args.output) || matches!(args.output, Format::Json | Format::Yaml) {
        show(&opened, &graph, args, (&paths, &left_out), partial, console)?;
    } else {
        let picture = draw(&opened, &graph, args, &paths, partial);
        console.answer(picture::render(&opened, &picture, args.output)?)?;
    }
    Ok(Exit::answer(clean, partial))
}

fn is_text(format: Format) -> bool {
    matches!(format, Format::Table | Format::Wide | Format::Name)
}

/// What is drawn: the paths, and on a page everything else that lies on a way to the target.
fn draw(
    opened: &Opened,
    graph: &Graph,
    args: &PathsArgs,
    paths: &[Path],
    partial: bool,
) -> Picture {
    let Some(target) = graph.find(&args.to) else {
        return picture::empty(&args.to, partial);
    };
    let canvas = Canvas::new(opened, graph, target, false).paths(paths);
    match args.output {
        Format::Html => {}
        Format::Sarif | Format::Junit | Format::Markdown => {
            return canvas.causes(paths, target).finish(partial);
        }
        _ => return canvas.finish(partial),
    }
    let starts: Vec<NodeId> = paths.iter().map(|path| path.from).collect();
    let ahead = graph.reach(&starts);
    let on_a_way = |node| ahead.effort(node).is_some();
    let canvas = canvas.surroundings(&graph.reaching(target), on_a_way);
    canvas.finish(partial)
}

fn show(
    opened: &Opened,
    graph: &Graph,
    args: &PathsArgs,
    (paths, left_out): (&[Path], &str),
    partial: bool,
    console: &mut Console,
) -> Result<()> {
    let admission = Admission::new(opened.snapshot());
    let lines = match args.output {
        Format::Json | Format::Yaml => lines(opened, graph, paths),
        _ => HashMap::new(),
    };
    let answers: Vec<PathAnswer<'_>> = paths
        .iter()
        .filter_map(|path| path_answer(graph, &admission, &lines, path))
        .collect();
    let source = args.from.as_ref().and_then(|from| graph.find(from));
    let answer = Answer {
        target: &args.to,
        paths: answers,
        held_back: source.map_or_else(Vec::new, |source| held::ahead(graph, source)),
        partial,
    };
    match args.output {
        Format::Json => console.answer(bailiwick_report::json("PathList", &answer)?),
        Format::Yaml => console.answer(bailiwick_report::yaml("PathList", &answer)?),
        _ if answer.paths.is_empty() => {
            match &args.from {
                Some(Node::Outside) => console.note(format_args!(
                    "nothing here leads from outside, for somebody without credentials, to {}{left_out}",
                    args.to
                )),
                Some(from) => console.note(format_args!(
                    "nothing here leads from {from} to {}{left_out}",
                    args.to
                )),
                None => console.note(format_args!("nothing here leads to {}{left_out}", args.to)),
            }
            console.answer(held::text(&answer.held_back, &console.look()))
        }
        _ if args.from.is_some() => {
            for (number, path) in (1..).zip(&answer.paths) {
                console.answer(path_text(number, path, &console.look()))?;
            }
            console.answer(held::text(&answer.held_back, &console.look()))
        }
        format => console.answer(table(&answer).text(&console.look(), format == Format::Wide)),
    }
}

/// The graph with the containers that the command line names: it knows pods as a whole.
pub(crate) fn graph_with<'n>(
    opened: &Opened,
    named: impl IntoIterator<Item = &'n Node>,
) -> Result<Graph> {
    let mut graph = opened.graph();
    for node in named {
        if let Node::Container { pod, name } = node {
            graph.add_container(opened.snapshot(), pod, name)?;
        }
    }
    Ok(graph)
}

/// The path of least effort from every identity and workload that has one, those that are there already left out.
fn nearest_from_everywhere(opened: &Opened, graph: &Graph, target: NodeId) -> Vec<Path> {
    let reaching = graph.reaching(target);
    let mut paths: Vec<Path> = graph
        .starts(opened.snapshot())
        .into_iter()
        .filter(|&node| reaching.effort(node).is_some_and(|effort| effort > 0))
        .filter_map(|node| graph.path(node, &reaching))
        .collect();
    paths.sort_by_key(|path| order(path.effort, path.edges.len(), graph.node(path.from)));
    paths
}

/// By which paths from everywhere are told: what is easy comes first.
pub(super) fn order(effort: u32, steps: usize, from: Option<&Node>) -> impl Ord + use<'_> {
    (effort, steps, from)
}

/// Where everything stands that the steps of these paths rest on, as far as it came from files.
fn lines<'g>(opened: &Opened, graph: &'g Graph, paths: &[Path]) -> HashMap<&'g Atom, String> {
    let edges: BTreeSet<EdgeId> = paths.iter().flat_map(|path| &path.edges).copied().collect();
    let steps = edges.into_iter().filter_map(|edge| graph.step(edge));
    let atoms: BTreeSet<&Atom> = steps
        .flat_map(|step| step.evidence.into_iter().flatten().flatten())
        .collect();
    let mut found = Finding::new("lines", Severity::Info, "");
    let place = |atom: &&Atom| Place::field(atom.object().clone(), atom.pointer());
    found.places = atoms.iter().map(place).collect();
    let mut found = [found];
    opened.locate(&mut found);
    let [found] = found;
    let lines = atoms.into_iter().zip(found.places);
    lines
        .filter(|(_, place)| place.span.is_some())
        .map(|(atom, place)| (atom, place.to_string()))
        .collect()
}

fn path_answer<'g>(
    graph: &'g Graph,
    admission: &Admission<'_>,
    lines: &HashMap<&Atom, String>,
    path: &Path,
) -> Option<PathAnswer<'g>> {
    let steps = path
        .edges
        .iter()
        .filter_map(|&edge| graph.step(edge))
        .map(|step| step_answer(step, admission, lines));
    Some(PathAnswer {
        from: graph.node(path.from)?,
        effort: path.effort,
        steps: steps.collect(),
    })
}

fn step_answer<'g>(
    step: Step<'g>,
    admission: &Admission<'_>,
    lines: &HashMap<&Atom, String>,
) -> StepAnswer<'g> {
    let evidence = |atom: &'g Atom| Evidence {
        atom,
        at: lines.get(atom).cloned(),
    };
    let cause = |cause: Vec<&'g Atom>| cause.into_iter().map(evidence).collect();
    let guards = admission
        .guards(&step)
        .iter()
        .map(Guard::to_string)
        .collect();
    StepAnswer {
        guards,
        from: step.from,
        to: step.to,
        edge: step.kind.id,
        title: step.kind.title,
        evidence: step
            .evidence
            .into_iter()
            .map(|clause| clause.into_iter().map(cause).collect())
            .collect(),
    }
}

fn table(answer: &Answer<'_>) -> Table {
    let mut table = Table::new([
        Column::new("EFFORT").number(),
        Column::new("FROM"),
        Column::new("STEPS"),
        Column::new("RESTS ON").wide(),
    ]);
    for path in &answer.paths {
        let steps: Vec<&str> = path
            .steps
            .iter()
            .filter(|step| !is_plain(step))
            .map(|step| step.edge)
            .collect();
        let objects: BTreeSet<String> = path
            .steps
            .iter()
            .flat_map(|step| step.evidence.iter().flatten().flatten())
            .map(|evidence| evidence.atom.object().to_string())
            .collect();
        let objects: Vec<String> = objects.into_iter().collect();
        table.row([
            Cell::new(&path.effort),
            Cell::new(path.from),
            Cell::new(&steps.join(" → ")),
            Cell::new(&objects.join(", ")),
        ]);
    }
    table
}

/// Whether a step only says that a whole has parts or a group has members.
fn is_plain(step: &StepAnswer<'_>) -> bool {
    step.evidence.is_empty()
}

fn path_text(number: usize, path: &PathAnswer<'_>, look: &Look) -> String {
    let title = format!("{number}. from {}, effort {}", path.from, path.effort);
    let mut out = look.paint(Tone::Strong, &inert(&title)) + "\n";
    for step in &path.steps {
        let line = format!("{} → {}", step.title, step.to);
        let tone = if is_plain(step) {
            Tone::Faint
        } else {
            Tone::Plain
        };
        out += &format!(
            "   {}  {}\n",
            look.paint(tone, &inert(&line)),
            look.paint(Tone::Faint, step.edge)
        );
        for fact in facts(&step.evidence).iter().chain(&step.guards) {
            out += &format!("      {}\n", inert(fact));
        }
    }
    out
}

/// What a step rests on, a line for each thing; of alternatives the first is shown and the others are counted.
pub(crate) fn facts<A: Borrow<Atom>>(evidence: &[Vec<Vec<A>>]) -> Vec<String> {
    let mut lines = Vec::new();
    for clause in evidence {
        let Some(first) = clause.first() else {
            continue;
        };
        let more = match clause.len() {
            1 => String::new(),
            many => format!(" (and {} more that give the same)", many - 1),
        };
        lines.push(format!("{}{more}", cause_line(first)));
    }
    lines.dedup();
    lines
}

fn cause_line<A: Borrow<Atom>>(cause: &[A]) -> String {
    let parts: Vec<String> = cause.iter().map(|atom| atom_line(atom.borrow())).collect();
    parts.join(", ")
}

/// An atom in words.
pub(crate) fn atom_line(atom: &Atom) -> String {
    match atom {
        Atom::Subject { binding, position } => format!("{binding}, subject {}", position + 1),
        Atom::Rule { role, position } => format!("{role}, rule {}", position + 1),
        Atom::Field { object, pointer } if pointer.is_empty() => object.to_string(),
        Atom::Field { object, pointer } => format!("{object} {pointer}"),
    }
}
