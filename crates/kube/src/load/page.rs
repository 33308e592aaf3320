//! One page of a list, from the API server's JSON to the plain values of its objects.

use bailiwick_core::Kind;
use bailiwick_model::{Map, Value};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::kinds::api_version;
use super::prune::Keep;
use crate::followed::Followed;

/// How a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole objects.
    Objects,
    /// The table that `kubectl get` shows, with the metadata of each object: for Secrets, whose type it tells while
    /// their values stay where they are.
    Table,
}

impl Form {
    pub(crate) fn of(kind: impl Followed) -> Self {
        if kind.known() == Some(Kind::Secret) {
            Self::Table
        } else {
            Self::Objects
        }
    }

    /// The `Accept` header. There is no second choice in it: a server that cannot make tables refuses.
    pub(crate) fn accept(self) -> &'static str {
        match self {
            Self::Objects => "application/json",
            Self::Table => "application/json;as=Table;v=v1;g=meta.k8s.io",
        }
    }
}

/// A page whose objects are still JSON.
#[derive(Debug)]
pub(crate) struct Page {
    items: Option<Box<RawValue>>,
    /// Column of a table that holds the type of a Secret.
    pub(crate) type_column: Option<usize>,
    /// The version of the API group that it was asked for in.
    pub(crate) api: &'static str,
    /// The state of the cluster that the list shows, in the server's own numbering.
    pub(crate) version: String,
    /// Where the next page starts; `None` after the last.
    pub(crate) next: Option<String>,
    /// How many objects come after this page, where the server tells.
    pub(crate) remaining: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: ListMeta,
    items: Option<Box<RawValue>>,
    rows: Option<Box<RawValue>>,
    #[serde(default)]
    column_definitions: Option<Vec<Column>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    r#continue: String,
    remaining_item_count: Option<u64>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

impl Page {
    /// Reads the head of a page.
    ///
    /// # Errors
    /// A sentence, where the answer is no list of the form that was asked for.
    pub(crate) fn parse(bytes: &[u8], form: Form) -> Result<Self, String> {
        Self::parse_with(bytes, form, None)
    }

    /// The same for a table that leaves out its columns, as all but the first of a watch do.
    pub(crate) fn parse_with(
        bytes: &[u8],
        form: Form,
        type_column: Option<usize>,
    ) -> Result<Self, String> {
        let list: List = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut columns = list.column_definitions.iter().flatten();
        let type_column = columns
            .position(|column| column.name == "Type")
            .or(type_column);
        let items = match form {
            Form::Objects if list.kind.ends_with("List") => list.items,
            Form::Table if list.kind == "Table" && type_column.is_some() => list.rows,
            _ => return Err(format!("it gave a `{}` in answer to a list", list.kind)),
        };
        Ok(Self {
            items,
            type_column,
            api: "",
            version: list.metadata.resource_version,
            next: Some(list.metadata.r#continue).filter(|token| !token.is_empty()),
            remaining: list.metadata.remaining_item_count,
        })
    }

    /// Hands over one object after the other, each with its kind.
    ///
    /// # Errors
    /// A sentence, where the JSON is not what the API server writes.
    pub(crate) fn objects(
        &self,
        kind: impl Followed,
        sink: &mut dyn FnMut(Value),
    ) -> Result<(), String> {
        let Some(items) = &self.items else {
            return Ok(());
        };
        let mut deserializer = serde_json::Deserializer::from_str(items.get());
        let read = deserializer.deserialize_any(Objects {
            kind,
            type_column: self.type_column,
            sink,
        });
        read.map_err(|error| error.to_string())
    }
}

struct Objects<'a, K> {
    kind: K,
    type_column: Option<usize>,
    sink: &'a mut dyn FnMut(Value),
}

impl<'de, K: Followed> Visitor<'de> for Objects<'_, K> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    /// Go writes an empty list as `null`.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let api_version = api_version(self.kind);
        let mut hand_over = |mut object: Map| {
            object.insert("apiVersion".to_owned(), Value::String(api_version.clone()));
            object.insert("kind".to_owned(), Value::String(self.kind.name()));
            (self.sink)(Value::Object(object));
        };
        let Some(column) = self.type_column else {
            while let Some(item) = items.next_element_seed(Keep::of(self.kind.known()))? {
                if let Value::Object(object) = item {
                    hand_over(object);
                }
            }
            return Ok(());
        };
        while let Some(Row {
            mut cells,
            object: Pruned(object),
        }) = items.next_element()?
        {
            if let Value::Object(mut object) = object {
                if column < cells.len() {
                    object.insert("type".to_owned(), cells.swap_remove(column));
                }
                hand_over(object);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    object: Pruned,
}

/// The metadata of a Secret.
struct Pruned(Value);

impl<'de> Deserialize<'de> for Pruned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Keep::of(Some(Kind::Secret))
            .deserialize(deserializer)
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, json: &str, expected: Result<&[&str], &str>) {
        let mut read = Vec::new();
        let page = Page::parse(json.as_bytes(), Form::of(kind));
        let result =
            page.and_then(|page| page.objects(kind, &mut |value| read.push(value.to_string())));
        match (result, expected) {
            (Ok(()), Ok(expected)) => assert_eq!(read, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (result, _) => panic!("{json}: {result:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn objects_carry_the_kind_that_lists_leave_out() {
        check(
            Kind::Role,
            r#"{"kind":"RoleList","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{},"items":[{"metadata":{"name":"a"}}]}"#,
            Ok(&[
                r#"{"metadata":{"name":"a"},"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role"}"#,
            ]),
        );
        check(Kind::Role, r#"{"kind":"RoleList","items":null}"#, Ok(&[]));
        check(Kind::Role, r#"{"kind":"Status"}"#, Err("`Status`"));
        check(Kind::Role, "<html>", Err("expected value"));
        check(
            Kind::Role,
            r#"{"kind":"RoleList","items":7}"#,
            Err("list of objects"),
        );
    }

    #[test]
    fn a_secret_is_its_metadata_and_type() {
        check(
            Kind::Secret,
            r#"{"kind":"Table","columnDefinitions":[{"name":"Name"},{"name":"Type"}],"rows":[{"cells":["a","Opaque"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}}]}"#,
            Ok(&[r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"},"type":"Opaque"}"#]),
        );
    }

    #[test]
    fn a_server_that_sends_whole_secrets_is_not_read() {
        check(
            Kind::Secret,
            r#"{"kind":"SecretList","items":[{"metadata":{"name":"a"},"data":{"k":"planted"}}]}"#,
            Err("`SecretList`"),
        );
        check(
            Kind::Secret,
            r#"{"kind":"Table","rows":[]}"#,
            Err("`Table`"),
        );
    }
}
