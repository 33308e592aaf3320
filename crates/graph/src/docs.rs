use std::fmt::Write as _;

use crate::EDGES;

/// The page of every kind of edge by file name, and an index of them, for `docs/edges/`.
pub fn pages() -> Vec<(String, String)> {
    let mut index = "# Edges\n\n\
        The steps that `bailiwick paths` knows. `bailiwick explain ID` prints a page. Effort 0 is free, 1 is one \
        request, more takes several, some waiting or luck. Where no version of Kubernetes stands it is every one.\n\n\
        | Edge | Effort | Kubernetes | An attacker can |\n| --- | --- | --- | --- |\n"
        .to_owned();
    let mut edges = EDGES.to_vec();
    edges.sort_by_key(|edge| edge.id);
    for edge in &edges {
        // Writing to a String cannot fail.
        let _ = writeln!(
            index,
            "| [`{id}`]({id}.md) | {} | {} | {} |",
            edge.effort,
            edge.versions,
            edge.title,
            id = edge.id
        );
    }
    let pages = edges
        .iter()
        .map(|edge| (format!("{}.md", edge.id), edge.page()));
    std::iter::once(("README.md".to_owned(), index))
        .chain(pages)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::pages;

    #[test]
    fn the_documentation_holds_these_pages() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/edges");
        for (file, text) in pages() {
            let committed = std::fs::read_to_string(format!("{folder}/{file}"));
            assert!(
                committed.is_ok_and(|committed| committed == text),
                "docs/edges/{file} is out of date; run `cargo xtask docs`"
            );
        }
    }
}
