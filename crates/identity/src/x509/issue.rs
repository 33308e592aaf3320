use std::fmt;
use std::str::FromStr;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
    string::PrintableString,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{part_issued_by, signed};
use crate::key::CertificateSigner;
use crate::{PublicKey, Signer, SpiffeId, TrustDomain, UnixTime};

/// The number of a certificate: 128 random bits, of which the first is made 0 and the second 1, so that it is
/// positive and always of the same length (RFC 5280 4.1.2.2 allows 20 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; 16]);

/// A text that is no number of a certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no serial: write its 32 hexadecimal digits, with or without colons between them")]
pub struct SerialError(String);

impl Serial {
    /// A number of random bytes.
    pub const fn new(mut random: [u8; 16]) -> Self {
        let [first, ..] = &mut random;
        *first = (*first & 0x3f) | 0x40;
        Self(random)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// As it prints, or as other programs print it: `5F:0C:...`.
impl FromStr for Serial {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        let wrong = || SerialError(text.chars().take(80).collect());
        let digits: String = text.chars().filter(|letter| *letter != ':').collect();
        let number = u128::from_str_radix(&digits, 16);
        let fits = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = number.ok().filter(|_| fits).ok_or_else(wrong)?;
        let serial = Self::new(number.to_be_bytes());
        (serial.0 == number.to_be_bytes())
            .then_some(serial)
            .ok_or_else(wrong)
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// In lower-case hexadecimal digits.
impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// From when until when a certificate counts, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixTime,
    /// The last second.
    pub not_after: UnixTime,
}

impl Validity {
    /// From one moment to a later one, which X.509 can say; `None` otherwise.
    pub fn new(not_before: UnixTime, not_after: UnixTime) -> Option<Self> {
        let sayable = not_before.calendar().is_some() && not_after.calendar().is_some();
        (sayable && not_before < not_after).then_some(Self {
            not_before,
            not_after,
        })
    }
}

/// A DNS name that a workload may answer for, in lower case. No wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

/// A text that is no DNS name of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no DNS name: lower-case letters, digits and `-`, parts separated by dots, at most 253 bytes"
)]
pub struct DnsNameError(String);

impl DnsName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, DnsNameError> {
        let labels_fit = text.split('.').all(|label| label.len() <= 63);
        if bailiwick_core::dns::is_dns_subdomain(text) && labels_fit {
            return Ok(Self(text.to_owned()));
        }
        Err(DnsNameError(text.chars().take(80).collect()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a leaf says.
#[derive(Clone, Debug)]
pub struct Leaf<'l> {
    /// Who it is for; has a path.
    pub id: &'l SpiffeId,
    /// DNS names besides.
    pub dns_names: &'l [DnsName],
    /// The key that it is bound to.
    pub public_key: &'l PublicKey,
    /// When it counts. An end beyond the end of its issuer is cut.
    pub validity: Validity,
    /// Its number.
    pub serial: Serial,
    /// Where the list of revoked certificates of its issuer is, if anywhere (RFC 5280 4.2.1.13).
    pub crl: Option<&'l str>,
}

/// Why no certificate was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A leaf for a trust domain (X509-SVID 5.2).
    #[error("`{0}` has no path: a workload has one")]
    NoPath(SpiffeId),
    /// A leaf of another domain.
    #[error("`{id}` is not of the trust domain `{domain}` of this authority")]
    ForeignDomain {
        /// Who the leaf would be for.
        id: SpiffeId,
        /// The domain of the authority.
        domain: TrustDomain,
    },
    /// The issuer ends before the leaf begins, or has not begun.
    #[error("the authority counts from {from} to {until}, which does not hold {at}")]
    OutOfTime {
        /// The first second of the issuer.
        from: UnixTime,
        /// The last second of the issuer.
        until: UnixTime,
        /// The first second of the leaf.
        at: UnixTime,
    },
    /// The certificate of the issuer cannot sign.
    #[error("the certificate of the authority does not fit: {0}")]
    Authority(String),
    /// The key did not sign, or a text cannot be written into a certificate.
    #[error("no certificate was made: {0}")]
    Build(#[from] rcgen::Error),
}

/// An authority that signs: its certificate, those above it up to the root and the key.
pub struct Issuer<S> {
    inner: rcgen::Issuer<'static, CertificateSigner<S>>,
    domain: TrustDomain,
    validity: Validity,
    chain: Vec<Vec<u8>>,
    /// The name of an authority that is not ours, as its certificate says it, byte by byte.
    foreign: Option<Vec<u8>>,
}

impl<S> fmt::Debug for Issuer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Issuer({} until {})",
            self.domain, self.validity.not_after
        )
    }
}

