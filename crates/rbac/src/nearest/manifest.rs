//! Roles and bindings as YAML documents that `kubectl apply` takes.

use bailiwick_core::Str;
use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::{Binding, ObjectMeta, PolicyRule, Role};

pub(super) fn role(role: &Role) -> String {
    let mut text = head(role.kind().as_str(), &role.metadata);
    text.push_str("rules:\n");
    for rule in &role.rules {
        push_rule(&mut text, rule);
    }
    text
}

pub(super) fn binding(binding: &Binding) -> String {
    let mut text = head(binding.kind().as_str(), &binding.metadata);
    let role = &binding.role_ref;
    push_fields(
        &mut text,
        "roleRef:\n  ",
        &[
            ("apiGroup", RBAC_GROUP),
            ("kind", &role.kind),
            ("name", &role.name),
        ],
    );
    text.push_str("subjects:\n");
    for subject in &binding.subjects {
        let fields = [
            ("kind", &*subject.kind),
            ("apiGroup", &subject.api_group),
            ("name", &subject.name),
            ("namespace", &subject.namespace),
        ];
        push_fields(&mut text, "- ", &fields);
    }
    text
}

fn head(kind: &str, metadata: &ObjectMeta) -> String {
    let mut text = format!("apiVersion: {RBAC_GROUP}/v1\nkind: {kind}\n");
    let fields = [
        ("name", &*metadata.name),
        ("namespace", &*metadata.namespace),
    ];
    push_fields(&mut text, "metadata:\n  ", &fields);
    text
}

fn push_rule(text: &mut String, rule: &PolicyRule) {
    let lists: [(&str, &[Str]); 5] = [
        ("apiGroups", &rule.api_groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.resource_names),
        ("nonResourceURLs", &rule.non_resource_urls),
        ("verbs", &rule.verbs),
    ];
    let mut start = "- ";
    for (name, words) in lists.into_iter().filter(|(_, words)| !words.is_empty()) {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        text.push_str(&format!("{start}{name}: [{}]\n", words.join(", ")));
        start = "  ";
    }
}

/// Fields that are not empty, the first behind `start` and the others below it.
fn push_fields(text: &mut String, start: &str, fields: &[(&str, &str)]) {
    let mut start = start;
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{start}{name}: {}\n", scalar(value)));
        start = "  ";
    }
}

/// Plain where YAML reads nothing but a string in it.
fn scalar(value: &str) -> String {
    let letter = |c: char| c.is_ascii_alphabetic();
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '/';
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = value.starts_with(letter)
        && value.chars().all(inner)
        && !word.iter().any(|word| value.eq_ignore_ascii_case(word));
    if plain {
        value.to_owned()
    } else {
        quoted(value)
    }
}

/// In double quotes, with the escapes that YAML knows.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
