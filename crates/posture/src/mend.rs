use std::collections::{HashMap, HashSet};

use bailiwick_core::{Kind, ObjectRef, Str, Subject};
use bailiwick_diag::{Fix, kubectl};
use bailiwick_graph::Atom;
use bailiwick_model::{Snapshot, Workload};
use serde_json::{Value, json};

use crate::defaults::Defaults;

/// The annotation on what must stay. Its value says why. With a binding its service accounts keep their tokens.
pub const NEEDED: &str = "bailiwick.dev/needed";

/// The setting by which a pod has a token, in its spec.
const TOKEN: &str = "/automountServiceAccountToken";

/// What one change costs. The side effects of a change come below it, so that the fewest changes win and among those the
/// ones that take the least from others.
pub const CHANGE: u64 = 1_000;

/// What can be changed so that a step is no longer there.
pub struct Mending<'a> {
    snapshot: &'a Snapshot,
    pub(crate) defaults: Defaults<'a>,
    /// Number of subjects by the role that their bindings give.
    subjects: HashMap<ObjectRef, u64>,
    /// Service accounts, by namespace and name, that need what a binding gives them.
    needy: HashSet<(Str, Str)>,
}

/// A change that takes away what a step rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change in words, as an order.
    pub what: String,
    /// A command that makes it, where one can.
    pub command: Option<String>,
}

