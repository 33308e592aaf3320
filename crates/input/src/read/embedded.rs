//! YAML in a text of an object.

use std::ops::Range;

use bailiwick_model::{Value, YamlError};

use super::{Items, Lines, read_yaml};

/// Longest text, in bytes: an API server stores no ConfigMap above 1 MiB.
const MOST_BYTES: usize = 1 << 20;

/// What the YAML of a text of an object says, as Kubernetes reads it. Empty text says null.
///
/// # Errors
/// Where it is no YAML, or more than any object holds.
pub fn read_embedded(text: &str) -> Result<Value, YamlError> {
    if text.len() > MOST_BYTES {
        return Err(YamlError {
            line: 1,
            message: format!("it has more than {MOST_BYTES} bytes"),
            is_ours: true,
        });
    }
    match read_yaml(text, &mut InPlace) {
        Ok(root) => Ok(root.value),
        Err(problem) => Err(YamlError {
            line: Lines::of(text.as_bytes())
                .position(text.as_bytes(), problem.at.start)
                .line,
            message: problem.message.into_owned(),
            is_ours: problem.id != "broken-yaml",
        }),
    }
}

/// No list `items` of such a text is a list of objects.
struct InPlace;

impl Items for InPlace {
    fn begin(&mut self) {}

    fn item(&mut self, _: Value, _: Range<usize>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_kubernetes_reads_yaml() {
        let check = |text: &str, expected: &str| {
            let read = match read_embedded(text) {
                Ok(value) => value.to_string(),
                Err(error) => format!("{}: {}: {}", error.line, error.message, error.is_ours),
            };
            assert!(read.contains(expected), "{text}: {read}");
        };
        check("", "null");
        check(
            "- rolearn: a\n  groups: [b]\n",
            r#"[{"rolearn":"a","groups":["b"]}]"#,
        );
        check("- a\n- b: [\n", "2: ");
        check("- a\n- b: [\n", ": false");
        let bomb = "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        check(bomb, ": true");
        check(&" ".repeat(MOST_BYTES + 1), ": true");
    }
}
