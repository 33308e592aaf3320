//! Steps that somebody would take, did a setting not stand in the way.

use std::fmt::Write as _;

use bailiwick_graph::{Atom, Graph, HeldBack, Node, NodeId};
use bailiwick_report::{Look, Tone, inert};
use serde::Serialize;

use super::paths::atom_line;

/// As many are told as text.
const SHOWN: usize = 10;

/// One of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeldStep<'g> {
    from: &'g Node,
    to: &'g Node,
    edge: &'static str,
    title: &'static str,
    /// What stands in the way.
    by: &'g Atom,
    why: &'static str,
}

/// Those of which the start is reached from here and the end is not.
pub(super) fn ahead(graph: &Graph, source: NodeId) -> Vec<HeldStep<'_>> {
    let reach = graph.reach(&[source]);
    let is_reached = |node: &Node| {
        let found = graph.find(node);
        found.is_some_and(|node| reach.effort(node).is_some())
    };
    let wanted = |held: &&HeldBack| is_reached(&held.from) && !is_reached(&held.to);
    let mut held: Vec<&HeldBack> = graph.held_back().filter(wanted).collect();
    let key = |held: &&'_ HeldBack| (held.from.clone(), held.kind.id, held.to.clone());
    held.sort_by_cached_key(key);
    held.dedup_by_key(|held| key(held));
    held.into_iter().map(HeldStep::of).collect()
}

impl<'g> HeldStep<'g> {
    fn of(held: &'g HeldBack) -> Self {
        Self {
            from: &held.from,
            to: &held.to,
            edge: held.kind.id,
            title: held.kind.title,
            by: &held.by,
            why: held.why,
        }
    }
}

/// For people.
pub(super) fn text(held: &[HeldStep<'_>], look: &Look) -> String {
    let mut out = String::new();
    for step in held.iter().take(SHOWN) {
        let title = format!("held back: {} → {}", step.title, step.to);
        let title = look.paint(Tone::Plain, &inert(&title));
        let _ = writeln!(out, "{title}  {}", look.paint(Tone::Faint, step.edge));
        let why = format!("from {}; {}: {}", step.from, atom_line(step.by), step.why);
        let _ = writeln!(out, "   {}", inert(&why));
    }
    if held.len() > SHOWN {
        let _ = writeln!(
            out,
            "{} more steps are held back; -o json shows all",
            held.len() - SHOWN
        );
    }
    out
}
