//! Documents that the authority makes.

use std::fmt;
use std::sync::PoisonError;

use bailiwick_identity::exchange::Azure;
use bailiwick_identity::jwt::{self, Token};
use bailiwick_identity::rotation::Purpose;
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::{Leaf, Serial, Validity};
use bailiwick_identity::{KeyType, PublicKey, UnixTime, wit};
use serde_json::Value;

use super::{Authority, AuthorityError, BACKDATE};
use crate::seal::random;

/// An X509-SVID that was made.
#[derive(Clone, Debug)]
pub struct IssuedX509 {
    /// Leaf first, without the root, in DER.
    pub chain: Vec<Vec<u8>>,
    /// Its number.
    pub serial: Serial,
    /// When it counts.
    pub validity: Validity,
}

/// A JWT-SVID or a WIT-SVID that was made. The token does not print.
#[derive(Clone)]
pub struct IssuedJwt {
    /// The token.
    pub token: String,
    /// Its number.
    pub jti: String,
    /// From when on it does not count.
    pub expires_at: UnixTime,
}

impl fmt::Debug for IssuedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedJwt({} until {})", self.jti, self.expires_at)
    }
}

impl Authority {
    /// Signs nothing for anybody while there is a reason.
    pub fn hold(&self, why: Option<&str>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        *held = why.map(str::to_owned);
    }

    /// Until when certificates can be signed with what is there now: as long as their issuer counts. `None` where none
    /// can; tokens still are.
    pub fn signs_until(&self) -> Option<UnixTime> {
        let current = self.current();
        let online = current.online.as_ref();
        let online = online.filter(|online| online.counts(self.clock.now()));
        online.map(|online| online.issuer.validity().not_after)
    }

    fn check_held(&self) -> Result<(), AuthorityError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let why = held.clone().map(AuthorityError::Held);
        why.map_or(Ok(()), Err)
    }

    /// Makes an X509-SVID for a key.
    ///
    /// # Errors
    /// When nothing signs, or the plan does not fit into a certificate.
    pub fn issue_x509(
        &self,
        plan: &Plan,
        public_key: &PublicKey,
    ) -> Result<IssuedX509, AuthorityError> {
        self.issue_x509_dated_back(BACKDATE, plan, public_key)
    }

    /// The same, which counts from `backdate` seconds ago on, for receivers that take nothing older.
    ///
    /// # Errors
    /// As [`Authority::issue_x509`].
    pub fn issue_x509_dated_back(
        &self,
        backdate: u64,
        plan: &Plan,
        public_key: &PublicKey,
    ) -> Result<IssuedX509, AuthorityError> {
        self.check_held()?;
        let current = self.current();
        let online = current.online.as_ref();
        let online = online.ok_or(AuthorityError::NoKey(Purpose::X509))?;
        let issuer = &online.issuer;
        let now = self.clock.now();
        // Dated back, a certificate would fit into an authority that has just run out.
        if issuer.validity().not_after <= now {
            return Err(AuthorityError::NoKey(Purpose::X509));
        }
        let lifetime = plan.lifetime.min(self.options.policy.longest_life);
        let validity = Validity::new(now.minus(backdate), now.plus(lifetime));
        let validity = validity.ok_or(AuthorityError::Clock(now))?;
        let serial = Serial::new(random()?);
        let url = self.list_url(online);
        let leaf = issuer.leaf(&Leaf {
            id: &plan.id,
            dns_names: &plan.dns_names,
            public_key,
            validity,
            serial,
            crl: url.as_deref(),
        })?;
        let mut chain = vec![leaf];
        chain.extend_from_slice(issuer.chain());
        // The issuer cuts what it does not outlive.
        let not_after = validity.not_after.min(issuer.validity().not_after);
        let not_before = validity.not_before.max(issuer.validity().not_before);
        Ok(IssuedX509 {
            chain,
            serial,
            validity: Validity {
                not_before,
                not_after,
            },
        })
    }

    /// Makes a JWT-SVID for `audience`.
    ///
    /// # Errors
    /// When nothing signs, or the plan does not fit into a token.
    pub fn issue_jwt(&self, plan: &Plan, audience: &[String]) -> Result<IssuedJwt, AuthorityError> {
        self.check_held()?;
        let current = self.current();
        let wanted = self.options.jwt_keys.first().copied();
        let rsa = |name: &String| Azure::AUDIENCES.contains(&name.as_str());
        let key_type = match wanted {
            // Who takes RSA alone gets it (C-1).
            _ if audience.iter().any(rsa) && current.jwt.contains_key(&KeyType::Rsa2048) => {
                KeyType::Rsa2048
            }
            wanted => wanted.unwrap_or(KeyType::EcP256),
        };
        let (kid, signer) = current
            .jwt
            .get(&key_type)
            .ok_or(AuthorityError::NoKey(Purpose::Jwt(key_type)))?;
        let claims = plan.claims.iter();
        let claims = claims
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        let now = self.clock.now();
        // Validators that look at it refuse one that lies before them (go-jose does, beyond a minute).
        let issued_at = now.minus(BACKDATE);
        let lifetime = plan.jwt_lifetime.min(self.options.policy.longest_life);
        let expires_at = now.plus(lifetime);
        let jti = Serial::new(random()?).to_string();
        let token = Token {
            id: &plan.id,
            audience,
            issuer: self.options.jwt_issuer.as_deref(),
            issued_at,
            expires_at,
            jti: &jti,
            claims: &claims,
        };
        let token = jwt::sign(&token, kid.as_str(), &**signer)?;
        Ok(IssuedJwt {
            token,
            jti,
            expires_at,
        })
    }

    /// Whether it makes WIT-SVIDs.
    pub fn offers_wit(&self) -> bool {
        self.options.wit
    }

    /// Makes a WIT-SVID for a key. It lives as long as a certificate: both are bound to a key.
    ///
    /// # Errors
    /// When nothing signs, or the plan does not fit into a token.
    pub fn issue_wit(
        &self,
        plan: &Plan,
        public_key: &PublicKey,
    ) -> Result<IssuedJwt, AuthorityError> {
        self.check_held()?;
        let current = self.current();
        let signing = current.wit.as_ref();
        let (kid, signer) = signing.ok_or(AuthorityError::NoKey(Purpose::Wit))?;
        let now = self.clock.now();
        let expires_at = now.plus(plan.lifetime.min(self.options.policy.longest_life));
        let jti = Serial::new(random()?).to_string();
        let new = wit::NewWit {
            id: &plan.id,
            key: public_key,
            not_before: now.minus(BACKDATE),
            expires_at,
            jti: &jti,
        };
        let token = wit::sign(&new, kid.as_str(), &**signer)?;
        Ok(IssuedJwt {
            token,
            jti,
            expires_at,
        })
    }
}
