//! Which volumes lie behind claims, and which drivers pods ask for them.

use bailiwick_model::{PersistentVolume, VolumeClaim, Workload};

use super::Woken;
use super::index::Index;
use super::reads::Key;

impl Index {
    pub(super) fn claim(&mut self, volume: &PersistentVolume, woken: &mut Woken) {
        if volume.path.is_empty() || volume.claim_name.is_empty() {
            return;
        }
        let claim = (volume.claim_namespace.clone(), volume.claim_name.clone());
        self.wake(Key::Claim(&claim.0, &claim.1), woken);
        let bound = self.claimed.entry(claim).or_default();
        bound.insert(volume.metadata.name.clone());
    }

    pub(super) fn release(&mut self, volume: &PersistentVolume, woken: &mut Woken) {
        let claim = (volume.claim_namespace.clone(), volume.claim_name.clone());
        if let Some(bound) = self.claimed.get_mut(&claim) {
            bound.remove(&volume.metadata.name);
            if bound.is_empty() {
                self.claimed.remove(&claim);
            }
            self.wake(Key::Claim(&claim.0, &claim.1), woken);
        }
    }

    /// A claim that names its volume is bound to that one or to none.
    pub(super) fn ask_for(&mut self, claim: &VolumeClaim, woken: &mut Woken) {
        let (namespace, name) = (&claim.metadata.namespace, &claim.metadata.name);
        if !claim.volume.is_empty() {
            let key = (namespace.clone(), name.clone());
            self.asked.insert(key, claim.volume.clone());
        }
        self.wake(Key::Claim(namespace, name), woken);
    }

    pub(super) fn ask_no_more(&mut self, claim: &VolumeClaim, woken: &mut Woken) {
        let (namespace, name) = (&claim.metadata.namespace, &claim.metadata.name);
        self.asked.remove(&(namespace.clone(), name.clone()));
        self.wake(Key::Claim(namespace, name), woken);
    }

    pub(super) fn use_drivers(&mut self, workload: &Workload, woken: &mut Woken) {
        for driver in &workload.pod.flex_drivers {
            *self.flex_drivers.entry(driver.clone()).or_default() += 1;
            self.wake(Key::FlexDrivers, woken);
        }
    }

    pub(super) fn leave_drivers(&mut self, workload: &Workload, woken: &mut Woken) {
        for driver in &workload.pod.flex_drivers {
            if let Some(count) = self.flex_drivers.get_mut(driver) {
                *count = count.saturating_sub(1);
            }
            self.wake(Key::FlexDrivers, woken);
        }
        self.flex_drivers.retain(|_, count| *count > 0);
    }
}
