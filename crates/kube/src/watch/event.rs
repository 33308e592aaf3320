//! One line of a watch.

use bailiwick_model::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::followed::Followed;
use crate::load::page::{Form, Page};

/// What the API server tells.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// The object is as it says.
    Put(Value),
    /// The object is gone; this is how it was.
    Gone(Value),
    /// Nothing is new up to this state of the cluster.
    Bookmark(String),
    /// What the watch went on from is forgotten.
    Expired,
    /// The watch cannot go on.
    Failed(String),
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Head {
    metadata: Meta,
    code: u16,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    resource_version: String,
}

impl Event {
    /// Reads a line. `type_column` is what the tables of a watch say once.
    ///
    /// # Errors
    /// A sentence, where it is not what an API server writes.
    pub(super) fn parse(
        line: &[u8],
        kind: impl Followed,
        type_column: &mut Option<usize>,
    ) -> Result<Self, String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let text = line.object.get();
        let head = || serde_json::from_str::<Head>(text).map_err(|error| error.to_string());
        match &*line.r#type {
            "ADDED" | "MODIFIED" => object(text, kind, type_column).map(Self::Put),
            "DELETED" => object(text, kind, type_column).map(Self::Gone),
            "BOOKMARK" => Ok(Self::Bookmark(head()?.metadata.resource_version)),
            "ERROR" => {
                let status = head()?;
                Ok(match status.code {
                    410 => Self::Expired,
                    _ => Self::Failed(status.message),
                })
            }
            other => Err(format!("it tells of `{other}` in a watch")),
        }
    }
}

/// The one object of an event, in the form of a list of one.
fn object(
    text: &str,
    kind: impl Followed,
    type_column: &mut Option<usize>,
) -> Result<Value, String> {
    let form = Form::of(kind);
    let list;
    let page = match form {
        Form::Table => text.as_bytes(),
        Form::Objects => {
            list = format!(r#"{{"kind":"List","items":[{text}]}}"#);
            list.as_bytes()
        }
    };
    let page = Page::parse_with(page, form, *type_column)?;
    *type_column = page.type_column;
    let mut object = None;
    page.objects(kind, &mut |value| object = Some(value))?;
    object.ok_or_else(|| "it tells of a change of nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use bailiwick_core::Kind;

    use super::*;

    #[test]
    fn lines() {
        let mut column = None;
        let mut check = |kind, line: &str, expected: &str| {
            let event = match Event::parse(line.as_bytes(), kind, &mut column) {
                Ok(Event::Put(value)) => format!("put {value}"),
                Ok(Event::Gone(value)) => format!("gone {value}"),
                other => format!("{other:?}"),
            };
            assert!(event.contains(expected), "{event} instead of {expected}");
        };
        let role = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"a"}}"#;
        check(
            Kind::Role,
            &format!(r#"{{"type":"ADDED","object":{role}}}"#),
            &format!("put {role}"),
        );
        check(
            Kind::Role,
            &format!(r#"{{"type":"DELETED","object":{role}}}"#),
            &format!("gone {role}"),
        );
        check(
            Kind::Role,
            r#"{"type":"BOOKMARK","object":{"kind":"Role","metadata":{"resourceVersion":"7"}}}"#,
            r#"Ok(Bookmark("7"))"#,
        );
        check(
            Kind::Role,
            r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#,
            "Ok(Expired)",
        );
        check(
            Kind::Role,
            r#"{"type":"ERROR","object":{"kind":"Status","code":500,"message":"no"}}"#,
            r#"Ok(Failed("no"))"#,
        );
        check(Kind::Role, r#"{"type":"NEWS","object":{}}"#, "`NEWS`");
        check(Kind::Role, "<html>", "Err(");
        // A whole Secret in place of a table is not looked at.
        check(
            Kind::Secret,
            r#"{"type":"ADDED","object":{"kind":"Secret","metadata":{"name":"a"},"data":{"k":"planted"}}}"#,
            r#"Err("it gave a `Secret`"#,
        );
        let columns = r#","columnDefinitions":[{"name":"Name"},{"name":"Type"}]"#;
        for columns in [columns, "", r#","columnDefinitions":null"#] {
            check(
                Kind::Secret,
                &format!(
                    r#"{{"type":"ADDED","object":{{"kind":"Table"{columns},"rows":[{{"cells":["a","Opaque"],"object":{{"metadata":{{"name":"a"}}}}}}]}}}}"#
                ),
                r#"put {"metadata":{"name":"a"},"type":"Opaque","apiVersion":"v1","kind":"Secret"}"#,
            );
        }
    }
}
