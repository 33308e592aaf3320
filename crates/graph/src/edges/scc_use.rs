use std::collections::BTreeMap;

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use bailiwick_model::{RunAs, SecurityContextConstraints};
use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Link, On, World};
use crate::condition::{Atom, Clause, Condition};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::host::is_capability;
use crate::node::{Area, Node};

edge! {
    /// Start a pod under a permissive security context constraint of OpenShift.
    ///
    /// OpenShift admits a pod if its author or its service account may use a SecurityContextConstraints object that allows what
    /// the pod asks for: by the verb `use` on it, or by a name or a group in its own `users` and `groups`. A service account that
    /// may is enough for everybody who starts pods in its namespace, since nobody asks whether he may use the account. The author
    /// of a Deployment's pods is a controller and not whoever wrote the Deployment: for him it takes `create` on pods themselves.
    ///
    /// What the object allows decides, not what it is called. A pod is root on its node where it may be privileged
    /// (`allowPrivilegedContainer`), mount paths of the node (`allowHostDirVolumePlugin`), add `SYS_ADMIN`, `SYS_MODULE` or
    /// `DAC_READ_SEARCH`, or see the node's processes (`allowHostPID`) and add `SYS_PTRACE`. It has to be root within: by
    /// `runAsUser`, or by a setuid program of its image, unless `allowPrivilegeEscalation` is false. Where `userNamespaceLevel` is
    /// `RequirePodLevel`, only the paths of the node are left. The network and the ports of the node alone lead to no node, and what SELinux
    /// refuses to a pod is not judged.
    ///
    /// Pod Security counts besides. A cluster that defines the resource, but whose objects are not in the input, has the step
    /// held back: what they allow is not known. So have manifests with a rule for `use` on objects that they do not bring. PodSecurityPolicy worked alike and ended with Kubernetes 1.25; no
    /// version that is known here has it.
    "scc-use", "start a pod under a permissive constraint", effort 1, Versions::ALL,
    &[
        Rule::Own { legs: &[USE, PODS], link: link_author },
        Rule::Own { legs: &[USE], link: link_accounts },
        Rule::Roles { legs: &[PODS], link: link_listed },
        Rule::Objects(link_listed_accounts),
    ],
    "user eve" => "every node of the cluster", "allowHostDirVolumePlugin: true" => "allowHostDirVolumePlugin: false",
    "ClusterRole s
       use on securitycontextconstraints of security.openshift.io named backup
     RoleBinding shop/s gives ClusterRole/s to user:eve
     Role shop/r
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: {name: backup}, allowHostDirVolumePlugin: true,
      allowPrivilegedContainer: false, allowHostPID: false, allowHostIPC: false, allowHostNetwork: false, allowHostPorts: false,
      runAsUser: {type: RunAsAny}, users: [], groups: []}"
}

/// Where OpenShift defines its constraints.
const DEFINITION: &str = "securitycontextconstraints.security.openshift.io";

const PODS: Leg = &[Right::new("", "pods", &["create"])];
const USE: Leg = &[Right::new("security.openshift.io", "securitycontextconstraints", &["use"])];

/// Of those who hold both legs.
fn link_author(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    link_held(held, held.subject, &held.scope, world, link);
}

/// Of accounts, whose constraints are those of every pod that runs as them.
fn link_accounts(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for namespace in namespaces_of(held.subject, world) {
        if held.scope.is_empty() || held.scope == namespace {
            link_held(held, &Node::area(Area::NewPods, &namespace), &namespace, world, link);
        }
    }
}

/// Links to every node what holds `use`, where the pods are in `namespace`.
fn link_held(held: &Held<'_>, from: &Node, namespace: &str, world: &World<'_>, link: &mut Link<'_>) {
    if let Some(by) = unknown(held, world, link) {
        link.held_back(from, machines(), by, "what security context constraints allow is not in the input");
    }
    let mut causes = Clause::new();
    for (constraints, ways) in permissive(world) {
        let on = On::Name(&constraints.metadata.name);
        let by = held.condition_by(|holding| holding.is_on(on));
        let by = by.and_then(|condition| condition.clauses.into_iter().next());
        for way in ways {
            let setting = setting(constraints, way);
            causes.extend(link.joined(by.as_deref().unwrap_or_default(), &[setting]));
        }
    }
    let mut condition = held.evidence_on(&[On::Any]);
    if let Some(first) = condition.clauses.first_mut() {
        *first = causes;
    }
    link_to_nodes(from, namespace, condition, world, link);
}

