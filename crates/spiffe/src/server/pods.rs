use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use bailiwick_identity::facts::Facts;
use bailiwick_identity::pods::{Object, ObjectKind, Reviewed, Unproven, View};
use tokio::sync::watch;

/// How long the watches may take to show a pod whose token the API server has just taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// Pods and what they stand on, which somebody keeps up to date, and who is told of changes.
#[derive(Debug, Default)]
pub struct Pods {
    view: RwLock<View>,
    complete: watch::Sender<bool>,
    /// Who follows a node, by its name.
    followers: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
}

impl Pods {
    /// An object as it is now.
    pub fn put(&self, object: Object) {
        let mut nodes: Vec<Box<str>> = Vec::new();
        let mut all = false;
        {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            match &object {
                Object::Pod(pod) => {
                    let old = view.pod(&pod.meta.namespace, &pod.meta.name);
                    nodes.extend(old.map(|old| old.node.as_str().into()));
                    nodes.push(pod.node.as_str().into());
                }
                Object::Node(meta) => nodes.push((&*meta.name).into()),
                Object::Namespace(_) => all = true,
                Object::ServiceAccount(_) => {}
            }
            view.put(object);
        }
        self.tell(&nodes, all);
    }

    /// An object that is gone.
    pub fn remove(&self, kind: ObjectKind, namespace: &str, name: &str) {
        let mut nodes: Vec<Box<str>> = Vec::new();
        {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            match kind {
                ObjectKind::Pod => {
                    let old = view.pod(namespace, name);
                    nodes.extend(old.map(|old| old.node.as_str().into()));
                }
                ObjectKind::Node => nodes.push(name.into()),
                ObjectKind::Namespace | ObjectKind::ServiceAccount => {}
            }
            view.remove(kind, namespace, name);
        }
        self.tell(&nodes, kind == ObjectKind::Namespace);
    }

    /// Everything that there was at the start is known from now on.
    pub fn complete(&self) {
        self.complete.send_replace(true);
    }

    /// Whether everything is known that there was at the start. Before that nobody is to be told that a pod or node is
    /// not there.
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// What is known now.
    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes of what is known of a node and of the pods there.
    pub(crate) fn follow(&self, node: &str) -> watch::Receiver<()> {
        let mut followers = self.followers();
        followers.retain(|_, sender| sender.receiver_count() > 0);
        followers.entry(node.into()).or_default().subscribe()
    }

    fn followers(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, watch::Sender<()>>> {
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, nodes: &[Box<str>], all: bool) {
        let followers = self.followers();
        if all {
            followers
                .values()
                .for_each(|sender| sender.send_replace(()));
            return;
        }
        for sender in nodes.iter().filter_map(|node| followers.get(node)) {
            sender.send_replace(());
        }
    }

    /// What the watches show of a pod of which the API server spoke. It may ask before they show it.
    pub(crate) async fn prove(&self, reviewed: &Reviewed) -> Result<Facts, Unproven> {
        let until = Instant::now() + PATIENCE;
        loop {
            let proven = {
                let view = self.view();
                view.prove(&reviewed.claim())
                    .and_then(|pod| view.facts(pod))
            };
            if proven.is_ok() || Instant::now() >= until {
                return proven;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
