use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::name::rfc4514;

/// Who is at the other end of a connection, as far as the connection proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The connection has no TLS; such a listener is on a loopback address.
    pub(crate) plaintext: bool,
    pub(crate) certificate: Option<Proven>,
}

/// Names that a client certificate proves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The subject as RFC 4514 writes it.
    pub(crate) subject: Option<String>,
    /// The SPIFFE id, where the certificate is an SVID: exactly one URI, which is one.
    pub(crate) spiffe: Option<String>,
    /// The last second of the certificate, since 1970.
    pub(crate) not_after: i64,
}

impl Proven {
    /// The name by which the certificate would be listed.
    pub(crate) fn name(&self) -> Option<&str> {
        self.spiffe.as_deref().or(self.subject.as_deref())
    }

    /// Whether the certificate still proves anything. TLS asks once, when a connection or the session that it resumes
    /// begins; requests come on it for as long as it is open.
    pub(crate) fn is_valid_at(&self, now: SystemTime) -> bool {
        seconds(now) <= self.not_after
    }

    /// Reads a certificate that TLS has verified.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Self::default();
        };
        let mut uris = Vec::new();
        for extension in parsed.extensions() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
                uris.extend(names.general_names.iter().filter_map(|name| match name {
                    GeneralName::URI(uri) => Some((*uri).to_owned()),
                    _ => None,
                }));
            }
        }
        let authority = parsed
            .basic_constraints()
            .ok()
            .flatten()
            .is_some_and(|found| found.value.ca);
        let spiffe = match uris.as_slice() {
            [uri] if uri.starts_with("spiffe://") && !authority => Some(uri.clone()),
            _ => None,
        };
        Self {
            subject: rfc4514(parsed.subject()).filter(|subject| !subject.is_empty()),
            spiffe,
            not_after: parsed.validity().not_after.timestamp(),
        }
    }
}

/// Whole seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_counts_to_its_last_second() {
        let proven = Proven {
            not_after: 100,
            ..Proven::default()
        };
        let check = |millis: u64, expected: bool| {
            let now = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(proven.is_valid_at(now), expected, "{millis}");
        };
        check(0, true);
        check(100_999, true);
        check(101_000, false);
        // What cannot be read proves nothing.
        assert!(!Proven::default().is_valid_at(SystemTime::now()));
    }
}
