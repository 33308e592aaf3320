//! The generated code of the wire formats, and how messages that hold secrets print.

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    clippy::uninlined_format_args,
    reason = "written by `cargo xtask generate proto`"
)]
#[path = "../generated/mod.rs"]
mod generated;

use std::fmt;

use tonic::{Code, Status};

pub(crate) use generated::*;

/// Descriptions of all services, for gRPC reflection.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!("../generated/descriptors.bin");

pub(crate) use generated::bailiwick::identity::v1 as issuer;
pub(crate) use generated::envoy::extensions::transport_sockets::tls::v3 as tls;
pub(crate) use generated::envoy::service::discovery::v3 as discovery;
pub(crate) use generated::google::rpc;
pub(crate) use generated::spiffe::broker;

impl fmt::Debug for X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509svid({})", self.spiffe_id)
    }
}

impl fmt::Debug for Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwtsvid({})", self.spiffe_id)
    }
}

impl fmt::Debug for Witsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witsvid({})", self.spiffe_id)
    }
}

impl fmt::Debug for broker::X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509svid({})", self.spiffe_id)
    }
}

impl fmt::Debug for broker::Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwtsvid({})", self.spiffe_id)
    }
}

impl fmt::Debug for ValidateJwtsvidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValidateJwtsvidRequest({:?})", self.audience)
    }
}

impl fmt::Debug for issuer::IssueResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssueResponse({})", self.spiffe_id)
    }
}

impl fmt::Debug for issuer::JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinRequest(..)")
    }
}

impl fmt::Debug for issuer::join_request::Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

impl fmt::Debug for issuer::SignResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignResponse(until {})", self.until)
    }
}

impl From<Result<issuer::SignResponse, Status>> for issuer::SignOutcome {
    fn from(signed: Result<issuer::SignResponse, Status>) -> Self {
        use issuer::sign_outcome::Outcome;
        let outcome = match signed {
            Ok(response) => Outcome::Signed(response),
            Err(status) => Outcome::Refused(issuer::Refusal {
                code: status.code().into(),
                message: status.message().to_owned(),
            }),
        };
        let outcome = Some(outcome);
        Self { outcome }
    }
}

impl From<issuer::SignOutcome> for Result<issuer::SignResponse, Status> {
    fn from(outcome: issuer::SignOutcome) -> Self {
        use issuer::sign_outcome::Outcome;
        match outcome.outcome {
            Some(Outcome::Signed(response)) => Ok(response),
            Some(Outcome::Refused(refusal)) => {
                Err(Status::new(Code::from_i32(refusal.code), refusal.message))
            }
            None => Err(Status::unavailable("the server sent no outcome")),
        }
    }
}

impl fmt::Debug for tls::DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataSource(..)")
    }
}

impl fmt::Debug for tls::data_source::Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Specifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_tokens_do_not_print() {
        let svid = X509svid {
            spiffe_id: "spiffe://td/a".into(),
            x509_svid_key: b"secret".to_vec(),
            ..X509svid::default()
        };
        let response = X509svidResponse {
            svids: vec![svid],
            ..X509svidResponse::default()
        };
        let shown = format!("{response:?}");
        assert!(shown.contains("X509svid(spiffe://td/a)"), "{shown}");
        let jwt = Jwtsvid {
            svid: "secret".into(),
            ..Jwtsvid::default()
        };
        assert!(!format!("{jwt:?}").contains("secret"));
        let wit = Witsvid {
            wit_svid_key: "secret".into(),
            ..Witsvid::default()
        };
        assert!(!format!("{wit:?}").contains("secret"));
        let brokered = broker::X509svid {
            x509_svid_key: b"secret".to_vec(),
            ..broker::X509svid::default()
        };
        assert_eq!(format!("{brokered:?}"), "X509svid()");
        let issued = issuer::IssueResponse {
            token: "secret".into(),
            ..issuer::IssueResponse::default()
        };
        assert!(!format!("{issued:?}").contains("secret"));
        let secret = tls::DataSource {
            specifier: Some(tls::data_source::Specifier::InlineString("secret".into())),
        };
        assert!(!format!("{secret:?}").contains("secret"));
    }
}
