//! Containers as seen from their node: what they may do, what holds them back, and which setting says so.

pub(crate) mod flaws;
mod machine;
mod path;
#[cfg(test)]
mod tests;

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_model::{AppArmor, Container, PodSpec, Security, Workload};

pub(crate) use machine::{is_control_plane, is_sandbox, machine_identity, node_field, node_user};
pub(crate) use path::{Relation, relation};

use machine::control_planes_for;

use crate::build::{Item, Link, World};
use crate::condition::Atom;
use crate::node::Node;
use crate::world::Token;

/// A container of a workload.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'w> {
    world: &'w World<'w>,
    pub(crate) workload: &'w Workload,
    pub(crate) container: &'w Container,
}

/// Whether a container gets somewhere.
pub(crate) enum Way {
    /// It does, as long as all of these settings are there.
    Open(Vec<Atom>),
    /// It would, but for a setting.
    HeldBack(Obstacle),
}

/// A path of the node that a container mounts.
pub(crate) struct Mount {
    pub(crate) path: Str,
    pub(crate) read_only: bool,
    /// Whether that holds for file systems mounted below it as well.
    pub(crate) recursive: bool,
    /// What it rests on.
    settings: Vec<Atom>,
}

/// A setting that stands in the way, and what it does.
pub(crate) type Obstacle = (Atom, &'static str);

/// Where a node keeps the logs of its own and, below, those of its pods.
pub(crate) const NODE_LOGS: &str = "/var/log";

/// The first minor in which the API server keeps `hostUsers` unless told otherwise
/// (upstream `pkg/features/kube_features.go`, `UserNamespacesSupport`).
const OWN_USERS_SINCE: u16 = 33;

/// The first minor in which tokens of nodes are for audiences of their pods alone unless told otherwise
/// (upstream `pkg/features/kube_features.go`, `ServiceAccountNodeAudienceRestriction`).
const OWN_AUDIENCES_SINCE: u16 = 33;

/// The first minor in which pods and containers have an `appArmorProfile`.
const APP_ARMOR_SINCE: u16 = 30;

/// Links a workload to its node that has a container for which `way` finds a way there.
pub(crate) fn to_node<'w>(
    item: &Item<'w>,
    world: &'w World<'w>,
    link: &mut Link<'_>,
    way: impl Fn(&Seen<'w>) -> Option<Way>,
) {
    let node = |workload: &'w Workload| {
        let name = workload.node_name.clone();
        Some(Node::Machine { name })
    };
    to_what(item, world, link, node, way);
}

