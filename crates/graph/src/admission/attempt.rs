//! The requests of a step, as admission sees them.

use bailiwick_core::{Kind, ObjectRef, Request, ResourceRequest};
use bailiwick_model::{
    LabelSelector, MatchResources, NAME_LABEL, ObjectMeta, ResourceRule, Snapshot,
};
use bailiwick_rbac::Scope;

use super::Admission;
use crate::graph::Step;

/// Subresources that are a connection: whatever the method, nothing is stored.
const CONNECTIONS: [(&str, &str); 6] = [
    ("nodes", "proxy"),
    ("pods", "attach"),
    ("pods", "exec"),
    ("pods", "portforward"),
    ("pods", "proxy"),
    ("services", "proxy"),
];

/// Resources whose objects are questions, never stored: no policy is about them
/// (upstream `controlplane/apiserver/options`).
const QUESTIONS: [(&str, &str); 6] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];

/// Objects of which a controller makes pods as soon as they are there.
const MAKE_PODS: [(&str, &str); 7] = [
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];

/// A request that is looked at before it is done.
pub(super) struct Attempt {
    operation: &'static str,
    group: String,
    resource: String,
    subresource: String,
    /// Empty where it is not known.
    name: String,
    place: Place,
}

/// Where the object of a request is.
enum Place {
    /// In no namespace.
    Cluster,
    /// In this one.
    Namespace(String),
    /// In one that is picked by whoever sends the request.
    Any,
}

/// How a request that something is about is reached by it.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) in_some_namespaces: bool,
    pub(super) for_some_objects: bool,
}

impl Attempt {
    /// The requests of a step, and those of controllers that follow at once.
    pub(super) fn of(step: &Step<'_>, snapshot: &Snapshot) -> Vec<Self> {
        let mut attempts = Vec::new();
        for (review, right) in step.proof_with_rights(snapshot) {
            let Request::Resource(request) = review.request else {
                continue;
            };
            let Some(attempt) = Self::new(request, right.scope) else {
                continue;
            };
            attempts.extend(attempt.pods());
            attempts.push(attempt);
        }
        attempts
    }

    pub(super) fn new(request: ResourceRequest, scope: Scope) -> Option<Self> {
        let connection = (&*request.resource, &*request.subresource);
        let operation = match &*request.verb {
            _ if CONNECTIONS.contains(&connection) => "CONNECT",
            "create" => "CREATE",
            "patch" | "update" => "UPDATE",
            "delete" | "deletecollection" => "DELETE",
            // Nothing is changed by the others; many are no requests at all but what one is checked for.
            _ => return None,
        };
        let is_namespace = (&*request.group, &*request.resource) == ("", "namespaces");
        let place = match &*request.namespace {
            _ if is_namespace || scope == Scope::Cluster => Place::Cluster,
            "" => Place::Any,
            namespace => Place::Namespace(namespace.to_owned()),
        };
        // The namespace of a request for a namespace is its name.
        let name = match &*request.name {
            "" if is_namespace => request.namespace,
            _ => request.name,
        };
        Some(Self {
            operation,
            group: request.group,
            resource: request.resource,
            subresource: request.subresource,
            name,
            place,
        })
    }

    /// The pods that a controller makes of what is written.
    fn pods(&self) -> Option<Self> {
        let kind = (&*self.group, &*self.resource);
        let makes = MAKE_PODS.contains(&kind) && self.subresource.is_empty();
        let place = match &self.place {
            Place::Namespace(name) => Place::Namespace(name.clone()),
            _ => Place::Any,
        };
        (makes && self.operation != "DELETE").then(|| Self {
            operation: "CREATE",
            group: String::new(),
            resource: "pods".to_owned(),
            subresource: String::new(),
            name: String::new(),
            place,
        })
    }

    /// Whether it is about webhooks and policies themselves: none of them is asked about these.
    pub(super) fn is_of_admission(&self) -> bool {
        const ALL: [&str; 6] = [
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ];
        self.group == "admissionregistration.k8s.io" && ALL.contains(&&*self.resource)
    }

    /// Whether no policy is asked about it. Configurations of webhooks are no exception for policies.
    pub(super) fn is_exempt_from_policies(&self) -> bool {
        let is_policy = self.is_of_admission() && !self.resource.ends_with("configurations");
        is_policy || QUESTIONS.contains(&(&*self.group, &*self.resource))
    }

