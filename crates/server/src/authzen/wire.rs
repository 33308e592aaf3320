//! What applications send. Unknown fields are passed over, as the specification asks.

use bailiwick_core::{NonResourceRequest, Request, ResourceRequest, Subject, UserInfo};
use bailiwick_model::{Map, Value};
use bailiwick_pdp::{ApplicationRequest, Entity};
use serde::Deserialize;

use super::{BadRequest, Known};

/// The groups of a subject that are looked at, as many as at the other doors.
const MOST_GROUPS: usize = 512;

/// A subject or a resource. In a search the one that is looked for has no id that counts.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(expecting = "an object with `type` and `id`")]
pub(super) struct WireEntity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "properties")]
    pub(super) properties: Map,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(expecting = "an object with `name`")]
pub(super) struct WireAction {
    pub(super) name: String,
    #[serde(default, deserialize_with = "properties")]
    properties: Map,
}

impl WireAction {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            properties: Map::new(),
        }
    }
}

/// A mapping, or nothing.
fn properties<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(serde::de::Error::custom(
            "properties and context are objects",
        )),
    }
}

/// One question, or what several share.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(
    default,
    expecting = "an object with `subject`, `action` and `resource`"
)]
pub(super) struct WireQuestion {
    pub(super) subject: Option<WireEntity>,
    pub(super) action: Option<WireAction>,
    pub(super) resource: Option<WireEntity>,
    #[serde(deserialize_with = "context")]
    pub(super) context: Option<Map>,
}

fn context<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Map>, D::Error> {
    properties(deserializer).map(Some)
}

/// A whole question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whole {
    pub(super) subject: Entity,
    pub(super) action: String,
    action_properties: Map,
    pub(super) resource: Entity,
    context: Map,
}

pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadRequest> {
    serde_json::from_slice(body)
        .map_err(|error| BadRequest(format!("the question cannot be read: {error}")))
}

fn missing(what: &str) -> BadRequest {
    BadRequest(format!("the question has no `{what}`"))
}

impl WireEntity {
    /// The entity; `what` is how the question calls it.
    pub(super) fn entity(self, what: &str) -> Result<Entity, BadRequest> {
        let id = self.id.ok_or_else(|| missing(&format!("{what}.id")))?;
        if let Some(Value::Array(groups)) = self.properties.get("groups")
            && groups.len() > MOST_GROUPS
        {
            return Err(BadRequest(format!(
                "`{what}.properties.groups` lists {} groups; {MOST_GROUPS} are looked at",
                groups.len()
            )));
        }
        Ok(Entity {
            kind: self.kind,
            id,
            properties: self.properties,
        })
    }
}

impl WireEntity {
    pub(super) fn property(&self, key: &str) -> Option<&Value> {
        self.properties.get(key)
    }
}

impl WireQuestion {
    /// The question with what `shared` says where it says nothing: whole fields, never parts of them.
    pub(super) fn or(self, shared: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| shared.subject.clone()),
            action: self.action.or_else(|| shared.action.clone()),
            resource: self.resource.or_else(|| shared.resource.clone()),
            context: self.context.or_else(|| shared.context.clone()),
        }
    }

    pub(super) fn whole(self) -> Result<Whole, BadRequest> {
        let action = self.action.ok_or_else(|| missing("action"))?;
        Ok(Whole {
            subject: self
                .subject
                .ok_or_else(|| missing("subject"))?
                .entity("subject")?,
            action: action.name,
            action_properties: action.properties,
            resource: self
                .resource
                .ok_or_else(|| missing("resource"))?
                .entity("resource")?,
            context: self.context.unwrap_or_default(),
        })
    }
}

/// What is asked of the engine.
pub(super) enum Ask {
    Application(Box<ApplicationRequest>),
    Kubernetes(Box<(UserInfo, Request)>),
}

impl Whole {
    /// For an application, with what is known of the entities; what the question says of them counts more.
    pub(super) fn application(
        self,
        application: &str,
        known: Option<&Known>,
    ) -> ApplicationRequest {
        let fill = |mut entity: Entity, list: &[Entity]| {
            let found = list
                .iter()
                .find(|known| known.kind == entity.kind && known.id == entity.id);
            for (key, value) in found.into_iter().flat_map(|found| found.properties.iter()) {
                if entity.properties.get(key).is_none() {
                    entity.properties.insert(key.to_owned(), value.clone());
                }
            }
            entity
        };
        let (subjects, resources) = known.map_or((&[][..], &[][..]), |known| {
            (known.subjects.as_slice(), known.resources.as_slice())
        });
        let subject = fill(self.subject, subjects);
        ApplicationRequest {
            application: application.to_owned(),
            groups: application_groups(&subject),
            subject,
            credential: String::new(),
            action: self.action,
            action_properties: self.action_properties,
            resource: fill(self.resource, resources),
            context: self.context,
        }
    }

