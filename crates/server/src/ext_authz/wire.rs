//! The messages of `envoy.service.auth.v3` as far as they are read and written here; unknown fields are passed over.
//! Numbers and names as in `envoy/service/auth/v3/{external_auth,attribute_context}.proto`.

use std::collections::BTreeMap;

use bailiwick_model::{Map, Value};
use prost_types::value::Kind;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) attributes: Option<AttributeContext>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AttributeContext {
    #[prost(message, optional, tag = "1")]
    pub(super) source: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    pub(super) request: Option<Request>,
    #[prost(btree_map = "string, string", tag = "10")]
    pub(super) context_extensions: BTreeMap<String, String>,
    #[prost(message, optional, tag = "11")]
    pub(super) metadata_context: Option<Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Peer {
    #[prost(string, tag = "4")]
    pub(super) principal: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    #[prost(message, optional, tag = "2")]
    pub(super) http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) method: String,
    /// Several headers of one name stand here as one, with commas between; empty where `header_map` is used.
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) headers: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    pub(super) path: String,
    #[prost(string, tag = "5")]
    pub(super) host: String,
    #[prost(string, tag = "6")]
    pub(super) scheme: String,
    #[prost(message, optional, tag = "13")]
    pub(super) header_map: Option<HeaderMap>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) raw_value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) filter_metadata: BTreeMap<String, prost_types::Struct>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<Status>,
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub(super) http_response: Option<HttpResponse>,
    #[prost(message, optional, tag = "4")]
    pub(super) dynamic_metadata: Option<prost_types::Struct>,
}

/// `google.rpc.Status`. Code 0 allows, and nothing else does.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum HttpResponse {
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DeniedHttpResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    pub(super) body: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    pub(super) headers: Vec<HeaderValueOption>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HttpStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<HeaderValue>,
    /// `google.protobuf.BoolValue`: whether it stands beside what the client sent, or in its place.
    #[prost(message, optional, tag = "2")]
    pub(super) append: Option<bool>,
}

impl HeaderValueOption {
    /// A header that takes the place of the client's.
    pub(super) fn set(name: &str, value: String) -> Self {
        Self {
            header: Some(HeaderValue {
                key: name.to_owned(),
                value,
                raw_value: Vec::new(),
            }),
            append: Some(false),
        }
    }
}

impl HttpRequest {
    /// Headers by name in small letters; several of one name stand behind each other where the gateway sends
    /// `header_map`.
    pub(super) fn headers(&mut self) -> Vec<(String, String)> {
        let map = self
            .header_map
            .take()
            .unwrap_or_default()
            .headers
            .into_iter();
        let listed = map.map(|header| match header.raw_value.as_slice() {
            [] => (header.key, header.value),
            raw => (header.key, String::from_utf8_lossy(raw).into_owned()),
        });
        let joined = std::mem::take(&mut self.headers).into_iter();
        listed
            .chain(joined)
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect()
    }
}

/// A structure as plain values. Its depth is bounded by what the decoder takes: 100 messages in each other.
pub(super) fn plain(found: prost_types::Struct) -> Map {
    Map::from_unique(
        found
            .fields
            .into_iter()
            .map(|(key, found)| (key, value(found)))
            .collect(),
    )
}

fn value(found: prost_types::Value) -> Value {
    match found.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => number_value(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(value).collect()),
        Some(Kind::StructValue(found)) => Value::Object(plain(found)),
    }
}

/// All numbers are doubles here; whole ones read as such again.
fn number_value(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !number.is_finite() {
        return Value::Null;
    }
    if number.fract() != 0.0 || number.abs() > EXACT {
        return Value::Float(number);
    }
    #[allow(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let whole = number as i64;
    u64::try_from(whole).map_or(Value::Int(whole), Value::UInt)
}
