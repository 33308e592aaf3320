use std::fmt::Write as _;

use serde_json::Value as Json;
use zeroize::Zeroizing;

/// A request to a cloud, always a POST. It does not print by itself; [`Request::redacted`] shows it without secrets.
pub struct Request {
    /// Where it goes.
    pub url: String,
    /// The token in the header `Authorization`.
    pub bearer: Option<Zeroizing<String>>,
    /// What it says.
    pub body: Body,
}

/// The body of a request.
pub enum Body {
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(&'static str, Value)>),
    /// `application/json`, without secrets.
    Json(Json),
}

/// A value of a form.
pub enum Value {
    /// One that may be seen.
    Plain(String),
    /// One that may not.
    Secret(Zeroizing<String>),
}

impl Body {
    /// Its type, for the header.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Json(_) => "application/json",
        }
    }

    /// What is sent.
    pub fn encode(&self) -> Zeroizing<String> {
        match self {
            Self::Json(json) => Zeroizing::new(json.to_string()),
            Self::Form(fields) => {
                // One allocation: what grows leaves copies behind.
                let most: usize = fields
                    .iter()
                    .map(|(name, value)| name.len() + 3 * value.text().len() + 2)
                    .sum();
                let mut text = Zeroizing::new(String::with_capacity(most));
                for (name, value) in fields {
                    if !text.is_empty() {
                        text.push('&');
                    }
                    text.push_str(name);
                    text.push('=');
                    escape(value.text(), &mut text);
                }
                text
            }
        }
    }
}

impl Value {
    pub(super) fn plain(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }

    pub(super) fn secret(text: &str) -> Self {
        Self::Secret(Zeroizing::new(text.to_owned()))
    }

    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(text) => text,
        }
    }
}

impl Request {
    /// The request as people read it, each field on a line, secrets left out.
    pub fn redacted(&self) -> String {
        let mut text = format!(
            "POST {}\nContent-Type: {}\n",
            self.url,
            self.body.content_type()
        );
        if self.bearer.is_some() {
            text.push_str("Authorization: Bearer REDACTED\n");
        }
        text.push('\n');
        match &self.body {
            Body::Json(json) => {
                let _ = writeln!(text, "{json:#}");
            }
            Body::Form(fields) => {
                for (name, value) in fields {
                    let shown = match value {
                        Value::Plain(value) => value,
                        Value::Secret(_) => "REDACTED",
                    };
                    let _ = writeln!(text, "{name}={shown}");
                }
            }
        }
        text
    }
}

/// `application/x-www-form-urlencoded`, with every byte escaped that RFC 3986 does not call unreserved.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}
