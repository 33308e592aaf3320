//! What a question is asked about: manifests behind `-f`, or the cluster that kubectl would talk to.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bailiwick_core::{Kind, ObjectRef, Str, UserInfo};
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_graph::{Graph, Live};
use bailiwick_input::{Held, LoadOptions, Locator, Source};
use bailiwick_kube::{Cluster, ConnectOptions, LoadKinds, Loaded, Watch, WatchOptions};
use bailiwick_model::{ApiTable, Gap, Origin, Snapshot};
use bailiwick_rbac::Engine;

use crate::cli::{Defaults, Global};
use crate::console::Console;
use crate::members::Members;
use crate::progress::Progress;
use crate::target::Scope;

/// How much of a cluster a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Roles and bindings.
    Rbac,
    /// Everything that Bailiwick reads.
    Everything,
}

/// The cluster that a question is asked about, read and indexed.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) api: ApiTable,
    /// What there is to say about the input.
    pub(crate) findings: Vec<Finding>,
    pub(crate) members: Members,
    held: Held,
    namespace: String,
    live: Option<Cluster>,
}

impl Opened {
    /// Reads what the options name. Fails where nothing at all could be read.
    pub(crate) fn open(global: &Global, need: Need, console: &mut Console) -> Result<Self> {
        let members = match &global.groups_file {
            Some(path) => Members::read(path, console)?,
            None => Members::default(),
        };
        let mut opened = if global.filename.is_empty() {
            Self::live(global, need, console)?
        } else {
            Self::files(global, console)?
        };
        opened.members = members;
        Ok(opened)
    }

    fn files(global: &Global, console: &Console) -> Result<Self> {
        let sources: Vec<Source> = global
            .filename
            .iter()
            .map(|path| match path.to_str() {
                Some("-") => Source::Stdin,
                _ => Source::Path(path.clone()),
            })
            .collect();
        let from_stdin = sources
            .iter()
            .filter(|source| **source == Source::Stdin)
            .count();
        if from_stdin + usize::from(console.stdin_in_use()) > 1 {
            bail!("standard input is named more than once, but it can be read only once");
        }
        let namespace = global
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let options = LoadOptions {
            namespace: namespace.clone(),
            defaults: match global.defaults {
                Defaults::Auto => bailiwick_input::Defaults::Auto,
                Defaults::None => bailiwick_input::Defaults::None,
                Defaults::Minor(minor) => bailiwick_input::Defaults::Minor(known_minor(minor)?),
            },
        };
        let loaded = bailiwick_input::load(&sources, &options);
        let added_alone = matches!(global.defaults, Defaults::Minor(_));
        if !added_alone && !holds_objects(&loaded.snapshot) {
            loaded
                .findings
                .iter()
                .take(PROBLEMS_SHOWN)
                .for_each(|finding| console.finding(finding));
            bail!("no Kubernetes object could be read from the input");
        }
        let api = api_table(&loaded.snapshot)?;
        Ok(Self {
            engine: Engine::new(loaded.snapshot),
            api,
            findings: loaded.findings,
            members: Members::default(),
            held: loaded.held,
            namespace,
            live: None,
        })
    }

    fn live(global: &Global, need: Need, console: &Console) -> Result<Self> {
        let cluster = Cluster::connect(&connect_options(global, console))?;
        let kinds = match need {
            Need::Rbac => LoadKinds::rbac(),
            Need::Everything => LoadKinds::all(),
        };
        let namespace = cluster.default_namespace().to_owned();
        let mut options = bailiwick_kube::LoadOptions::new(kinds);
        if !global.all_namespaces {
            options = options.or_namespace(&namespace);
        }
        let mut progress = Progress::new(console);
        // Discovery is the slower of the two on an empty cluster and the faster on a full one.
        let (loaded, discovered) = std::thread::scope(|scope| {
            let discovery = scope.spawn(|| cluster.api_table());
            let loaded = cluster.load(&options, &mut |page| progress.show(&page));
            (loaded, discovery.join())
        });
        progress.done();
        refuse_nothing(&loaded, &cluster, console)?;
        let mut findings = loaded.findings;
        let snapshot = loaded.snapshot;
        let api = match discovered {
            Ok(Ok(discovered)) => {
                findings.extend(discovered.findings);
                discovered.table
            }
            Ok(Err(error)) => {
                console.warn(format_args!(
                    "{error}; names of resources are read as Kubernetes 1.{} has them",
                    snapshot.cluster.minor.unwrap_or_default()
                ));
                api_table(&snapshot)?
            }
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(Self {
            engine: Engine::new(snapshot),
            api,
            findings,
            members: Members::default(),
            held: Held::default(),
            namespace,
            live: Some(cluster),
        })
    }

    /// The identity that the kubeconfig gives us.
    pub(crate) fn who_am_i(&self) -> Result<UserInfo> {
        match &self.live {
            Some(cluster) => Ok(cluster.whoami()?),
            None => bail!(
                "`me` is known to a live cluster only; with -f write user:NAME, sa:NAMESPACE/NAME or group:NAME"
            ),
        }
    }

    /// Where requests happen.
    pub(crate) fn scope<'a>(&'a self, global: &'a Global) -> Scope<'a> {
        Scope {
            given: global.namespace.as_deref(),
            default: &self.namespace,
            all: global.all_namespaces,
        }
    }

    /// The namespace that is asked about.
    pub(crate) fn namespace(&self, global: &Global) -> String {
        global
            .namespace
            .clone()
            .unwrap_or_else(|| self.namespace.clone())
    }

    /// The cluster.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        self.engine.snapshot()
    }

