use bailiwick_core::names::NODE_USER_PREFIX;
use bailiwick_core::{Request, ResourceRequest, Subject as Named, UserInfo};
use bailiwick_model::Snapshot;

use crate::question::Question;
use crate::relations::{Answer, Asker, ObjectId, Relations};

/// A question in the words of relations.
///
/// A request on a named object asks for `VERB` or `VERB/SUBRESOURCE` on `TYPE:NAMESPACE/NAME`. One that names none asks
/// for `VERB TYPE` on `namespaces:NAMESPACE`, or on `cluster:cluster` where it is about the whole cluster.
pub(crate) struct Related<'a> {
    subject: ObjectId,
    groups: &'a [String],
    object: ObjectId,
    action: String,
}

impl<'a> Related<'a> {
    /// `None` where no relation can speak for it.
    pub(crate) fn of(question: Question<'a>, relations: &Relations) -> Option<Self> {
        if relations.says_nothing() {
            return None;
        }
        match question {
            Question::Kubernetes { user, request } => {
                let Request::Resource(request) = request else {
                    return None;
                };
                let (kind, id, action) = wanted(request);
                relations.knows(&kind, &action).then(|| Self {
                    subject: who(user),
                    groups: &user.groups,
                    object: ObjectId::new(&kind, &id),
                    action,
                })
            }
            Question::Application(request) => {
                let (subject, resource) = (&request.subject, &request.resource);
                relations
                    .knows(&resource.kind, &request.action)
                    .then(|| Self {
                        subject: ObjectId::new(&subject.kind, &subject.id),
                        groups: &request.groups,
                        object: ObjectId::new(&resource.kind, &resource.id),
                        action: request.action.clone(),
                    })
            }
        }
    }

    pub(crate) fn check(
        &self,
        relations: &Relations,
        snapshot: &Snapshot,
        namespace: Option<&str>,
    ) -> Answer {
        let asker = Asker {
            subject: &self.subject,
            groups: self.groups,
        };
        relations.check(&asker, &self.object, &self.action, snapshot, namespace)
    }
}

/// Type and id of the object, and the action.
fn wanted(request: &ResourceRequest) -> (String, String, String) {
    let kind = match request.group.as_str() {
        "" => request.resource.clone(),
        group => format!("{}.{group}", request.resource),
    };
    let suffix = match request.subresource.as_str() {
        "" => String::new(),
        subresource => format!("/{subresource}"),
    };
    let (namespace, verb) = (request.namespace.as_str(), &request.verb);
    if request.name.is_empty() {
        let action = format!("{verb} {kind}{suffix}");
        return match namespace {
            "" => ("cluster".to_owned(), "cluster".to_owned(), action),
            namespace => ("namespaces".to_owned(), namespace.to_owned(), action),
        };
    }
    // The API server gives a Namespace its own name as namespace.
    let own = namespace.is_empty() || kind == "namespaces";
    let id = if own {
        request.name.clone()
    } else {
        format!("{namespace}/{}", request.name)
    };
    (kind, id, format!("{verb}{suffix}"))
}

fn who(user: &UserInfo) -> ObjectId {
    if let Some(node) = user.name.strip_prefix(NODE_USER_PREFIX)
        && !node.is_empty()
    {
        return ObjectId::new("nodes", node);
    }
    match Named::from_user_name(&user.name) {
        Named::ServiceAccount { namespace, name } => {
            ObjectId::new("serviceaccounts", &format!("{namespace}/{name}"))
        }
        _ => ObjectId::new("user", &user.name),
    }
}
