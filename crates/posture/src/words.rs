//! Wording that several checks share.

use bailiwick_core::ObjectRef;

/// Supporting facts of a finding that are listed; the rest is counted.
const MOST: usize = 10;

/// At most [`MOST`] of the facts, and a line that counts the others.
pub(crate) fn bounded(facts: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let hidden = facts.len().saturating_sub(MOST);
    let mut shown: Vec<String> = facts.take(MOST).collect();
    if hidden > 0 {
        shown.push(format!("and {hidden} more"));
    }
    shown
}

/// `x`, `x and y`, `x, y and 3 others`.
pub(crate) fn few<T: ToString>(items: &[T]) -> String {
    match items {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [one, two] => format!("{} and {}", one.to_string(), two.to_string()),
        [one, two, three] => format!(
            "{}, {} and {}",
            one.to_string(),
            two.to_string(),
            three.to_string()
        ),
        [one, two, rest @ ..] => format!(
            "{}, {} and {} others",
            one.to_string(),
            two.to_string(),
            rest.len()
        ),
    }
}

/// The words in backticks, as [`few`] lists them.
pub(crate) fn ticked<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let words = words
        .into_iter()
        .map(|word| format!("`{}`", word.to_string()));
    few(&words.collect::<Vec<_>>())
}

/// `1 binding`, `2 bindings`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// The object in backticks behind its kind: ``ClusterRole `ops` ``.
pub(crate) fn quoted(object: &ObjectRef) -> String {
    match &*object.namespace {
        "" => format!("{} `{}`", object.kind, object.name),
        namespace => format!("{} `{namespace}/{}`", object.kind, object.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stay_short() {
        assert_eq!(few::<&str>(&[]), "nobody");
        assert_eq!(few(&["a", "b"]), "a and b");
        assert_eq!(few(&["a", "b", "c"]), "a, b and c");
        assert_eq!(few(&["a", "b", "c", "d"]), "a, b and 2 others");
        let many: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let shown = bounded(many.into_iter());
        assert_eq!(shown.len(), 11);
        assert_eq!(shown.last().unwrap(), "and 40 more");
    }
}
