//! Where roles, bindings and policies come from, and when they have changed.

use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};
use bailiwick_input::{LoadOptions, Source as InputSource};
use bailiwick_kube::{Cluster, LoadKinds};
use bailiwick_model::Snapshot;
use bailiwick_pdp::State;
use bailiwick_rbac::Engine;
use sha2::{Digest as _, Sha256};

use super::config::Config;

/// What the state is made of.
pub(super) struct Source {
    rbac: Rbac,
    floor: Vec<PathBuf>,
    policies: Vec<PathBuf>,
    kept: Option<PathBuf>,
    seen: Option<u64>,
}

/// Where roles and bindings come from.
enum Rbac {
    Files(Vec<PathBuf>, bailiwick_input::Defaults),
    Live(Box<(bailiwick_kube::ConnectOptions, Option<Cluster>)>),
}

/// A state that was read, and what should be known about it.
pub(super) struct Read {
    pub(super) state: Arc<State>,
    pub(super) warnings: Vec<String>,
}

/// A directory is walked no further down.
const DEPTH: usize = 16;

impl Source {
    pub(super) fn files(
        config: &Config,
        paths: Vec<PathBuf>,
        defaults: bailiwick_input::Defaults,
    ) -> Self {
        Self::of(config, Rbac::Files(paths, defaults))
    }

    pub(super) fn live(config: &Config, options: bailiwick_kube::ConnectOptions) -> Self {
        Self::of(config, Rbac::Live(Box::new((options, None))))
    }

    fn of(config: &Config, rbac: Rbac) -> Self {
        Self {
            rbac,
            floor: config.floor.clone(),
            policies: config.policies.clone(),
            kept: config.snapshot.clone(),
            seen: None,
        }
    }

    /// Whether the source tells by itself how old it is: files cannot be stale.
    pub(super) fn can_grow_stale(&self) -> bool {
        matches!(self.rbac, Rbac::Live(..))
    }

    /// The state anew, if anything changed since the last call or `always`.
    ///
    /// Whatever is wrong with any part of it, nothing of it is taken.
    pub(super) fn read(&mut self, always: bool) -> Result<Option<Read>> {
        let fingerprint = self.fingerprint();
        let same = !always && !self.can_grow_stale() && self.seen == Some(fingerprint);
        if same {
            return Ok(None);
        }
        // What is wrong is told once, and read again when it has changed.
        self.seen = Some(fingerprint);
        let mut warnings = Vec::new();
        let snapshot = match &mut self.rbac {
            Rbac::Files(paths, defaults) => files(paths, *defaults, &mut warnings)?,
            Rbac::Live(connection) => live(&connection.0, &mut connection.1, &mut warnings)?,
        };
        if self.can_grow_stale() {
            self.keep(&snapshot, &mut warnings);
        }
        let state = self.state(snapshot, &mut warnings)?;
        Ok(Some(Read {
            state: Arc::new(state),
            warnings,
        }))
    }

    /// The state that was kept when the cluster was last read; `None` where none is.
    pub(super) fn kept(&self) -> Result<Option<Read>> {
        let Some(path) = self.kept.as_ref().filter(|path| path.exists()) else {
            return Ok(None);
        };
        let mut warnings = Vec::new();
        let paths = std::slice::from_ref(path);
        let snapshot = files(paths, bailiwick_input::Defaults::None, &mut warnings)?;
        let state = self.state(snapshot, &mut warnings)?;
        Ok(Some(Read {
            state: Arc::new(state),
            warnings,
        }))
    }

    fn keep(&self, snapshot: &Snapshot, warnings: &mut Vec<String>) {
        let Some(path) = &self.kept else { return };
        let write =
            |file: &mut std::fs::File| Ok(bailiwick_input::snapshot::write(snapshot, file)?);
        if let Err(error) = crate::cmd::snapshot::write_whole(path, write) {
            warnings.push(format!("`{}` cannot be written: {error:#}", path.display()));
        }
    }

    fn state(&self, snapshot: Snapshot, warnings: &mut Vec<String>) -> Result<State> {
        let mut hash = Sha256::new();
        for object in snapshot.objects() {
            hash.update(format!("{object:?}"));
        }
        let floor = match self.floor.as_slice() {
            [] => Snapshot::default(),
            paths => files(paths, bailiwick_input::Defaults::None, warnings)?,
        };
        let (documents, bundle) = crate::policies::load(&self.policies)?;
        hash.update(format!("{documents:?}"));
        let hex: String = hash
            .finalize()
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut state = State::new(Arc::new(Engine::new(snapshot)));
        state.revision = hex.as_str().into();
        state.floor = Arc::new(Engine::new(floor));
        state.policies = Arc::new(bundle.policies);
        state.relations = Arc::new(bundle.relations);
        state.delegations = Arc::new(bundle.delegations);
        state.revocations = Arc::new(bundle.revocations);
        Ok(state)
    }

    /// Changes when a file changes.
    fn fingerprint(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        let manifests = match &self.rbac {
            Rbac::Files(paths, _) => paths.as_slice(),
            Rbac::Live(..) => &[],
        };
        let all = manifests.iter().chain(&self.floor).chain(&self.policies);
        for path in all {
            mark(path, DEPTH, &mut hasher);
        }
        hasher.finish()
    }
}

/// Adds what tells one state of a file or a directory from another.
fn mark(path: &Path, depth: usize, hasher: &mut impl std::hash::Hasher) {
    let Ok(metadata) = std::fs::metadata(path) else {
        return;
    };
    path.hash(hasher);
    if metadata.is_dir() && depth > 0 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths {
            mark(&path, depth - 1, hasher);
        }
        return;
    }
    metadata.len().hash(hasher);
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map(|since| since.as_nanos()).hash(hasher);
}

/// Manifests. A document that cannot be read would silently take away what it grants or what it is there to hold.
fn files(
    paths: &[PathBuf],
    defaults: bailiwick_input::Defaults,
    warnings: &mut Vec<String>,
) -> Result<Snapshot> {
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    }
    let sources: Vec<InputSource> = paths.iter().cloned().map(InputSource::Path).collect();
    let options = LoadOptions {
        namespace: "default".to_owned(),
        defaults,
    };
    let loaded = bailiwick_input::load(&sources, &options);
    if let Some(lost) = loaded.findings.iter().find(|finding| finding.input_lost) {
        let place = lost
            .places
            .first()
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        bail!("{place}{}", lost.message);
    }
    warnings.extend(
        loaded
            .findings
            .iter()
            .map(|finding| finding.message.clone()),
    );
    Ok(loaded.snapshot)
}

fn live(
    options: &bailiwick_kube::ConnectOptions,
    cluster: &mut Option<Cluster>,
    warnings: &mut Vec<String>,
) -> Result<Snapshot> {
    let connected = match cluster {
        Some(cluster) => cluster,
        None => cluster.insert(Cluster::connect(options)?),
    };
    let options = bailiwick_kube::LoadOptions::new(LoadKinds::rbac());
    let loaded = connected.load(&options, &mut |_| {});
    if let Some(gap) = loaded.snapshot.gaps.first() {
        let found = loaded
            .findings
            .first()
            .map(|finding| finding.message.clone());
        bail!(
            "the cluster cannot be read: {}",
            found.unwrap_or_else(|| format!("{gap:?}"))
        );
    }
    warnings.extend(
        loaded
            .findings
            .iter()
            .map(|finding| finding.message.clone()),
    );
    Ok(loaded.snapshot)
}
