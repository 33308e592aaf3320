//! The parts, put together and run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bailiwick_audit::{DecisionId, Log, Record, Records};
use bailiwick_server::{
    AuthzenDoor, Current, Directory, Listener, Metrics, NotYet, Operations, Parts, Ready,
    ReviewDoor, Server, Tls, TlsFiles,
};
use bailiwick_store::{Options, Store};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use super::config::Config;
use super::entities;
use super::gateway::ExtAuthz;
use super::source::{Read, Source};
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;

/// Everything that has to be right before anybody is answered.
pub(crate) struct Program {
    config: Config,
    source: Source,
    tls: Option<Arc<Tls>>,
    directory: Directory,
}

/// How often the end of the log is told to the program's own output.
const TELL_HEAD: Duration = Duration::from_secs(60);

impl Program {
    /// Reads the files that the configuration names, but neither the log nor the cluster.
    pub(crate) fn new(config: Config, global: &Global, console: &Console) -> Result<Self> {
        let source = if global.filename.is_empty() {
            Source::live(&config, connect_options(global, console))
        } else {
            Source::files(&config, global.filename.clone(), global.defaults.into())
        };
        let tls = match &config.listen.tls {
            None => None,
            Some(files) => Some(Arc::new(Tls::load(TlsFiles {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                client_ca: Some(files.client_ca.clone()),
            })?)),
        };
        let directory = Directory::default();
        if let Some(path) = entities_file(&config) {
            directory.replace(entities::read(&path)?);
        }
        crate::policies::load(&config.policies)?;
        Ok(Self {
            config,
            source,
            tls,
            directory,
        })
    }

    /// Runs until somebody ends it.
    pub(crate) fn run(self) -> Result<()> {
        let options = Options {
            segment_size: u64::from(self.config.log.segment_mebibytes.max(1)) << 20,
            segment_age: self.config.log.segment_age,
            ..Options::default()
        };
        let store = Arc::new(Store::open(&self.config.log.directory, options)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the threads cannot be started")?;
        let ended = runtime.block_on(self.serve(Arc::clone(&store)));
        runtime.shutdown_timeout(Duration::from_secs(1));
        store.close();
        let health = store.health();
        tracing::info!(record = health.last, head = %health.head, "log closed");
        ended
    }

    async fn serve(self, store: Arc<Store>) -> Result<()> {
        let (end, ending) = watch::channel(false);
        let (ready, metrics) = (Ready::new(), Arc::new(Metrics::new()));
        let bound = self
            .source
            .can_grow_stale()
            .then_some(self.config.staleness);
        let current = Arc::new(Current::new(bound));
        let mut signals = Signals::new()?;
        let reading = ready.wait_for("roles and policies are read");
        let log: Arc<dyn Log> = Arc::clone(&store) as Arc<dyn Log>;
        let server = Arc::new(Server::new(Parts {
            current: Arc::clone(&current),
            log,
            metrics: Arc::clone(&metrics),
            ready: ready.clone(),
            callers: self.config.callers()?,
            review: review(&self.config),
            authzen: authzen(&self.config, &self.directory),
            ext_authz: self
                .config
                .ext_authz
                .as_ref()
                .map(ExtAuthz::door)
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
            };
            tasks.spawn(operations.run(listener, ending.clone()));
        }
        if let Some(tls) = &self.tls {
            tasks.spawn(Arc::clone(tls).watch(ending.clone()));
        }
        tasks.spawn(tell_head(store, ending.clone()));
        let reader = Reader {
            source: self.source,
            current,
            reading: Some(reading),
            entities: entities_file(&self.config),
            directory: self.directory,
        };
        tasks.spawn(reader.run(self.config.reread, signals.again.take(), ending));
        signals.end().await;
        tracing::info!("ending; requests under way are finished first");
        // All listeners hold a receiver, and they are what ends now.
        let _ = end.send(true);
        while tasks.join_next().await.is_some() {}
        Ok(())
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

/// Keeps the state up to date.
struct Reader {
    source: Source,
    current: Arc<Current>,
    reading: Option<NotYet>,
    entities: Option<PathBuf>,
    directory: Directory,
}

impl Reader {
    async fn run(
        mut self,
        every: Duration,
        mut again: Option<Signal>,
        mut ending: watch::Receiver<bool>,
    ) {
        let mut always = true;
        loop {
            let Ok(reader) = spawn_blocking(move || {
                self.read(always);
                self
            })
            .await
            else {
                tracing::error!("the state is not read any more");
                return;
            };
            self = reader;
            always = tokio::select! {
                () = tokio::time::sleep(every) => false,
                () = hangup(&mut again) => true,
                _ = ending.wait_for(|end| *end) => return,
            };
        }
    }

    fn read(&mut self, always: bool) {
        match self.source.read(always) {
            Ok(Some(read)) => self.take(read),
            Ok(None) => self.current.confirm(),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "nothing new is taken");
                if self.current.state().is_none() {
                    self.boot();
                }
            }
        }
        if let (Some(path), true) = (&self.entities, always) {
            match entities::read(path) {
                Ok(known) => self.directory.replace(known),
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    "the entities stay as they are"
                ),
            }
        }
    }

    fn take(&mut self, read: Read) {
        let Read { state, warnings } = read;
        let old = self.current.state();
        if old.is_some_and(|old| old.revision == state.revision) {
            self.current.confirm();
            return;
        }
        for warning in warnings {
            tracing::warn!(warning, "about the input");
        }
        tracing::info!(
            revision = %state.revision,
            bindings = state.rbac.size().bindings,
            revocations = state.revocations.len(),
            "new state"
        );
        self.current.swap(state);
        self.reading = None;
    }

    /// Answers from what was kept on disk until the cluster can be read.
    fn boot(&mut self) {
        match self.source.kept() {
            Ok(Some(read)) => {
                tracing::warn!(revision = %read.state.revision, "answering from what was kept on disk");
                self.current.boot(read.state);
                self.reading = None;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "what was kept on disk is unusable"
            ),
        }
    }
}

async fn hangup(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
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
