use super::names;
use super::node::Node;
use super::reader::{Context, Shape};
use crate::meta::ObjectMeta;
use crate::object::CustomResource;
use crate::value::Value;

const DEFINITION: Shape = Shape {
    what: "a CustomResourceDefinition",
    complete: true,
    fields: &[
        ("apiVersion", ""),
        ("kind", ""),
        ("metadata", ""),
        ("spec", ""),
        ("status", ""),
    ],
};

const SPEC: Shape = Shape {
    what: "the spec of a CustomResourceDefinition",
    complete: true,
    fields: &[
        ("group", ""),
        ("names", ""),
        ("scope", ""),
        ("versions", ""),
        ("conversion", ""),
        ("preserveUnknownFields", ""),
    ],
};

const NAMES: Shape = Shape {
    what: "the names of a custom resource",
    complete: true,
    fields: &[
        ("plural", ""),
        ("singular", ""),
        ("kind", ""),
        ("listKind", ""),
        ("shortNames", ""),
        ("categories", ""),
    ],
};

const VERSION: Shape = Shape {
    what: "a version of a custom resource",
    complete: false,
    fields: &[
        ("name", ""),
        ("served", "the version is not served"),
        ("storage", ""),
        ("subresources", "it has no subresources"),
        // Not read, and close to one that is.
        ("schema", ""),
    ],
};

const SUBRESOURCES: Shape = Shape {
    what: "the subresources of a custom resource",
    complete: true,
    fields: &[("status", ""), ("scale", "")],
};

/// A CustomResourceDefinition. Its schemas, conversion and printer columns are not looked at.
pub(super) fn definition(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    metadata: ObjectMeta,
) -> CustomResource {
    cx.mapping(root, &DEFINITION);
    let null = Value::Null;
    let empty = Node::root(&null);
    let spec = cx.inner(root, "spec", &SPEC);
    let Some(spec) = spec.as_ref() else {
        cx.refuse_missing(root, "spec", "describe the resource");
        return CustomResource {
            metadata,
            ..CustomResource::default()
        };
    };
    let names = cx.inner(spec, "names", &NAMES).unwrap_or(empty);
    let scope = cx.text(spec, "scope");
    let mut custom = CustomResource {
        group: cx.text(spec, "group"),
        plural: cx.text(&names, "plural"),
        singular: cx.text(&names, "singular"),
        kind: cx.text(&names, "kind"),
        short_names: cx.texts(&names, "shortNames"),
        namespaced: &*scope == "Namespaced",
        metadata,
        ..CustomResource::default()
    };
    if !matches!(&*scope, "Namespaced" | "Cluster") {
        cx.refuse_missing(spec, "scope", "write `Namespaced` or `Cluster`");
    }
    judge(cx, spec, &names, &custom);
    versions(cx, spec, &mut custom);
    custom
}

fn judge(cx: &mut Context<'_>, spec: &Node<'_>, names_at: &Node<'_>, custom: &CustomResource) {
    let group = names::dns_subdomain(&custom.group)
        .or_else(|| (!custom.group.contains('.')).then_some("must be a domain with a dot in it"));
    match (group, spec.field("group")) {
        (Some(problem), Some(at)) => cx.refuse(&at, problem, ""),
        (Some(_), None) => cx.refuse_missing(spec, "group", "name the API group"),
        (None, _) => {}
    }
    let lower = custom.kind.to_ascii_lowercase();
    for (key, name) in [("plural", &*custom.plural), ("kind", &lower)] {
        match (names::dns_label_letter_first(name), names_at.field(key)) {
            (Some(problem), Some(at)) => cx.refuse(&at, problem, ""),
            (Some(_), None) => cx.refuse_missing(spec, "names", "give it a `plural` and a `kind`"),
            (None, _) => {}
        }
    }
    for name in custom.short_names.iter().chain([&custom.singular]) {
        if let Some(problem) = names::dns_label_letter_first(name).filter(|_| !name.is_empty()) {
            cx.refuse(names_at, &format!("has a name that {problem}"), "");
        }
    }
    let name = format!("{}.{}", custom.plural, custom.group);
    if *custom.metadata.name != *name {
        cx.refuse(
            spec,
            "does not fit the object's name",
            &format!("name the object `{name}`"),
        );
    }
}

fn versions(cx: &mut Context<'_>, spec: &Node<'_>, custom: &mut CustomResource) {
    let mut stored = 0;
    let mut served = Vec::new();
    let mut subresources = Vec::new();
    cx.each(spec, "versions", |cx, version| {
        if !cx.mapping(version, &VERSION) {
            return;
        }
        let name = cx.text(version, "name");
        if let Some(problem) = names::dns_label_letter_first(&name) {
            cx.refuse(version, &format!("has a `name` that {problem}"), "");
        }
        stored += u32::from(cx.flag(version, "storage") == Some(true));
        if cx.flag(version, "served") != Some(true) {
            return;
        }
        served.push(name);
        let Some(own) = cx.inner(version, "subresources", &SUBRESOURCES) else {
            return;
        };
        for key in ["scale", "status"] {
            if own.field(key).is_some() {
                subresources.push(cx.intern(key));
            }
        }
    });
    if stored != 1 {
        cx.refuse_missing(
            spec,
            "versions",
            "mark exactly one version with `storage: true`",
        );
    }
    subresources.sort_unstable();
    subresources.dedup();
    custom.versions = served.into();
    custom.subresources = subresources.into();
}
