use std::collections::{BTreeMap, HashSet};

use bailiwick_core::{Kind, ObjectRef, Str};
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_model::{
    ApiTable, Delta, FileId, FileOrigin, Gap, Object, ObjectMeta, Origin, Snapshot, SourceFile,
    defaults,
};
use bailiwick_rbac::aggregation::aggregate;

use crate::file::FileRead;
use crate::held::Held;
use crate::limits::MAX_FINDINGS;
use crate::locate::Locator;
use crate::source::{Defaults, LoadOptions, Loaded};

/// What the API server labels its default roles and bindings with.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// Puts what the files gave together, in their order.
#[derive(Default)]
pub(crate) struct Assembly {
    loaded: Loaded,
    /// Objects that are there twice: which, the place that is lost, the place that counts.
    twice: Vec<(ObjectRef, Origin, Origin)>,
    twice_unspoken: usize,
    /// Whether a snapshot file was among the input, and whether all of them hold stored objects.
    snapshots: Option<bool>,
}

impl Assembly {
    /// Something to say. Lost input is a gap too.
    pub(crate) fn say(&mut self, finding: Finding) {
        if finding.input_lost {
            self.loaded.snapshot.gaps.push(Gap {
                kinds: Vec::new(),
                namespace: Str::default(),
                except: Str::default(),
                message: finding.message.clone(),
            });
        }
        self.loaded.findings.push(finding);
    }

    /// Takes in a file.
    pub(crate) fn file(&mut self, name: &Str, read: FileRead, held: Held) {
        let file = self.file_id(name);
        self.loaded.held.merge(held, file);
        self.loaded.findings.extend(read.findings);
        self.loaded.snapshot.gaps.extend(read.gaps);
        for (object, origin) in read.objects {
            self.put(object, Origin::File(FileOrigin { file, ..origin }));
        }
    }

    /// Takes in a snapshot file.
    pub(crate) fn snapshot(&mut self, mut snapshot: Snapshot) {
        let stored = snapshot.cluster.stored;
        self.snapshots = Some(self.snapshots.unwrap_or(true) && stored);
        for gap in &snapshot.gaps {
            let finding = Finding::new("not-read", Severity::Medium, gap.message.clone())
                .help("answers about it are partial");
            self.loaded.findings.push(finding.losing_input());
        }
        if self.is_first() {
            // Most often it is the only one, and large.
            let gaps = std::mem::take(&mut self.loaded.snapshot.gaps);
            snapshot.gaps.splice(..0, gaps);
            self.loaded.snapshot = snapshot;
            return;
        }
        let cluster = &mut self.loaded.snapshot.cluster;
        if cluster.name.is_empty() {
            cluster.name.clone_from(&snapshot.cluster.name);
        }
        cluster.minor = cluster.minor.or(snapshot.cluster.minor);
        let files: Vec<FileId> = snapshot
            .files
            .iter()
            .map(|file| self.file_id(&file.path))
            .collect();
        self.loaded
            .snapshot
            .gaps
            .extend(snapshot.gaps.iter().cloned());
        for (object, origin) in snapshot.objects() {
            let origin = match origin {
                Origin::File(origin) => match files.get(origin.file.0 as usize) {
                    Some(file) => Origin::File(FileOrigin {
                        file: *file,
                        ..origin
                    }),
                    None => Origin::Live,
                },
                other => other,
            };
            self.put(object, origin);
        }
    }

    /// Whether no file and no object has been taken in yet.
    fn is_first(&self) -> bool {
        let snapshot = &self.loaded.snapshot;
        snapshot.files.is_empty() && snapshot.objects().next().is_none()
    }

    fn file_id(&mut self, name: &Str) -> FileId {
        let files = &mut self.loaded.snapshot.files;
        let id = FileId(u32::try_from(files.len()).unwrap_or(u32::MAX));
        files.push(SourceFile { path: name.clone() });
        id
    }

    /// As for `kubectl apply`, the last of equal names stands.
    fn put(&mut self, object: Object, origin: Origin) {
        let reference = object.object_ref();
        let old = self
            .loaded
            .snapshot
            .apply(Delta::Upsert(Box::new(object), origin));
        match old {
            Some(old) if self.twice.len() < MAX_FINDINGS => {
                self.twice.push((reference, old, origin));
            }
            Some(_) => self.twice_unspoken += 1,
            None => {}
        }
    }

    /// Adds what the API server and its controllers would, and gives everything out.
    pub(crate) fn finish(mut self, options: &LoadOptions) -> Loaded {
        self.say_twice();
        self.set_stored();
        self.add_defaults(options.defaults);
        self.aggregate();
        self.loaded
    }