/// What says that constraints count here of which the input does not tell what they allow.
fn unknown(held: &Held<'_>, world: &World<'_>, link: &Link<'_>) -> Option<Atom> {
    let snapshot = &world.snapshot;
    let is_none_known = snapshot.constraints.iter().next().is_none();
    if is_none_known && let Some(definition) = constraints(world) {
        return Some(definition);
    }
    if snapshot.cluster().stored && !snapshot.is_hidden(Kind::SecurityContextConstraints, "") {
        return None;
    }
    // A star for the group is no word of OpenShift.
    let is_about_unknown = |holding: &Holding<'_>| {
        let mut groups = holding.given.api_groups.iter();
        let is_missing = |name: &Str| snapshot.constraints.get("", name).is_none();
        groups.any(|group| &**group == holding.right.group)
            && match holding.names {
                Names::All => is_none_known,
                Names::Only(names) => names.iter().any(is_missing),
            }
    };
    let by = held.first_by(is_about_unknown)?;
    link.setting(*by.last()?)
}

/// Of those who start pods and stand in the constraints themselves.
fn link_listed(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let name = match held.subject {
        Node::User { name } | Node::UserName { name } => Some(name.to_string()),
        Node::ServiceAccount { namespace, name } => {
            let (namespace, name) = (namespace.to_string(), name.to_string());
            Subject::ServiceAccount { namespace, name }.user_name()
        }
        _ => None,
    };
    let mut groups = world.groups_of(held.subject);
    if let Node::Group { name } = held.subject {
        groups.push(name.clone());
    }
    let mut causes = Clause::new();
    for (constraints, ways) in permissive(world) {
        for (entry, listed) in listed(constraints) {
            let is_listed = match listed {
                Listed::User(user) => name.as_deref() == Some(user),
                Listed::Group(group) => groups.contains(group),
            };
            if is_listed {
                causes.extend(listed_causes(constraints, &entry, &ways, link));
            }
        }
    }
    let mut condition = held.evidence_on(&[On::Any]);
    condition.clauses.push(causes);
    link_to_nodes(held.subject, &held.scope, condition, world, link);
}

/// Of the accounts that stand in the constraints themselves.
fn link_listed_accounts(world: &World<'_>, link: &mut Link<'_>) {
    let mut by_namespace: BTreeMap<Str, Clause> = BTreeMap::new();
    for (constraints, ways) in permissive(world) {
        for (entry, listed) in listed(constraints) {
            let node = match listed {
                Listed::User(name) => Node::of(&Subject::User { name: name.to_owned() }),
                Listed::Group(name) => Node::Group { name: name.clone() },
            };
            for namespace in namespaces_of(&node, world) {
                let causes = listed_causes(constraints, &entry, &ways, link);
                by_namespace.entry(namespace).or_default().extend(causes);
            }
        }
    }
    for (namespace, causes) in by_namespace {
        let pods = Node::area(Area::NewPods, &namespace);
        link_to_nodes(&pods, &namespace, vec![causes].into(), world, link);
    }
}

