//! A request of the Kubernetes API as Cedar entities, and as what the index reads.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bailiwick_core::{Request, ResourceRequest, UserInfo};
use bailiwick_model::Snapshot;
use cedar_policy_core::ast::{
    Context, Entity, EntityUID, EntityUIDEntry, PartialValue, Request as CedarRequest, Value,
};
use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

use super::evaluate::Input;
use super::facts::{self, Facts, Hashes, Keys, KeysOf, Side};
use super::object::Objects;
use super::selection;
use super::types::{Type, Types};

/// Who asks.
struct Principal<'a> {
    kind: Type,
    name: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Principal<'a> {
    fn of(user: &'a UserInfo) -> Self {
        let (kind, namespace, name) = named(&user.name);
        Self {
            kind,
            name,
            namespace,
        }
    }

    /// Every attribute that is a text.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &'a str)> + Clone + use<'a> {
        let namespace = self.namespace.map(|namespace| ("namespace", namespace));
        [("name", self.name)].into_iter().chain(namespace)
    }
}

/// Type, namespace and name of a user name.
fn named(user: &str) -> (Type, Option<&str>, &str) {
    use bailiwick_core::names::{NODE_USER_PREFIX, SERVICE_ACCOUNT_USER_PREFIX};
    if let Some(account) = user.strip_prefix(SERVICE_ACCOUNT_USER_PREFIX)
        && let Some((namespace, name)) = account.split_once(':')
        && !namespace.is_empty()
        && !name.is_empty()
    {
        return (Type::ServiceAccount, Some(namespace), name);
    }
    match user.strip_prefix(NODE_USER_PREFIX) {
        Some(name) if !name.is_empty() => (Type::Node, None, name),
        _ => (Type::User, None, user),
    }
}

/// What a request is about.
pub(crate) enum Target<'a> {
    Resource(&'a ResourceRequest),
    Path(&'a str),
    /// A user, service account or node that the request wants to act as, under its user name.
    Identity(Type, String),
    Group(&'a str),
    Uid(&'a str),
    Extra(&'a str, &'a str),
}

impl<'a> Target<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        match request {
            Request::NonResource(request) => Self::Path(&request.path),
            Request::Resource(request) if request.verb == "impersonate" => {
                Self::impersonated(request)
            }
            Request::Resource(request) => Self::Resource(request),
        }
    }

    /// `pkg/endpoints/filters/impersonation` of the API server asks for these resources.
    fn impersonated(request: &'a ResourceRequest) -> Self {
        let name = request.name.as_str();
        match (request.group.as_str(), request.resource.as_str()) {
            ("", "users") => Self::Identity(named(name).0, name.to_owned()),
            ("", "serviceaccounts") => Self::Identity(
                Type::ServiceAccount,
                format!("system:serviceaccount:{}:{name}", request.namespace),
            ),
            ("", "groups") => Self::Group(name),
            ("authentication.k8s.io", "uids") => Self::Uid(name),
            ("authentication.k8s.io", "userextras") => Self::Extra(&request.subresource, name),
            _ => Self::Resource(request),
        }
    }

    fn kind(&self) -> Type {
        match self {
            Self::Resource(_) => Type::Resource,
            Self::Path(_) => Type::NonResourceUrl,
            Self::Identity(kind, _) => *kind,
            Self::Group(_) => Type::Group,
            Self::Uid(_) => Type::PrincipalUid,
            Self::Extra(..) => Type::Extra,
        }
    }

    fn id(&self) -> &str {
        match self {
            // A policy cannot name one: see `check`.
            Self::Resource(_) => "resource",
            Self::Path(path) => path,
            Self::Identity(_, name) => name,
            Self::Group(name) | Self::Uid(name) => name,
            Self::Extra(key, _) => key,
        }
    }

    /// Every attribute that is a text.
    fn texts(&self) -> SmallVec<[(&'static str, &str); 5]> {
        match self {
            Self::Resource(request) => resource_texts(request).collect(),
            Self::Path(path) => smallvec![("path", *path)],
            Self::Identity(_, user) => {
                let (_, namespace, name) = named(user);
                let namespace = namespace.map(|namespace| ("namespace", namespace));
                [("name", name)].into_iter().chain(namespace).collect()
            }
            Self::Group(name) => smallvec![("name", *name)],
            Self::Uid(_) => SmallVec::new(),
            Self::Extra(key, value) => [("key", *key), ("value", *value)]
                .into_iter()
                .filter(|(name, text)| *name == "key" || !text.is_empty())
                .collect(),
        }
    }
}

fn resource_texts(request: &ResourceRequest) -> impl Iterator<Item = (&'static str, &str)> {
    let optional = [
        ("subresource", request.subresource.as_str()),
        ("namespace", &request.namespace),
        ("name", &request.name),
    ];
    [
        ("apiGroup", request.group.as_str()),
        ("resource", &request.resource),
    ]
    .into_iter()
    .chain(optional.into_iter().filter(|(_, text)| !text.is_empty()))
}

/// The keys by which policies that concern whoever asks are filed, those of [`principal`]: most often nothing more has to
/// be known.
pub(crate) fn keys<'a>(
    user: &'a UserInfo,
    hashes: &'a Hashes,
) -> KeysOf<impl Keys + use<'a>, impl Keys + use<'a>> {
    let asks = Principal::of(user);
    let uid = hashes.uid(asks.kind, &user.name).hash;
    let groups = user.groups.iter();
    let groups = groups.map(|name| hashes.uid(Type::Group, name).hash);
    let text = |(name, text)| (hashes.attribute(name), hashes.text(text));
    facts::keys(uid, groups, asks.texts().map(text))
}

