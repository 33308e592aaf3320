use anyhow::Result;
use bailiwick_graph::{Graph, Node, NodeId, Path, Reach};
use bailiwick_report::{COMMENT, Cell, Column, Format, Table, inert};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::missing::start;
use crate::cmd::paths::graph_with;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::picture::{self, Canvas};

/// Arguments of `bailiwick blast`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bailiwick blast sa:ci/runner        what an attacker gets who has the token of the runner
  bailiwick blast pod:shop/web-0      who breaks into this pod
  bailiwick blast sa:ci/runner -o wide  all of it: each Secret and not just `every Secret`
  bailiwick blast group:oidc:interns -o json")]
pub(crate) struct BlastArgs {
    /// Where the attacker starts, as `bailiwick paths` writes nodes
    #[arg(value_name = "NODE")]
    from: Node,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::REACH))]
    output: Format,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blast<'g> {
    from: &'g Node,
    reached: Vec<Reached<'g>>,
    partial: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reached<'g> {
    #[serde(flatten)]
    node: &'g Node,
    effort: u32,
    /// Whether it comes with something else that is reached: one of all, or anything once full control is reached.
    implied: bool,
    /// The steps of a way of least effort that take something, or rest on something that can be changed.
    steps: Vec<&'static str>,
    #[serde(skip)]
    id: NodeId,
}

pub(crate) fn run(args: &BlastArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let opened = Opened::open(global, Need::Everything, console)?;
    opened.mention_problems(console);
    let graph = graph_with(&opened, [&args.from])?;
    let partial = opened.partial_paths(&graph, console);
    let source = start(&graph, &args.from, partial)?;
    let reach = graph.reach(source.as_slice());
    let reached = source.map_or_else(Vec::new, |source| reached(&graph, source, &reach));
    let clean = reached.is_empty();
    if matches!(args.output, Format::Mermaid | Format::Dot | Format::Html) {
        let picture = match source {
            Some(source) => draw(&opened, &graph, args, source, &reach, &reached).finish(partial),
            None => picture::empty(&args.from, partial),
        };
        console.answer(picture::render(&opened, &picture, args.output)?)?;
    } else {
        let from = &args.from;
        let answer = Blast {
            from,
            reached,
            partial,
        };
        show(&answer, args.output, console)?;
    }
    Ok(Exit::answer(clean, partial))
}

fn draw<'a>(
    opened: &'a Opened,
    graph: &'a Graph,
    args: &BlastArgs,
    source: NodeId,
    reach: &Reach,
    reached: &[Reached<'_>],
) -> Canvas<'a> {
    let ends = reached.iter();
    let paths = ends.filter_map(|end| graph.path_to(end.id, reach));
    let paths: Vec<Path> = paths.collect();
    let canvas = Canvas::new(opened, graph, source, true).paths(&paths);
    match args.output {
        Format::Html => canvas.surroundings(reach, |_| true),
        _ => canvas,
    }
}

/// What is reached, the nearest and among those the most far-reaching first.
fn reached<'g>(graph: &'g Graph, source: NodeId, reach: &Reach) -> Vec<Reached<'g>> {
    let cluster = graph.find(&Node::Cluster);
    let everything = cluster.and_then(|cluster| reach.effort(cluster));
    let ends = reach.nodes().filter(|&(node, _)| node != source);
    let mut reached: Vec<Reached<'g>> = ends
        .filter_map(|(id, effort)| {
            let beyond = Some(id) != cluster && everything.is_some_and(|least| effort > least);
            let path = graph.path_to(id, reach)?;
            let steps = path.edges.iter().filter_map(|&edge| graph.step(edge));
            Some(Reached {
                node: graph.node(id)?,
                effort,
                implied: beyond || graph.comes_with_another(id, source, reach),
                steps: steps
                    .filter(|step| !step.evidence.is_empty())
                    .map(|step| step.kind.id)
                    .collect(),
                id,
            })
        })
        .collect();
    reached.sort_by(|a, b| a.effort.cmp(&b.effort).then(b.node.cmp(a.node)));
    reached
}

fn show(answer: &Blast<'_>, format: Format, console: &mut Console) -> Result<()> {
    match format {
        Format::Json => console.answer(bailiwick_report::json("Blast", answer)?),
        Format::Yaml => console.answer(bailiwick_report::yaml("Blast", answer)?),
        Format::Markdown => console.answer(table(&answer.reached, false).markdown(true, COMMENT)),
        Format::Name => {
            let keys = answer.reached.iter().filter_map(|entry| entry.node.key());
            let names: String = keys.map(|key| format!("{}\n", inert(&key))).collect();
            console.answer(names)
        }
        _ if answer.reached.is_empty() => {
            match answer.from {
                Node::Outside => {
                    console.note("nothing here is open to somebody without credentials");
                }
                from => console.note(format_args!("{from} reaches nothing further")),
            }
            Ok(())
        }
        format => {
            let all = format == Format::Wide;
            console.answer(table(&answer.reached, all).text(&console.look(), all))?;
            let implied = answer.reached.iter().filter(|entry| entry.implied).count();
            if !all && implied > 0 {
                console.note(format_args!(
                    "{implied} more come with these, such as each pod of a namespace; `-o wide` lists them"
                ));
            }
            Ok(())
        }
    }
}

fn table(reached: &[Reached<'_>], all: bool) -> Table {
    let mut table = Table::new([
        Column::new("EFFORT").number(),
        Column::new("REACHES"),
        Column::new("STEPS"),
    ]);
    for entry in reached.iter().filter(|entry| all || !entry.implied) {
        table.row([
            Cell::new(&entry.effort),
            Cell::new(entry.node),
            Cell::new(&entry.steps.join(" → ")),
        ]);
    }
    table
}
