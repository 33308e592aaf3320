//! Lists of revoked certificates. Each is signed by the authority whose certificates it is about, since few validators take
//! one of somebody else: so the key of an intermediate is stored, as that of a root is, until all that it signed has run out,
//! and any replica signs the lists of all.

use std::sync::Arc;

use bailiwick_identity::revoked::{Der, Issuers, KeptIssuer, Listed};
use bailiwick_identity::rotation::{Authority as Key, KeyId, Phase, Purpose};
use bailiwick_identity::x509::{Issuer, RevocationList, Serial};
use bailiwick_identity::{KeyType, Signer, UnixTime};

use super::online::{Online, Own};
use super::{Authority, AuthorityError, BACKDATE};
use crate::keys::{KeyStore, MemoryKeys};
use crate::ledger::Ledger;
use crate::seal::random;

/// How long a list counts, in seconds. After half of it there is the next one, if nothing changes before.
pub(super) const LIST_LIFE: u64 = 3600;

/// How lists of revoked certificates are signed.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// Which intermediate authorities there are.
    pub issuers: Ledger<Issuers>,
    /// What is revoked, with the number of the last lists.
    pub listed: Ledger<Listed>,
    /// Where their lists are, as certificates say it: `URL/KEY.crl`.
    pub url: Option<String>,
}

/// The authorities below a root that count no more, and since when: none, unless it is tainted.
fn tainted(root: &Key, issuers: &Issuers) -> Vec<(Serial, UnixTime)> {
    let below = issuers.iter().filter(|(_, kept)| kept.root == root.id);
    let below = below.filter(|_| root.phase == Phase::Tainted);
    below.map(|(_, kept)| (kept.serial, root.since)).collect()
}

impl Authority {
    /// The lists of all authorities whose certificates may still count, in DER, by the names of their keys.
    ///
    /// # Errors
    /// When a key or what is remembered of them cannot be read.
    pub fn revocation_lists(&self) -> Result<Vec<(KeyId, Vec<u8>)>, AuthorityError> {
        let Some(options) = &self.options.lists else {
            return Ok(Vec::new());
        };
        let (now, state) = (self.clock.now(), self.state());
        let issuers = options.issuers.load()?;
        // Of a root that is not ours whoever has it speaks.
        let roots = state.authorities().iter().filter(|key| {
            key.purpose == Purpose::X509 && key.phase.is_published() && !key.upstream
        });
        let roots: Vec<(&Key, Vec<_>)> =
            roots.map(|root| (root, tainted(root, &issuers))).collect();
        let all: Vec<_> = roots.iter().flat_map(|(_, below)| below.clone()).collect();
        let renew = |listed: &mut Listed| listed.renew(&all, now, LIST_LIFE / 2);
        let (_, listed) = options.listed.change(renew)?;
        let list = |revoked| RevocationList {
            number: listed.number(),
            from: listed.at().minus(BACKDATE),
            until: listed.at().plus(LIST_LIFE),
            revoked,
        };
        let leaves = list(listed.certificates());
        let mut lists = Vec::new();
        for (key, kept) in issuers.iter().filter(|(_, kept)| now <= kept.until) {
            let issuer = self.kept_issuer(key, kept)?;
            lists.push((key.clone(), issuer.crl(&leaves)?));
        }
        for (root, below) in roots {
            let issuer = Issuer::new(&root.public, Vec::new(), self.signer(&root.id)?)?;
            lists.push((root.id.clone(), issuer.crl(&list(below))?));
        }
        Ok(lists)
    }

    fn kept_issuer(
        &self,
        key: &KeyId,
        kept: &KeptIssuer,
    ) -> Result<Issuer<Arc<dyn Signer>>, AuthorityError> {
        let chain: Vec<Vec<u8>> = kept.chain.iter().map(|Der(der)| der.clone()).collect();
        let own = chain.first().cloned().unwrap_or_default();
        Ok(Issuer::new(&own, chain, self.signer(key)?)?)
    }

    /// Where the list about leaves of an intermediate is.
    pub(super) fn list_url(&self, online: &Online) -> Option<String> {
        let url = self.options.lists.as_ref()?.url.as_deref()?;
        Some(format!("{}/{}.crl", url.trim_end_matches('/'), online.key))
    }

    /// A key for an intermediate: in memory alone, or where other keys are if lists have to be signed by it later.
    pub(super) fn own_key(&self) -> Result<Own, AuthorityError> {
        let key = KeyId::new(random()?);
        let signer = match &self.options.lists {
            None => MemoryKeys::default().generate(&key, KeyType::EcP256)?,
            Some(_) => self.keys.generate(&key, KeyType::EcP256)?,
        };
        Ok(Own { key, signer })
    }

    /// Nothing was signed by it.
    pub(super) fn drop_key(&self, key: &KeyId) -> Result<(), AuthorityError> {
        match &self.options.lists {
            None => Ok(()),
            Some(_) => Ok(self.keys.remove(key)?),
        }
    }

    /// An intermediate that was made before, here or by another replica, and is good enough.
    pub(super) fn kept_online(
        &self,
        root: &Key,
        signed_by: &[u8],
        now: UnixTime,
    ) -> Result<Option<Online>, AuthorityError> {
        let Some(options) = &self.options.lists else {
            return Ok(None);
        };
        for (key, kept) in options.issuers.load()?.iter() {
            if kept.root != root.id || kept.signed_by.0 != signed_by {
                continue;
            }
            let online = Online {
                root: root.id.clone(),
                signed_by: signed_by.to_vec(),
                key: key.clone(),
                serial: kept.serial,
                issuer: Arc::new(self.kept_issuer(key, kept)?),
            };
            if !online.is_stale(now) {
                return Ok(Some(online));
            }
        }
        Ok(None)
    }

    /// Remembers an intermediate before anything is signed by it, and forgets those that are over.
    pub(super) fn keep_online(&self, online: &Online, now: UnixTime) -> Result<(), AuthorityError> {
        let Some(options) = &self.options.lists else {
            return Ok(());
        };
        let kept = KeptIssuer {
            root: online.root.clone(),
            serial: online.serial,
            until: online.issuer.validity().not_after,
            chain: online.issuer.chain().iter().cloned().map(Der).collect(),
            signed_by: Der(online.signed_by.clone()),
        };
        let (mut gone, mut room) = (Vec::new(), false);
        options.issuers.change(|issuers| {
            gone = issuers.forget(now);
            room = issuers.insert(online.key.clone(), kept.clone());
        })?;
        for key in gone {
            self.keys.remove(&key)?;
        }
        if !room {
            self.keys.remove(&online.key)?;
            return Err(AuthorityError::Crowded);
        }
        Ok(())
    }
}
