use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A SPIFFE ID is never longer (SPIFFE-ID 2.3). Longer ones are not read either: what comes from outside is bounded.
pub const MAX_ID_BYTES: usize = 2048;
/// A trust domain is never longer (SPIFFE-ID 2.3).
const MAX_DOMAIN_BYTES: usize = 255;
const SCHEME: &str = "spiffe://";

/// The name of a trust domain, such as `prod.example`: lower-case letters, digits, `.`, `-` and `_`, at most 255 bytes.
///
/// A name that looks like an address or a DNS name means nothing more by that (SPIFFE-ID 2.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Arc<str>);

/// A SPIFFE ID: a trust domain and the path of a workload in it, or no path, which is the domain itself.
///
/// Its text has scheme and domain in lower case; ids are equal when their texts are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: Arc<str>,
    /// Where the path starts; the length of the text where there is none.
    path: usize,
}

/// Why a text is no SPIFFE ID or trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// Longer than [`MAX_ID_BYTES`].
    #[error("a SPIFFE ID of {0} bytes: the most is {MAX_ID_BYTES}")]
    TooLong(usize),
    /// Another scheme, or none.
    #[error("`{0}` does not start with `spiffe://`")]
    Scheme(String),
    /// No name between `spiffe://` and the path.
    #[error("the trust domain is empty: write `spiffe://DOMAIN/PATH`")]
    NoDomain,
    /// A trust domain that is too long.
    #[error("a trust domain of {0} bytes: the most is {MAX_DOMAIN_BYTES}")]
    DomainTooLong(usize),
    /// A letter that trust domains do not have: no user, port or percent sign belongs there.
    #[error("`{0}` in the trust domain: it is made of `a-z`, `0-9`, `.`, `-` and `_`")]
    DomainLetter(char),
    /// A letter that paths do not have: no query, fragment or percent sign belongs there.
    #[error("`{0}` in the path: its segments are made of `a-z`, `A-Z`, `0-9`, `.`, `-` and `_`")]
    PathLetter(char),
    /// Two slashes together, or one at the end.
    #[error("the path has an empty segment: no `//`, and no `/` at the end")]
    EmptySegment,
    /// `.` or `..`.
    #[error("the path has the segment `{0}`: paths are not resolved")]
    DotSegment(String),
    /// A path where a trust domain is expected.
    #[error("`{0}` has a path, and a trust domain has none")]
    NotADomain(String),
}

impl TrustDomain {
    /// Reads a name, `prod.example` or `spiffe://prod.example`.
    ///
    /// # Errors
    /// When the name is no trust domain or has a path.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.contains("://") {
            let id = SpiffeId::parse(text)?;
            if !id.path().is_empty() {
                return Err(IdError::NotADomain(echo(text)));
            }
            return Ok(id.trust_domain());
        }
        check_domain(text)?;
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `spiffe://DOMAIN`: the id under which bundles of the domain go.
    pub fn id(&self) -> SpiffeId {
        let text = format!("{SCHEME}{}", self.0);
        SpiffeId {
            path: text.len(),
            text: text.into(),
        }
    }

    /// The id of a workload of this domain. `path` starts with `/`.
    ///
    /// # Errors
    /// When the path is none or the id becomes too long.
    pub fn workload(&self, path: &str) -> Result<SpiffeId, IdError> {
        SpiffeId::parse(&format!("{SCHEME}{}{path}", self.0))
    }
}

impl SpiffeId {
    /// Reads an id. Scheme and domain may be written in upper case (SPIFFE-ID 2.1); the path counts letter by letter.
    ///
    /// # Errors
    /// When the text is no SPIFFE ID, with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() > MAX_ID_BYTES {
            return Err(IdError::TooLong(text.len()));
        }
        let rest = match text.get(..SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => {
                text.get(SCHEME.len()..).unwrap_or_default()
            }
            _ => return Err(IdError::Scheme(echo(text))),
        };
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        check_domain(domain)?;
        check_path(path)?;
        let text = format!("{SCHEME}{}{path}", domain.to_ascii_lowercase());
        Ok(Self {
            path: SCHEME.len() + domain.len(),
            text: text.into(),
        })
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The domain it belongs to.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain(self.domain_str().into())
    }

    /// Whether it belongs to `domain`.
    pub fn is_in(&self, domain: &TrustDomain) -> bool {
        self.domain_str() == domain.as_str()
    }

    /// `/ns/shop/sa/web`, or empty for a trust domain.
    pub fn path(&self) -> &str {
        self.text.get(self.path..).unwrap_or_default()
    }

    fn domain_str(&self) -> &str {
        self.text.get(SCHEME.len()..self.path).unwrap_or_default()
    }
}

fn check_domain(domain: &str) -> Result<(), IdError> {
    if domain.is_empty() {
        return Err(IdError::NoDomain);
    }
    // The length comes second, so that a letter that does not belong there is what is said of `spiffe://td?x=...`.
    let known = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if let Some(letter) = domain.chars().find(|letter| !known(letter)) {
        return Err(IdError::DomainLetter(letter));
    }
    if domain.len() > MAX_DOMAIN_BYTES {
        return Err(IdError::DomainTooLong(domain.len()));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), IdError> {
    let Some(segments) = path.strip_prefix('/') else {
        return Ok(());
    };
    for segment in segments.split('/') {
        check_segment(segment)?;
    }
    Ok(())
}

/// Whether `segment` may stand between two slashes of a path (SPIFFE-ID 2.2).
pub(crate) fn check_segment(segment: &str) -> Result<(), IdError> {
    let known = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if let Some(letter) = segment.chars().find(|letter| !known(letter)) {
        return Err(IdError::PathLetter(letter));
    }
    match segment {
        "" => Err(IdError::EmptySegment),
        "." | ".." => Err(IdError::DotSegment(segment.to_owned())),
        _ => Ok(()),
    }
}

/// What a message repeats of a text from outside.
fn echo(text: &str) -> String {
    let mut echo: String = text.chars().take(80).collect();
    if echo.len() < text.len() {
        echo.push('…');
    }
    echo
}

macro_rules! text_type {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}

text_type!(TrustDomain);
text_type!(SpiffeId);

#[cfg(test)]
mod tests;
