use std::sync::Arc;
use std::time::Duration;

use bailiwick_identity::BundleMap;
use bailiwick_identity::rules::RuleSet;
use tokio::sync::watch;

use super::session::RETRY;
use crate::clock::{Clock, Due};
use crate::node::State;

/// Several pushes do not happen at the same moment: each waits up to this long after a change.
const SPLAY: Duration = Duration::from_millis(50);

/// What to wait for before the next message of a stream.
pub(crate) enum Changes {
    Own {
        authority: watch::Receiver<u64>,
        rules: watch::Receiver<Arc<RuleSet>>,
        federated: watch::Receiver<Arc<BundleMap>>,
    },
    Node {
        state: watch::Receiver<Arc<State>>,
        /// The pod of the caller: what becomes of others is none of its business.
        pod: Option<String>,
    },
}

impl Changes {
    /// Waits until something changes that the caller should hear of, or `longest` is over, also by the clock of documents.
    pub(crate) async fn wait(&mut self, longest: Duration, clock: &dyn Clock) {
        let due = Due::after(longest, clock.now());
        let changed = match self {
            Self::Own {
                authority,
                rules,
                federated,
            } => tokio::select! {
                authority = authority.changed() => authority.is_ok(),
                rules = rules.changed() => rules.is_ok(),
                federated = federated.changed() => federated.is_ok(),
                () = due.come(clock) => return,
            },
            Self::Node { state, pod } => tokio::select! {
                changed = other_for(state, pod.as_deref()) => changed,
                () = due.come(clock) => return,
            },
        };
        if !changed {
            // Whoever changes things is gone, and with him this server soon.
            return tokio::time::sleep(RETRY).await;
        }
        tokio::time::sleep(SPLAY.mul_f64(crate::seal::fraction())).await;
        match self {
            Self::Own {
                authority,
                rules,
                federated,
            } => {
                authority.mark_unchanged();
                rules.mark_unchanged();
                federated.mark_unchanged();
            }
            Self::Node { .. } => {}
        }
    }
}

/// Waits until what is known is other for one pod. Says no where nobody will know more.
async fn other_for(state: &mut watch::Receiver<Arc<State>>, pod: Option<&str>) -> bool {
    let before = Arc::clone(&state.borrow());
    loop {
        if state.changed().await.is_err() {
            return false;
        }
        if !state.borrow_and_update().is_same_for(pod, &before) {
            return true;
        }
    }
}
