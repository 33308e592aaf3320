use std::collections::HashMap;
use std::sync::Arc;

use crate::peer::Peer;

/// Somebody who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name in the log.
    pub name: String,
    /// What it proves itself with.
    pub id: CallerId,
    /// Which doors are open to it.
    pub scope: Scope,
}

/// What a caller proves itself with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerId {
    /// A client certificate with exactly this subject, as RFC 4514 writes it.
    Certificate(String),
    /// A client certificate with exactly this SPIFFE id.
    Spiffe(String),
    /// A token of this issuer for this subject.
    Token {
        /// `iss`.
        issuer: String,
        /// `sub`.
        subject: String,
    },
    /// A token of this service account, by the word of the API server.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Nothing: whoever can connect to a listener without TLS, which is on a loopback address.
    Loopback,
}

/// What a caller may do. Nothing, unless it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// SubjectAccessReviews.
    pub access_review: bool,
    /// AuthZEN evaluations.
    pub evaluation: bool,
    /// AuthZEN searches, which tell who can do what.
    pub search: bool,
    /// Decisions of its application, explained.
    pub explain: bool,
    /// External authorization, as a gateway whose word about its clients counts.
    pub ext_authz: bool,
    /// The application that it speaks for.
    pub application: String,
}

/// The allow-list.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    by_id: HashMap<CallerId, Arc<Caller>>,
    /// Those with certificates once more, by what stands in these.
    by_subject: HashMap<String, Arc<Caller>>,
    by_spiffe: HashMap<String, Arc<Caller>>,
}

/// Why a list of callers is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// Two callers prove themselves with the same.
    #[error("the callers `{0}` and `{1}` prove themselves with the same; give each its own")]
    Same(String, String),
    /// A caller for whom no door is open.
    #[error("no door is open to the caller `{0}`; name at least one in `doors`")]
    NoDoor(String),
    /// A SPIFFE id that is none.
    #[error("`{0}` is no SPIFFE id; it looks like spiffe://example.org/ns/shop/sa/web")]
    Spiffe(String),
    /// A subject that no certificate has.
    #[error(
        "the caller `{0}`: `{1}` is no subject of a certificate; write it as `openssl x509 -noout -subject -nameopt RFC2253` \
         does, such as CN=web,O=shop"
    )]
    Subject(String, String),
}

impl Callers {
    /// A list in which everybody can be told apart.
    pub fn new(callers: Vec<Caller>) -> Result<Self, CallerError> {
        let mut by_id: HashMap<CallerId, Arc<Caller>> = HashMap::new();
        for caller in callers {
            match &caller.id {
                CallerId::Spiffe(id) if !id.starts_with("spiffe://") => {
                    return Err(CallerError::Spiffe(id.clone()));
                }
                CallerId::Certificate(subject) if !is_subject(subject) => {
                    return Err(CallerError::Subject(caller.name, subject.clone()));
                }
                _ => {}
            }
            let scope = &caller.scope;
            let asks = scope.access_review || scope.evaluation || scope.search || scope.ext_authz;
            if !(asks || scope.explain) {
                return Err(CallerError::NoDoor(caller.name));
            }
            let name = caller.name.clone();
            if let Some(other) = by_id.insert(caller.id.clone(), Arc::new(caller)) {
                return Err(CallerError::Same(other.name.clone(), name));
            }
        }
        let mut list = Self::default();
        for (id, caller) in &by_id {
            let by = match id {
                CallerId::Certificate(subject) => (&mut list.by_subject, subject),
                CallerId::Spiffe(spiffe) => (&mut list.by_spiffe, spiffe),
                _ => continue,
            };
            by.0.insert(by.1.clone(), Arc::clone(caller));
        }
        list.by_id = by_id;
        Ok(list)
    }

