use std::net::SocketAddr;

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
}

impl Proven {
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
        }
    }
}
