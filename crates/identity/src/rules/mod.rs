//! Who gets which identity: rules, each a document, and what they make of proven facts.
//!
//! A workload gets the identity of every rule that fits it. No rule fits: no identity. Two rules that contradict each
//! other about one workload: no identity either, and both are named. Nothing is stored for a workload.

mod bans;
mod contradiction;
mod custom;
mod decode;
mod explain;
mod import;
mod reader;
mod select;
mod tally;
mod template;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::x509::DnsName;
use crate::{KeyType, SpiffeId, TrustDomain};

pub use bans::{Banned, BannedError, Bans};
pub use contradiction::Contradiction;
pub use custom::{RULE_KINDS, definitions};
pub(crate) use decode::metadata;
pub use decode::{API_VERSION, DecodeError, decode};
pub use explain::{Denial, Explanation, Outcome, Verdict};
pub use import::{IMPORTED_KIND, is_importable};
pub(crate) use reader::Fields;
pub use reader::Problem;
pub use select::{Selector, UnixSelector};
pub use tally::{Given, Tally};
pub use template::{Template, TemplateError};

/// How long an X509-SVID lives where its rule does not say, in seconds.
pub const DEFAULT_LIFETIME: u64 = 3600;
/// How long a JWT-SVID lives where its rule does not say, in seconds.
pub const DEFAULT_JWT_LIFETIME: u64 = 300;
/// A hint is never longer (Workload API 5.2.1).
pub const MAX_HINT_BYTES: usize = 1024;
/// Paths that no rule may give: identities of Bailiwick's own parts.
pub const RESERVED_PATH: &str = "/bailiwick/";

/// The name of a rule: `NAMESPACE/NAME`, or `NAME` for the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RuleName {
    /// The namespace that the rule is limited to.
    pub namespace: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Gives an identity to the workloads that it selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// Whom it fits.
    pub selector: Selector,
    /// The path of the identity.
    pub id: Template,
    /// DNS names for the certificate.
    pub dns_names: Vec<Template>,
    /// Life of certificates, in seconds.
    pub lifetime: u64,
    /// Life of tokens, in seconds.
    pub jwt_lifetime: u64,
    /// Tells the workload which of its identities is for what.
    pub hint: Option<String>,
    /// Claims of tokens beside the standard ones.
    pub claims: BTreeMap<String, Template>,
    /// The kind of key of certificates.
    pub key_type: KeyType,
    /// Domains whose bundles the workload gets besides its own.
    pub federates_with: Vec<TrustDomain>,
    /// The identity of the rule with the highest number is the first, which workloads take by default.
    pub priority: i64,
    /// Whether it counts only where no other rule gives anything.
    pub fallback: bool,
}

impl Rule {
    /// The rule of an authority on a laptop: each program of one user has its own identity, where no written rule gives
    /// another. Other users get nothing by it.
    ///
    /// # Errors
    /// Never: the template below is one.
    pub fn of_user(uid: u32) -> Result<Self, TemplateError> {
        let unix = UnixSelector {
            uids: Some(vec![uid]),
            ..UnixSelector::default()
        };
        Ok(Self {
            name: RuleName {
                namespace: None,
                name: "own-user".into(),
            },
            selector: Selector {
                unix: Some(unix),
                ..Selector::default()
            },
            id: Template::path("/uid/{uid}/{program}")?,
            dns_names: Vec::new(),
            lifetime: DEFAULT_LIFETIME,
            jwt_lifetime: DEFAULT_JWT_LIFETIME,
            hint: None,
            claims: BTreeMap::new(),
            key_type: KeyType::EcP256,
            federates_with: Vec::new(),
            priority: 0,
            fallback: true,
        })
    }
}

/// An identity that a workload is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which rule gives it.
    pub rule: RuleName,
    /// The identity.
    pub id: SpiffeId,
    /// DNS names for the certificate.
    pub dns_names: Vec<DnsName>,
    /// Life of certificates, in seconds.
    pub lifetime: u64,
    /// Life of tokens, in seconds.
    pub jwt_lifetime: u64,
    /// What the identity is for.
    pub hint: Option<String>,
    /// Claims of tokens beside the standard ones.
    pub claims: BTreeMap<String, String>,
    /// The kind of key of certificates.
    pub key_type: KeyType,
    /// Domains whose bundles go with it.
    pub federates_with: Vec<TrustDomain>,
}

/// All rules of a trust domain, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    domain: TrustDomain,
    rules: Vec<Rule>,
    bans: Bans,
}

impl RuleSet {
    /// Rules of a domain. Of two with the same name the later one counts.
    pub fn new(domain: TrustDomain, rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut named: BTreeMap<RuleName, Rule> = BTreeMap::new();
        for rule in rules {
            named.insert(rule.name.clone(), rule);
        }
        let mut rules: Vec<Rule> = named.into_values().collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        let bans = Bans::default();
        Self {
            domain,
            rules,
            bans,
        }
    }

    /// The same rules, which give nothing to whoever is banned.
    #[must_use]
    pub fn banning(self, bans: Bans) -> Self {
        Self { bans, ..self }
    }

    /// Who is banned.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// The trust domain that the identities belong to.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The rules: highest priority first, then by name.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

#[cfg(test)]
mod tests;
