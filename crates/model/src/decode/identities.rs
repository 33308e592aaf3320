//! The ConfigMap `kube-system/aws-auth`, as aws-iam-authenticator reads it (`pkg/mapper/configmap`, `pkg/arn`): what it
//! cannot make out of a text it passes over, and the rest counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bailiwick_core::Str;

use super::node::{Node, cut};
use super::reader::{Context, Shape};
use crate::identities::{IdentityMap, MappedIdentity};
use crate::meta::ObjectMeta;
use crate::value::Value;

/// Most mappings of one text. A hundred are many.
const MOST: usize = 10_000;

const CONFIG_MAP: Shape = Shape {
    what: "a ConfigMap",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("data", "no identity of AWS is anybody"),
        ("binaryData", ""),
        ("immutable", ""),
    ],
};

const DATA: Shape = Shape {
    what: "the map of identities",
    complete: false,
    fields: &[
        ("mapRoles", "no role of AWS is anybody"),
        ("mapUsers", "no user of AWS is anybody"),
        ("mapAccounts", ""),
    ],
};

pub(super) fn map(cx: &mut Context<'_>, root: &Node<'_>, metadata: ObjectMeta) -> IdentityMap {
    let mut map = IdentityMap {
        metadata,
        ..IdentityMap::default()
    };
    cx.mapping(root, &CONFIG_MAP);
    let Some(data) = cx.inner(root, "data", &DATA) else {
        return map;
    };
    let mut identities: Vec<MappedIdentity> = Vec::new();
    let mut places = HashMap::new();
    for (key, is_role) in [("mapRoles", true), ("mapUsers", false)] {
        list(cx, &data, key, &mut |cx, position, item| {
            let Some(mut found) = identity(cx, item, is_role) else {
                return;
            };
            found.position = position;
            match places.entry(found.arn.to_lowercase()) {
                Entry::Vacant(place) => {
                    place.insert(identities.len());
                    identities.push(found);
                }
                Entry::Occupied(place) => {
                    not_mapped(cx, item, "its ARN is mapped twice, and one mapping counts");
                    // Roles are looked at first; of two in one list the later stands.
                    let other = identities.get_mut(*place.get());
                    if let Some(other) = other.filter(|other| other.is_role == is_role) {
                        *other = found;
                    }
                }
            }
        });
    }
    map.identities = identities.into();
    let mut accounts = Vec::new();
    list(cx, &data, "mapAccounts", &mut |cx, position, item| {
        let account = match item.value {
            Value::String(text) => text.clone(),
            Value::Int(_) | Value::UInt(_) => format!("{:0>12}", item.value.to_string()),
            _ => return not_mapped(cx, item, "it is no number of an account"),
        };
        accounts.push((position, cx.intern(&account)));
    });
    map.accounts = accounts.into();
    map
}

/// Calls `each` with every item of the list that the YAML of a text is, and its position.
fn list(
    cx: &mut Context<'_>,
    data: &Node<'_>,
    key: &str,
    each: &mut dyn FnMut(&mut Context<'_>, u32, &Node<'_>),
) {
    let Some(node) = data.field(key) else { return };
    let Some(text) = cx.plain_text(&node) else {
        return;
    };
    if matches!(text.trim(), "" | "``" | "\"\"" | "''") {
        return;
    }
    let value = match cx.read_yaml(text) {
        Some(Ok(value)) => value,
        Some(Err(error)) if !error.is_ours => {
            let message = format!(
                "the YAML of `{key}` is broken in its line {}, so EKS reads none of it: {}",
                error.line, error.message
            );
            return cx.remark(&node, "broken-identity-map", message, "mend the YAML");
        }
        error => {
            let why = match error {
                Some(Err(error)) => format!("line {}: {}", error.line, error.message),
                _ => "nothing here reads YAML".to_owned(),
            };
            let message = format!("`{key}` is not read: {why}");
            return cx.lose(&node, "identity-map-too-large", message, "write it shorter");
        }
    };
    let list = node.reading(&value);
    let Some(items) = value.as_array() else {
        if value != Value::Null {
            let message = format!(
                "`{key}` holds {} and no list, so EKS reads none of it",
                value.kind()
            );
            cx.remark(&node, "broken-identity-map", message, "write a list");
        }
        return;
    };
    if items.len() > MOST {
        let message = format!("`{key}` holds more than {MOST} mappings");
        return cx.lose(&node, "identity-map-too-large", message, "write fewer");
    }
    for (position, item) in (0..).zip(list.elements()) {
        each(cx, position, &item);
    }
}

/// A mapping; `None` where nobody can have its ARN.
fn identity(cx: &mut Context<'_>, item: &Node<'_>, is_role: bool) -> Option<MappedIdentity> {
    if item.value.as_object().is_none() {
        not_mapped(cx, item, "it is no mapping");
        return None;
    }
    let mut found = MappedIdentity {
        is_role,
        ..MappedIdentity::default()
    };
    // Go's reader of JSON takes keys in any case.
    for (key, field) in item.entries() {
        match key.to_ascii_lowercase().as_str() {
            "rolearn" if is_role => found.arn = text(cx, &field),
            "userarn" if !is_role => found.arn = text(cx, &field),
            "username" => found.username = text(cx, &field),
            "groups" => found.groups = groups(cx, &field),
            _ => {}
        }
    }
    match why_nobody(&found.arn.to_lowercase()) {
        Some(reason) => {
            not_mapped(cx, item, reason);
            None
        }
        None => Some(found),
    }
}

fn groups(cx: &mut Context<'_>, field: &Node<'_>) -> Box<[Str]> {
    if field.value.as_array().is_none() && *field.value != Value::Null {
        not_mapped(cx, field, "its groups are no list, so it has none");
    }
    field.elements().map(|group| text(cx, &group)).collect()
}

fn text(cx: &mut Context<'_>, node: &Node<'_>) -> Str {
    match node.value {
        Value::String(text) => cx.intern(text),
        Value::Null => Str::default(),
        other => {
            let reason = format!("a text is wanted here, but this is {}", other.kind());
            not_mapped(cx, node, &reason);
            Str::default()
        }
    }
}

/// Why no identity has this ARN, in lower case, when it comes to the authenticator: a session of a role comes as the role,
/// without its path.
fn why_nobody(arn: &str) -> Option<&'static str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, service, _, _, resource] = parts.as_slice() else {
        return Some("it has no ARN of AWS");
    };
    let (what, name) = resource.split_once('/').unwrap_or((resource, ""));
    match (service, what) {
        ("iam", "root") => None,
        ("iam", "user") | ("sts", "federated-user") if !name.is_empty() => None,
        ("iam", "role") if name.contains('/') => {
            Some("AWS tells a role without its path, so that nobody has this ARN")
        }
        ("iam", "role") if !name.is_empty() => None,
        ("sts", "assumed-role") => Some("a session comes as its role, so that nobody has this ARN"),
        _ => Some("the ARN is none of a user or role"),
    }
}

fn not_mapped(cx: &mut Context<'_>, node: &Node<'_>, reason: &str) {
    let message = format!(
        "`{}` of aws-auth has no effect: {reason}",
        cut(&node.path())
    );
    let help = "write `rolearn: arn:aws:iam::ACCOUNT:role/NAME` or `userarn: arn:aws:iam::ACCOUNT:user/NAME`, and groups as a list of texts";
    cx.remark(node, "identity-not-mapped", message, help);
}
