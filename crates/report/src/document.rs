use serde::Serialize;

use crate::inert::inert_json;
use crate::yaml::to_yaml;

/// `apiVersion` of every document that Bailiwick writes. Fields are added to it, never taken away or given another
/// meaning.
pub const API_VERSION: &str = "bailiwick.dev/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, T> {
    api_version: &'static str,
    kind: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// A document of this kind as indented JSON with a line end: `apiVersion`, `kind` and the fields of `body`.
///
/// # Errors
/// Where `body` is no mapping, or has keys that are no texts.
pub fn json<T: Serialize>(kind: &str, body: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&document(kind, body))?;
    text.push('\n');
    Ok(inert_json(text))
}

/// A document of this kind as YAML, keys sorted as kubectl sorts them.
///
/// # Errors
/// Where `body` is no mapping, or has keys that are no texts.
pub fn yaml<T: Serialize>(kind: &str, body: &T) -> Result<String, serde_json::Error> {
    to_yaml(&document(kind, body))
}

fn document<'a, T>(kind: &'a str, body: &'a T) -> Document<'a, T> {
    Document {
        api_version: API_VERSION,
        kind,
        body,
    }
}
