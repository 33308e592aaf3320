//! Wording that several checks share.

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_diag::Severity;

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

/// The command that deletes the object.
pub fn delete(object: &ObjectRef) -> String {
    let mut command = format!("kubectl delete {}", target(object.kind));
    if !object.namespace.is_empty() {
        command += &format!(" -n {}", shell(&object.namespace));
    }
    command + separator(&object.name) + &shell(&object.name)
}

/// The command that takes an element out of a list of the object, after a test that it is still the one meant.
pub fn remove(object: &ObjectRef, pointer: &str, test: &str, value: &str) -> String {
    let quote = |text: &str| json(text);
    let patch = format!(
        "[{{\"op\":\"test\",\"path\":{},\"value\":{}}},{{\"op\":\"remove\",\"path\":{}}}]",
        quote(test),
        quote(value),
        quote(pointer),
    );
    let namespace = match &*object.namespace {
        "" => String::new(),
        namespace => format!(" -n {}", shell(namespace)),
    };
    format!(
        "kubectl patch {}{namespace} --type=json -p {}{}{}",
        target(object.kind),
        shell(&patch),
        separator(&object.name),
        shell(&object.name)
    )
}

/// A name that starts with a dash has to stand behind `--`.
fn separator(name: &str) -> &'static str {
    if name.starts_with('-') { " -- " } else { " " }
}

fn target(kind: Kind) -> &'static str {
    // Singular forms read better in commands and are as exact.
    match kind {
        Kind::Role => "role",
        Kind::ClusterRole => "clusterrole",
        Kind::RoleBinding => "rolebinding",
        Kind::ClusterRoleBinding => "clusterrolebinding",
        Kind::Secret => "secret",
        Kind::ServiceAccount => "serviceaccount",
        other => other.resource(),
    }
}

/// The word as a POSIX shell reads it: quoted where it holds anything but letters, digits and `-._:/`.
pub(crate) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn json(text: &str) -> String {
    bailiwick_model::Value::String(text.to_owned()).to_string()
}

/// One step less severe, `info` at least.
pub(crate) fn lower(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
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

    #[test]
    fn commands_survive_any_name() {
        let check = |kind, namespace, name, expected: &str| {
            assert_eq!(delete(&ObjectRef::new(kind, namespace, name)), expected);
        };
        check(
            Kind::ClusterRole,
            "",
            "system:x",
            "kubectl delete clusterrole system:x",
        );
        check(
            Kind::RoleBinding,
            "a",
            "b",
            "kubectl delete rolebinding -n a b",
        );
        check(
            Kind::ClusterRole,
            "",
            "a; rm -rf /",
            "kubectl delete clusterrole 'a; rm -rf /'",
        );
        check(
            Kind::ClusterRole,
            "",
            "it's $(x)",
            "kubectl delete clusterrole 'it'\\''s $(x)'",
        );
        check(
            Kind::ClusterRole,
            "",
            "-x",
            "kubectl delete clusterrole -- -x",
        );
        let role = ObjectRef::new(Kind::ClusterRole, "", "ops");
        assert_eq!(
            remove(&role, "/rules/0", "/rules/0/verbs/0", "*"),
            "kubectl patch clusterrole --type=json -p \
             '[{\"op\":\"test\",\"path\":\"/rules/0/verbs/0\",\"value\":\"*\"},\
             {\"op\":\"remove\",\"path\":\"/rules/0\"}]' ops"
        );
    }
}