impl<'a> Mending<'a> {
    /// Of this cluster.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut subjects: HashMap<ObjectRef, u64> = HashMap::new();
        let mut needy = HashSet::new();
        for binding in snapshot.bindings.iter() {
            if binding.metadata.annotation(NEEDED).is_some() {
                let namespace = &binding.metadata.namespace;
                let subjects = binding.subjects.iter();
                let accounts = subjects.filter_map(|subject| match subject.subject(namespace)? {
                    Subject::ServiceAccount { namespace, name } => {
                        Some((Str::from(namespace), Str::from(name)))
                    }
                    _ => None,
                });
                needy.extend(accounts);
            }
            if let Some(role) = binding.role() {
                *subjects.entry(role).or_default() += binding.subjects.len() as u64;
            }
        }
        Self {
            snapshot,
            defaults: Defaults::of(snapshot),
            subjects,
            needy,
        }
    }

    /// What taking this away costs; `None` where it has to stay: what the API server creates for itself, rules that come
    /// back because a role gathers them from others, and what is marked as [`NEEDED`].
    pub fn cost(&self, atom: &Atom) -> Option<u64> {
        let snapshot = self.snapshot;
        let object = atom.object();
        let metadata = snapshot.metadata(object)?;
        if metadata.annotation(NEEDED).is_some() || self.defaults.is_object(object) {
            return None;
        }
        match atom {
            Atom::Subject { binding, position } => {
                let binding = snapshot.bindings.get(&binding.namespace, &binding.name)?;
                let subject = binding.subjects.get(*position as usize)?;
                (!self.defaults.is_subject(binding, subject)).then_some(CHANGE)
            }
            Atom::Rule { role, position } => {
                let found = snapshot.roles.get(&role.namespace, &role.name)?;
                let rule = found.rules.get(*position as usize)?;
                let stays = found.aggregation.is_some() || self.defaults.is_rule(found, rule);
                let others = self
                    .subjects
                    .get(role)
                    .map_or(0, |all| all.saturating_sub(1));
                (!stays).then(|| CHANGE + others.min(CHANGE - 1))
            }
            Atom::Field { object, pointer } => {
                let token = pointer.ends_with(TOKEN);
                (!token || !self.needs_token(object)).then_some(CHANGE)
            }
        }
    }

    /// Whether pods run as a service account that needs what it is given: without a token that would be taken from it.
    fn needs_token(&self, object: &ObjectRef) -> bool {
        let store = self.snapshot.workloads.get(&object.kind);
        let workload = store.and_then(|store| store.get(&object.namespace, &object.name));
        workload.is_some_and(|workload| {
            let account = workload.pod.service_account().into();
            self.needy.contains(&(object.namespace.clone(), account))
        })
    }

    /// The change that takes this away.
    pub fn change(&self, atom: &Atom) -> Change {
        match atom {
            Atom::Subject { binding, position } => self.without_subject(binding, *position),
            Atom::Rule { role, position } => self.without_rule(role, *position),
            Atom::Field { object, pointer } => self.with_setting(object, pointer),
        }
    }

    /// The change that takes all of these away, as an order, and how, where commands can.
    pub fn fix(&self, atoms: &[&Atom]) -> (String, Option<Fix>) {
        let changes: Vec<Change> = atoms.iter().map(|atom| self.change(atom)).collect();
        let what: Vec<&str> = changes.iter().map(|change| &*change.what).collect();
        let what = what.join(", and ");
        let commands = changes.iter().map(|change| change.command.clone());
        let commands: Option<Vec<String>> = commands.collect();
        let fix = commands.map(|commands| Fix {
            title: what.clone(),
            text: commands.join("\n"),
        });
        (what, fix)
    }

    fn without_subject(&self, binding: &ObjectRef, position: u32) -> Change {
        let found = self
            .snapshot
            .bindings
            .get(&binding.namespace, &binding.name);
        let entry = found.and_then(|found| found.subjects.get(position as usize));
        let pointer = format!("/subjects/{position}");
        let test = format!("{pointer}/name");
        let subject = entry.and_then(|entry| entry.subject(&binding.namespace));
        let what = match subject {
            Some(subject) => format!("take {subject} out of {binding}"),
            None => format!("take subject {} out of {binding}", position + 1),
        };
        let command = entry.map(|entry| kubectl::remove(binding, &pointer, &test, &entry.name));
        Change { what, command }
    }

    fn without_rule(&self, role: &ObjectRef, position: u32) -> Change {
        let found = self.snapshot.roles.get(&role.namespace, &role.name);
        let rule = found.and_then(|found| found.rules.get(position as usize));
        let pointer = format!("/rules/{position}");
        let verbs = rule.and_then(|rule| serde_json::to_value(&rule.verbs).ok());
        let command = verbs.map(|verbs| {
            let same = json!({"op": "test", "path": format!("{pointer}/verbs"), "value": verbs});
            kubectl::patch(role, &[same, json!({"op": "remove", "path": pointer})])
        });
        let what = format!("take rule {} out of {role}", position + 1);
        Change { what, command }
    }

    /// What to change in the texts of the map of identities of AWS, which no patch reaches into.
    fn in_identity_map(&self, object: &ObjectRef, pointer: &str) -> Option<String> {
        let maps = &self.snapshot.identity_maps;
        let map = maps.get(&object.namespace, &object.name)?;
        if object.kind != Kind::ConfigMap {
            return None;
        }
        if let Some(position) = pointer.strip_prefix("/data/mapAccounts/") {
            let position: u32 = position.parse().ok()?;
            let (_, account) = map.accounts.iter().find(|(at, _)| *at == position)?;
            return Some(format!(
                "take account {account} out of mapAccounts of {object}"
            ));
        }
        let mut all = map.identities.iter();
        all.find_map(|identity| {
            let arn = &identity.arn;
            let rest = pointer.strip_prefix(&identity.pointer())?;
            if rest.is_empty() {
                return Some(format!("take the mapping of {arn} out of {object}"));
            }
            let position: usize = rest.strip_prefix("/groups/")?.parse().ok()?;
            let group = identity.groups.get(position)?;
            Some(format!("take group {group} from {arn} in {object}"))
        })
    }

    fn with_setting(&self, object: &ObjectRef, pointer: &str) -> Change {
        if let Some(key) = pointer.strip_prefix("/metadata/labels/") {
            let key = key.replace("~1", "/").replace("~0", "~");
            return Change {
                what: format!("set the label {key} of {object} to baseline or restricted"),
                command: Some(kubectl::label(object, &key, "baseline")),
            };
        }
        if let Some(key) = pointer.strip_prefix("/metadata/annotations/") {
            let key = key.replace("~1", "/").replace("~0", "~");
            let operation = json!({"op": "remove", "path": pointer});
            return Change {
                what: format!("take the annotation {key} off {object}"),
                command: Some(kubectl::patch(object, &[operation])),
            };
        }
        if let Some(what) = self.in_identity_map(object, pointer) {
            let command = None;
            return Change { what, command };
        }
        let store = self.snapshot.workloads.get(&object.kind);
        let workload = store.and_then(|store| store.get(&object.namespace, &object.name));
        match workload {
            Some(workload) => of_pods(workload, object, pointer),
            None if pointer.is_empty() => Change {
                what: format!("delete {object}"),
                command: Some(kubectl::delete(object)),
            },
            None => Change {
                what: format!("change {pointer} of {object}"),
                command: None,
            },
        }
    }
}

