//! The parts, put together and run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use bailiwick_audit::{DecisionId, Log, Record, Records};
use bailiwick_core::Kind;
use bailiwick_kube::LoadKinds;
use bailiwick_pdp::Compiler;
use bailiwick_server::{
    AuthzenDoor, Current, Directory, Listener, Metrics, Operations, Parts, Ready, ReviewDoor,
    Reviews, Server, Tls, TlsFiles, Tokens,
};
use bailiwick_store::{Options, Store};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::{Following, document_kinds};
use super::config::{ClusterConfig, Config};
use super::entities;
use super::feed::Feed;
use super::files::{Entities, Files, Manifests, Wake};
use super::gateway::ExtAuthz;
use super::identity::Identities;
use super::kept::Kept;
use super::policy_files::PolicyFiles;
use super::reviewer::{ClusterReviewer, Connected};
use super::telemetry::TelemetryConfig;
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::cmd::identity::place::check_address;
use crate::console::Console;

/// Everything that has to be right before anybody is answered.
pub(crate) struct Program {
    config: Config,
    sources: Sources,
    tls: Option<Arc<Tls>>,
    tokens: Option<Arc<Tokens>>,
    directory: Directory,
    identities: Option<Identities>,
}

/// Where the state comes from.
struct Sources {
    files: Files,
    cluster: Option<Following>,
}

impl Sources {
    fn new(
        config: &Config,
        global: &Global,
        console: &Console,
        directory: Directory,
    ) -> Result<Self> {
        let compiler = Compiler::new().map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let live = global.filename.is_empty();
        let rbac = || Manifests::new(global.filename.clone(), global.defaults.into());
        let files = Files {
            policies: PolicyFiles::new(config.policies.clone()),
            first: None,
            policy_paths: config.policies.clone(),
            floor: Manifests::new(config.floor.clone(), bailiwick_input::Defaults::None),
            rbac: (!live).then(rbac),
            entities: entities_file(config).map(Entities::new),
            directory,
            compiler: compiler.clone(),
        };
        let following = || Following {
            connect: connect_options(global, console),
            connected: Connected::default(),
            kinds: kinds(&config.cluster),
            documents: config.cluster.documents,
            statuses: config.cluster.documents && config.cluster.status,
            staleness: config.staleness,
            compiler,
        };
        let files = files.read_first()?;
        if !config.policies.is_empty() && files.have_no_documents() {
            console.warn(
                "there is no document in `policies`: nothing is forbidden, revoked or granted by it until there is",
            );
        }
        Ok(Self {
            files,
            cluster: live.then(following),
        })
    }

    /// Starts to follow, each on a thread of its own. They end with the program.
    fn follow(
        self,
        every: Duration,
        wake: &std::sync::mpsc::Sender<Wake>,
        wakes: std::sync::mpsc::Receiver<Wake>,
        feed: Feed,
    ) {
        let (news, taken) = std::sync::mpsc::channel();
        let statuses = self.cluster.as_ref().is_some_and(|live| live.statuses);
        let told = statuses.then(std::sync::mpsc::channel);
        let feed = feed.telling(told.as_ref().map(|(say, _)| say.clone()));
        std::thread::spawn(move || feed.run(&taken));
        if let Some(following) = self.cluster {
            let news = news.clone();
            std::thread::spawn(move || following.run(&news, told));
        }
        let wake = wake.clone();
        std::thread::spawn(move || self.files.follow(every, &wakes, &wake, &news));
    }
}

/// What the program may do in a live cluster with this configuration, for the service account `NAMESPACE/NAME`.
pub(crate) fn role(config: &Config, account: (&str, &str)) -> String {
    let documents = match config.cluster.documents {
        true => document_kinds().to_vec(),
        false => Vec::new(),
    };
    bailiwick_kube::decision_point_role(
        &kinds(&config.cluster),
        &documents,
        config.cluster.status,
        config.token_review.is_some(),
        account,
    )
}

/// What to follow of a cluster.
fn kinds(config: &ClusterConfig) -> LoadKinds {
    let mut kinds = Kind::RBAC.to_vec();
    kinds.push(Kind::Namespace);
    if config.workloads {
        kinds.extend([
            Kind::Node,
            Kind::ServiceAccount,
            Kind::Pod,
            Kind::ReplicaSet,
            Kind::Deployment,
            Kind::StatefulSet,
            Kind::DaemonSet,
            Kind::Job,
            Kind::CronJob,
        ]);
    }
    LoadKinds::of(&kinds)
}

