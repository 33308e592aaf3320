//! Which ClusterTrustBundles pods have in their files.

use bailiwick_core::Kind;
use bailiwick_model::{PodSpec, Workload};

use super::World;
use super::index::{Index, Woken};
use super::reads::Key;
use crate::node::Trust;

/// Those of a pod, each once.
pub(crate) fn trusts(pod: &PodSpec) -> impl Iterator<Item = Trust> {
    let bundles = pod.trust_bundles.iter().cloned();
    let signers = pod.trusted_signers.iter().cloned();
    bundles
        .map(|name| Trust::Bundle { name })
        .chain(signers.map(|name| Trust::Signer { name }))
}

impl Index {
    pub(super) fn trust(&mut self, workload: &Workload, woken: &mut Woken) {
        for trust in trusts(&workload.pod) {
            let count = self.trusts.entry(trust).or_default();
            *count += 1;
            if *count == 1 {
                self.wake(Key::Trusts, woken);
            }
        }
    }

    pub(super) fn trust_no_more(&mut self, workload: &Workload, woken: &mut Woken) {
        for trust in trusts(&workload.pod) {
            if let Some(count) = self.trusts.get_mut(&trust) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.trusts.remove(&trust);
                    self.wake(Key::Trusts, woken);
                }
            }
        }
    }
}

impl<'a> World<'a> {
    /// The ClusterTrustBundles that pods have in their files, in order; `None` where the input does not tell.
    pub(crate) fn trusts(&self) -> Option<impl Iterator<Item = &'a Trust> + use<'a>> {
        self.tells_of_trusts().then(|| {
            self.note(Key::Trusts);
            self.index.trusts.keys()
        })
    }

    /// Whether the input tells which bundles there are and which pods have them. That does not change.
    pub(crate) fn tells_of_trusts(&self) -> bool {
        !self.index.runners_hidden && !self.is_hidden(Kind::ClusterTrustBundle, "")
    }
}
