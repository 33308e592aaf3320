//! JWT-SVID: tokens that say who a workload is, how they are made and how they are checked.

mod algorithm;
mod compact;
mod discovery;
mod issue;
mod validate;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{Curve, Numbers};
pub(crate) use compact::read as take_apart;
pub use compact::{MAX_TOKEN_BYTES, MalformedToken};
pub use discovery::{IssuerUrl, IssuerUrlError};
pub use issue::{JwtIssueError, RESERVED_CLAIMS, Token, sign};
pub use validate::{JwtError, JwtKeys, JwtSvid, validate};
