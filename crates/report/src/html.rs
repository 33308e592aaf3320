//! One file for a browser: the picture as data, and the program that draws it.
//!
//! The page loads nothing and may load nothing: its content security policy names the hashes of its own style and
//! script and forbids everything else. Names reach it as JSON alone and become text of elements, never markup.

use bailiwick_diag::Severity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::inert::{inert, inert_json};
use crate::picture::Picture;

const BODY: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("../assets/data.js"),
    include_str!("../assets/layout.js"),
    include_str!("../assets/draw.js"),
    include_str!("../assets/panel.js"),
    include_str!("../assets/main.js"),
    "})();\n"
);

/// From, to, edge, facts, reviews, guards and the change that takes it away.
type Step<'a> = (
    usize,
    usize,
    usize,
    &'a [usize],
    Vec<String>,
    Vec<String>,
    Option<usize>,
);

/// What the script reads. Tuples are told in `assets/data.js`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    title: String,
    version: &'a str,
    hub: usize,
    outward: bool,
    left_out: usize,
    partial: bool,
    severities: Vec<&'static str>,
    kinds: Vec<&'static str>,
    nodes: Vec<(usize, String)>,
    edges: Vec<(&'static str, &'static str, u32)>,
    steps: Vec<Step<'a>>,
    facts: Vec<(String, String, usize)>,
    cuts: Vec<String>,
    paths: Vec<(usize, u32, usize, &'a [usize])>,
}

/// The picture as a page that stands alone.
///
/// # Errors
/// None that can happen: the data are lists, numbers and texts.
pub fn html(picture: &Picture, version: &str) -> Result<String, serde_json::Error> {
    let data = serde_json::to_string(&data(picture, version))?;
    // Inside of an element of data only `</script` and `<!--` mean something.
    let data = inert_json(data).replace('<', "\\u003c");
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    Ok([
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"",
        &policy,
        "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>Bailiwick</title>\n<style>",
        STYLE,
        "</style>\n</head>\n<body>\n",
        BODY,
        "<script type=\"application/json\" id=\"data\">",
        &data,
        "</script>\n<script>",
        SCRIPT,
        "</script>\n</body>\n</html>\n",
    ]
    .concat())
}

fn data<'a>(picture: &'a Picture, version: &'a str) -> Data<'a> {
    let mut kinds = Positions::default();
    let mut edges = Positions::default();
    let severity = |severity| Severity::ALL.iter().position(|known| *known == severity);
    Data {
        title: picture.title(),
        version,
        hub: picture.hub,
        outward: picture.outward,
        left_out: picture.left_out,
        partial: picture.partial,
        severities: Severity::ALL
            .iter()
            .map(|severity| severity.as_str())
            .collect(),
        nodes: picture
            .nodes
            .iter()
            .map(|node| (kinds.of(node.kind), text(&node.label)))
            .collect(),
        steps: picture
            .steps
            .iter()
            .map(|step| {
                let edge = edges.of((step.edge, step.title, step.effort));
                let texts = |own: &[String]| own.iter().map(|own| text(own)).collect();
                let (reviews, guards) = (texts(&step.reviews), texts(&step.guards));
                (
                    step.from,
                    step.to,
                    edge,
                    &*step.facts,
                    reviews,
                    guards,
                    step.cut,
                )
            })
            .collect(),
        facts: picture
            .facts
            .iter()
            .map(|fact| {
                let place = fact.place.span.as_ref().map(|_| fact.place.to_string());
                (
                    text(&fact.text),
                    text(&place.unwrap_or_default()),
                    fact.others,
                )
            })
            .collect(),
        cuts: picture.cuts.iter().map(|cut| text(cut)).collect(),
        paths: picture
            .paths
            .iter()
            .map(|path| {
                let severity = severity(path.severity).unwrap_or_default();
                (path.from, path.effort, severity, &*path.steps)
            })
            .collect(),
        kinds: kinds.values,
        edges: edges.values,
    }
}

/// Values that are there once, by position.
struct Positions<T> {
    values: Vec<T>,
}

impl<T> Default for Positions<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T: PartialEq> Positions<T> {
    /// Few enough to look through.
    fn of(&mut self, value: T) -> usize {
        let known = self.values.iter().position(|known| *known == value);
        known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        })
    }
}

fn text(text: &str) -> String {
    inert(text).into_owned()
}

/// A source of a content security policy (CSP level 2, hash-source).
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::picture;

    #[test]
    fn names_stay_data() {
        let page = html(&picture(), "0.1.0").unwrap();
        assert_eq!(
            page.matches("</script").count(),
            2,
            "the two of the page itself"
        );
        assert!(!page.contains("<b>`"), "a name is markup");
        let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
        let end = page[start..].find("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(&page[start..start + end]).unwrap();
        assert_eq!(
            data["nodes"][2][1],
            "user x\\u{1b}[31m\"</script><b>`|#;@all"
        );
        assert_eq!(data["facts"][0][1], "rbac/ops role.yaml:5:11");
        assert_eq!(data["paths"][1], serde_json::json!([1, 1, 4, [2, 0, 1]]));
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        let page = html(&Picture::default(), "0.1.0").unwrap();
        for word in [
            "http://",
            "https://",
            "//cdn",
            "@import",
            "url(",
            "fetch(",
            "XMLHttp",
            "innerHTML",
            "eval(",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