/// Links a workload that has a container for which `way` finds a way to where `to` says.
pub(crate) fn to_what<'w>(
    item: &Item<'w>,
    world: &'w World<'w>,
    link: &mut Link<'_>,
    to: impl Fn(&'w Workload) -> Option<Node>,
    way: impl Fn(&Seen<'w>) -> Option<Way>,
) {
    let Item::Workload(workload) = *item else {
        return;
    };
    let from = Node::Workload(workload.object_ref());
    let found = ways(workload, world, way);
    if let Some(to) = Some(workload).filter(|_| found.is_some()).and_then(to) {
        lead(&from, workload, to, found, world, link);
    }
}

/// The ways that its containers have, each with its settings, or where there is none what holds one back.
type Ways = Option<Result<Vec<Vec<Atom>>, Obstacle>>;

pub(crate) fn ways<'w>(
    workload: &'w Workload,
    world: &'w World<'w>,
    way: impl Fn(&Seen<'w>) -> Option<Way>,
) -> Ways {
    let mut ways = Vec::new();
    let mut obstacle = None;
    for container in &workload.pod.containers {
        let seen = Seen::new(world, workload, container);
        match way(&seen).map(|way| way.while_it_runs(&seen)) {
            Some(Way::Open(settings)) => ways.push(settings),
            Some(Way::HeldBack(by)) => obstacle = Some(by),
            None => {}
        }
    }
    match ways.is_empty() {
        false => Some(Ok(ways)),
        true => obstacle.map(Err),
    }
}

/// Links `from` by the ways that a workload has.
pub(crate) fn lead(
    from: &Node,
    workload: &Workload,
    to: Node,
    found: Ways,
    world: &World<'_>,
    link: &mut Link<'_>,
) {
    match found {
        Some(Ok(ways)) => {
            if matches!(&to, Node::Machine { name } if name.is_empty()) {
                for name in control_planes_for(world, workload) {
                    link.by_any(from, Node::Machine { name }, ways.clone());
                }
            }
            link.by_any(from, to, ways);
        }
        Some(Err((by, why))) => link.held_back(from, to, by, why),
        None => {}
    }
}

impl Way {
    /// A way that rests on a further setting.
    pub(crate) fn and(mut self, setting: Atom) -> Self {
        if let Self::Open(settings) = &mut self {
            settings.push(setting);
        }
        self
    }

    /// The way, unless something stands in it.
    pub(crate) fn unless(self, obstacle: Option<Obstacle>) -> Self {
        match (self, obstacle) {
            (Self::Open(_), Some(obstacle)) => Self::HeldBack(obstacle),
            (way, _) => way,
        }
    }

    /// A container that has ended leads nowhere.
    fn while_it_runs(self, seen: &Seen<'_>) -> Self {
        let ended = "it ends before the other containers start";
        let runs_on = seen.container.runs_on();
        self.unless((!runs_on).then(|| (seen.field(""), ended)))
    }
}

impl<'w> Seen<'w> {
    fn pod(&self) -> &'w PodSpec {
        &self.workload.pod
    }

    /// The container's own security context.
    pub(crate) fn security(&self) -> &'w Security {
        &self.container.security
    }

    /// What a container says, of a workload.
    pub(crate) fn new(
        world: &'w World<'w>,
        workload: &'w Workload,
        container: &'w Container,
    ) -> Self {
        Self {
            world,
            workload,
            container,
        }
    }

    /// The paths of the node that it mounts, by volumes of the pod and by claims.
    pub(crate) fn host_paths(&self) -> Vec<Mount> {
        let (world, container) = (self.world, self.container);
        let own = container.host_paths.iter().map(|mount| Mount {
            path: mount.path.clone(),
            read_only: mount.read_only,
            recursive: mount.recursive,
            settings: vec![self.field(&format!("/volumeMounts/{}", mount.position))],
        });
        let namespace = &self.workload.metadata.namespace;
        let claimed = container.claims.iter().filter_map(|mount| {
            let volume = world.volume_behind(namespace, &mount.claim)?;
            let path = match &*mount.below {
                "" => volume.path.clone(),
                below => format!("{}/{below}", volume.path.trim_end_matches('/')).into(),
            };
            let source = if volume.local {
                "/spec/local"
            } else {
                "/spec/hostPath"
            };
            let volume = Atom::Field {
                object: ObjectRef::new(Kind::PersistentVolume, "", &volume.metadata.name),
                pointer: source.to_owned(),
            };
            Some(Mount {
                path,
                read_only: mount.read_only,
                recursive: mount.recursive,
                settings: vec![
                    self.field(&format!("/volumeMounts/{}", mount.position)),
                    volume,
                ],
            })
        });
        own.chain(claimed).collect()
    }

    /// A way that rests on settings of the container, as JSON pointers from it.
    pub(crate) fn by(&self, pointers: &[&str]) -> Way {
        Way::Open(pointers.iter().map(|pointer| self.field(pointer)).collect())
    }

    /// A way that rests on a mount of the container.
    pub(crate) fn by_mount(&self, mount: &Mount) -> Way {
        Way::Open(mount.settings.clone())
    }

    /// Whether it may look into the processes of other users.
    pub(crate) fn traces(&self) -> bool {
        self.security().privileged || self.capability("SYS_PTRACE").is_some()
    }

    /// What its RuntimeClass puts between it and the node.
    pub(crate) fn sandboxed(&self) -> Option<Obstacle> {
        let name = &self.pod().runtime_class_name;
        if name.is_empty() {
            return None;
        }
        let class = self.world.snapshot.runtime_classes.get("", name)?;
        let why = "the handler of its RuntimeClass runs it in a sandbox";
        is_sandbox(&class.handler).then(|| (self.pod_field("/runtimeClassName"), why))
    }

    /// A capability that the container asks for, by the field that does; privileged containers have all without it.
    pub(crate) fn capability(&self, name: &str) -> Option<String> {
        let asked = &self.security().capabilities;
        let position = asked.iter().position(|own| is_capability(own, name))?;
        Some(format!("/securityContext/capabilities/add/{position}"))
    }

    /// The setting by which it sees the processes of the node.
    pub(crate) fn host_processes(&self) -> Option<Atom> {
        self.pod().host_pid.then(|| self.pod_field("/hostPID"))
    }

    /// What it may do counts within the pod alone: by users of its own, or in a sandbox.
    pub(crate) fn kept_in(&self) -> Option<Obstacle> {
        self.own_users().or_else(|| self.sandboxed())
    }

    /// Root of the container is nobody on the node.
    pub(crate) fn own_users(&self) -> Option<Obstacle> {
        let counts = self
            .world
            .minor()
            .is_none_or(|minor| minor >= OWN_USERS_SINCE);
        let own = self.pod().host_users == Some(false) && counts;
        own.then(|| {
            (
                self.pod_field("/hostUsers"),
                "root in the pod is an ordinary user of the node",
            )
        })
    }

    /// The container does not run as root.
    pub(crate) fn not_root(&self) -> Option<Obstacle> {
        let (own, pod) = (self.security(), &self.pod().security);
        let why = "the container does not run as root";
        let place = |own: bool, field: &str| match own {
            true => self.field(field),
            false => self.pod_field(field),
        };
        if own
            .run_as_user
            .or(pod.run_as_user)
            .is_some_and(|user| user != 0)
        {
            return Some((
                place(own.run_as_user.is_some(), "/securityContext/runAsUser"),
                why,
            ));
        }
        let refused = own.run_as_non_root.or(pod.run_as_non_root) == Some(true);
        let field = "/securityContext/runAsNonRoot";
        refused.then(|| (place(own.run_as_non_root.is_some(), field), why))
    }

    /// An AppArmor profile that somebody asked for. Without that nobody can tell: the container runtime puts its own
    /// only on nodes that have AppArmor.
    pub(crate) fn confined(&self) -> Option<Obstacle> {
        let field_counts = self
            .world
            .minor()
            .is_none_or(|minor| minor >= APP_ARMOR_SINCE);
        let pod = self.pod().security.app_armor.filter(|_| field_counts);
        let own = self.security().app_armor;
        let confined = own.or(pod) == Some(AppArmor::Confined);
        let pointer = "/securityContext/appArmorProfile";
        let by = || {
            if own.is_some() {
                self.field(pointer)
            } else {
                self.pod_field(pointer)
            }
        };
        confined.then(|| (by(), "its AppArmor profile refuses this"))
    }

    /// A setting of the container, as a JSON pointer from it.
    pub(crate) fn field(&self, pointer: &str) -> Atom {
        let same = |other: &Container| {
            let own = self.container;
            (other.list, other.position, &other.name) == (own.list, own.position, &own.name)
        };
        let keeper = self.world.keeper(self.workload);
        let kept = keeper.pod.containers.iter().any(same);
        let keeper = if kept { keeper } else { self.workload };
        field(keeper, &format!("{}{pointer}", self.container.pointer()))
    }

    /// A setting of the pod, as a JSON pointer from its spec.
    pub(crate) fn pod_field(&self, pointer: &str) -> Atom {
        field(self.world.keeper(self.workload), pointer)
    }
}

