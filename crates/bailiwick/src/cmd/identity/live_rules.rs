//! The rules in force: those of files, those that lie in the cluster, and whoever is banned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bailiwick_identity::rules::{Bans, RULE_KINDS, Rule, RuleName, RuleSet, decode};
use bailiwick_kube::{Batch, Cluster, LoadKinds, Stopper, WatchOptions};
use bailiwick_model::{CustomKind, Refusal};
use tokio::sync::watch;

use crate::resources::{Known, New, Resource, Said, tell};

/// How long news are waited for at a time. That everything was read wakes nobody.
const TURN: Duration = Duration::from_millis(100);
/// The longest wait before something that failed, or is not served, is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a right to read may take to arrive: it may have been given a moment ago.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rules as they change.
pub(super) struct LiveRules {
    sources: Mutex<Sources>,
    sender: watch::Sender<Arc<RuleSet>>,
}

struct Sources {
    /// Rules of files, with the bans.
    files: RuleSet,
    /// Rules that lie in the cluster.
    objects: BTreeMap<RuleName, Object>,
}

/// A rule in the cluster.
struct Object {
    resource: Resource,
    /// Tells it from one that had its name before.
    uid: String,
    generation: i64,
    /// Its last version that could be read.
    rule: Option<Rule>,
    /// What is wrong with it as it is now.
    trouble: Option<String>,
}

/// How a rule in the cluster stands.
pub(super) struct Standing {
    pub(super) name: RuleName,
    pub(super) resource: Resource,
    pub(super) generation: i64,
    pub(super) refused: Option<Refusal>,
}

impl Sources {
    /// A rule of a file counts before one of the same name that lies in the cluster.
    fn merged(&self) -> RuleSet {
        let objects = self.objects.values();
        let objects = objects.filter_map(|object| object.rule.as_ref());
        let rules = objects.chain(self.files.rules()).cloned();
        RuleSet::new(self.files.trust_domain().clone(), rules).banning(self.files.bans().clone())
    }

    /// Takes what a rule in the cluster is now. A rule gives and never takes: one that was never readable gives nothing,
    /// and all others count.
    fn take(&mut self, new: New) {
        let (namespace, name) = &new.resource.object;
        let name = RuleName::of_object(namespace, name);
        // What was deleted and made anew between two looks is another rule: nothing of the old one is in force.
        let before = self.objects.remove(&name);
        let before = before.filter(|object| object.uid == new.uid);
        let before = before.and_then(|object| object.rule);
        let Some(value) = new.value else { return };
        let (rule, trouble) = match decode(&value) {
            Ok(rule) => (Some(rule), None),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                let error = match before {
                    Some(_) => format!("{error}; its last good version stays in force"),
                    None => format!("{error}; it gives nothing"),
                };
                tracing::error!(rule = %name, error, "a rule in the cluster cannot be followed");
                (before, Some(error))
            }
        };
        let object = Object {
            resource: new.resource,
            uid: new.uid,
            generation: new.generation,
            rule,
            trouble,
        };
        self.objects.insert(name, object);
    }

    fn standings(&self) -> impl Iterator<Item = Standing> {
        let of_files = self.files.rules().iter().map(|rule| &rule.name);
        let of_files: BTreeSet<&RuleName> = of_files.collect();
        self.objects.iter().map(move |(name, object)| {
            let refused = match &object.trouble {
                _ if of_files.contains(name) => Some(Refusal {
                    reason: "FileGoesFirst",
                    message: "a file of the server has a rule of this name".to_owned(),
                }),
                Some(trouble) => Some(Refusal {
                    reason: "Invalid",
                    message: trouble.clone(),
                }),
                None => None,
            };
            Standing {
                name: name.clone(),
                resource: object.resource.clone(),
                generation: object.generation,
                refused,
            }
        })
    }
}

impl LiveRules {
    pub(super) fn new(files: RuleSet) -> Arc<Self> {
        let sender = watch::Sender::new(Arc::new(files.clone()));
        let sources = Mutex::new(Sources {
            files,
            objects: BTreeMap::new(),
        });
        Arc::new(Self { sources, sender })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.sender.subscribe()
    }

    /// The rules as they are now.
    pub(super) fn now(&self) -> Arc<RuleSet> {
        Arc::clone(&self.sender.borrow())
    }

    /// What is wrong with rules in the cluster.
    pub(super) fn troubles(&self) -> Vec<String> {
        let sources = self.lock();
        let troubles = sources.objects.values();
        troubles
            .filter_map(|object| object.trouble.clone())
            .collect()
    }

    /// The rules as they are now, and how those stand that lie in the cluster.
    pub(super) fn standings(&self) -> (Arc<RuleSet>, Vec<Standing>) {
        let sources = self.lock();
        (self.now(), sources.standings().collect())
    }

    /// Takes other files. Who is banned stays so.
    pub(super) fn put_files(&self, files: RuleSet) {
        let mut sources = self.lock();
        sources.files = files.banning(sources.files.bans().clone());
        self.publish(&sources);
    }

    /// Bans others, whatever the files say now. Gives who was banned before.
    pub(super) fn put_bans(&self, bans: Bans) -> Bans {
        let mut sources = self.lock();
        let before = sources.files.bans().clone();
        if before != bans {
            sources.files = sources.files.clone().banning(bans);
            self.publish(&sources);
        }
        before
    }

