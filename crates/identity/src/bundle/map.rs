use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwk::Document;
use super::{Bundle, BundleError, JwtKey, MAX_BUNDLE_BYTES, UniqueMap};
use crate::TrustDomain;
use crate::jwt::JwtKeys;
use crate::wit::WitKeys;
use crate::x509::Anchors;

/// Bundles of several trust domains, each on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleMap(BTreeMap<TrustDomain, Bundle>);

#[derive(Deserialize)]
struct Wire {
    trust_domains: UniqueMap<Document>,
}

impl BundleMap {
    /// Puts a bundle under its own domain, in place of the one that was there.
    pub fn insert(&mut self, bundle: Bundle) {
        self.0.insert(bundle.trust_domain().clone(), bundle);
    }

    /// The bundle of a domain.
    pub fn bundle(&self, domain: &TrustDomain) -> Option<&Bundle> {
        self.0.get(domain)
    }

    /// All bundles in order of their domains.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.0.values()
    }

    /// Reads a bundle map (B-2). The refresh hint of a single bundle is left out; that of the map counts.
    ///
    /// # Errors
    /// When the text is none, one of its bundles is none, or two have the same domain.
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLong(json.len()));
        }
        let malformed = |error: serde_json::Error| BundleError::Json(error.to_string());
        let wire: Wire = serde_json::from_slice(json).map_err(malformed)?;
        let mut map = Self::default();
        for (name, document) in wire.trust_domains.0 {
            let domain = TrustDomain::parse(&name).map_err(|error| BundleError::Domain {
                name: name.chars().take(80).collect(),
                error,
            })?;
            // Names that differ in case are one domain, so these are two bundles of it.
            if map.0.contains_key(&domain) {
                return Err(BundleError::Json(format!("`{domain}` is there twice")));
            }
            let mut bundle = document.bundle(domain)?;
            bundle.refresh_hint = None;
            map.insert(bundle);
        }
        Ok(map)
    }

    /// Writes a bundle map.
    pub fn to_json(&self) -> Value {
        let bundle = |bundle: &Bundle| {
            let mut bundle = bundle.clone();
            bundle.refresh_hint = None;
            (bundle.trust_domain().to_string(), bundle.to_json())
        };
        let domains: Map<String, Value> = self.iter().map(bundle).collect();
        serde_json::json!({ "trust_domains": domains })
    }
}

impl Anchors for BundleMap {
    fn x509_authorities(&self, domain: &TrustDomain) -> Option<&[Vec<u8>]> {
        self.bundle(domain).map(Bundle::x509_authorities)
    }
}

impl JwtKeys for BundleMap {
    fn jwt_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]> {
        self.bundle(domain).map(Bundle::jwt_authorities)
    }
}

impl WitKeys for BundleMap {
    fn wit_authorities(&self, domain: &TrustDomain) -> Option<&[JwtKey]> {
        self.bundle(domain).map(Bundle::wit_authorities)
    }
}
