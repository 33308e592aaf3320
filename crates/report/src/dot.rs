//! The language of Graphviz.

use std::fmt::Write as _;

use crate::inert::inert;
use crate::picture::Picture;

/// Edges beyond which `dot` takes minutes and nobody reads the picture.
const EDGES: usize = 1_000;

/// The first paths as a directed graph. Those that do not fit are counted in a node of their own.
///
/// Free steps are dashed, those that a change takes away red; the tooltip of a step, which SVG shows, is what it rests on.
pub fn dot(picture: &Picture) -> String {
    dot_within(picture, EDGES)
}

fn dot_within(picture: &Picture, most: usize) -> String {
    let excerpt = picture.excerpt(most);
    let mut out = format!(
        "digraph bailiwick {{\n  label={};\n  labelloc=t;\n  fontname=\"Helvetica\";\n  rankdir=LR;\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f4f2\", fontname=\"Helvetica\", fontsize=11];\n  \
         edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];\n",
        quote(&picture.title())
    );
    for &position in &excerpt.nodes {
        let Some(node) = picture.nodes.get(position) else {
            continue;
        };
        let hub = if position == picture.hub {
            ", fillcolor=\"#b3261e\", fontcolor=white"
        } else {
            ""
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  n{position} [label={}{hub}];", quote(&node.label));
    }
    for step in excerpt
        .steps
        .iter()
        .filter_map(|&step| picture.steps.get(step))
    {
        let style = match step.cut {
            Some(_) => ", color=\"#b3261e\", fontcolor=\"#b3261e\", penwidth=2.5",
            None if Picture::is_free(step) => ", style=dashed",
            None => "",
        };
        let by = step.cut.map(|by| format!("{} ✂ {}", step.edge, by + 1));
        let _ = writeln!(
            out,
            "  n{} -> n{} [label={}, tooltip={}{style}];",
            step.from,
            step.to,
            quote(by.as_deref().unwrap_or(step.edge)),
            quote(&picture.line(step)),
        );
    }
    for (position, text) in picture.cuts.iter().enumerate() {
        let text = quote(&format!("✂ {text}"));
        let _ = writeln!(out, "  cut{position} [label={text}, color=\"#b3261e\"];");
    }
    if excerpt.left > 0 {
        let what = if excerpt.left == 1 { "path" } else { "paths" };
        let text = format!("{} more {what} not drawn", excerpt.left);
        let _ = writeln!(out, "  more [label={}, style=dashed];", quote(&text));
    }
    out += "}\n";
    out
}

/// A quoted id, in which `\` starts an escape of Graphviz.
fn quote(text: &str) -> String {
    let text = inert(text).replace('\\', "\\\\").replace('"', "\\\"");
    // Entities of HTML mean what they mean there.
    format!("\"{}\"", text.replace('&', "&amp;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{cut_picture, picture};

    #[test]
    fn as_a_whole() {
        insta::assert_snapshot!(dot(&picture()));
    }

    #[test]
    fn what_a_change_takes_away_is_marked() {
        insta::assert_snapshot!(dot(&cut_picture()));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let text = dot_within(&picture(), 2);
        assert!(
            text.contains("more [label=\"2 more paths not drawn\""),
            "{text}"
        );
    }

    #[test]
    fn nothing_ends_a_label() {
        assert_eq!(quote("a\\\"b\n&lt;"), "\"a\\\\\\\"b\\\\n&amp;lt;\"");
    }
}