/// What the index reads of whoever asks.
pub(crate) fn principal<'a>(user: &'a UserInfo, hashes: &Hashes) -> Side<'a> {
    let asks = Principal::of(user);
    let groups = user.groups.iter();
    Side {
        uid: hashes.uid(asks.kind, &user.name),
        ancestors: groups.map(|name| hashes.uid(Type::Group, name)).collect(),
        texts: hashes.texts(asks.texts()),
    }
}

/// What the index reads of a request. `principal`: what it reads of the user.
pub(crate) fn facts<'a>(
    user: &'a UserInfo,
    request: &'a Request,
    target: &'a Target<'a>,
    principal: Side<'a>,
    hashes: &Hashes,
) -> Facts<'a> {
    let mut action = Side::new(hashes.uid(Type::Action, request.verb()));
    let group = action_group(request.verb());
    action.ancestors = group
        .map(|name| hashes.uid(Type::Action, name))
        .into_iter()
        .collect();
    let mut resource = Side {
        texts: hashes.texts(target.texts()),
        ..Side::new(hashes.uid(target.kind(), target.id()))
    };
    match target {
        Target::Resource(request) if !request.namespace.is_empty() => {
            let namespace = hashes.uid(Type::Namespace, &request.namespace);
            resource.ancestors.push(namespace);
        }
        // A request to act as oneself: the resource is who asks.
        Target::Identity(kind, name) if principal.uid.kind == kind.name() && *name == user.name => {
            resource.ancestors.clone_from(&principal.ancestors);
        }
        _ => {}
    }
    Facts {
        principal,
        action,
        resource,
        context: Side::default(),
    }
}

/// The group of verbs that a verb is in.
pub(crate) fn action_group(verb: &str) -> Option<&'static str> {
    match verb {
        "get" | "list" | "watch" => Some("read"),
        "create" | "update" | "patch" | "delete" | "deletecollection" => Some("write"),
        _ => None,
    }
}

/// Which objects a write has: the one in the request, the one that is stored.
pub(crate) fn objects_of(verb: &str) -> &'static [&'static str] {
    match verb {
        "create" => &["request"],
        "update" | "patch" => &["request", "stored"],
        "delete" | "deletecollection" => &["stored"],
        _ => &[],
    }
}

