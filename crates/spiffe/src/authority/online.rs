use std::sync::Arc;

use bailiwick_identity::rotation::{Authority as Key, KeyId, Phase, Purpose, State};
use bailiwick_identity::x509::{self, Issuer, Leaf, Serial, Validity};
use bailiwick_identity::{Bundle, KeyType, Signer, SpiffeId, TrustDomain, UnixTime};

use super::{Authority, AuthorityError, BACKDATE};
use crate::keys::{KeyStore, MemoryKeys};
use crate::seal::random;
use crate::upstream::{Above, Upstream, UpstreamFailure};

/// The intermediate authority of this process. Its key is in memory alone, and after a restart there is another one, unless
/// lists of revoked certificates are to be signed by it. Validators need not know it, since it comes with every leaf.
#[derive(Clone)]
pub(super) struct Online {
    /// Which root it stands below.
    pub(super) root: KeyId,
    /// The certificate of the key that signed it.
    pub(super) signed_by: Vec<u8>,
    /// The name of its own key.
    pub(super) key: KeyId,
    /// Its number.
    pub(super) serial: Serial,
    /// What signs leaves.
    pub(super) issuer: Arc<Issuer<Arc<dyn Signer>>>,
}

/// The key of an intermediate authority that is about to be.
pub(super) struct Own {
    pub(super) key: KeyId,
    pub(super) signer: Arc<dyn Signer>,
}

impl Online {
    /// One below a root of our own.
    pub(super) fn below(
        root: &Key,
        root_signer: Arc<dyn Signer>,
        own: Own,
        serial: Serial,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        let top = Issuer::new(&root.public, Vec::new(), root_signer)?;
        Self::signed(&top, root, root.public.clone(), own, serial, validity)
    }

    /// One below somebody else's authority. What it signs is validated before anybody gets it: what that authority may
    /// sign is not ours to say.
    pub(super) fn below_upstream(
        root: &Key,
        above: &Above,
        domain: &TrustDomain,
        own: Own,
        serial: Serial,
        validity: Validity,
        now: UnixTime,
    ) -> Result<Result<Self, String>, AuthorityError> {
        let signer = Arc::clone(&above.signer);
        let top = Issuer::upstream(&above.path, domain.clone(), signer)?;
        let signed_by = above.path.signing().to_vec();
        let online = Self::signed(&top, root, signed_by, own, serial, validity)?;
        let id = domain.id().as_str().to_owned() + "/bailiwick/trial";
        let (Ok(id), Ok(key)) = (
            SpiffeId::parse(&id),
            MemoryKeys::default().generate(&root.id, KeyType::EcP256),
        ) else {
            return Ok(Err("no trial could be made".to_owned()));
        };
        let leaf = online.issuer.leaf(&Leaf {
            id: &id,
            dns_names: &[],
            public_key: key.public_key(),
            validity: Validity {
                not_after: now.plus(60),
                ..validity
            },
            serial,
            crl: None,
        })?;
        let mut chain = vec![leaf];
        chain.extend_from_slice(online.issuer.chain());
        let mut bundle = Bundle::new(domain.clone());
        bundle.add_x509(root.public.clone())?;
        let trial = x509::validate(&chain, &bundle, now);
        Ok(trial.map(|_| online).map_err(|error| error.to_string()))
    }

    fn signed(
        top: &Issuer<Arc<dyn Signer>>,
        root: &Key,
        signed_by: Vec<u8>,
        Own { key, signer }: Own,
        serial: Serial,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        let der = top.intermediate(signer.public_key(), serial, validity)?;
        let mut chain = vec![der.clone()];
        chain.extend_from_slice(top.chain());
        let issuer = Issuer::new(&der, chain, signer)?;
        Ok(Self {
            root: root.id.clone(),
            signed_by,
            key,
            serial,
            issuer: Arc::new(issuer),
        })
    }

    /// Whether what it signs counts.
    pub(super) fn counts(&self, now: UnixTime) -> bool {
        now < self.issuer.validity().not_after
    }

    /// Whether it is time for the next one: leaves always have at least half of its life before them. One that begins in
    /// the future was made while the clock was wrong.
    pub(super) fn is_stale(&self, now: UnixTime) -> bool {
        let validity = self.issuer.validity();
        let made = validity.not_before.plus(BACKDATE);
        let half = validity.not_after.since(made) / 2;
        made.plus(half) <= now || validity.not_before > now
    }
}

impl Authority {
    /// What signs leaves below the active root: the one of before while it is good enough, or a new one.
    pub(super) fn online(
        &self,
        state: &State,
        before: Option<&Online>,
        above: Option<&Above>,
        now: UnixTime,
    ) -> Result<Option<Online>, AuthorityError> {
        let Some(root) = state.active(Purpose::X509) else {
            return Ok(None);
        };
        let signed_by = match above {
            Some(above) if root.upstream => above.path.signing(),
            _ => &root.public,
        };
        let fresh = before.filter(|online| online.root == root.id && !online.is_stale(now));
        if let Some(online) =
            fresh.filter(|online| root.upstream && above.is_none() || online.signed_by == signed_by)
        {
            return Ok(Some(online.clone()));
        }
        if let Some(kept) = self.kept_online(root, signed_by, now)? {
            return Ok(Some(kept));
        }
        let online = match above {
            Some(above) if root.upstream => self.bring_online_below(above, state, root, now)?,
            // It is not ours to ask, or does not answer.
            None if root.upstream => {
                return Ok(before.cloned().filter(|online| online.counts(now)));
            }
            _ => self.bring_online(root)?,
        };
        self.keep_online(&online, now)?;
        Ok(Some(online))
    }

    fn bring_online_below(
        &self,
        above: &Above,
        state: &State,
        root: &Key,
        now: UnixTime,
    ) -> Result<Online, AuthorityError> {
        let path = self
            .upstream
            .as_ref()
            .map(Upstream::path)
            .unwrap_or_default();
        let signing = above.path.roots().signing;
        if signing != root.id {
            let key = state.authority(&signing);
            let known = key.map(|key| {
                key.since
                    .plus(self.options.policy.propagation)
                    .plus(self.options.policy.skew)
            });
            return Err(match known {
                Some(at)
                    if key.is_some_and(|key| {
                        key.phase.is_published() && key.phase != Phase::Tainted
                    }) =>
                {
                    UpstreamFailure::TooNew { path, at }
                }
                _ => UpstreamFailure::Tainted(path),
            }
            .into());
        }
        let validity = self.intermediate_validity(now)?;
        let (domain, serial) = (&self.options.domain, Serial::new(random()?));
        let own = self.own_key()?;
        let key = own.key.clone();
        let online = Online::below_upstream(root, above, domain, own, serial, validity, now)?;
        if online.is_err() {
            self.drop_key(&key)?;
        }
        online.map_err(|why| UpstreamFailure::Useless { path, why }.into())
    }

    fn intermediate_validity(&self, now: UnixTime) -> Result<Validity, AuthorityError> {
        let life = self.options.policy.longest_life;
        let validity = Validity::new(now.minus(BACKDATE), now.plus(life));
        validity.ok_or(AuthorityError::Clock(now))
    }

    fn bring_online(&self, root: &Key) -> Result<Online, AuthorityError> {
        let signer = self.signer(&root.id)?;
        let validity = self.intermediate_validity(self.clock.now())?;
        Online::below(
            root,
            signer,
            self.own_key()?,
            Serial::new(random()?),
            validity,
        )
    }
}