/// Whether a capability as it is written holds this one. Container runtimes look at neither case nor prefix.
pub(crate) fn is_capability(own: &str, name: &str) -> bool {
    let bare = own.get(4..).filter(|_| own.get(..4).is_some_and(is_prefix));
    let bare = bare.unwrap_or(own);
    bare.eq_ignore_ascii_case(name) || bare.eq_ignore_ascii_case("ALL")
}

fn is_prefix(text: &str) -> bool {
    text.eq_ignore_ascii_case("CAP_")
}

/// A setting, as a JSON pointer from the pod spec.
pub(crate) fn field(keeper: &Workload, pointer: &str) -> Atom {
    Atom::Field {
        object: keeper.object_ref(),
        pointer: format!("{}{pointer}", keeper.pod_pointer()),
    }
}

impl<'a> World<'a> {
    /// The object in which the settings of a pod are kept: the outermost of those that control it, or itself.
    pub(crate) fn keeper(&self, workload: &'a Workload) -> &'a Workload {
        workload.keeper(|kind, namespace, name| self.snapshot.workload(kind, namespace, name))
    }

    /// Whether code in the pod, or root on its node, finds a token in it that the API server accepts.
    pub(crate) fn has_token(&self, workload: &Workload) -> bool {
        self.is_there(&Token::of(workload))
    }

    /// The token that the Node authorizer lets a node ask for, for a pod of it.
    pub(crate) fn token_for_node(&self, workload: &Workload) -> Token {
        let minor = self.minor();
        let any_audience = minor.is_some_and(|minor| minor < OWN_AUDIENCES_SINCE);
        let mut token = Token::of(workload);
        if any_audience {
            token.is_there = Some(true);
        }
        token
    }

    /// The Secrets that the Node authorizer lets a node read for a pod of it: those that it names.
    pub(crate) fn secrets_for_node(&self, workload: &Workload) -> impl Iterator<Item = Node> {
        let (pod, namespace) = (&workload.pod, &workload.metadata.namespace);
        let names = [&pod.secrets, &pod.node_secrets];
        let names = names
            .into_iter()
            .flat_map(|names| self.secrets_of(workload, names));
        names.map(|name| Node::Secret {
            namespace: namespace.clone(),
            name: name.clone(),
        })
    }

    /// Those of the Secrets named by a workload that are there.
    pub(crate) fn secrets_of<'n>(
        &self,
        workload: &Workload,
        names: &'n [Str],
    ) -> impl Iterator<Item = &'n Str> {
        let (secrets, namespace) = (&self.snapshot.secrets, &workload.metadata.namespace);
        names
            .iter()
            .filter(move |name| secrets.get(namespace, name).is_some())
    }

    /// Whether Pod Security holds the pods of a namespace to the level `restricted`, which is also every level that it
    /// does not know.
    pub(crate) fn is_restricted(&self, namespace: &str) -> bool {
        let labels = self.snapshot.namespaces.get("", namespace);
        let level = labels.and_then(|namespace| namespace.metadata.label(ENFORCE));
        level.is_some_and(|level| level != "baseline") && self.pod_security(namespace).is_err()
    }

    /// The label that makes Pod Security refuse pods that reach for their node in this namespace; `None` where it lets
    /// them pass.
    ///
    /// A level that it does not know counts as `restricted` (upstream `k8s.io/pod-security-admission/api/helpers.go`).
    pub(crate) fn pod_security(&self, namespace: &str) -> Result<Atom, Atom> {
        let labels = self.snapshot.namespaces.get("", namespace);
        let level = labels.and_then(|namespace| namespace.metadata.label(ENFORCE));
        let atom = Atom::Field {
            object: ObjectRef {
                kind: Kind::Namespace,
                namespace: Str::default(),
                name: namespace.into(),
            },
            pointer: format!("/metadata/labels/{}", ENFORCE.replace('/', "~1")),
        };
        let counts = self.minor().is_none_or(|minor| minor >= POD_SECURITY_SINCE);
        match level {
            Some(level) if level != "privileged" && counts => Err(atom),
            _ => Ok(atom),
        }
    }
}

/// The label that says which pods a namespace takes.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The first minor in which Pod Security is on unless told otherwise.
const POD_SECURITY_SINCE: u16 = 23;