/// A request as Cedar evaluates it.
pub(crate) fn input(
    user: &UserInfo,
    request: &Request,
    snapshot: &Snapshot,
    types: &Types,
    objects: Option<&Objects>,
) -> Input {
    let mut entities = Vec::with_capacity(8);
    let principal = principal_entity(user, types);
    let target = Target::of(request);
    let resource = types.uid(target.kind(), target.id());
    let action = types.uid(Type::Action, request.verb());
    let group = action_group(request.verb()).map(|name| types.uid(Type::Action, name));
    entities.push(bare(action.clone(), group.into_iter().collect()));
    let same = principal.uid() == &resource;
    let principal_uid = principal.uid().clone();
    entities.push(principal);
    match target {
        Target::Resource(request) => resource_entities(request, snapshot, types, &mut entities),
        // A request to act as oneself: who asks is what is asked for.
        _ if same => {}
        target => {
            let texts = target.texts();
            entities.push(entity(
                resource.clone(),
                texts.into_iter().map(text),
                HashSet::new(),
            ));
        }
    }
    let mut context = BTreeMap::new();
    if let Request::Resource(request) = request {
        for &name in objects_of(&request.verb) {
            let uid = types.uid(Type::Object, name);
            context.insert(SmolStr::new_static(name), Value::new(uid.clone(), None));
            entities.extend(objects.map(|objects| objects.entity(name, uid)));
        }
    }
    let known = |uid: EntityUID| EntityUIDEntry::known(uid, None);
    Input::new(
        CedarRequest::new_unchecked(
            known(principal_uid),
            known(action),
            known(resource),
            Some(Context::Value(Arc::new(context))),
        ),
        entities,
    )
}

fn principal_entity(user: &UserInfo, types: &Types) -> Entity {
    let principal = Principal::of(user);
    let texts = principal.texts().map(text);
    let extra = (!user.extra.is_empty()).then(|| {
        let attributes = user.extra.iter().map(|(key, values)| {
            Value::record([("key", string(key)), ("values", strings(values))], None)
        });
        (
            SmolStr::new_static("extra"),
            Value::set(attributes, None).into(),
        )
    });
    let groups = user.groups.iter().map(|name| types.uid(Type::Group, name));
    entity(
        types.uid(principal.kind, &user.name),
        texts.chain(extra),
        groups.collect(),
    )
}

fn resource_entities(
    request: &ResourceRequest,
    snapshot: &Snapshot,
    types: &Types,
    entities: &mut Vec<Entity>,
) {
    let mut attributes: Vec<(SmolStr, PartialValue)> = resource_texts(request).map(text).collect();
    let mut parents = HashSet::new();
    if !request.namespace.is_empty() {
        let namespace = types.uid(Type::Namespace, &request.namespace);
        attributes.push((
            SmolStr::new_static("namespaceObject"),
            Value::new(namespace.clone(), None).into(),
        ));
        let labels = snapshot
            .namespaces
            .get("", &request.namespace)
            .map(|found| &*found.metadata.labels)
            .unwrap_or_default();
        entities.push(Entity::new_with_attr_partial_value(
            namespace.clone(),
            [text(("name", &request.namespace))],
            HashSet::new(),
            HashSet::new(),
            labels
                .iter()
                .map(|(key, value)| (SmolStr::new(key), string(value).into())),
        ));
        parents.insert(namespace);
    }
    selection::read(request, types, &mut attributes, entities);
    entities.push(entity(
        types.uid(Type::Resource, "resource"),
        attributes,
        parents,
    ));
}

fn entity(
    uid: EntityUID,
    attributes: impl IntoIterator<Item = (SmolStr, PartialValue)>,
    parents: HashSet<EntityUID>,
) -> Entity {
    Entity::new_with_attr_partial_value(uid, attributes, HashSet::new(), parents, [])
}

fn bare(uid: EntityUID, parents: HashSet<EntityUID>) -> Entity {
    entity(uid, [], parents)
}

fn text((name, value): (&'static str, &str)) -> (SmolStr, PartialValue) {
    (SmolStr::new_static(name), string(value).into())
}

/// A text as Cedar has it.
pub(crate) fn string(text: &str) -> Value {
    Value::new(SmolStr::new(text), None)
}

/// A set of texts as Cedar has it.
pub(crate) fn strings<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    Value::set(texts.into_iter().map(|text| string(text.as_ref())), None)
}