/// How often the end of the log is told to the program's own output.
const TELL_HEAD: Duration = Duration::from_secs(60);

impl Program {
    /// Reads the files that the configuration names, but neither the log nor the cluster.
    pub(crate) fn new(config: Config, global: &Global, console: &Console) -> Result<Self> {
        let tls = match &config.listen.tls {
            None => None,
            Some(files) => Some(Arc::new(Tls::load(TlsFiles {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                client_ca: Some(files.client_ca.clone()),
            })?)),
        };
        if let Some(trouble) = tls.as_ref().and_then(|tls| tls.trouble(SystemTime::now())) {
            console.warn(&trouble);
        }
        if config.token_review.is_some() && !global.filename.is_empty() {
            bail!("`tokenReview` asks a live cluster, and there is none with --filename");
        }
        let tokens = match config.tokens()? {
            issuers if issuers.is_empty() => None,
            issuers => Some(Arc::new(Tokens::load(issuers)?)),
        };
        let directory = Directory::default();
        if let Some(path) = entities_file(&config) {
            directory.replace(entities::read(&path)?);
        }
        let identities = config.identity.as_ref();
        let identities = identities
            .map(|identity| Identities::new(identity, &config.log.directory))
            .transpose()?;
        let sources = Sources::new(&config, global, console, directory.clone())?;
        Ok(Self {
            config,
            sources,
            tls,
            tokens,
            directory,
            identities,
        })
    }

    /// Puts the documents of files together, which otherwise happens once somebody listens.
    pub(crate) fn check(&self, console: &mut Console) -> Result<()> {
        if let Some(identities) = &self.identities {
            identities.check(console)?;
        }
        self.sources.files.check(console)
    }

    /// Runs until somebody ends it.
    pub(crate) fn run(mut self, console: &mut Console) -> Result<()> {
        if let Some(identities) = &self.identities {
            identities.check_socket()?;
            check_address(self.config.listen.address)?;
            self.config.operations.map_or(Ok(()), check_address)?;
        }
        let options = Options {
            segment_size: u64::from(self.config.log.segment_mebibytes.get()) << 20,
            segment_age: self.config.log.segment_age,
            ..Options::default()
        };
        let store = Arc::new(Store::open(&self.config.log.directory, options)?);
        let metrics = Arc::new(Metrics::new());
        let identities = self.identities.take();
        let identity = identities.as_ref();
        let identity = identity
            .map(|identities| identities.open(&store, &metrics, console))
            .transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the threads cannot be started")?;
        let identity = identity.map(|identity| identity.attest(console));
        let ended = runtime.block_on(self.serve(Arc::clone(&store), metrics, identity));
        runtime.shutdown_timeout(Duration::from_secs(1));
        store.close();
        let health = store.health();
        tracing::info!(record = health.last, head = %health.head, "log closed");
        ended
    }

    /// What asks the cluster whose the tokens of service accounts are.
    fn reviews(&self) -> Option<Reviews> {
        let (wanted, live) = (
            self.config.token_review.as_ref()?,
            self.sources.cluster.as_ref()?,
        );
        Some(Reviews::new(Box::new(ClusterReviewer {
            cluster: Arc::clone(&live.connected),
            audience: wanted.audience.clone(),
        })))
    }