    fn say_twice(&mut self) {
        let twice = std::mem::take(&mut self.twice);
        let mut findings = Vec::new();
        let mut locator = Locator::new(&self.loaded.snapshot).with_held(&self.loaded.held);
        for (object, lost, kept) in twice {
            let same = match (lost, kept) {
                (Origin::File(lost), Origin::File(kept)) => lost.hash == kept.hash,
                _ => false,
            };
            let (severity, help) = if same {
                (Severity::Info, "delete one of them; they are the same")
            } else {
                (
                    Severity::Medium,
                    "delete one of them; which one a cluster ends up with depends on the order of `kubectl apply`",
                )
            };
            let mut place = |origin: Origin, label: &str| Place {
                object: Some(object.clone()),
                span: locator.span(&object, &origin, ""),
                label: label.into(),
                ..Place::default()
            };
            findings.push(
                Finding::new(
                    "duplicate-object",
                    severity,
                    format!("{object} is there twice"),
                )
                .at(place(kept, "this one counts"))
                .at(place(lost, "this one is lost"))
                .help(help),
            );
        }
        if self.twice_unspoken > 0 {
            let message = format!("{} more objects are there twice", self.twice_unspoken);
            findings.push(Finding::new("duplicate-object", Severity::Medium, message));
        }
        self.loaded.findings.extend(findings);
    }

    /// An object with a UID was read from a cluster.
    fn set_stored(&mut self) {
        let snapshot = &mut self.loaded.snapshot;
        let mut rbac = snapshot
            .roles
            .iter()
            .map(|role| &role.metadata)
            .chain(snapshot.bindings.iter().map(|binding| &binding.metadata))
            .peekable();
        let some = rbac.peek().is_some();
        let all = rbac.all(|metadata| !metadata.uid.is_empty());
        snapshot.cluster.stored =
            self.snapshots.unwrap_or(some) && (all || self.snapshots == Some(true));
    }

    fn add_defaults(&mut self, wanted: Defaults) {
        let snapshot = &mut self.loaded.snapshot;
        let minor = match wanted {
            Defaults::None => return,
            Defaults::Minor(minor) => minor,
            Defaults::Auto if snapshot.objects().next().is_none() || holds_defaults(snapshot) => {
                return;
            }
            Defaults::Auto => snapshot.cluster.minor.unwrap_or(ApiTable::NEWEST),
        };
        let Some(objects) = defaults(minor) else {
            let finding = Finding::new(
                "defaults-unknown",
                Severity::High,
                format!("the default roles of Kubernetes 1.{minor} are not known"),
            );
            self.say(
                finding
                    .help("take the nearest minor that is known")
                    .losing_input(),
            );
            return;
        };
        let mut added = 0_usize;
        for object in objects {
            let reference = object.object_ref();
            if snapshot.origin(&reference).is_none() {
                added += usize::from(reference.kind != Kind::ServiceAccount);
                snapshot.apply(Delta::Upsert(Box::new(object), Origin::Default { minor }));
            }
        }
        if wanted == Defaults::Minor(minor) {
            snapshot.cluster.minor = Some(minor);
        }
        if added > 0 {
            let message = format!(
                "{added} default roles and bindings of Kubernetes 1.{minor} are added, which the input does not hold"
            );
            self.say(
                Finding::new("defaults-added", Severity::Info, message)
                    .help("name another minor with --defaults 1.NN, or leave them out with --defaults none"),
            );
        }
    }

    /// In manifests an aggregated ClusterRole gets the rules that the controller would write. A stored one keeps what
    /// is stored: the authorizer reads nothing else.
    fn aggregate(&mut self) {
        let snapshot = &mut self.loaded.snapshot;
        let aggregation = aggregate(snapshot);
        let stored = |name: &Str| {
            let entry = snapshot.roles.entry("", name);
            entry.is_some_and(|entry| {
                entry.origin == Origin::Live || !entry.object.metadata.uid.is_empty()
            })
        };
        let kept: HashSet<Str> = aggregation
            .roles
            .iter()
            .map(|aggregated| aggregated.role.clone())
            .filter(stored)
            .collect();
        let mut circles: BTreeMap<Str, ObjectRef> = BTreeMap::new();
        for name in &aggregation.circular {
            circles.insert(name.clone(), ObjectRef::new(Kind::ClusterRole, "", name));
        }
        let deltas = aggregation.deltas(snapshot);
        for delta in deltas {
            match &delta {
                Delta::Upsert(object, _) if kept.contains(&object.metadata().name) => {}
                _ => {
                    snapshot.apply(delta);
                }
            }
        }
        let mut kept: Vec<Str> = kept.into_iter().collect();
        kept.sort();
        for name in kept {
            let object = ObjectRef::new(Kind::ClusterRole, "", &name);
            let finding = Finding::new(
                "aggregation-differs",
                Severity::Low,
                format!("{object} does not hold the rules that its aggregationRule gathers"),
            )
            .at(Place::field(object, "/rules"))
            .help("what is stored counts; see whether the input holds all ClusterRoles and the controller-manager runs");
            self.loaded.findings.push(finding);
        }
        if !circles.is_empty() {
            let mut finding = Finding::new(
                "aggregation-circle",
                Severity::Medium,
                "ClusterRoles gather rules from each other in a circle, and what they end up with depends on the order",
            )
            .help("take one of the selectors out of the circle");
            finding.places = circles.into_values().map(Place::object).collect();
            self.loaded.findings.push(finding);
        }
    }
}

/// Whether any of the roles and bindings is one that API servers create for themselves.
fn holds_defaults(snapshot: &Snapshot) -> bool {
    let is_default = |metadata: &ObjectMeta| metadata.label(BOOTSTRAPPING).is_some();
    snapshot.roles.iter().any(|role| is_default(&role.metadata))
        || snapshot
            .bindings
            .iter()
            .any(|binding| is_default(&binding.metadata))
}
