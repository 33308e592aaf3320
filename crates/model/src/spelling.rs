//! How close two names are, for "did you mean".

/// The candidate closest to `name`, where one is close enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    closest(name, candidates, 1).into_iter().next()
}

/// Up to `count` candidates that may be what was meant, the closest first, equally close ones in their order.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    // A name longer than any that Kubernetes has is no slip of the pen, and comparing it costs time.
    if name.len() > 64 {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(name, candidate)?, candidate)))
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.truncate(count);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Edits from `a` to `b` (insert, delete, replace, swap neighbours), case aside; `None` where there are too many for
/// a slip of the pen: more than a third of the longer name.
fn distance(a: &str, b: &str) -> Option<usize> {
    let letters = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    let (a, b) = (letters(a), letters(b));
    let most = (a.len().max(b.len()) / 3).max(1);
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let edits = edits(&a, &b);
    (edits <= most).then_some(edits)
}

/// Optimal string alignment distance, two rows back at a time.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous: Option<char> = None;
    for (row, &x) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        current.push(row + 1);
        let mut left = row + 1;
        let mut neighbour: Option<char> = None;
        for (column, (&y, above)) in b.iter().zip(last.windows(2)).enumerate() {
            let &[diagonal, up] = above else { continue };
            let mut cost = (diagonal + usize::from(x != y)).min(up + 1).min(left + 1);
            if previous == Some(y) && neighbour == Some(x) {
                let swapped = column.checked_sub(1).and_then(|c| before.get(c));
                cost = swapped.map_or(cost, |swapped| cost.min(swapped + 1));
            }
            current.push(cost);
            left = cost;
            neighbour = Some(y);
        }
        before = std::mem::replace(&mut last, current);
        previous = Some(x);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        let check = |a: &str, b: &str, expected: Option<usize>| {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        };
        check("resourcenames", "resourceNames", Some(0));
        check("resourceName", "resourceNames", Some(1));
        check("apigroups", "apiGroup", Some(1));
        check("lables", "labels", Some(1));
        check("vebrs", "verbs", Some(1));
        check("pods", "nodes", None);
        check("kitten", "sitting", None);
        check("", "a", Some(1));
        check("subject", "subjects", Some(1));
    }

    #[test]
    fn the_closest_comes_first() {
        let names = ["roles", "rolebindings", "clusterroles"];
        assert_eq!(nearest("role", names), Some("roles"));
        assert_eq!(nearest("rolebinding", names), Some("rolebindings"));
        assert_eq!(nearest("widgets", names), None);
        assert_eq!(nearest(&"r".repeat(1_000_000), names), None);
    }
}
