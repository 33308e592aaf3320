//! What an authority says of certificates that it signed and that count no more (RFC 5280, section 5).

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::{IssueError, Issuer, Serial};
use crate::{Signer, UnixTime};

/// A list of revoked certificates, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// Greater than that of every list before.
    pub number: u64,
    /// From when on it counts.
    pub from: UnixTime,
    /// When there is another one at the latest.
    pub until: UnixTime,
    /// What is revoked, and since when.
    pub revoked: Vec<(Serial, UnixTime)>,
}

impl<S: Signer> Issuer<S> {
    /// Signs a list, in DER. Numbers of other issuers may be in it: they are nobody's here.
    ///
    /// # Errors
    /// When the key does not sign, or a time cannot be said.
    pub fn crl(&self, list: &RevocationList) -> Result<Vec<u8>, IssueError> {
        let moment = |at: UnixTime| {
            let unsayable = || IssueError::Authority("a moment that X.509 cannot say".into());
            at.calendar().ok_or_else(unsayable)
        };
        let revoked = list.revoked.iter().map(|(serial, at)| {
            Ok::<_, IssueError>(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial.as_bytes()),
                revocation_time: moment(*at)?,
                // RFC 5280 5.3.1: leave it out where there is none to give.
                reason_code: None,
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: moment(list.from)?,
            next_update: moment(list.until)?,
            crl_number: SerialNumber::from_slice(&list.number.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(self.inner())?.der().to_vec())
    }
}