    /// For the Kubernetes API: the subject is who asks ([`kubernetes_user`]); the action is a verb; the resource has the
    /// fields of a SubjectAccessReview as its properties, and its id as the name; or, of type `path`, its id as the path.
    pub(super) fn kubernetes(self) -> Result<(UserInfo, Request), BadRequest> {
        let user = kubernetes_user(self.subject)?;
        let verb = self.action;
        if self.resource.kind == "path" {
            let path = self.resource.id;
            return Ok((user, NonResourceRequest { verb, path }.into()));
        }
        let field = |name: &str| match self.resource.property(name) {
            None => Ok(String::new()),
            Some(value) => text(value, &format!("resource.properties.{name}")),
        };
        let request = ResourceRequest {
            verb,
            group: field("group")?,
            version: field("version")?,
            subresource: field("subresource")?,
            namespace: field("namespace")?,
            resource: self.resource.kind.clone(),
            name: self.resource.id.clone(),
            ..ResourceRequest::default()
        };
        Ok((user, request.into()))
    }
}

/// A user of exactly the groups of the property `groups`; or, of type `group`, a member of the group of whom nothing else
/// is known; or, of type `serviceaccount`, `NAMESPACE/NAME` with the groups that the API server gives it.
pub(super) fn kubernetes_user(subject: Entity) -> Result<UserInfo, BadRequest> {
    let mut groups = Vec::new();
    match subject.property("groups") {
        None => {}
        Some(Value::Array(list)) => {
            for group in list {
                groups.push(text(group, "subject.properties.groups")?);
            }
        }
        Some(_) => {
            return Err(BadRequest(
                "`subject.properties.groups` is a list of texts".to_owned(),
            ));
        }
    }
    let is = |kind: &str| subject.kind.eq_ignore_ascii_case(kind);
    if is("group") {
        let name = subject.id;
        return Ok(UserInfo::of(&Subject::Group { name }, &groups));
    }
    if is("serviceaccount")
        && let Some((namespace, name)) = subject.id.split_once('/')
    {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        return Ok(UserInfo::of(
            &Subject::ServiceAccount { namespace, name },
            &groups,
        ));
    }
    Ok(UserInfo {
        name: subject.id,
        groups,
        ..UserInfo::default()
    })
}

/// The groups of an application's subject, where its property `groups` is one text or several: what its token would
/// say to a gateway.
fn application_groups(subject: &Entity) -> Vec<String> {
    match subject.property("groups") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn text(value: &Value, place: &str) -> Result<String, BadRequest> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(BadRequest(format!("`{place}` is text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_question_is_told_in_the_words_of_the_specification() {
        let check = |body: &str, expected: &str| {
            let BadRequest(why) = parse::<WireQuestion>(body.as_bytes()).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        check(
            "7",
            "expected an object with `subject`, `action` and `resource`",
        );
        check(
            r#"{"subject": "anna"}"#,
            "expected an object with `type` and `id`",
        );
        check(r#"{"action": "read"}"#, "expected an object with `name`");
    }

    /// Only the length of the body bounded them.
    #[test]
    fn a_subject_has_as_many_groups_as_at_the_other_doors() {
        let check = |groups: usize, expected: Result<usize, &str>| {
            let groups = serde_json::json!(vec!["staff"; groups]);
            let subject = serde_json::json!({
                "type": "user", "id": "anna", "properties": {"groups": groups},
            });
            let subject: WireEntity = serde_json::from_value(subject).unwrap();
            let user = subject.entity("subject").and_then(kubernetes_user);
            let found = user.map(|user| user.groups.len());
            let found = found.as_ref().map_err(|BadRequest(why)| why.as_str());
            assert_eq!(found.copied(), expected);
        };
        check(0, Ok(0));
        check(512, Ok(512));
        let many = "`subject.properties.groups` lists 513 groups; 512 are looked at";
        check(513, Err(many));
    }
}
