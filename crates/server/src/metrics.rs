use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bailiwick_audit::Door;
use bailiwick_core::Effect;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
    latency: Family<DoorLabels, Histogram>,
    of_doors: [OfDoor; DOORS],
    pub(crate) unrecorded: Counter,
    pub(crate) unlisted: Counter,
    pub(crate) shed: Counter,
    throttled: Family<DoorLabels, Counter>,
    identities_refused: Family<DoorLabels, Counter>,
    federated: Family<DomainLabels, Gauge>,
    bundles_held: Family<DomainLabels, Gauge>,
    keys_kept: Family<DomainLabels, Gauge>,
    signs_until: Family<DomainLabels, Gauge>,
    certificates_end: Family<FileLabels, Gauge>,
    pub(crate) undecided: Counter,
    pub(crate) untold: Counter,
    pub(crate) connections: Gauge,
    pub(crate) handshakes_failed: Counter,
    pub(crate) diverged: Counter,
    pub(crate) ready: Gauge,
    pub(crate) documents_refused: Gauge,
    pub(crate) state_age: Gauge<f64, AtomicU64>,
}

/// More than there are; others would be looked up by their labels.
const DOORS: usize = 16;

/// What is counted of a door, without a look at its labels: by effect and by what was answered. Nothing stands here
/// before it is counted for the first time.
#[derive(Debug, Default)]
struct OfDoor {
    decisions: [[OnceLock<Counter>; 4]; 4],
    latency: OnceLock<Histogram>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    door: &'static str,
    effect: &'static str,
    answered: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabels {
    door: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DomainLabels {
    trust_domain: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabels {
    file: String,
}

impl DomainLabels {
    fn of(domain: &str) -> Self {
        Self {
            trust_domain: domain.to_owned(),
        }
    }
}

/// Beyond what a gauge holds, the most that it does.
fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("bailiwick"),
            decisions: Family::default(),
            // 16 µs to 0.5 s.
            latency: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(16e-6, 2.0, 16))
            }),
            of_doors: Default::default(),
            unrecorded: Counter::default(),
            unlisted: Counter::default(),
            shed: Counter::default(),
            throttled: Family::default(),
            identities_refused: Family::default(),
            federated: Family::default(),
            bundles_held: Family::default(),
            keys_kept: Family::default(),
            signs_until: Family::default(),
            certificates_end: Family::default(),
            undecided: Counter::default(),
            untold: Counter::default(),
            connections: Gauge::default(),
            handshakes_failed: Counter::default(),
            diverged: Counter::default(),
            ready: Gauge::default(),
            documents_refused: Gauge::default(),
            state_age: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let decisions = self.decisions.clone();
        registry.register(
            "decisions",
            "Decisions by door, effect and what was answered",
            decisions,
        );
        registry.register_with_unit(
            "decision_duration",
            "From the last byte of the question to the end of the record",
            Unit::Seconds,
            self.latency.clone(),
        );
        let mut counter =
            |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        counter(
            "decisions_unrecorded",
            "Decisions whose record was not written in time",
            &self.unrecorded,
        );
        counter(
            "decisions_failed",
            "Questions that were denied since deciding them ended in an error of the program",
            &self.undecided,
        );
        counter(
            "callers_refused",
            "Requests of callers that are not listed for them",
            &self.unlisted,
        );
        counter(
            "requests_shed",
            "Requests refused because too many were under way",
            &self.shed,
        );
        counter(
            "telemetry_lost",
            "Spans and records that neither a collector nor standard output took",
            &self.untold,
        );
        counter(
            "tls_handshakes_failed",
            "Connections that never became TLS",
            &self.handshakes_failed,
        );
        counter(
            "shadow_divergences",
            "Shadowed decisions that RBAC alone would answer otherwise",
            &self.diverged,
        );
        registry.register(
            "requests_throttled",
            "Requests refused because their caller came too early, by door",
            self.throttled.clone(),
        );
        registry.register(
            "identity_refusals",
            "Requests for identities that were refused, by door, those that agents of nodes report included",
            self.identities_refused.clone(),
        );
        registry.register(
            "federation_up",
            "1 where the last question to the bundle endpoint of a domain brought a bundle that is believed",
            self.federated.clone(),
        );
        registry.register_with_unit(
            "federation_bundle_fetched_timestamp",
            "When the bundle of a domain that counts came from its endpoint, since 1970",
            Unit::Seconds,
            self.bundles_held.clone(),
        );
        registry.register_with_unit(
            "authority_signs_until_timestamp",
            "Until when the authority of a domain signs certificates by the intermediate that is there, since 1970; 0 where none signs",
            Unit::Seconds,
            self.signs_until.clone(),
        );
        registry.register_with_unit(
            "tls_certificate_expires_timestamp",
            "Last second of the certificate that the doors show, since 1970",
            Unit::Seconds,
            self.certificates_end.clone(),
        );
        registry.register(
            "authority_keys_kept",
            "1 when the keys of the authority of a domain, and the one above it, could be looked after the last time",
            self.keys_kept.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("ready", "1 when questions are answered", self.ready.clone());
        registry.register(
            "documents_refused",
            "Documents that are not in force as they are written",
            self.documents_refused.clone(),
        );
        registry.register_with_unit(
            "state_age",
            "Time since roles and policies were last confirmed to be up to date",
            Unit::Seconds,
            self.state_age.clone(),
        );
    }

    pub(crate) fn decided(&self, door: Door, effect: Effect, answered: Effect, took: Duration) {
        let counter = || {
            let labels = DecisionLabels {
                door: door.name(),
                effect: name(effect),
                answered: name(answered),
            };
            self.decisions.get_or_create(&labels).clone()
        };
        let latency = || {
            let labels = DoorLabels { door: door.name() };
            self.latency.get_or_create(&labels).clone()
        };
        let own = self.of_doors.get(door as usize);
        let of_effect = own.and_then(|own| own.decisions.get(effect as usize));
        match of_effect.and_then(|all| all.get(answered as usize)) {
            Some(known) => known.get_or_init(counter).inc(),
            None => counter().inc(),
        };
        match own {
            Some(own) => own.latency.get_or_init(latency).observe(took.as_secs_f64()),
            None => latency().observe(took.as_secs_f64()),
        }
    }

    /// Until when the certificate in a file counts, in seconds since 1970.
    pub(crate) fn certificate_ends(&self, file: &Path, end: i64) {
        let file = file.display().to_string();
        self.certificates_end
            .get_or_create(&FileLabels { file })
            .set(end);
    }

    /// Whether the endpoint of a domain gave its bundle.
    pub fn federated(&self, domain: &str, up: bool) {
        let labels = DomainLabels::of(domain);
        self.federated.get_or_create(&labels).set(i64::from(up));
    }

    /// When the bundle of another domain that counts came from its endpoint, in seconds since 1970.
    pub fn bundle_held(&self, domain: &str, fetched: u64) {
        let labels = DomainLabels::of(domain);
        self.bundles_held.get_or_create(&labels).set(gauge(fetched));
    }

    /// The endpoint of a domain is not asked any more.
    pub fn not_federated(&self, domain: &str) {
        let labels = DomainLabels::of(domain);
        self.federated.remove(&labels);
        self.bundles_held.remove(&labels);
    }

    /// Whether the keys of the authority could be looked after, and until when those that are there sign certificates,
    /// in seconds since 1970; 0 where none does.
    pub fn keys_kept(&self, domain: &str, kept: bool, signs_until: u64) {
        let labels = DomainLabels::of(domain);
        self.keys_kept.get_or_create(&labels).set(i64::from(kept));
        let until = self.signs_until.get_or_create(&labels);
        until.set(gauge(signs_until));
    }

    /// A request at this door was refused because its caller asks for more than its share.
    pub fn throttled(&self, door: &'static str) {
        self.throttled.get_or_create(&DoorLabels { door }).inc();
    }

    /// So many requests for an identity at this door were refused.
    pub fn identities_refused(&self, door: Door, count: u64) {
        let labels = DoorLabels { door: door.name() };
        self.identities_refused.get_or_create(&labels).inc_by(count);
    }

    /// The text that Prometheus reads (OpenMetrics).
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn name(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
        Effect::NoOpinion => "no_opinion",
        Effect::Conditional => "conditional",
    }
}

/// Shared by all that count.
pub(crate) type SharedMetrics = Arc<Metrics>;