impl<S: Signer> Issuer<S> {
    /// The issuer of the certificate `der`, whose key is `signer`. `chain` is what has to be sent with leaves: the
    /// certificate itself and those above it, without the root.
    ///
    /// # Errors
    /// When the certificate is no authority of a trust domain, or the key is not its key.
    pub fn new(der: &[u8], chain: Vec<Vec<u8>>, signer: S) -> Result<Self, IssueError> {
        let wrong = |why: &dyn fmt::Display| IssueError::Authority(why.to_string());
        let profile = super::profile::authority_profile(der).map_err(|error| wrong(&error))?;
        let Some(id) = profile.id else {
            return Err(wrong(&"it carries no SPIFFE ID"));
        };
        if profile.public_key.as_ref() != Some(signer.public_key()) {
            return Err(wrong(&"it was made for another key"));
        }
        let der = rustls_pki_types::CertificateDer::from(der);
        Ok(Self {
            inner: rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(signer))?,
            domain: id.trust_domain(),
            validity: profile.validity,
            chain,
            foreign: None,
        })
    }

    /// The issuer that an authority above the domain is, by its key. Its certificate names nobody's domain, so it signs for
    /// this one.
    ///
    /// # Errors
    /// When the key is not its key.
    pub fn upstream(
        upstream: &super::Upstream,
        domain: TrustDomain,
        signer: S,
    ) -> Result<Self, IssueError> {
        if upstream.key() != signer.public_key() {
            let why = "it was made for another key".to_owned();
            return Err(IssueError::Authority(why));
        }
        let unreadable = |_| IssueError::Authority("it is no certificate".to_owned());
        let (_, own) = X509Certificate::from_der(upstream.signing()).map_err(unreadable)?;
        // Its name may have parts that the builder does not write: several of one kind, or several side by side.
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let mut extensions = own.extensions().iter();
        params.key_identifier_method = extensions
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    Some(KeyIdMethod::PreSpecified(id.0.to_vec()))
                }
                _ => None,
            })
            .unwrap_or(KeyIdMethod::Sha256);
        Ok(Self {
            inner: rcgen::Issuer::new(params, CertificateSigner(signer)),
            domain,
            validity: upstream.validity(),
            chain: upstream.chain().to_vec(),
            foreign: Some(own.subject().as_raw().to_vec()),
        })
    }

    pub(super) fn inner(&self) -> &rcgen::Issuer<'static, CertificateSigner<S>> {
        &self.inner
    }

    /// What has to be sent after a leaf.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// When its certificate counts.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Signs a leaf, in DER. Its validity never leaves that of the issuer.
    ///
    /// # Errors
    /// When the leaf would be no X509-SVID of this domain, or the key does not sign.
    pub fn leaf(&self, leaf: &Leaf<'_>) -> Result<Vec<u8>, IssueError> {
        if leaf.id.path().is_empty() {
            return Err(IssueError::NoPath(leaf.id.clone()));
        }
        if !leaf.id.is_in(&self.domain) {
            return Err(IssueError::ForeignDomain {
                id: leaf.id.clone(),
                domain: self.domain.clone(),
            });
        }
        let mut params = params(leaf.serial, self.within(leaf.validity)?)?;
        params.subject_alt_names = vec![uri(leaf.id)?];
        for name in leaf.dns_names {
            params
                .subject_alt_names
                .push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let uris = leaf.crl.map(|url| vec![url.to_owned()]);
        params.crl_distribution_points = uris
            .map(|uris| CrlDistributionPoint { uris })
            .into_iter()
            .collect();
        let certificate = params.signed_by(leaf.public_key, &self.inner)?;
        Ok(certificate.der().to_vec())
    }

    /// Signs the certificate of an authority that signs leaves alone, in DER.
    ///
    /// # Errors
    /// When the key does not sign, or the issuer has run out.
    pub fn intermediate(
        &self,
        public_key: &PublicKey,
        serial: Serial,
        validity: Validity,
    ) -> Result<Vec<u8>, IssueError> {
        let validity = self.within(validity)?;
        let mut params = authority_params(&self.domain, serial, validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(public_key, &self.inner)?;
        let Some(name) = &self.foreign else {
            return Ok(made.der().to_vec());
        };
        let (part, algorithm) = part_issued_by(made.der(), name)
            .ok_or_else(|| IssueError::Authority("its name cannot be taken over".to_owned()))?;
        let signature = rcgen::SigningKey::sign(self.inner.key(), &part)?;
        Ok(signed(&part, &algorithm, &signature))
    }

    fn within(&self, wanted: Validity) -> Result<Validity, IssueError> {
        let own = self.validity;
        let not_before = wanted.not_before.max(own.not_before);
        let not_after = wanted.not_after.min(own.not_after);
        Validity::new(not_before, not_after).ok_or(IssueError::OutOfTime {
            from: own.not_before,
            until: own.not_after,
            at: wanted.not_before,
        })
    }
}

/// Makes the self-signed certificate of the root of a trust domain, in DER.
///
/// # Errors
/// When the key does not sign.
pub fn root(
    domain: &TrustDomain,
    signer: &dyn Signer,
    serial: Serial,
    validity: Validity,
) -> Result<Vec<u8>, IssueError> {
    let params = authority_params(domain, serial, validity)?;
    let certificate = params.self_signed(&CertificateSigner(signer))?;
    Ok(certificate.der().to_vec())
}

fn params(serial: Serial, validity: Validity) -> Result<CertificateParams, IssueError> {
    let unsayable = || IssueError::Authority("a moment that X.509 cannot say".into());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial.0));
    params.not_before = validity.not_before.calendar().ok_or_else(unsayable)?;
    params.not_after = validity.not_after.calendar().ok_or_else(unsayable)?;
    Ok(params)
}

/// Each authority has a Subject of its own, so that a validator does not try every root for every leaf.
fn authority_params(
    domain: &TrustDomain,
    serial: Serial,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    let mut params = params(serial, validity)?;
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, "SPIFFE");
    // A common name has at most 64 letters (RFC 5280, appendix A); a domain may have 255.
    let name: String = domain.as_str().chars().take(64).collect();
    subject.push(DnType::CommonName, name);
    // serialNumber, 2.5.4.5, is a PrintableString and nothing else (RFC 5280, appendix A).
    let number = PrintableString::try_from(serial.to_string())?;
    subject.push(
        DnType::CustomDnType(vec![2, 5, 4, 5]),
        DnValue::PrintableString(number),
    );
    params.subject_alt_names = vec![uri(&domain.id())?];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn uri(id: &SpiffeId) -> Result<SanType, IssueError> {
    Ok(SanType::URI(id.as_str().try_into()?))
}

#[cfg(test)]
mod tests;
