//! A request of an application as Cedar entities, and as what the index reads.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bailiwick_model::{Map, Value as Plain};
use cedar_policy_core::ast::{
    Context, Entity as CedarEntity, EntityUID, EntityUIDEntry, PartialValue,
    Request as CedarRequest, Value,
};
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::evaluate::Input;
use super::facts::{self, Facts, Hashes, Keys, KeysOf, Side};
use super::kubernetes::{string, strings};
use super::types::{Type, Types};
use crate::question::{ApplicationRequest, Entity};

/// The one action of the schema: what applications call their actions is in the context.
const ACTION: &str = "request";

/// An entity's id: type and id, so that equal ids of different types stay apart.
fn id(entity: &Entity) -> String {
    Id::of(entity).text().to_owned()
}

/// The same for as long as a question is asked, most often without an allocation.
struct Id(SmallVec<[u8; 64]>);

impl Id {
    fn of(entity: &Entity) -> Self {
        let mut id = SmallVec::from_slice(entity.kind.as_bytes());
        id.push(b'/');
        id.extend_from_slice(entity.id.as_bytes());
        Self(id)
    }

    fn text(&self) -> &str {
        // It is made of texts.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn texts<'a>(request: &'a ApplicationRequest, entity: &'a Entity) -> [(&'static str, &'a str); 3] {
    [
        ("application", &request.application),
        ("type", &entity.kind),
        ("id", &entity.id),
    ]
}

/// The ids of subject and resource.
pub(crate) struct Ids {
    subject: Id,
    resource: Id,
}

impl Ids {
    pub(crate) fn of(request: &ApplicationRequest) -> Self {
        Self {
            subject: Id::of(&request.subject),
            resource: Id::of(&request.resource),
        }
    }
}

/// The keys by which policies that concern the subject are filed, those of [`facts`].
pub(crate) fn keys<'a>(
    request: &'a ApplicationRequest,
    hashes: &'a Hashes,
) -> KeysOf<impl Keys + use<'a>, impl Keys + use<'a>> {
    let subject = Id::of(&request.subject);
    let uid = hashes.uid(Type::AppSubject, subject.text()).hash;
    let groups = request.groups.iter();
    let groups = groups.map(|name| hashes.uid(Type::AppGroup, name).hash);
    let texts = texts(request, &request.subject).into_iter();
    let text = |(name, text)| (hashes.attribute(name), hashes.text(text));
    facts::keys(uid, groups, texts.map(text))
}

/// What the index reads of a request.
pub(crate) fn facts<'a>(
    request: &'a ApplicationRequest,
    ids: &'a Ids,
    hashes: &Hashes,
) -> Facts<'a> {
    let side = |kind: Type, id: &'a str, entity: &'a Entity| Side {
        texts: hashes.texts(texts(request, entity)),
        ..Side::new(hashes.uid(kind, id))
    };
    let mut principal = side(Type::AppSubject, ids.subject.text(), &request.subject);
    let groups = request.groups.iter();
    principal.ancestors = groups
        .map(|name| hashes.uid(Type::AppGroup, name))
        .collect();
    Facts {
        principal,
        action: Side::new(hashes.uid(Type::AppAction, ACTION)),
        resource: side(Type::AppResource, ids.resource.text(), &request.resource),
        context: Side {
            texts: hashes.texts([("action", request.action.as_str())]),
            ..Side::default()
        },
    }
}

/// A request as Cedar evaluates it.
pub(crate) fn input(request: &ApplicationRequest, types: &Types) -> Input {
    let subject = types.uid(Type::AppSubject, &id(&request.subject));
    let resource = types.uid(Type::AppResource, &id(&request.resource));
    let action = types.uid(Type::AppAction, ACTION);
    let properties = types.uid(Type::AppProperties, "action");
    let about = types.uid(Type::AppProperties, "context");
    let groups = request
        .groups
        .iter()
        .map(|name| types.uid(Type::AppGroup, name));
    let described = |uid: &EntityUID, entity: &Entity, parents| {
        let attributes = texts(request, entity)
            .map(|(name, text)| (SmolStr::new_static(name), PartialValue::from(string(text))));
        build(uid, attributes, parents, &entity.properties)
    };
    let entities = vec![
        described(&subject, &request.subject, groups.collect()),
        described(&resource, &request.resource, HashSet::new()),
        build(&properties, [], HashSet::new(), &request.action_properties),
        build(&about, [], HashSet::new(), &request.context),
        build(&action, [], HashSet::new(), &Map::new()),
    ];
    let context = BTreeMap::from([
        (SmolStr::new_static("action"), string(&request.action)),
        (
            SmolStr::new_static("properties"),
            Value::new(properties, None),
        ),
        (SmolStr::new_static("about"), Value::new(about, None)),
    ]);
    let known = |uid: EntityUID| EntityUIDEntry::known(uid, None);
    Input::new(
        CedarRequest::new_unchecked(
            known(subject),
            known(action),
            known(resource),
            Some(Context::Value(Arc::new(context))),
        ),
        entities,
    )
}

fn build(
    uid: &EntityUID,
    attributes: impl IntoIterator<Item = (SmolStr, PartialValue)>,
    parents: HashSet<EntityUID>,
    properties: &Map,
) -> CedarEntity {
    let tags = properties.iter().map(|(name, value)| {
        let mut found = Vec::new();
        flatten(value, &mut found);
        (SmolStr::new(name), PartialValue::from(strings(found)))
    });
    CedarEntity::new_with_attr_partial_value(uid.clone(), attributes, HashSet::new(), parents, tags)
}

/// The texts of a property: itself, or each of its items. What lies deeper has no place in a comparison of texts and
/// is left out.
fn flatten(value: &Plain, texts: &mut Vec<String>) {
    match value {
        Plain::Array(items) => items
            .iter()
            .filter_map(scalar)
            .for_each(|text| texts.push(text)),
        value => texts.extend(scalar(value)),
    }
}

/// A scalar as text.
pub(crate) fn scalar(value: &Plain) -> Option<String> {
    match value {
        Plain::String(text) => Some(text.clone()),
        Plain::Null | Plain::Array(_) | Plain::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}