/// A change of a pod spec.
fn of_pods(workload: &Workload, object: &ObjectRef, pointer: &str) -> Change {
    let spec = workload.pod_pointer();
    let field = pointer.strip_prefix(spec).unwrap_or(pointer);
    if field.is_empty() {
        return Change {
            what: format!("take the Secrets out of {object}"),
            command: None,
        };
    }
    let Some((what, operations)) = setting(workload, spec, field) else {
        return Change {
            what: format!("change {pointer} of {object}"),
            command: None,
        };
    };
    // The API server takes no change of these fields, nor of the template of a Job.
    if matches!(object.kind, Kind::Pod | Kind::Job) {
        return Change {
            what: format!("{what} of {object}: delete it and create it anew"),
            command: None,
        };
    }
    Change {
        what: format!("{what} of {object}"),
        command: (!operations.is_empty()).then(|| kubectl::patch(object, &operations)),
    }
}

/// What to do about a field, in words that "of OBJECT" follows, and how.
fn setting(workload: &Workload, spec: &str, field: &str) -> Option<(String, Vec<Value>)> {
    let path = format!("{spec}{field}");
    let off = |name: &str| {
        let operation = json!({"op": "add", "path": path, "value": false});
        (format!("set {name} to false in the pods"), operation)
    };
    if field == TOKEN {
        let (what, operation) = off("automountServiceAccountToken");
        let projected = workload
            .pod
            .tokens
            .iter()
            .any(|token| token.audience.is_empty());
        return Some(match projected {
            true => {
                let what = "take the token volumes and the service account's token out of the pods";
                (what.to_owned(), Vec::new())
            }
            false => (what, vec![operation]),
        });
    }
    if let Some(name) = field.strip_prefix('/').filter(|name| !name.contains('/')) {
        let (what, operation) = off(name);
        return Some((what, vec![operation]));
    }
    let container = workload.pod.containers.iter().find_map(|container| {
        let rest = field.strip_prefix(&container.pointer())?;
        rest.starts_with('/').then_some((container, rest))
    });
    let Some((container, rest)) = container else {
        let name = field.rsplit('/').next()?;
        let (what, operation) = off(name);
        return Some((what, vec![operation]));
    };
    let name = format!("{spec}{}/name", container.pointer());
    let same = json!({"op": "test", "path": name, "value": container.name});
    let of = format!("container {}", container.name);
    if let Some(position) = rest.strip_prefix("/securityContext/capabilities/add/") {
        let own = &container.security.capabilities;
        let capability = own.get(position.parse::<usize>().ok()?)?;
        let test = json!({"op": "test", "path": path, "value": capability});
        let what = format!("take the capability {capability} from {of}");
        return Some((
            what,
            vec![same, test, json!({"op": "remove", "path": path})],
        ));
    }
    if let Some(position) = rest.strip_prefix("/volumeMounts/") {
        let position: u32 = position.parse().ok()?;
        let mount = container
            .host_paths
            .iter()
            .find(|mount| mount.position == position)?;
        let what = format!("take the mount of the node's {} from {of}", mount.path);
        return Some((what, vec![same, json!({"op": "remove", "path": path})]));
    }
    let field = rest.rsplit('/').next()?;
    let what = format!("set {field} to false in {of}");
    Some((
        what,
        vec![same, json!({"op": "replace", "path": path, "value": false})],
    ))
}