    /// Whether something is about this request, as far as it can be told. `needs_rules` where it is about nothing
    /// without rules, rather than about everything.
    pub(super) fn matches(
        &self,
        matches: &MatchResources,
        needs_rules: bool,
        admission: &Admission<'_>,
    ) -> Option<Answer> {
        // Of rules that match the one that leaves least open.
        let rules = matches.rules.iter();
        let by_name = match matches.rules.is_empty() {
            true => (!needs_rules).then_some(false),
            false => rules.filter_map(|rule| self.by_name(rule, admission)).min(),
        }?;
        let is_surely = |rule: &ResourceRule| {
            let every_version = rule.versions.iter().any(|own| &**own == "*");
            every_version && self.by_name(rule, admission) == Some(false)
        };
        if matches.except.iter().any(is_surely) {
            return None;
        }
        let by_labels = self.by_labels(&matches.objects, admission)?;
        let in_some_namespaces = self.by_namespaces(matches, admission)?;
        Some(Answer {
            in_some_namespaces,
            for_some_objects: by_name || by_labels,
        })
    }

    /// Whether the name of the object, which is not known, decides if a rule is about the request; `None` where it is not.
    fn by_name(&self, rule: &ResourceRule, admission: &Admission<'_>) -> Option<bool> {
        let mut operations = rule.operations.iter();
        let in_scope = match (&*rule.scope, &self.place) {
            ("Cluster", Place::Cluster) | ("Namespaced", Place::Namespace(_) | Place::Any) => true,
            ("Cluster" | "Namespaced", _) => false,
            _ => true,
        };
        let mut names = rule.names.iter();
        let is_about = in_scope
            && operations.any(|own| &**own == "*" || **own == *self.operation)
            && rule.is_about(&self.group, &self.resource, &self.subresource)
            && admission.serves(&self.group, &self.resource, &rule.versions);
        match (&*self.name, rule.names.is_empty()) {
            _ if !is_about => None,
            (_, true) => Some(false),
            ("", false) => Some(true),
            (name, false) => names.any(|own| **own == *name).then_some(false),
        }
    }

    /// Whether labels of the object that somebody picks decide; `None` where it is left alone for sure.
    fn by_labels(&self, selector: &LabelSelector, admission: &Admission<'_>) -> Option<bool> {
        if selector.is_empty() {
            return Some(false);
        }
        match self.operation {
            // What is asked for has no labels.
            "CONNECT" => None,
            "DELETE" => match self.object(admission) {
                Some(known) => selector.matches(known)?.then_some(false),
                None => Some(true),
            },
            _ => Some(true),
        }
    }

    fn object<'a>(&self, admission: &'a Admission<'_>) -> Option<&'a ObjectMeta> {
        let is = |kind: &Kind| kind.group() == self.group && kind.resource() == self.resource;
        let kind = Kind::ALL.into_iter().find(is)?;
        let namespace = match &self.place {
            Place::Namespace(name) => name,
            Place::Cluster => "",
            Place::Any => return None,
        };
        let object = ObjectRef::new(kind, namespace, &self.name);
        admission.snapshot.metadata(&object)
    }

    /// Whether it is left alone in some namespaces; `None` where it is in all.
    fn by_namespaces(&self, matches: &MatchResources, admission: &Admission<'_>) -> Option<bool> {
        if matches.namespaces.is_empty() {
            return Some(false);
        }
        let (some, all) = match &self.place {
            Place::Cluster if (&*self.group, &*self.resource) != ("", "namespaces") => {
                return Some(false);
            }
            // The labels are those that whoever writes the namespace gives it.
            Place::Cluster if matches.by_namespace() && self.operation != "DELETE" => {
                return Some(true);
            }
            Place::Cluster | Place::Any => {
                let name = Some(&*self.name).filter(|_| matches!(self.place, Place::Cluster));
                admission.selected(matches, name.filter(|name| !name.is_empty()))
            }
            Place::Namespace(name) => admission.selected(matches, Some(name)),
        };
        some.then_some(!all)
    }
}

/// Whether a namespace has the labels that are selected. Its name is one of them, in manifests too.
pub(super) fn is_selected(metadata: &ObjectMeta, name: &str, selector: &LabelSelector) -> bool {
    let mut labels = metadata.labels.to_vec();
    labels.retain(|(key, _)| &**key != NAME_LABEL);
    labels.push((NAME_LABEL.into(), name.into()));
    labels.sort();
    // A selector that makes no sense is an error to the API server, which refuses then.
    selector.matches_labels(&labels).unwrap_or(true)
}
