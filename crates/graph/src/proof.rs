//! What the API server is asked when somebody takes a step.

use bailiwick_core::{Request, ResourceRequest, Str, Subject, UserInfo};
use bailiwick_model::{PolicyRule, Snapshot};
use bailiwick_rbac::{Right, Scope};

use crate::condition::Atom;
use crate::edge::Rule;
use crate::graph::Step;
use crate::node::{Area, Node};

/// One question to the API server's authorizer, as a SubjectAccessReview asks it. A step is possible if all of its
/// reviews are allowed and the settings in its evidence are as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who asks; `None` is whoever has bound the role to himself where the step starts.
    pub user: Option<UserInfo>,
    /// For what.
    pub request: Request,
}

impl Step<'_> {
    /// The reviews that replay this step, one a right that it needs. None for steps that need no right, such as reading
    /// the token of the pod in which one is.
    ///
    /// `snapshot` is the one that the graph was made of.
    pub fn proof(&self, snapshot: &Snapshot) -> Vec<Review> {
        let reviews = self.proof_with_rights(snapshot).into_iter();
        reviews.map(|(review, _)| review).collect()
    }

    /// The same, each with the right that it asks for.
    pub(crate) fn proof_with_rights(&self, snapshot: &Snapshot) -> Vec<(Review, &'static Right)> {
        let legs = match self.kind.rules.get(usize::from(self.rule)) {
            Some(
                Rule::Rights { legs, .. }
                | Rule::Own { legs, .. }
                | Rule::Roles { legs, .. }
                | Rule::Acting { legs, .. },
            ) => *legs,
            _ => return Vec::new(),
        };
        let held: Vec<LegHeld<'_>> = legs
            .iter()
            .zip(&self.evidence)
            .filter_map(|(leg, causes)| LegHeld::of(leg, causes.first()?, snapshot))
            .collect();
        let namespace = namespace_of(self.to)
            .filter(|namespace| !namespace.is_empty())
            .or_else(|| held.iter().find_map(|leg| leg.namespace.clone()))
            .unwrap_or_default();
        let groups: Vec<String> = held.iter().filter_map(|leg| leg.group.clone()).collect();
        let user = user(self.from, &groups)
            .or_else(|| mapped(self.from, snapshot))
            .or_else(|| self.bound(snapshot));
        let review = |(number, leg): (usize, &LegHeld<'_>)| {
            let request = leg.request(&namespace, self.name(number, leg, &held));
            let user = user.clone();
            (Review { user, request }, leg.right)
        };
        held.iter().enumerate().map(review).collect()
    }

    /// Who is bound, where the step starts at a node that holds the token of somebody, or at pods that may run as him.
    fn bound(&self, snapshot: &Snapshot) -> Option<UserInfo> {
        let holds = |node: &Node| match node {
            Node::Machine { .. } => true,
            Node::Area { area, .. } => *area == Area::NewPods,
            _ => false,
        };
        if !holds(self.from) {
            return None;
        }
        let mut atoms = self.evidence.iter().flatten().flatten();
        atoms.find_map(|atom| {
            let Atom::Subject { binding, position } = atom else {
                return None;
            };
            let binding = snapshot.bindings.get(&binding.namespace, &binding.name)?;
            let subject = binding.subjects.get(usize::try_from(*position).ok()?)?;
            let subject = subject.subject(&binding.metadata.namespace)?;
            Some(UserInfo::of(&subject, &[]))
        })
    }

    /// The object that a request is about, where the rule is limited to names or the step is about one object.
    fn name<'n>(&'n self, number: usize, leg: &LegHeld<'n>, all: &[LegHeld<'n>]) -> &'n str {
        let target = name_of(self.to).filter(|_| number == 0);
        let names = &leg.rule.resource_names;
        if names.is_empty() {
            return target.filter(|_| leg.verb == "bind").unwrap_or_default();
        }
        let has = |leg: &LegHeld<'_>, name: &str| {
            let names = &leg.rule.resource_names;
            names.is_empty() || names.iter().any(|own| **own == *name)
        };
        let of_target = target.filter(|name| has(leg, name));
        let mut names = names.iter().map(|name| &**name);
        let first = names.clone().next();
        let common = names.find(|name| all.iter().all(|leg| has(leg, name)));
        of_target.or(common).or(first).unwrap_or_default()
    }
}