/// An entry of `users` or `groups`.
enum Listed<'a> {
    User(&'a str),
    Group(&'a Str),
}

/// Whom constraints name themselves, each with the pointer to where.
fn listed(constraints: &SecurityContextConstraints) -> impl Iterator<Item = (String, Listed<'_>)> {
    let users = constraints.users.iter().enumerate();
    let users = users.map(|(at, user)| (format!("/users/{at}"), Listed::User(user)));
    let groups = constraints.groups.iter().enumerate();
    users.chain(groups.map(|(at, group)| (format!("/groups/{at}"), Listed::Group(group))))
}

fn listed_causes(
    constraints: &SecurityContextConstraints,
    entry: &str,
    ways: &[String],
    link: &mut Link<'_>,
) -> Clause {
    let entry = setting(constraints, entry.to_owned());
    let ways = ways.iter().flat_map(|way| {
        let way = setting(constraints, way.clone());
        link.joined(&[Vec::new()], &[entry.clone(), way])
    });
    ways.collect()
}

/// The namespaces whose pods can run as this account, or as one of this group.
fn namespaces_of(node: &Node, world: &World<'_>) -> Vec<Str> {
    match node {
        Node::ServiceAccount { namespace, name } => {
            if world.is_hidden(Kind::ServiceAccount, namespace) {
                return vec![namespace.clone()];
            }
            world.namespaces_with_account(namespace, name)
        }
        Node::Group { name } if matches!(&**name, names::SERVICE_ACCOUNTS | names::AUTHENTICATED) => {
            world.namespaces_in(&Str::default())
        }
        Node::Group { name } => {
            let own = name.strip_prefix(names::SERVICE_ACCOUNTS);
            let own = own.and_then(|rest| rest.strip_prefix(':'));
            own.map(Str::from).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn link_to_nodes(from: &Node, namespace: &str, mut condition: Condition, world: &World<'_>, link: &mut Link<'_>) {
    for clause in &mut condition.clauses {
        clause.sort();
        clause.dedup();
    }
    if condition.clauses.iter().any(Vec::is_empty) {
        return;
    }
    match world.pod_security(namespace) {
        Err(label) if !namespace.is_empty() => {
            let why = "Pod Security refuses privileged pods in this namespace";
            link.held_back(from, machines(), label, why);
        }
        _ => link.edge(from, machines(), condition),
    }
}

fn machines() -> Node {
    Node::area(Area::Machines, &Str::default())
}

/// The constraints under which a pod can get to its node, each with the settings that let it, any of which will do.
fn permissive<'w>(world: &World<'w>) -> Vec<(&'w SecurityContextConstraints, Vec<String>)> {
    let all = world.snapshot.constraints.iter().map(|one| (one, ways(one)));
    all.filter(|(_, ways)| !ways.is_empty()).collect()
}

/// Pointers to the settings.
fn ways(constraints: &SecurityContextConstraints) -> Vec<String> {
    let mut ways = Vec::new();
    let escalates = !constraints.no_escalation;
    // The API server refuses privileged containers that must not escalate.
    if constraints.privileged && escalates && !constraints.own_users {
        ways.push("/allowPrivilegedContainer".to_owned());
    }
    if constraints.run_as == RunAs::Others && !escalates {
        return ways;
    }
    if constraints.host_paths {
        ways.push("/allowHostDirVolumePlugin".to_owned());
    }
    if !constraints.own_users {
        let reaches = ["SYS_ADMIN", "SYS_MODULE", "DAC_READ_SEARCH"].into_iter();
        let traces = constraints.host_pid.then_some("SYS_PTRACE");
        ways.extend(reaches.chain(traces).filter_map(|name| capability(constraints, name)));
    }
    ways.dedup();
    ways
}

/// Pointer to the entry by which containers may have a capability.
fn capability(constraints: &SecurityContextConstraints, name: &str) -> Option<String> {
    let lists = [
        ("allowedCapabilities", &constraints.allowed_capabilities),
        ("defaultAddCapabilities", &constraints.default_capabilities),
    ];
    lists.into_iter().find_map(|(field, list)| {
        let gives = |own: &Str| &**own == "*" || is_capability(own, name);
        Some(format!("/{field}/{}", list.iter().position(gives)?))
    })
}

fn setting(constraints: &SecurityContextConstraints, pointer: String) -> Atom {
    let name = &constraints.metadata.name;
    Atom::Field {
        object: ObjectRef::new(Kind::SecurityContextConstraints, "", name),
        pointer,
    }
}

/// What says that constraints of OpenShift stand before every pod.
pub(super) fn constraints(world: &World<'_>) -> Option<Atom> {
    if world.snapshot.custom_resources.get("", DEFINITION).is_some() {
        return Some(Atom::Field {
            object: ObjectRef::new(Kind::CustomResourceDefinition, "", DEFINITION),
            pointer: String::new(),
        });
    }
    let first = world.snapshot.constraints.iter().next()?;
    Some(setting(first, String::new()))
}
