//! What programs have in common that sign: authority, rules, log, and whoever tells them to end.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bailiwick_audit::{Event, FederationRecord, Log};
use bailiwick_identity::agents::{Admissions, Agents};
use bailiwick_identity::federation::Relationship;
use bailiwick_identity::revoked::Revoked;
use bailiwick_identity::rules::{Bans, RuleSet};
use bailiwick_identity::{BundleMap, UnixTime};
use bailiwick_kube::Cluster;
use bailiwick_server::{Current, Metrics, NotYet, Operations, Ready};
use bailiwick_spiffe::{Authority, Evidence, Federation, Ledger, Witness, private_folder};
use bailiwick_store::Store;
use clap::{Args as _, FromArgMatches as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::authority::{AuthorityOptions, Signs};
use super::census::Census;
use super::experimental::ExperimentOptions;
use super::federation::{self, FederationOptions};
use super::ledgers::{LONGEST_UNREAD, Ledgers, News, Said};
use super::live_rules::{Following, LiveRules};
use super::place::{PlaceOptions, check_address};
use super::published::{Lists, PublishedOptions};
use super::revoking::Revoking;
use super::rules::RuleOptions;
use crate::console::Console;
use crate::logging::LogOptions;
use crate::record;
use crate::resources;

/// How often the keys are looked after.
const TICK: Duration = Duration::from_secs(60);

/// Whose fields the statuses of rules are (server-side apply).
const FIELD_MANAGER: &str = "bailiwick-identity";

/// Arguments of such a program.
#[derive(clap::Args, Debug)]
pub(crate) struct DaemonOptions {
    /// Directory of the log; `log` in the folder of the authority where it is not given
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Address for /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS")]
    operations: Option<SocketAddr>,
    /// Seconds for which bans may be unreadable; after that nothing is given to anybody before they can be read again
    #[arg(long, value_name = "SECONDS", default_value_t = LONGEST_UNREAD,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    hold_after: u64,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    published: PublishedOptions,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    authority: AuthorityOptions,
    #[command(flatten)]
    pub(crate) experiments: ExperimentOptions,
    #[command(flatten)]
    logging: LogOptions,
}

/// Ends when the program is to end.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What such a program has of the one that it is a part of.
pub(crate) struct Whole {
    /// The log, open.
    pub(crate) store: Arc<Store>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// Such a program, before it serves anybody.
pub(crate) struct Daemon<'d> {
    options: &'d DaemonOptions,
    store: Arc<Store>,
    rules: Arc<LiveRules>,
    ledgers: Ledgers,
    admitted: watch::Sender<Arc<Admissions>>,
    known_agents: Ledger<Agents>,
    revoked: Revoked,
    /// Who is banned loses what he holds, where there are lists.
    revoking: Option<Revoking>,
    lists: watch::Sender<Arc<Lists>>,
    /// What people said cannot be read for so long that nothing is given.
    unread: Option<NotYet>,
    federation: Arc<Federation>,
    relationships: watch::Sender<Arc<Vec<Relationship>>>,
    federated: mpsc::UnboundedReceiver<FederationRecord>,
    /// No key signs certificates now.
    unable: Option<NotYet>,
    answers: mpsc::UnboundedReceiver<String>,
    /// What goes to standard output.
    pub(crate) answer: mpsc::UnboundedSender<String>,
    /// Where everything is written first.
    pub(crate) evidence: Evidence,
    /// Who signs.
    pub(crate) authority: Arc<Authority>,
    /// Whether it serves.
    pub(crate) ready: Ready,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

impl DaemonOptions {
    /// Where the authority is kept.
    pub(crate) fn place(&self) -> &PlaceOptions {
        &self.authority.place
    }

    /// Lines go to standard error from now on.
    pub(crate) fn start_logging(&self) {
        self.logging.start();
    }

    /// What the service account `NAMESPACE/NAME` needs besides, as YAML.
    pub(super) fn state_role(&self, account: (&str, &str)) -> String {
        self.authority.place.role(account)
    }

    /// Options as a command line has them, for whoever has them from elsewhere: defaults and checks are the same.
    pub(crate) fn read(arguments: Vec<OsString>) -> Result<Self> {
        let command = clap::Command::new("identity").no_binary_name(true);
        let matches = Self::augment_args(command).try_get_matches_from(arguments)?;
        Ok(Self::from_arg_matches(&matches)?)
    }

    /// Whether the rules can be followed.
    pub(crate) fn check(&self, console: &mut Console) -> Result<()> {
        self.load_rules(console).map(drop)
    }

    /// Opens log and authority, which may be kept in the cluster; lines go to standard error from now on.
    pub(crate) fn open(
        &self,
        console: &mut Console,
        cluster: Option<&Arc<Cluster>>,
    ) -> Result<Daemon<'_>> {
        self.open_in(console, cluster, None)
    }

    /// Opens the authority of a part of another program, with the log of that.
    pub(crate) fn open_part(&self, console: &mut Console, whole: Whole) -> Result<Daemon<'_>> {
        self.open_in(console, None, Some(whole))
    }

    fn open_in(
        &self,
        console: &mut Console,
        cluster: Option<&Arc<Cluster>>,
        whole: Option<Whole>,
    ) -> Result<Daemon<'_>> {
        let rules = self.load_rules(console)?;
        let relationships = self.load_relationships(console)?;
        let given = self.federation.given(console)?;
        self.published.check(self.authority.jwt_issuer())?;
        self.operations.map_or(Ok(()), check_address)?;
        if whole.is_none() {
            self.logging.start();
        }
        let log = match &self.log {
            Some(log) => log.clone(),
            None => self.authority.place.log()?,
        };
        private_folder(&self.authority.place.folder()?)?;
        let embedded = self.authority.embedded(cluster)?;
        let ledgers = Ledgers::of(&embedded)?;
        self.authority.place.mark()?;
        let Said {
            bans,
            admissions,
            revoked,
        } = ledgers.load()?;
        let Whole { store, metrics } = match whole {
            Some(whole) => whole,
            None => Whole {
                store: Arc::new(Store::open(&log, Default::default())?),
                metrics: Arc::new(Metrics::new()),
            },
        };
        self.authority.place.keep_log(&log)?;
        let lists = self.published.lists(&embedded)?;
        let revoking = lists
            .as_ref()
            .map(|lists| Revoking::open(&log, lists.listed.clone(), bans.clone()))
            .transpose()?;
        let witness = revoking.as_ref().map(Revoking::witness);
        let witness = witness.unwrap_or_else(|| Arc::new(record::trace));
        let witness = counting(Arc::clone(&metrics), witness);
        let evidence = Evidence::new(Arc::clone(&store) as Arc<dyn Log>, witness);
        let signs = Signs {
            lists,
            wit: self.experiments.wit_svid(),
        };
        let authority = self
            .authority
            .open_to_sign(evidence.clone(), cluster, signs)?;
        let authority = Arc::new(authority);
        if self.authority.place.is_shared() {
            // Whoever banned them wrote it into no log of ours.
            for ban in Bans::default().changes(&bans) {
                evidence.write_blocking(&Event::Ban(Box::new(ban)))?;
            }
        }
        let kept = embedded.kept_bundles()?;
        let (records, federated) = mpsc::unbounded_channel();
        let federation = Federation::new(kept, given, federation::ears(&metrics, records));
        federation.adopt(&relationships);
        let (answer, answers) = mpsc::unbounded_channel();
        Ok(Daemon {
            options: self,
            store,
            answers,
            answer,
            rules: LiveRules::new(rules.banning(bans)),
            ledgers,
            admitted: watch::Sender::new(Arc::new(admissions)),
            known_agents: embedded.agents(),
            revoked,
            revoking,
            lists: watch::Sender::default(),
            unread: None,
            federation: Arc::new(federation),
            relationships: watch::Sender::new(Arc::new(relationships)),
            evidence,
            authority,
            ready: Ready::new(),
            metrics,
            federated,
            unable: None,
        })
    }

    fn load_rules(&self, console: &mut Console) -> Result<RuleSet> {
        self.rules
            .load(self.authority.place.trust_domain(), console)
    }

    fn load_relationships(&self, console: &mut Console) -> Result<Vec<Relationship>> {
        let own = self.authority.place.trust_domain();
        self.federation.relationships(own, console)
    }
}