    /// Who can become whom.
    pub(crate) fn graph(&self) -> Graph {
        Graph::new(self.snapshot(), self.members.by_user())
    }

    /// `FILE:LINE:COLUMN` of a field, where it came from a file.
    pub(crate) fn line_of(&self, object: &ObjectRef, pointer: &str) -> Option<String> {
        let place = Place::field(object.clone(), pointer);
        let mut finding = [Finding::new("place", Severity::Info, "").at(place)];
        self.locate(&mut finding);
        let [finding] = finding;
        let place = finding.places.into_iter().next()?;
        place.span.is_some().then(|| place.to_string())
    }

    /// Fills in file, line and column of every place.
    pub(crate) fn locate(&self, findings: &mut [Finding]) {
        let mut locator = Locator::new(self.snapshot()).with_held(&self.held);
        for finding in findings {
            locator.locate(finding);
        }
    }

    /// Whether an answer about `kinds` in `namespace` (empty for the whole cluster) may miss something. Says so; what
    /// is missing stands among the findings of the input.
    pub(crate) fn partial(&self, kinds: &[Kind], namespace: &str, console: &Console) -> bool {
        let gaps = self.snapshot().gaps_touching(kinds, namespace).count();
        if gaps > 0 {
            let what = if gaps == 1 {
                "part of it"
            } else {
                "parts of it"
            };
            console.warn(format_args!(
                "the answer is from partial input: {what} could not be read, and may hold what changes it"
            ));
        }
        gaps > 0
    }

    /// The same for an answer from the graph, which may be cut short as well.
    pub(crate) fn partial_paths(&self, graph: &Graph, console: &Console) -> bool {
        let cut_short = cut_short(graph);
        if let Some(gap) = &cut_short {
            console.warn(&gap.message);
        }
        self.partial(&Kind::ALL, "", console) || cut_short.is_some()
    }

    /// Says in a few lines what is odd about the input, for commands whose subject is something else.
    pub(crate) fn mention_problems(&self, console: &Console) {
        mention(&self.findings, console);
    }

    /// Says in a few lines what could not be read.
    pub(crate) fn mention_losses(&self, console: &Console) {
        mention(
            self.findings.iter().filter(|finding| finding.input_lost),
            console,
        );
    }
}

/// What a graph leaves out, as something that is not known of the cluster.
pub(crate) fn cut_short(graph: &Graph) -> Option<Gap> {
    let all: Vec<String> = graph.unfinished().map(ToString::to_string).collect();
    let others = match all.len() {
        0 => return None,
        1 => String::new(),
        many => format!(" and {} others", many - 1),
    };
    let message = format!(
        "{}{others} can bind so many roles that not every combination was looked at: there may be more paths. Limit the \
         names in what they may bind",
        all.first()?
    );
    Some(Gap {
        kinds: vec![Kind::Role, Kind::ClusterRole],
        namespace: Str::default(),
        except: Str::default(),
        message,
    })
}

/// A live cluster with its graph, and what changes it.
pub(crate) struct Watched {
    pub(crate) live: Live,
    pub(crate) watch: Watch,
    /// Kept, because the watch runs on its threads.
    _cluster: Cluster,
}

