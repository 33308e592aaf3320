use std::collections::BTreeMap;

use cedar_policy::{Entity, EntityUid, EvalResult};
use cedar_policy_symcc::Env;

/// A request that formulas tell apart, as far as texts say it. It fits the schema, and may still be one that cannot
/// come, such as a user with another name than its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// Type of who asks.
    pub principal: String,
    /// Id of who asks.
    pub id: String,
    /// Attributes of who asks.
    pub principal_attributes: BTreeMap<String, String>,
    /// Ids of what who asks is in.
    pub groups: Vec<String>,
    /// Id of the action.
    pub action: String,
    /// Type of what is asked for.
    pub resource: String,
    /// Attributes of what is asked for.
    pub attributes: BTreeMap<String, String>,
}

impl Example {
    pub(crate) fn of(found: &Env) -> Option<Self> {
        let (principal, action, resource) = (
            found.request.principal()?,
            found.request.action()?,
            found.request.resource()?,
        );
        let groups = found.entities.ancestors(principal).into_iter().flatten();
        Some(Self {
            principal: principal.type_name().to_string(),
            id: id(principal),
            principal_attributes: texts(found, principal),
            groups: groups.map(id).collect(),
            action: id(action),
            resource: resource.type_name().to_string(),
            attributes: texts(found, resource),
        })
    }
}

fn id(uid: &EntityUid) -> String {
    uid.id().unescaped().to_owned()
}

fn texts(found: &Env, uid: &EntityUid) -> BTreeMap<String, String> {
    let attributes = found.entities.get(uid).into_iter().flat_map(Entity::attrs);
    let texts = attributes.filter_map(|(name, value)| match value {
        Ok(EvalResult::String(text)) => Some((name.to_owned(), text)),
        _ => None,
    });
    texts.collect()
}
