//! Flowcharts of Mermaid, as GitHub and GitLab draw them in Markdown.

use std::fmt::Write as _;

use crate::inert::inert;
use crate::picture::Picture;

/// Mermaid draws 500 edges where nobody has changed its settings.
const EDGES: usize = 400;

/// It takes 50,000 characters.
const CHARACTERS: usize = 48_000;

/// Characters of a label; a name may be longer than anybody reads.
const LABEL: usize = 120;

/// The first paths as a flowchart. Those that do not fit are counted in a node of their own.
///
/// Sources are round, the hub is a hexagon, free steps are dotted, and those that a change takes away are red.
pub fn mermaid(picture: &Picture) -> String {
    mermaid_within(picture, EDGES, CHARACTERS)
}

pub(crate) fn mermaid_within(picture: &Picture, edges: usize, characters: usize) -> String {
    let mut most = edges.min(picture.steps.len());
    loop {
        let text = draw(picture, most);
        if most == 0 || text.chars().count() <= characters {
            return text;
        }
        most = most * 3 / 4;
    }
}

fn draw(picture: &Picture, most: usize) -> String {
    let excerpt = picture.excerpt(most);
    let starts: Vec<usize> = picture.paths.iter().map(|path| path.from).collect();
    let mut out = "flowchart LR\n".to_owned();
    for &position in &excerpt.nodes {
        let Some(node) = picture.nodes.get(position) else {
            continue;
        };
        let label = label(&node.label);
        let shape = match position {
            position if position == picture.hub => format!("{{{{\"{label}\"}}}}:::hub"),
            position if starts.contains(&position) => format!("([\"{label}\"]):::start"),
            _ => format!("[\"{label}\"]"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  n{position}{shape}");
    }
    let mut cut = Vec::new();
    let steps = excerpt.steps.iter();
    let steps = steps.filter_map(|&step| picture.steps.get(step));
    for (number, step) in steps.enumerate() {
        let by = step.cut.map_or_else(String::new, |by| {
            cut.push(number.to_string());
            format!(" ✂ {}", by + 1)
        });
        let line = if Picture::is_free(step) {
            "-.->"
        } else {
            "-->"
        };
        let _ = writeln!(
            out,
            "  n{} {line}|\"{}{by}\"| n{}",
            step.from,
            label(step.edge),
            step.to
        );
    }
    if excerpt.left > 0 {
        let what = if excerpt.left == 1 { "path" } else { "paths" };
        let _ = writeln!(
            out,
            "  more[\"{} more {what} not drawn\"]:::more",
            excerpt.left
        );
    }
    if picture.paths.is_empty() {
        let nothing = label(&format!("no {}", picture.title().to_lowercase()));
        let _ = writeln!(out, "  none[\"{nothing}\"]");
    }
    if !cut.is_empty() {
        for (position, text) in picture.cuts.iter().enumerate() {
            let _ = writeln!(out, "  cut{position}[\"✂ {}\"]:::cut", label(text));
        }
        let cut = cut.join(",");
        let _ = writeln!(out, "  linkStyle {cut} stroke:#b3261e,stroke-width:3px");
        out += "  classDef cut stroke:#b3261e,stroke-width:2px\n";
    }
    out += "  classDef hub fill:#b3261e,stroke:#7a1410,color:#fff\n  \
            classDef start fill:#1f5fa8,stroke:#123a68,color:#fff\n  \
            classDef more stroke-dasharray:4 4\n";
    out
}

/// Text between quotes. All that could mean something to Mermaid, Markdown or HTML becomes an entity.
fn label(text: &str) -> String {
    let text = inert(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars().take(LABEL) {
        if c.is_alphanumeric() || " -/.,:()'".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    if text.chars().nth(LABEL).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{cut_picture, picture};

    #[test]
    fn as_a_whole() {
        insta::assert_snapshot!(mermaid(&picture()));
    }

    #[test]
    fn what_a_change_takes_away_is_marked() {
        insta::assert_snapshot!(mermaid(&cut_picture()));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let text = mermaid_within(&picture(), 2, CHARACTERS);
        assert!(text.contains("more[\"2 more paths not drawn\"]"), "{text}");
        let text = mermaid_within(&picture(), EDGES, 500);
        assert!(text.contains("1 more path not drawn"), "{text}");
    }

    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            label("a\"]; b<c>`d`#e"),
            "a#34;#93;#59; b#60;c#62;#96;d#96;#35;e"
        );
        assert_eq!(label(&"x".repeat(200)).chars().count(), LABEL + 1);
    }
}
