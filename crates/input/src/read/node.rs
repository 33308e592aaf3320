use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle};

use super::problem::Problem;
use super::scalar::{Scalar, ScalarError, Tag, resolve};
use super::yaml::MEND;

/// Whether a key is a merge key (`isMerge` of go-yaml's `decode.go`).
pub(crate) fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) if text == "<<" => match tag {
            None => *style == ScalarStyle::Plain,
            Some(tag) if is_bare(tag) => true,
            Some(tag) => tag.suffix_in_namespace(CORE).as_deref() == Some("merge"),
        },
        _ => false,
    }
}

/// Whether a tag is a lone `!`. To go-yaml the scalar behind it counts as untagged, quoted or not (`parserc.go`), except
/// that its text stays a text.
fn is_bare(tag: &granit_parser::Tag) -> bool {
    tag.handle().is_empty() && tag.suffix() == "!"
}

/// The text of a scalar key; `None` where it has no text or is no scalar.
pub(crate) fn key_text(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Scalar(text, style, _, tag) => scalar(text.clone(), *style, tag.as_deref(), &(0..0))
            .ok()?
            .into_key()
            .ok(),
        _ => None,
    }
}

/// The scalar that a key was, of which `key` is the text and `written` what stands in the document.
pub(super) fn written_key<'t>(written: &'t str, key: &'t str) -> Scalar<'t> {
    match resolve(written.into(), None) {
        Ok(Scalar::Text(_)) | Err(_) => Scalar::Text(key.into()),
        Ok(scalar) => scalar,
    }
}

/// What the tags of YAML itself start with, `!!` for short.
const CORE: &str = "tag:yaml.org,2002:";

/// The scalar that text, quotes and tag make.
pub(super) fn scalar<'t>(
    text: Cow<'t, str>,
    style: ScalarStyle,
    tag: Option<&granit_parser::Tag>,
    at: &Range<usize>,
) -> Result<Scalar<'t>, Problem> {
    let tag = match tag {
        None if style == ScalarStyle::Plain => None,
        None => return Ok(Scalar::Text(text)),
        Some(tag) => match tag.suffix_in_namespace(CORE).as_deref() {
            Some("str") => Some(Tag::Str),
            Some("bool") => Some(Tag::Bool),
            Some("int") => Some(Tag::Int),
            Some("float") => Some(Tag::Float),
            Some("null") => Some(Tag::Null),
            Some("binary") => Some(Tag::Binary),
            Some("timestamp") => {
                return Err(Problem::new(
                    "broken-yaml",
                    "the tag !!timestamp is not supported",
                    "delete the tag and quote the text: kubectl makes it a text too",
                    at.clone(),
                ));
            }
            // Any other tag leaves the text as it is.
            _ => return Ok(Scalar::Text(text)),
        },
    };
    resolve(text, tag).map_err(|error| scalar_problem(error, at))
}

pub(super) fn scalar_problem(error: ScalarError, at: &Range<usize>) -> Problem {
    let (message, help) = match error {
        ScalarError::Tag => ("the text is not of the type that its tag names", MEND),
        ScalarError::Base64 => ("the tag !!binary needs base64", MEND),
        ScalarError::NotFinite => (
            "infinity and NaN have no place in a Kubernetes object",
            "quote it if it is a text",
        ),
        ScalarError::NullKey => ("null is used as a key", "quote the key"),
        ScalarError::HugeKey => ("a number this large cannot be a key", "quote the key"),
    };
    Problem::new("broken-yaml", message, help, at.clone())
}
