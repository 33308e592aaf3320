use std::ops::Range;

use bailiwick_model::MAX_DEPTH;
use granit_parser::{Event, Parser, ScanError, StrInput};

use super::{EACH, Found, steps};
use crate::read::{is_merge, key_text};

/// Where `pointer` leads in the YAML text of one object, which starts at column `column` (from 0) of its line; `None`
/// where the text is no YAML. What an alias or a merge key brings in is found at the alias or the merge key.
pub(crate) fn find_in_yaml(text: &str, column: usize, pointer: &str) -> Option<Found> {
    // The first line has lost its indentation.
    let padded = format!("{}{text}", " ".repeat(column));
    let found = Walker::new(&padded).document(&steps(pointer)).ok()??;
    let shift =
        |range: Range<usize>| range.start.saturating_sub(column)..range.end.saturating_sub(column);
    Some(Found {
        key: found.key.map(shift),
        value: shift(found.value),
        is_collection: found.is_collection,
    })
}

/// The elements of the list to which `pointer` leads, in one walk. None where it is no list there, or an alias of one.
pub(crate) fn elements_in_yaml(text: &str, pointer: &str) -> Vec<Found> {
    let mut walker = Walker::new(text);
    let walked = walker.document(&steps(&format!("{pointer}/{EACH}")));
    walked.map(|_| walker.elements).unwrap_or_default()
}

type Node<'t> = (Event<'t>, Range<usize>);

struct Walker<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// Where the last scalar or bracket ended.
    last: usize,
    /// What stands where a path ends with [`EACH`].
    elements: Vec<Found>,
}

impl<'t> Walker<'t> {
    fn new(text: &'t str) -> Self {
        let mut options = granit_parser::options! {
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        Self {
            events: Parser::new_from_str_with_options(text, options),
            last: 0,
            elements: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Node<'t>, ScanError> {
        let Some(event) = self.events.next_event() else {
            return Ok((Event::StreamEnd, self.last..self.last));
        };
        let (event, span) = event?;
        let start = span.start.byte_offset().unwrap_or(self.last);
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        let ends = !matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if ends && end > start {
            self.last = end;
        }
        Ok((event, start..end))
    }

    fn document(&mut self, steps: &[String]) -> Result<Option<Found>, ScanError> {
        loop {
            let node = self.next()?;
            match node.0 {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(None),
                _ => return self.find(node, steps, None).map(Some),
            }
        }
    }

    fn find(
        &mut self,
        (event, at): Node<'t>,
        steps: &[String],
        key: Option<Range<usize>>,
    ) -> Result<Found, ScanError> {
        let inner = match &event {
            Event::SequenceStart(..) => self.in_sequence(steps)?,
            Event::MappingStart(..) => self.in_mapping(steps)?,
            _ => {
                return Ok(Found {
                    key,
                    value: at,
                    is_collection: false,
                });
            }
        };
        Ok(inner.unwrap_or(Found {
            key,
            value: at.start..self.last.max(at.start),
            is_collection: true,
        }))
    }

    fn in_sequence(&mut self, steps: &[String]) -> Result<Option<Found>, ScanError> {
        let (wanted, rest) = match steps.split_first() {
            Some((step, rest)) => (step.parse::<usize>().ok(), rest),
            None => (None, steps),
        };
        let mut found = None;
        let mut position = 0;
        loop {
            let node = self.next()?;
            if matches!(node.0, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(found);
            }
            let inner = self.find(
                node,
                if Some(position) == wanted { rest } else { &[] },
                None,
            )?;
            if Some(position) == wanted {
                found = Some(inner);
            } else if steps == [EACH] {
                self.elements.push(inner);
            }
            position += 1;
        }
    }

    fn in_mapping(&mut self, steps: &[String]) -> Result<Option<Found>, ScanError> {
        let (wanted, rest) = match steps.split_first() {
            Some((step, rest)) => (Some(step.as_str()), rest),
            None => (None, steps),
        };
        let (mut own, mut merged) = (None, None);
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(own.or(merged));
            }
            let merge = is_merge(&event);
            let name = key_text(&event);
            if name.is_none() {
                self.find((event, at.clone()), &[], None)?;
            }
            let is_wanted = wanted.is_some() && name.as_deref() == wanted && !merge;
            let node = self.next()?;
            let inner = self.find(node, if is_wanted { rest } else { &[] }, Some(at.clone()))?;
            if is_wanted {
                own = Some(inner);
            } else if merge && wanted.is_some() {
                merged = Some(Found {
                    key: None,
                    value: at,
                    is_collection: false,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: usize, pointer: &str, expected: &str) {
        let found = find_in_yaml(text, column, pointer).unwrap();
        assert_eq!(
            &text[found.underline(text.as_bytes())],
            expected,
            "{pointer} in {text}"
        );
    }

    #[test]
    fn pointers_lead_to_their_text() {
        let text = "kind: Role\nrules:\n- verbs: [get, \"list\"]\n  resources:\n  - pods\n  x:\n- verbs:\n  - watch\n010: a\non: b\nkind: B\n";
        for (pointer, expected) in [
            ("/kind", "B"),
            ("/rules", "rules"),
            ("/rules/0/verbs", "verbs"),
            ("/rules/0/verbs/1", "\"list\""),
            ("/rules/0/resources/0", "pods"),
            ("/rules/0/x", "x"),
            ("/rules/1", "verbs:"),
            ("/rules/1/verbs/0", "watch"),
            ("/8", "a"),
            ("/true", "b"),
            ("/rules/1/resources", "verbs:"),
            ("/rules/5", "rules"),
            ("/metadata/name", "kind: Role"),
        ] {
            check(text, 0, pointer, expected);
        }
    }

    #[test]
    fn an_item_of_a_list_is_read_without_the_list() {
        let item = "kind: Role\n    metadata:\n      name: x\n    rules:\n    - verbs: [get]\n";
        check(item, 4, "/metadata/name", "x");
        check(item, 4, "/rules/0/verbs/0", "get");
    }

    #[test]
    fn aliases_and_merge_keys_are_the_place_of_what_they_bring() {
        let text = "a: &x\n  k: v\nb: *x\nc:\n  <<: *x\n  own: 1\nd: *elsewhere\n";
        check(text, 0, "/b/k", "*x");
        check(text, 0, "/c/k", "<<");
        check(text, 0, "/c/own", "1");
        check(text, 0, "/d/name", "*elsewhere");
    }

    #[test]
    fn elements_of_a_list() {
        let check = |pointer: &str, expected: &[&str]| {
            let text = "x: &x [[1]]\nitems:\n- a\n- [b, c]\n- d: e\n  items: [f]\ny: *x\n";
            let found = elements_in_yaml(text, pointer);
            let found: Vec<&str> = found
                .iter()
                .map(|found| &text[found.underline(text.as_bytes())])
                .collect();
            assert_eq!(found, expected, "{pointer}");
        };
        check("/items", &["a", "[b, c]", "d: e"]);
        check("/items/1", &["b", "c"]);
        check("/items/2/items", &["f"]);
        for none in ["", "/items/0", "/items/2", "/y", "/z"] {
            check(none, &[]);
        }
        assert_eq!(elements_in_yaml("items: [a, }", "/items"), []);
    }
}
