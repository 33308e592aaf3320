use std::borrow::Cow;

use bailiwick_core::names::NODE_USER_PREFIX;
use bailiwick_core::{Request, ResourceRequest, Subject, UserInfo};
use bailiwick_model::Snapshot;

use crate::question::Question;
use crate::relations::{Answer, Asker, Named, Relations, Wanted};

/// A question in the words of relations.
///
/// A request on a named object asks for `VERB` or `VERB/SUBRESOURCE` on `TYPE:NAMESPACE/NAME`. One that names none asks
/// for `VERB TYPE` on `namespaces:NAMESPACE`, or on `cluster:cluster` where it is about the whole cluster.
#[derive(Clone)]
pub(crate) struct Related<'a> {
    asker: Asker<'a>,
    /// The object's id.
    object: Cow<'a, str>,
    wanted: Wanted,
}

impl<'a> Related<'a> {
    /// `None` where no relation can speak for it.
    pub(crate) fn of(question: Question<'a>, relations: &Relations) -> Option<Self> {
        match question {
            Question::Kubernetes {
                user,
                request: Request::Resource(request),
            } => {
                let (object, action) = wanted(request, relations)?;
                Some(Self {
                    wanted: relations.wanted(&object.kind, &action)?,
                    asker: Asker {
                        subject: who(user),
                        groups: &user.groups,
                    },
                    object: object.id,
                })
            }
            Question::Kubernetes { .. } => None,
            Question::Application(request) => {
                let (subject, resource) = (&request.subject, &request.resource);
                Some(Self {
                    wanted: relations.wanted(&resource.kind, &request.action)?,
                    asker: Asker {
                        subject: Named::new(subject.kind.as_str(), subject.id.as_str()),
                        groups: &request.groups,
                    },
                    object: Cow::Borrowed(&resource.id),
                })
            }
        }
    }

    /// `namespace`: whose tuples count beside the cluster's.
    pub(crate) fn check(
        self,
        relations: &'a Relations,
        snapshot: &'a Snapshot,
        namespace: Option<&str>,
    ) -> Answer<'a> {
        let Self {
            asker,
            object,
            wanted,
        } = self;
        relations.check(asker, &object, wanted, snapshot, namespace)
    }
}

/// The object and the action; `None` where the schema does not know the object's type.
fn wanted<'a>(request: &'a ResourceRequest, relations: &Relations) -> Option<(Named<'a>, String)> {
    let kind = || -> Cow<'a, str> {
        match request.group.as_str() {
            "" => Cow::Borrowed(&request.resource),
            group => Cow::Owned(format!("{}.{group}", request.resource)),
        }
    };
    let suffix = match request.subresource.as_str() {
        "" => String::new(),
        subresource => format!("/{subresource}"),
    };
    let (namespace, verb) = (request.namespace.as_str(), &request.verb);
    if request.name.is_empty() {
        let place = match namespace {
            "" => Named::new("cluster", "cluster"),
            namespace => Named::new("namespaces", namespace),
        };
        let known = relations.knows_type(&place.kind);
        return known.then(|| (place, format!("{verb} {}{suffix}", kind())));
    }
    if !relations.knows_resource(&request.group, &request.resource) {
        return None;
    }
    let kind = kind();
    // The API server gives a Namespace its own name as namespace.
    let id: Cow<'a, str> = if namespace.is_empty() || kind == "namespaces" {
        Cow::Borrowed(&request.name)
    } else {
        Cow::Owned(format!("{namespace}/{}", request.name))
    };
    Some((Named { kind, id }, format!("{verb}{suffix}")))
}

fn who(user: &UserInfo) -> Named<'_> {
    if let Some(node) = user.name.strip_prefix(NODE_USER_PREFIX)
        && !node.is_empty()
    {
        return Named::new("nodes", node);
    }
    match Subject::from_user_name(&user.name) {
        Subject::ServiceAccount { namespace, name } => {
            Named::new("serviceaccounts", format!("{namespace}/{name}"))
        }
        _ => Named::new("user", user.name.as_str()),
    }
}
