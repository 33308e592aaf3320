use std::ops::Range;

use super::{Found, find_in_yaml};

/// Where `pointer` leads in the YAML text of an object that may hold YAML in texts of its `data`, as [`find_in_yaml`] does.
/// What is inside of a text is found where that is a literal block; inside of others it is the text.
pub(crate) fn find_in_embedded(text: &str, column: usize, pointer: &str) -> Option<Found> {
    let found = find_in_yaml(text, column, pointer)?;
    let end = pointer.match_indices('/').nth(2).map(|(at, _)| at);
    let (outer, inner) = pointer.split_at(end.unwrap_or(pointer.len()));
    let inside = || {
        let block = Block::of(text, &found)?;
        let inside = find_in_yaml(&block.text, 0, inner)?;
        Some(Found {
            key: inside.key.and_then(|range| block.in_source(&range)),
            value: block.in_source(&inside.value)?,
            is_collection: inside.is_collection,
        })
    };
    let may_be_inside = outer.starts_with("/data/") && !inner.is_empty() && !found.is_collection;
    let is_inside = may_be_inside && find_in_yaml(text, column, outer).as_ref() == Some(&found);
    Some(is_inside.then(inside).flatten().unwrap_or(found))
}

/// The text that a literal block stands for.
struct Block {
    text: String,
    /// Where each line starts in the text, and where in the source.
    lines: Vec<(usize, usize)>,
}

impl Block {
    /// The text that was found, if it is a literal block.
    fn of(source: &str, found: &Found) -> Option<Self> {
        let at = &found.value;
        let header = source.get(found.key.as_ref()?.end..at.start)?;
        let header = header.lines().next()?.split('#').next()?.trim_end();
        let header = header.trim_end_matches(|c: char| matches!(c, '+' | '-' | '1'..='9'));
        if !header.ends_with('|') {
            return None;
        }
        let first = source.get(..at.start)?.rfind('\n')? + 1;
        let indent = at.start - first;
        let mut block = Self {
            text: String::new(),
            lines: Vec::new(),
        };
        let mut start = first;
        for line in source.get(first..at.end)?.split_inclusive('\n') {
            let own = line.len() - line.trim_start_matches(' ').len();
            let cut = own.min(indent);
            block.lines.push((block.text.len(), start + cut));
            block.text.push_str(line.get(cut..)?);
            start += line.len();
        }
        Some(block)
    }

    fn in_source(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let place = |at: usize| {
            let line = self.lines.partition_point(|&(start, _)| start <= at);
            let &(start, source) = self.lines.get(line.checked_sub(1)?)?;
            Some(source + at - start)
        };
        Some(place(range.start)?..place(range.end)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: usize, pointer: &str, expected: &str) {
        let found = find_in_embedded(text, column, pointer).unwrap();
        let found = &text[found.underline(text.as_bytes())];
        assert_eq!(found, expected, "{pointer} in {text}");
    }

    #[test]
    fn pointers_lead_into_literal_blocks() {
        let text = "kind: ConfigMap\ndata:\n  mapRoles: |-  # roles\n\n    - rolearn: arn\n      groups: [a, b]\n    - rolearn: other\n  mapUsers: '- userarn: x'\n  last: >\n    - a\n";
        for column in [0, 4] {
            let text = text.replace('\n', &format!("\n{}", " ".repeat(column)));
            for (pointer, expected) in [
                ("/data/mapRoles/0/rolearn", "arn"),
                ("/data/mapRoles/0/groups/1", "b"),
                ("/data/mapRoles/1/rolearn", "other"),
                ("/data/mapRoles/1", "rolearn: other"),
                ("/data/mapUsers/0/userarn", "'- userarn: x'"),
                ("/data/mapUsers", "'- userarn: x'"),
                ("/kind", "ConfigMap"),
                ("/data/last/0", "- a"),
            ] {
                check(&text, column, pointer, expected);
            }
        }
    }

    #[test]
    fn a_block_that_ends_the_text() {
        check(
            "data:\n  mapRoles: |\n    - rolearn: a",
            0,
            "/data/mapRoles/0/rolearn",
            "a",
        );
        check(
            "data:\n  mapRoles: |2\n    - rolearn: a\n",
            0,
            "/data/mapRoles/0/rolearn",
            "a",
        );
    }
}