/// One leg with the rule that gives it.
struct LegHeld<'s> {
    right: &'static Right,
    verb: &'static str,
    rule: &'s PolicyRule,
    /// Where the binding holds, if in one namespace.
    namespace: Option<Str>,
    /// The group that is bound, if it is one.
    group: Option<String>,
}

impl<'s> LegHeld<'s> {
    fn of(leg: &'static [Right], cause: &[&Atom], snapshot: &'s Snapshot) -> Option<Self> {
        let (role, position) = cause.iter().find_map(|atom| match atom {
            Atom::Rule { role, position } => Some((role, *position)),
            _ => None,
        })?;
        let role = snapshot.roles.get(&role.namespace, &role.name)?;
        let rule = role.rules.get(usize::try_from(position).ok()?)?;
        let subject = cause.iter().find_map(|atom| match atom {
            Atom::Subject { binding, position } => Some((binding, *position)),
            _ => None,
        });
        let namespace = subject.map(|(binding, _)| binding.namespace.clone());
        let group = subject.and_then(|(binding, position)| {
            let binding = snapshot.bindings.get(&binding.namespace, &binding.name)?;
            let subject = binding.subjects.get(usize::try_from(position).ok()?)?;
            (&*subject.kind == "Group").then(|| subject.name.to_string())
        });
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let counts = |right: &&Right| namespace.is_none() || right.scope == Scope::Namespace;
        let mut rights = leg.iter().filter(counts);
        let right = rights.find(|right| right.names(rule).is_some())?;
        let verb = right.verbs_of(rule).next()?;
        Some(Self {
            right,
            verb,
            rule,
            namespace,
            group,
        })
    }

    /// The resource; of a right to any subresource the first that the rule gives.
    fn resource(&self) -> String {
        let resource = self.right.resource;
        if !resource.ends_with('/') {
            return resource.to_owned();
        }
        let given = self.right.named_in(self.rule);
        let given = given.and_then(|position| self.rule.resources.get(position));
        let sub = given.and_then(|given| Some(given.split_once('/')?.1));
        format!("{resource}{}", sub.unwrap_or("any"))
    }

    fn request(&self, namespace: &str, name: &str) -> Request {
        let request = ResourceRequest::new(self.verb, self.right.group, &self.resource());
        let request = request.named(name);
        match self.right.scope {
            Scope::Cluster => request.into(),
            Scope::Namespace => request.in_namespace(namespace).into(),
        }
    }
}

fn user(from: &Node, groups: &[String]) -> Option<UserInfo> {
    let subject = match from {
        Node::User { name } | Node::UserName { name } => Subject::User {
            name: name.to_string(),
        },
        Node::Group { name } => Subject::Group {
            name: name.to_string(),
        },
        Node::ServiceAccount { namespace, name } => Subject::ServiceAccount {
            namespace: namespace.to_string(),
            name: name.to_string(),
        },
        _ => return None,
    };
    Some(UserInfo::of(&subject, groups))
}

/// Whom the API server sees where an identity of AWS comes that is somebody in the cluster.
fn mapped(from: &Node, snapshot: &Snapshot) -> Option<UserInfo> {
    let Node::Cloud { name } = from else {
        return None;
    };
    let mut all = snapshot
        .identity_maps
        .iter()
        .flat_map(|map| &map.identities);
    let identity = all.find(|identity| identity.arn == *name)?;
    let name = identity.username.to_string();
    let groups: Vec<String> = identity.groups.iter().map(Str::to_string).collect();
    Some(UserInfo::of(&Subject::User { name }, &groups))
}

fn namespace_of(node: &Node) -> Option<Str> {
    match node {
        Node::ServiceAccount { namespace, .. }
        | Node::Secret { namespace, .. }
        | Node::Role { namespace, .. }
        | Node::Area { namespace, .. } => Some(namespace.clone()),
        Node::Workload(object) => Some(object.namespace.clone()),
        _ => None,
    }
}

fn name_of(node: &Node) -> Option<&str> {
    match node {
        Node::User { name }
        | Node::UserName { name }
        | Node::Group { name }
        | Node::ServiceAccount { name, .. }
        | Node::Secret { name, .. } => Some(name),
        Node::Role { role, .. } => Some(&role.name),
        Node::Workload(object) => Some(&object.name),
        _ => None,
    }
}