    /// Names of the callers.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.by_id.values().map(|caller| caller.name.clone())
    }

    /// The application for which callers of this name speak, if it is one.
    pub fn application(&self, name: &str) -> Option<&str> {
        let named = self.by_id.values().filter(|caller| caller.name == name);
        let mut applications = named.map(|caller| caller.scope.application.as_str());
        let first = applications.next()?;
        applications.all(|other| other == first).then_some(first)
    }

    /// Whom a token speaks of, if it is listed.
    pub(crate) fn of_token(&self, claims: crate::tokens::Claims) -> Option<Arc<Caller>> {
        let id = CallerId::Token {
            issuer: claims.iss,
            subject: claims.sub,
        };
        self.by_id.get(&id).cloned()
    }

    /// The caller that is this service account, if it is listed.
    pub(crate) fn of_account(&self, (namespace, name): (String, String)) -> Option<Arc<Caller>> {
        let id = CallerId::ServiceAccount { namespace, name };
        self.by_id.get(&id).cloned()
    }

    /// Who this is, if it is listed.
    pub(crate) fn find(&self, peer: &Peer) -> Option<Arc<Caller>> {
        if peer.plaintext {
            return self.by_id.get(&CallerId::Loopback).cloned();
        }
        let proven = peer.certificate.as_ref()?;
        let spiffe = proven.spiffe.as_ref();
        let subject = proven.subject.as_ref();
        let by_spiffe = spiffe.and_then(|id| self.by_spiffe.get(id));
        by_spiffe
            .or_else(|| subject.and_then(|subject| self.by_subject.get(subject)))
            .cloned()
    }
}

/// Whether text begins as a distinguished name does (RFC 4514), with a type and what it is: any other is nobody's.
fn is_subject(text: &str) -> bool {
    let named = |kind: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        !kind.is_empty() && kind.bytes().all(fits)
    };
    text.split_once('=').is_some_and(|(kind, _)| named(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Proven;

    fn caller(name: &str, id: CallerId) -> Caller {
        Caller {
            name: name.into(),
            id,
            scope: Scope {
                access_review: true,
                ..Scope::default()
            },
        }
    }

    #[test]
    fn only_who_is_listed_exactly() {
        let list = Callers::new(vec![
            caller("api", CallerId::Certificate("CN=api".into())),
            caller("web", CallerId::Spiffe("spiffe://example.org/web".into())),
        ])
        .unwrap();
        let check = |subject: Option<&str>, spiffe: Option<&str>, expected: Option<&str>| {
            let peer = Peer {
                address: ([127, 0, 0, 1], 1).into(),
                plaintext: false,
                certificate: Some(Proven {
                    subject: subject.map(str::to_owned),
                    spiffe: spiffe.map(str::to_owned),
                    not_after: i64::MAX,
                }),
            };
            let found = list.find(&peer);
            assert_eq!(
                found.as_deref().map(|caller| caller.name.as_str()),
                expected
            );
        };
        check(Some("CN=api"), None, Some("api"));
        check(Some("CN=api,O=x"), None, None);
        check(Some("CN=API"), None, None);
        check(None, Some("spiffe://example.org/web"), Some("web"));
        check(None, Some("spiffe://example.org/web/"), None);
        // A subject does not stand in for a SPIFFE id.
        check(Some("spiffe://example.org/web"), None, None);
        check(None, None, None);
        let plain = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            plaintext: true,
            certificate: None,
        };
        assert!(list.find(&plain).is_none());
    }

    #[test]
    fn lists_that_are_refused() {
        let check = |callers: Vec<Caller>, expected: &str| {
            assert_eq!(Callers::new(callers).unwrap_err().to_string(), expected);
        };
        let id = || CallerId::Certificate("CN=x".into());
        check(
            vec![caller("a", id()), caller("b", id())],
            "the callers `a` and `b` prove themselves with the same; give each its own",
        );
        let mut closed = caller("a", id());
        closed.scope = Scope::default();
        check(
            vec![closed],
            "no door is open to the caller `a`; name at least one in `doors`",
        );
        check(
            vec![caller("a", CallerId::Spiffe("example.org/web".into()))],
            "`example.org/web` is no SPIFFE id; it looks like spiffe://example.org/ns/shop/sa/web",
        );
    }
}
