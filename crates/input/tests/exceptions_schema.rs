//! `docs/exceptions.schema.json` takes and refuses what the reader of exceptions does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use serde_json::{Map, Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/exceptions.schema.json")).unwrap()
}

/// Whether a value is what a schema asks for, as far as JSON Schema 2020-12 has the words that ours uses. Another word
/// is an error, so that none is passed over.
fn takes(schema: &Value, value: &Value) -> bool {
    let schema = schema.as_object().unwrap();
    let own = |name: &str| value.as_object().is_some_and(|map| map.contains_key(name));
    let fields = schema.get("properties").and_then(Value::as_object);
    schema.iter().all(|(word, wanted)| match word.as_str() {
        "$schema" | "$id" | "title" | "description" => true,
        "type" => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            other => panic!("type {other}"),
        },
        "const" => value == wanted,
        "required" => names(wanted).all(&own),
        "properties" => {
            let of = |(name, schema)| value.get(name).is_none_or(|value| takes(schema, value));
            wanted.as_object().unwrap().iter().all(of)
        }
        "additionalProperties" => {
            assert_eq!(wanted, &json!(false));
            let known = fields.unwrap();
            let all = value.as_object().into_iter().flatten();
            all.into_iter().all(|(name, _)| known.contains_key(name))
        }
        "items" => {
            let all = value.as_array().into_iter().flatten();
            all.into_iter().all(|item| takes(wanted, item))
        }
        "maxItems" => value
            .as_array()
            .is_none_or(|all| all.len() as u64 <= wanted.as_u64().unwrap()),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
        "oneOf" => {
            schemas(wanted)
                .filter(|schema| takes(schema, value))
                .count()
                == 1
        }
        "anyOf" => schemas(wanted).any(|schema| takes(schema, value)),
        "not" => !takes(wanted, value),
        "pattern" => value.as_str().is_none_or(|text| is_day(wanted, text)),
        other => panic!("the schema uses `{other}`, which this test does not know"),
    })
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
}

fn schemas(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap().iter()
}

/// The one pattern, by hand.
fn is_day(pattern: &Value, text: &str) -> bool {
    assert_eq!(pattern, "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].+)?$");
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte.eq_ignore_ascii_case(&b't'),
        at => at > 10 || byte.is_ascii_digit(),
    };
    text.bytes().enumerate().all(shape) && (text.len() == 10 || text.len() > 11)
}

fn whole() -> Map<String, Value> {
    let item = json!({
        "check": "full-control",
        "object": {"kind": "RoleBinding", "namespace": "shop", "name": "ops"},
        "owner": "team-shop",
        "reason": "until the move",
        "expires": "2027-01-31",
    });
    item.as_object().unwrap().clone()
}

fn document(items: &[Value]) -> Value {
    json!({"apiVersion": "bailiwick.dev/v1", "kind": "Exceptions", "items": items})
}

/// What both say of a document.
#[track_caller]
fn check(document: &Value, expected: bool) {
    let text = serde_json::to_vec(document).unwrap();
    let read = bailiwick_input::exceptions("e.json", text);
    assert_eq!(read.is_ok(), expected, "the reader: {document} {read:?}");
    assert_eq!(
        takes(&schema(), document),
        expected,
        "the schema: {document}"
    );
}

#[track_caller]
fn check_item(item: Map<String, Value>, expected: bool) {
    check(&document(&[Value::Object(item)]), expected);
}

#[test]
fn both_take_and_refuse_the_same() {
    check(&document(&[]), true);
    check_item(whole(), true);
    // Without each of the fields, with each empty, a number and a list, and with one that is not known.
    for field in whole().keys() {
        let mut item = whole();
        item.remove(field);
        check_item(item, false);
        for wrong in [json!(""), json!(5), json!(["x"]), json!(null)] {
            let mut item = whole();
            item.insert(field.clone(), wrong);
            check_item(item, false);
        }
    }
    let with = |field: &str, value: Value| {
        let mut item = whole();
        item.insert(field.to_owned(), value);
        item
    };
    check_item(with("owners", json!("x")), false);
    for (object, expected) in [
        (json!({"kind": "Node", "name": "n"}), true),
        (json!({"kind": "Node"}), false),
        (json!({"name": "n"}), false),
        (json!({"kind": "Node", "name": ""}), false),
        (json!({"kind": "Node", "name": "n", "uid": "u"}), false),
        (json!({"kind": "Role", "namespace": 5, "name": "n"}), false),
    ] {
        check_item(with("object", object), expected);
    }
    // By fingerprint, which stands alone.
    let mut item = whole();
    item.remove("check");
    item.remove("object");
    item.insert("fingerprint".to_owned(), json!("00ff"));
    check_item(item.clone(), true);
    item.insert("fingerprint".to_owned(), json!(""));
    check_item(item, false);
    check_item(with("fingerprint", json!("00ff")), false);
    for (expires, expected) in [
        ("2027-01-31T12:00:00Z", true),
        ("tomorrow", false),
        ("31-01-2027", false),
        ("2027-01-31T", false),
    ] {
        check_item(with("expires", json!(expires)), expected);
    }
}

#[test]
fn both_ask_for_the_same_document_around_them() {
    for (field, wrong) in [
        ("apiVersion", json!("v1")),
        ("kind", json!("Baseline")),
        ("items", json!({})),
    ] {
        let mut document = document(&[]);
        document[field] = wrong;
        check(&document, false);
        document.as_object_mut().unwrap().remove(field);
        check(&document, false);
    }
    let one = json!({"fingerprint": "00ff", "owner": "o", "reason": "r", "expires": "2027-01-31"});
    let many = |count| document(&vec![one.clone(); count]);
    check(&many(10_000), true);
    check(&many(10_001), false);
}

/// A schema has no words for these; the reader refuses them.
#[test]
fn the_reader_knows_more() {
    for (pointer, value) in [
        ("/items/0/expires", "2027-02-30"),
        ("/items/0/object/kind", "Roll"),
    ] {
        let mut document = document(&[Value::Object(whole())]);
        *document.pointer_mut(pointer).unwrap() = json!(value);
        assert!(takes(&schema(), &document), "{document}");
        let text = serde_json::to_vec(&document).unwrap();
        assert!(
            bailiwick_input::exceptions("e.json", text).is_err(),
            "{document}"
        );
    }
}
