//! X509-SVID: certificates that say who a workload is, how they are made and how they are checked.

mod crl;
mod der;
mod issue;
mod profile;
mod request;
mod upstream;
mod validate;

pub use crl::RevocationList;
pub use issue::{
    DnsName, DnsNameError, IssueError, Issuer, Leaf, Serial, SerialError, Validity, root,
};
pub use profile::{Profile, ProfileError, leaf_profile};
pub(crate) use profile::{authority_id, read as readable};
pub use request::{MAX_REQUEST_BYTES, RequestError, request_for, requested_key};
pub use upstream::{Place, Upstream, UpstreamError};
pub use validate::{Anchors, MAX_CHAIN, Svid, ValidateError, validate};