/// Counts what is refused, whether the log holds it or not.
fn counting(metrics: Arc<Metrics>, witness: Witness) -> Witness {
    Arc::new(move |event, outcome| {
        if let Event::Denial(denial) = event {
            metrics.identities_refused(denial.door, denial.count());
        }
        witness(event, outcome);
    })
}

impl Daemon<'_> {
    /// The rules, as they change.
    pub(crate) fn rules(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.rules.subscribe()
    }

    /// Has the rules that lie in a cluster count as well, until the first of these is dropped. The second tells in
    /// their status what has become of them.
    pub(super) fn follow_rules(&self, cluster: &Arc<Cluster>) -> Result<(Following, Census)> {
        let (say, said) = std::sync::mpsc::channel();
        let following = self.rules.follow(cluster, Some(say.clone()))?;
        let cluster = Arc::clone(cluster);
        std::thread::spawn(move || resources::write(&cluster, FIELD_MANAGER, &said));
        Ok((following, Census::new(&self.rules, say)))
    }

    /// Which agents may come in.
    pub(super) fn admissions(&self) -> Ledger<Admissions> {
        self.ledgers.admissions.clone()
    }

    /// The same, as it changes.
    pub(super) fn admitted(&self) -> watch::Receiver<Arc<Admissions>> {
        self.admitted.subscribe()
    }

    /// Those that were let in here.
    pub(super) fn known_agents(&self) -> Ledger<Agents> {
        self.known_agents.clone()
    }

    /// Bundles of other trust domains, as they change.
    pub(crate) fn bundles(&self) -> watch::Receiver<Arc<BundleMap>> {
        self.federation.bundles()
    }

    /// Looks after keys, rules, bans, agents and bundles of others while `work` works. Somebody who ends the program ends the
    /// future that `work` gets; it has to end soon after that.
    pub(crate) async fn attend<W: Future<Output = Result<()>>>(
        &mut self,
        console: &mut Console,
        work: impl FnOnce(Stop) -> W,
    ) -> Result<()> {
        let (end, ending) = watch::channel(false);
        let mut stop = ending.clone();
        let work = work(Box::pin(async move {
            let _ = stop.wait_for(|ends| *ends).await;
        }));
        if let Some(address) = self.options.operations {
            let listener = Operations::bind(address).await?;
            tracing::info!(address = %listener.address(), "health, readiness and metrics");
            let operations = Operations {
                ready: self.ready.clone(),
                metrics: Arc::clone(&self.metrics),
                current: Arc::new(Current::new(None)),
                tls: None,
            };
            tokio::spawn(operations.run(listener, ending.clone()));
        }
        let issuer = self.options.authority.jwt_issuer();
        let (authority, evidence) = (&self.authority, &self.evidence);
        let published = &self.options.published;
        published
            .serve(authority, evidence, issuer, self.lists.subscribe(), &ending)
            .await?;
        let relationships = self.relationships.subscribe();
        tokio::spawn(Arc::clone(&self.federation).follow(relationships));
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut reload = signal(SignalKind::hangup())?;
        let mut tick = tokio::time::interval(TICK);
        let mut news = self
            .ledgers
            .follow(Duration::from_secs(self.options.hold_after));
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                Some(line) = self.answers.recv() => {
                    console.answer(line)?;
                }
                () = async { tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                } } => {
                    end.send_replace(true);
                }
                _ = reload.recv() => self.reload(console).await,
                _ = tick.tick() => self.tick().await,
                Some(news) = news.recv() => self.hear(news).await,
                Some(record) = self.federated.recv() => {
                    let _ = self.evidence.write(&Event::Federation(Box::new(record))).await;
                }
            }
        }
    }

    async fn tick(&mut self) {
        let authority = Arc::clone(&self.authority);
        let looked = tokio::task::spawn_blocking(move || authority.tick()).await;
        if let Ok(Err(error)) = &looked {
            tracing::error!(%error, "the keys of the authority could not be looked after");
        }
        let domain = self.authority.trust_domain().as_str();
        let until = self.authority.signs_until();
        let seconds = until.map_or(0, UnixTime::seconds);
        let kept = matches!(looked, Ok(Ok(())));
        self.metrics.keys_kept(domain, kept, seconds);
        self.unable = match until {
            Some(_) => None,
            None => self.unable.take().or_else(|| {
                let waits =
                    "the authority has a key that signs certificates: see its log for why not";
                Some(self.ready.wait_for(waits))
            }),
        };
        // What was being given while the ban was heard.
        self.revoke_held().await;
        self.sign_lists().await;
    }

    /// Revokes what those hold who are banned, where there are lists of revoked certificates.
    async fn revoke_held(&self) {
        let Some(revoking) = self.revoking.clone() else {
            return;
        };
        let revoked = tokio::task::spawn_blocking(move || revoking.revoke());
        if let Ok(Err(error)) = revoked.await {
            let error = format!("{error:#}");
            tracing::error!(error, "not all that banned workloads hold is revoked");
        }
    }

    /// Signs lists of revoked certificates anew, where there are such lists.
    async fn sign_lists(&self) {
        let authority = Arc::clone(&self.authority);
        let signed = tokio::task::spawn_blocking(move || authority.revocation_lists());
        match signed.await {
            Ok(Ok(lists)) => drop(self.lists.send_replace(Arc::new(Lists::of(lists)))),
            Ok(Err(error)) => {
                tracing::error!(%error, "lists of revoked certificates were not signed; those of before stay");
            }
            Err(_) => {}
        }
    }

    async fn reload(&mut self, console: &mut Console) {
        self.tick().await;
        match self.options.load_rules(console) {
            Ok(new) => self.rules.put_files(new),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the rules stay as they are");
            }
        }
        match self.options.load_relationships(console) {
            Ok(new) => {
                self.relationships.send_if_modified(|known| {
                    let changed = **known != new;
                    if changed {
                        *known = Arc::new(new);
                    }
                    changed
                });
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "federation stays as it is");
            }
        }
    }

    /// Takes what people said. A ban counts before it is written.
    async fn hear(&mut self, news: News) {
        match news {
            News::Said(said) => {
                let Said {
                    bans,
                    admissions,
                    revoked,
                } = *said;
                self.authority.hold(None);
                self.unread = None;
                let before = self.rules.put_bans(bans.clone());
                let admitted = self.admitted.send_replace(Arc::new(admissions.clone()));
                record::said(&self.evidence, &before, &bans).await;
                record::said(&self.evidence, &*admitted, &admissions).await;
                if let Some(revoking) = &mut self.revoking {
                    revoking.bans = bans;
                }
                self.revoke_held().await;
                if self.revoked != revoked {
                    let before = std::mem::replace(&mut self.revoked, revoked);
                    record::said(&self.evidence, &before, &self.revoked).await;
                    self.sign_lists().await;
                    if self.lists.borrow().is_empty() {
                        tracing::warn!(
                            "certificates were revoked, and no list of ours says so: --crl-endpoint serves them"
                        );
                    }
                }
            }
            News::Unread { why, long: false } => {
                tracing::error!(
                    why,
                    "bans and join tokens cannot be read: they stay as they are"
                );
            }
            News::Unread { why, long: true } => {
                tracing::error!(why, "nothing is given before bans can be read again");
                let seconds = self.options.hold_after;
                let held = format!("who is banned could not be read for {seconds} seconds");
                self.authority.hold(Some(&held));
                let unread = || self.ready.wait_for("who is banned is known");
                self.unread = self.unread.take().or_else(|| Some(unread()));
            }
        }
    }

    /// Ends the log.
    pub(crate) fn close(&self) {
        self.store.close();
        tracing::info!(head = %self.store.health().head, "log closed");
    }
}
