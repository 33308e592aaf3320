use bailiwick_core::{Request, ResourceRequest, UserInfo};
use bailiwick_model::{Map, Value};

/// What a door asks.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Whether a user may make a request of the Kubernetes API.
    Kubernetes {
        /// The user, with exactly the groups that count.
        user: &'a UserInfo,
        /// The request.
        request: &'a Request,
    },
    /// Whether a subject may do something in an application. RBAC has no say in it.
    Application(&'a ApplicationRequest),
}

impl<'a> Question<'a> {
    /// The request, where it is about something that lies in a namespace. A Namespace does not lie in itself, though
    /// the API server puts its name in both places.
    pub(crate) fn namespaced(self) -> Option<&'a ResourceRequest> {
        match self {
            Self::Kubernetes {
                request: Request::Resource(request),
                ..
            } => {
                let is_namespace = request.group.is_empty() && request.resource == "namespaces";
                (!request.namespace.is_empty() && !is_namespace).then_some(request)
            }
            _ => None,
        }
    }
}

/// A question of an application or a gateway, as AuthZEN and ext_authz ask it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplicationRequest {
    /// The application that the caller speaks for.
    pub application: String,
    /// Who wants to.
    pub subject: Entity,
    /// Groups of the subject, from its credential.
    pub groups: Vec<String>,
    /// Id of the credential that the subject came with, such as `JTI=...`; empty where it is not known.
    pub credential: String,
    /// Name of the action.
    pub action: String,
    /// What is said of the action.
    pub action_properties: Map,
    /// On what.
    pub resource: Entity,
    /// Whatever else is known.
    pub context: Map,
}

/// A subject or a resource of an application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entity {
    /// Its type, such as `user` or `record`.
    pub kind: String,
    /// Its id, unique within the type.
    pub id: String,
    /// What is said of it.
    pub properties: Map,
}

impl Entity {
    /// An entity of which nothing is said.
    pub fn new(kind: &str, id: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            properties: Map::new(),
        }
    }

    /// A property.
    pub fn property(&self, key: &str) -> Option<&Value> {
        self.properties.get(key)
    }
}
