use std::sync::Arc;

use bailiwick_identity::rotation::{Authority as Key, KeyId};
use bailiwick_identity::x509::{Issuer, Serial, Validity};
use bailiwick_identity::{KeyType, Signer, UnixTime};

use super::AuthorityError;
use crate::keys::{KeyStore, MemoryKeys};

/// The intermediate authority of this process. Its key is in memory alone and is never stored: after a restart there is
/// another one. Validators need not know it, since it comes with every leaf.
#[derive(Clone)]
pub(super) struct Online {
    /// Which root it stands below.
    pub(super) root: KeyId,
    /// What signs leaves.
    pub(super) issuer: Arc<Issuer<Arc<dyn Signer>>>,
}

impl Online {
    pub(super) fn below(
        root: &Key,
        root_signer: Arc<dyn Signer>,
        serial: Serial,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        let top = Issuer::new(&root.public, Vec::new(), root_signer)?;
        let signer = MemoryKeys::default().generate(&root.id, KeyType::EcP256)?;
        let der = top.intermediate(signer.public_key(), serial, validity)?;
        let issuer = Issuer::new(&der, vec![der.clone()], signer)?;
        Ok(Self {
            root: root.id.clone(),
            issuer: Arc::new(issuer),
        })
    }

    /// Whether it is time for the next one: leaves always have at least half of its life before them. One that begins in
    /// the future was made while the clock was wrong.
    pub(super) fn is_stale(&self, now: UnixTime) -> bool {
        let validity = self.issuer.validity();
        let half = validity.not_after.since(validity.not_before) / 2;
        validity.not_before.plus(half) <= now || validity.not_before > now
    }
}
