//! JWT-SVID: tokens that say who a workload is, how they are made and how they are checked.

mod algorithm;
mod compact;
mod discovery;
mod issue;
mod validate;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{Curve, Numbers};
pub use compact::{MAX_TOKEN_BYTES, MalformedToken};
pub(crate) use compact::{parts, read as take_apart};
pub use discovery::{IssuerUrl, IssuerUrlError};
pub(crate) use issue::compact;
pub use issue::{JwtIssueError, RESERVED_CLAIMS, Token, sign};
pub use validate::{JwtError, JwtKeys, JwtSvid, validate};
pub(crate) use validate::{date, named_audience};
