//! What a broker hears of a workload that gets nothing.

use std::collections::BTreeMap;

use prost::Message as _;
use tonic::{Code, Status};

use crate::wire::rpc;

/// `domain` of the details.
const DOMAIN: &str = "spiffe.io";

/// Why nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The reference says nothing.
    Invalid,
    /// There is no such workload.
    NotFound,
    /// There is one, which gets nothing.
    NotEntitled,
}

impl Reason {
    fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::NotEntitled => Code::PermissionDenied,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Invalid => "WORKLOAD_REFERENCE_INVALID",
            Self::NotFound => "WORKLOAD_NOT_FOUND",
            Self::NotEntitled => "WORKLOAD_NOT_ENTITLED",
        }
    }

    /// With the details that machines read.
    pub(super) fn status(self, message: impl Into<String>) -> Status {
        let message = message.into();
        let info = rpc::ErrorInfo {
            reason: self.name().to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: BTreeMap::new(),
        };
        let details = rpc::Status {
            code: self.code().into(),
            message: message.clone(),
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
                value: info.encode_to_vec(),
            }],
        };
        Status::with_details(self.code(), message, details.encode_to_vec().into())
    }
}

/// Whether a status is one of these.
pub(super) fn is_refusal(status: &Status) -> bool {
    let reasons = [Reason::Invalid, Reason::NotFound, Reason::NotEntitled];
    reasons.iter().any(|reason| reason.code() == status.code())
}

/// A refusal of a workload, as those of the Workload API are told, with its details.
pub(super) fn entitled(status: Status) -> Status {
    match status.code() {
        Code::PermissionDenied if status.details().is_empty() => {
            Reason::NotEntitled.status(status.message())
        }
        _ => status,
    }
}