impl Watched {
    /// Reads what the options name, and follows it from there.
    pub(crate) fn open(global: &Global, console: &mut Console) -> Result<Self> {
        if !global.filename.is_empty() {
            bail!("--watch follows a live cluster, and files with -f do not change");
        }
        let members = match &global.groups_file {
            Some(path) => Members::read(path, console)?,
            None => Members::default(),
        };
        let cluster = Cluster::connect(&connect_options(global, console))?;
        let mut options = bailiwick_kube::LoadOptions::new(LoadKinds::all());
        options.to_watch = true;
        if !global.all_namespaces {
            options = options.or_namespace(cluster.default_namespace());
        }
        let mut progress = Progress::new(console);
        let loaded = cluster.load(&options, &mut |page| progress.show(&page));
        progress.done();
        refuse_nothing(&loaded, &cluster, console)?;
        mention(&loaded.findings, console);
        let mut to_watch = WatchOptions::new(options.kinds);
        to_watch.namespace = options.namespace;
        let watch = cluster.watch(loaded.start, &loaded.snapshot.gaps, &to_watch);
        Ok(Self {
            live: Live::new(loaded.snapshot, members.by_user()),
            watch,
            _cluster: cluster,
        })
    }
}

fn refuse_nothing(loaded: &Loaded, cluster: &Cluster, console: &Console) -> Result<()> {
    if loaded.snapshot.objects().next().is_some() || loaded.snapshot.gaps.is_empty() {
        return Ok(());
    }
    let findings = loaded.findings.iter().take(PROBLEMS_SHOWN);
    findings.for_each(|finding| console.finding(finding));
    bail!(
        "nothing could be read of the cluster as {}; `bailiwick print-role` prints what it takes",
        cluster
            .whoami()
            .map_or_else(|_| "this user".to_owned(), |user| user.name)
    );
}

/// Says in a few lines what is odd about the input, for commands whose subject is something else.
fn mention<'f>(findings: impl IntoIterator<Item = &'f Finding>, console: &Console) {
    let mut by_id: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_id.entry(&finding.id).or_default().push(finding);
    }
    // Objects of other kinds are no part of any answer; `scan` lists them for those who wonder.
    by_id.remove("custom-resource");
    for findings in by_id.values() {
        for finding in findings.iter().take(PROBLEMS_SHOWN) {
            console.finding(finding);
        }
        if let Some(more) = findings.len().checked_sub(PROBLEMS_SHOWN + 1) {
            console.note(format_args!(
                "{} more like this; `bailiwick scan` lists them",
                more + 1
            ));
        }
    }
}

/// Problems of one id that are said in full beside an answer.
const PROBLEMS_SHOWN: usize = 3;

/// Whether the input itself held an object; default roles do not count.
fn holds_objects(snapshot: &Snapshot) -> bool {
    snapshot
        .objects()
        .any(|(_, origin)| !matches!(origin, Origin::Default { .. }))
}

fn known_minor(minor: u16) -> Result<u16> {
    if ApiTable::MINORS.contains(&minor) {
        return Ok(minor);
    }
    let known: Vec<String> = ApiTable::MINORS
        .iter()
        .map(|minor| format!("1.{minor}"))
        .collect();
    bail!(
        "the defaults of Kubernetes 1.{minor} are not known; known are {}",
        known.join(", ")
    )
}

/// The resources of the version that the snapshot is of, or of the newest known one, with those that its
/// CustomResourceDefinitions add.
fn api_table(snapshot: &Snapshot) -> Result<ApiTable> {
    let newest = ApiTable::MINORS.iter().max().copied();
    let minor = snapshot
        .cluster
        .minor
        .filter(|minor| ApiTable::MINORS.contains(minor))
        .or(newest);
    let mut api = minor
        .and_then(ApiTable::embedded)
        .context("no table of API resources is built in")?;
    for custom in snapshot.custom_resources.iter() {
        api.add_custom(custom);
    }
    Ok(api)
}

/// How the connection flags reach the client.
pub(crate) fn connect_options(global: &Global, console: &Console) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: global.kubeconfig.clone(),
        context: global.context.clone(),
        cluster: global.cluster.clone(),
        user: global.user.clone(),
        server: global.server.clone(),
        tls_server_name: global.tls_server_name.clone(),
        certificate_authority: global.certificate_authority.clone(),
        insecure_skip_tls_verify: global.insecure_skip_tls_verify,
        token: global.token.clone().map(|token| token.0.into()),
        impersonate: global.as_user.clone(),
        impersonate_groups: global.as_group.clone(),
        impersonate_uid: global.as_uid.clone(),
        namespace: global.namespace.clone(),
        request_timeout: global.request_timeout.map(|timeout| timeout.0),
        plugin_timeout: None,
        stdin_in_use: console.stdin_in_use(),
        yaml: Some(bailiwick_input::read_embedded),
    }
}