    fn lock(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under the lock, so that the last to change is the last to be told.
    fn publish(&self, sources: &Sources) {
        let merged = sources.merged();
        tracing::info!(rules = merged.rules().len(), "rules");
        self.sender.send_replace(Arc::new(merged));
    }

    fn take(&self, batch: Batch<CustomKind>, known: &mut Known) {
        tell(&batch);
        let changes = batch.changes.into_iter();
        let mut news = changes
            .filter_map(|change| known.look(change.delta))
            .peekable();
        if news.peek().is_none() {
            return;
        }
        let mut sources = self.lock();
        news.for_each(|new| sources.take(new));
        self.publish(&sources);
    }

    /// Follows the rules that lie in a cluster until what this gives is dropped. Comes back once all of them are read:
    /// before that somebody could be refused for good whom a rule fits. How each object stands is told to `say`.
    ///
    /// # Errors
    /// When they may not be read.
    pub(super) fn follow(
        self: &Arc<Self>,
        cluster: &Cluster,
        say: Option<Sender<Said>>,
    ) -> Result<Following> {
        let mut known = Known::telling(say);
        // Of the options the kinds are not read.
        let options = WatchOptions {
            longest_wait: LONGEST_WAIT,
            ..WatchOptions::new(LoadKinds::of(&[]))
        };
        let patience = Instant::now() + PATIENCE;
        let watch = cluster.watch_custom(&RULE_KINDS, &options);
        let stopper = watch.stopper();
        let mut forbidden = None;
        while let Some(batch) = watch.next(TURN) {
            if let Some(gaps) = &batch.gaps {
                forbidden = gaps.last().map(|gap| gap.message.clone());
            }
            if let Some(gap) = &forbidden
                && Instant::now() > patience
            {
                bail!(
                    "the rules in the cluster cannot be read: {gap} (what `--print-role` prints allows it)"
                );
            }
            let all = batch.known_up_to(&RULE_KINDS);
            self.take(batch, &mut known);
            if all.is_some() {
                break;
            }
        }
        let rules = Arc::clone(self);
        thread::spawn(move || {
            while let Some(batch) = watch.next(TURN) {
                rules.take(batch, &mut known);
            }
        });
        Ok(Following(stopper))
    }
}

/// Rules that are followed until this is dropped.
pub(super) struct Following(Stopper<CustomKind>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_identity::TrustDomain;
    use serde_json::json;

    use super::*;

    fn new(namespace: &str, value: Option<serde_json::Value>) -> New {
        let kind = RULE_KINDS[usize::from(!namespace.is_empty())];
        New {
            resource: Resource {
                kind,
                object: (namespace.into(), "r".into()),
            },
            uid: "u1".into(),
            generation: 1,
            value: value.map(|value| serde_json::from_value(value).unwrap()),
        }
    }

    fn rule(id: &str) -> serde_json::Value {
        json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity", "metadata": {"name": "r"},
            "spec": {"selector": {"pods": {}}, "id": id},
        })
    }

    #[test]
    fn rules_of_the_cluster_and_of_files() {
        let domain = TrustDomain::parse("td").unwrap();
        let file = |value| decode(&serde_json::from_value(value).unwrap()).unwrap();
        let mut sources = Sources {
            files: RuleSet::new(domain.clone(), []),
            objects: BTreeMap::new(),
        };
        let check = |sources: &Sources, expected: &[&str], trouble: &str| {
            let merged = sources.merged();
            let ids: Vec<&str> = merged.rules().iter().map(|rule| rule.id.as_str()).collect();
            assert_eq!(ids, expected);
            let refused = sources.standings().filter_map(|standing| standing.refused);
            let said: Vec<String> = refused.map(|refused| refused.message).collect();
            assert_eq!(said.is_empty(), trouble.is_empty(), "{said:?}");
            assert!(said.iter().all(|said| said.ends_with(trouble)), "{said:?}");
        };
        check(&sources, &[], "");
        sources.take(new("", Some(rule("a"))));
        check(&sources, &[], "; it gives nothing");
        sources.take(new("", Some(rule("/a"))));
        check(&sources, &["/a"], "");
        sources.take(new("", Some(rule("b"))));
        check(&sources, &["/a"], "; its last good version stays in force");
        // Deleted and made anew, broken, while nobody looked.
        let anew = New {
            uid: "u2".into(),
            ..new("", Some(rule("b")))
        };
        sources.take(anew);
        check(&sources, &[], "; it gives nothing");
        sources.take(new("", Some(rule("/a"))));
        sources.take(new("", Some(rule("b"))));
        check(&sources, &["/a"], "; its last good version stays in force");
        // One of a namespace has the same name and is another rule.
        let mut own = rule("/ns/shop/x");
        own["kind"] = json!("NamespaceWorkloadIdentity");
        own["metadata"]["namespace"] = json!("shop");
        sources.take(new("shop", Some(own)));
        let trouble = "; its last good version stays in force";
        check(&sources, &["/a", "/ns/shop/x"], trouble);
        sources.files = RuleSet::new(domain, [file(rule("/file"))]);
        check(
            &sources,
            &["/file", "/ns/shop/x"],
            "has a rule of this name",
        );
        sources.take(new("", None));
        sources.take(new("shop", None));
        check(&sources, &["/file"], "");
    }
}