    /// Serves until somebody ends the program, and `identity` with it where there is one.
    async fn serve(
        self,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        identity: Option<impl Future<Output = Result<()>>>,
    ) -> Result<()> {
        let (end, ending) = watch::channel(false);
        let ready = Ready::new();
        let live = self.sources.cluster.as_ref();
        let bound = live.map(|following| following.staleness);
        let current = Arc::new(Current::new(bound));
        let mut signals = Signals::new()?;
        let feed = Feed::new(
            self.sources.files.compiler.clone(),
            Arc::clone(&current),
            &ready,
            self.config
                .snapshot
                .clone()
                .filter(|_| live.is_some())
                .map(Kept::new),
            live.is_some(),
            live.is_some_and(|following| following.documents),
        );
        let log: Arc<dyn Log> = Arc::clone(&store) as Arc<dyn Log>;
        let server = Arc::new(Server::new(Parts {
            current: Arc::clone(&current),
            log,
            metrics: Arc::clone(&metrics),
            ready: ready.clone(),
            callers: self.config.callers()?,
            tokens: self.tokens.clone(),
            reviews: self.reviews(),
            review: review(&self.config),
            authzen: authzen(&self.config, &self.directory),
            ext_authz: self
                .config
                .ext_authz
                .as_ref()
                .map(ExtAuthz::door)
                .transpose()?,
            telemetry: self
                .config
                .telemetry
                .as_ref()
                .map(TelemetryConfig::telemetry)
                .transpose()?,
            records: Some(Arc::new(Written(self.config.log.directory.clone()))),
            limits: self.config.listen.limits(),
        })?);
        let listener = Listener::bind(self.config.listen.address, self.tls.clone()).await?;
        tracing::info!(address = %listener.address(), tls = self.tls.is_some(), "listening");
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(listener, ending.clone()));
        if let Some(address) = self.config.operations {
            let listener = Operations::bind(address).await?;
            tracing::info!(address = %listener.address(), "health, readiness and metrics");
            let operations = Operations {
                ready: ready.clone(),
                metrics,
                current: Arc::clone(&current),
                tls: self.tls.clone(),
            };
            tasks.spawn(operations.run(listener, ending.clone()));
        }
        if let Some(tls) = &self.tls {
            tasks.spawn(Arc::clone(tls).watch(ending.clone()));
        }
        if let Some(tokens) = &self.tokens {
            tasks.spawn(Arc::clone(tokens).watch(ending.clone()));
        }
        tasks.spawn(tell_head(store, ending.clone()));
        let (wake, wakes) = std::sync::mpsc::channel();
        self.sources.follow(self.config.reread, &wake, wakes, feed);
        if let Some(again) = signals.again.take() {
            tasks.spawn(read_again(again, wake, ending));
        }
        let ended = match identity {
            // It hears the same signals.
            Some(identity) => identity.await,
            None => {
                signals.end().await;
                Ok(())
            }
        };
        tracing::info!("ending; requests under way are finished first");
        // All listeners hold a receiver, and they are what ends now.
        let _ = end.send(true);
        while tasks.join_next().await.is_some() {}
        ended
    }
}

/// The log in a directory, read again.
struct Written(PathBuf);

impl Records for Written {
    fn find(&self, id: DecisionId) -> Result<Option<Record>, String> {
        bailiwick_store::find(&self.0, &id.to_string()).map_err(|error| error.to_string())
    }
}

fn entities_file(config: &Config) -> Option<PathBuf> {
    config.authzen.as_ref()?.entities.clone()
}

fn review(config: &Config) -> Option<ReviewDoor> {
    config.access_review.as_ref().map(|door| ReviewDoor {
        mode: door.mode,
        budget: door.budget,
        durability: door.durability,
    })
}

fn authzen(config: &Config, directory: &Directory) -> Option<AuthzenDoor> {
    config.authzen.as_ref().map(|door| AuthzenDoor {
        base: door.base.clone(),
        budget: door.budget,
        durability: door.durability,
        directory: directory.clone(),
    })
}

/// What the system tells the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    again: Option<Signal>,
}

impl Signals {
    fn new() -> Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be waited for");
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            again: Some(on(SignalKind::hangup())?),
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Has everything read again whenever somebody asks for it.
async fn read_again(
    mut again: Signal,
    wake: std::sync::mpsc::Sender<Wake>,
    mut ending: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            heard = again.recv() => match heard {
                Some(()) if wake.send(Wake::Again).is_ok() => {}
                _ => return,
            },
            _ = ending.wait_for(|end| *end) => return,
        }
    }
}

/// Tells where the log ends, to a place outside of it: what proves later that it was not shortened.
async fn tell_head(store: Arc<Store>, mut ending: watch::Receiver<bool>) {
    let mut last = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TELL_HEAD) => {}
            _ = ending.wait_for(|end| *end) => return,
        }
        let health = store.health();
        if let Some(why) = &health.failing {
            tracing::error!(why, "the log cannot be written");
        }
        if health.last != last {
            last = health.last;
            tracing::info!(record = last, head = %health.head, "the log ends here");
        }
    }
}
