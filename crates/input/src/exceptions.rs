//! The file of exceptions, and the annotations that say the same.

use std::ops::Range;

use bailiwick_core::{Kind, ObjectRef, Timestamp};
use bailiwick_diag::{Answer, Covers, Exception, Place, Span};
use bailiwick_model::{Map, Value};
use serde::de::IgnoredAny;

use crate::documents::{Document, documents};
use crate::read::{Lines, to_utf8};
use crate::walk::{Found, elements_in_json, elements_in_yaml, find_in_json, find_in_yaml};

/// Exceptions that one file may hold.
const MOST: usize = 10_000;

/// The list of them.
const ITEMS: &str = "/items";

/// The annotation by which an object has a finding of its own excepted, with the id of the check behind it.
pub const EXCEPT: &str = "bailiwick.dev/except.";

/// Why a file of exceptions is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ExceptionsError {
    /// File and line.
    pub place: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The exceptions of a file, YAML or JSON. One that says no owner, reason or day of expiry spoils the file.
pub fn exceptions(name: &str, bytes: Vec<u8>) -> Result<Vec<Exception>, ExceptionsError> {
    let (text, _) = to_utf8(bytes);
    let (documents, findings) = documents(name, text.clone());
    let fail = |place: String, message: String| Err(ExceptionsError { place, message });
    if let Some(finding) = findings.first() {
        let place = finding
            .places
            .first()
            .map_or(name.to_owned(), ToString::to_string);
        return fail(place, finding.message.clone());
    }
    let [document] = documents.as_slice() else {
        let message = match documents.len() {
            0 => "it is empty; a file of exceptions starts with `apiVersion: bailiwick.dev/v1` and `kind: Exceptions`".to_owned(),
            many => format!("{many} documents: put all exceptions into one"),
        };
        return fail(name.to_owned(), message);
    };
    let places = Places::new(name, &text, document);
    let refuse = |(pointer, message): (String, String)| ExceptionsError {
        place: places.of(&pointer).to_string(),
        message,
    };
    let items = items(&document.value).map_err(|message| refuse((String::new(), message)))?;
    let of_items = places.of_items();
    // The items of an alias stand where it does.
    let list = of_items.is_empty().then(|| places.of(ITEMS));
    let read = |(position, item): (usize, &Value)| {
        let (covers, answer) = exception(item)
            .map_err(|(field, message)| refuse((format!("{ITEMS}/{position}{field}"), message)))?;
        let place = of_items.get(position).or(list.as_ref()).cloned();
        Ok(Exception {
            covers,
            answer,
            place: place.unwrap_or_else(|| places.of(ITEMS)),
        })
    };
    items.iter().enumerate().map(read).collect()
}

/// Who answers for a finding, as the value of an annotation says: `{owner: ..., reason: ..., expires: ...}`.
pub fn annotation(value: &str) -> Result<Answer, String> {
    let (documents, findings) = documents("annotation", value.as_bytes().to_vec());
    match (documents.as_slice(), findings.first()) {
        ([document], None) => {
            let map = document.value.as_object().ok_or("it is no mapping")?;
            known_fields(map, &["owner", "reason", "expires"]).map_err(|(_, message)| message)?;
            answer(map).map_err(|(_, message)| message)
        }
        (_, Some(finding)) => Err(finding.message.clone()),
        _ => Err("it is empty".to_owned()),
    }
}

fn items(document: &Value) -> Result<&[Value], String> {
    let text = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if (text("apiVersion"), text("kind")) != ("bailiwick.dev/v1", "Exceptions") {
        return Err("it is no file of exceptions: it starts with `apiVersion: bailiwick.dev/v1` and `kind: Exceptions`".to_owned());
    }
    let Some(items) = document.get("items") else {
        let all = document.as_object().into_iter().flat_map(Map::iter);
        let lists = all.filter(|(_, value)| value.as_array().is_some());
        return Err(match lists.map(|(key, _)| key).next() {
            Some(key) => format!("there are no `items`: write the list `{key}` under this name"),
            None => "there are no `items`: write the exceptions there, as a list".to_owned(),
        });
    };
    let wrong = || format!("`items` is {}; write a list of exceptions", items.kind());
    let items = items.as_array().ok_or_else(wrong)?;
    if items.len() > MOST {
        return Err(format!(
            "{} exceptions; at most {MOST} are read",
            items.len()
        ));
    }
    Ok(items)
}

/// A pointer from the exception, and what is wrong there.
type Wrong = (String, String);

fn exception(item: &Value) -> Result<(Covers, Answer), Wrong> {
    let map = item
        .as_object()
        .ok_or_else(|| wrong("", format!("it is {}, not a mapping", item.kind())))?;
    known_fields(
        map,
        &[
            "check",
            "object",
            "fingerprint",
            "owner",
            "reason",
            "expires",
        ],
    )?;
    let covers = match (map.get("check"), map.get("object"), map.get("fingerprint")) {
        (Some(_), Some(object), None) => Covers::Object {
            check: text(map, "check")?,
            object: object_ref(object)?,
        },
        (None, None, Some(_)) => Covers::Fingerprint(text(map, "fingerprint")?),
        _ => {
            return Err(wrong(
                "",
                "it does not say what it covers: write `check` and `object`, or `fingerprint`",
            ));
        }
    };
    Ok((covers, answer(map)?))
}

fn answer(map: &Map) -> Result<Answer, Wrong> {
    Ok(Answer {
        owner: text(map, "owner")?,
        reason: text(map, "reason")?,
        expires: day(&text(map, "expires")?)?,
    })
}

/// The start of a day in UTC, or a moment.
fn day(text: &str) -> Result<Timestamp, Wrong> {
    let moment = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let refused = |_| {
        wrong(
            "/expires",
            format!(
                "`{text}` is no day: write `expires: 2027-01-31`; it counts from its start in UTC"
            ),
        )
    };
    moment.parse().map_err(refused)
}

fn object_ref(object: &Value) -> Result<ObjectRef, Wrong> {
    let within = |(field, message): Wrong| (format!("/object{field}"), message);
    let map = object.as_object().ok_or_else(|| {
        wrong(
            "/object",
            "it is no mapping of `kind`, `name` and, where it has one, `namespace`",
        )
    })?;
    known_fields(map, &["kind", "namespace", "name"]).map_err(within)?;
    let kind = text(map, "kind").map_err(within)?;
    let kind: Kind = kind
        .parse()
        .map_err(|error| wrong("/object/kind", format!("{error}")))?;
    let namespace = map
        .get("namespace")
        .map(|_| text(map, "namespace"))
        .transpose()
        .map_err(within)?;
    let name = text(map, "name").map_err(within)?;
    Ok(ObjectRef::new(kind, &namespace.unwrap_or_default(), &name))
}

fn text(map: &Map, field: &str) -> Result<String, Wrong> {
    match map.get(field) {
        None => Err(wrong(
            "",
            format!("it has no `{field}`; every exception says `owner`, `reason` and `expires`"),
        )),
        Some(value) => match value.as_str().map(str::trim) {
            Some("") => Err(wrong(&format!("/{field}"), format!("`{field}` is empty"))),
            Some(text) => Ok(text.to_owned()),
            None => Err(wrong(
                &format!("/{field}"),
                format!(
                    "`{field}` is {}, not a text; put it into quotes",
                    value.kind()
                ),
            )),
        },
    }
}

fn known_fields(map: &Map, known: &[&str]) -> Result<(), Wrong> {
    match map.iter().find(|(key, _)| !known.contains(key)) {
        Some((key, _)) => Err(wrong(
            "",
            format!("`{key}` is no field of it; write {}", known.join(", ")),
        )),
        None => Ok(()),
    }
}

fn wrong(field: &str, message: impl Into<String>) -> Wrong {
    (field.to_owned(), message.into())
}

/// Where fields of the one document stand.
struct Places<'a> {
    name: &'a str,
    /// Of the whole file.
    text: &'a [u8],
    lines: Lines,
    /// The document in the text.
    own: Range<usize>,
    is_json: bool,
}

impl<'a> Places<'a> {
    fn new(name: &'a str, text: &'a [u8], document: &Document) -> Self {
        let whole = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let mut places = Self {
            name,
            text,
            lines: Lines::of(text),
            own: whole(document.start.offset)..whole(document.end.offset),
            is_json: false,
        };
        places.is_json = serde_json::from_slice::<IgnoredAny>(places.own()).is_ok();
        places
    }

    fn own(&self) -> &'a [u8] {
        self.text.get(self.own.clone()).unwrap_or_default()
    }

    fn yaml(&self) -> Option<&'a str> {
        std::str::from_utf8(self.own()).ok()
    }

    fn of(&self, pointer: &str) -> Place {
        let own = self.own();
        let found = if self.is_json {
            find_in_json(own, 0..own.len(), pointer)
        } else {
            self.yaml().and_then(|yaml| find_in_yaml(yaml, 0, pointer))
        };
        self.place(found.as_ref())
    }

    /// Of each item, in one walk.
    fn of_items(&self) -> Vec<Place> {
        let found = if self.is_json {
            elements_in_json(self.own(), ITEMS)
        } else {
            let found = self.yaml().map(|yaml| elements_in_yaml(yaml, ITEMS));
            found.unwrap_or_default()
        };
        found.iter().map(|found| self.place(Some(found))).collect()
    }

    fn place(&self, found: Option<&Found>) -> Place {
        let at = found.map_or(0..0, |found| found.underline(self.own()));
        let position = |offset: usize| self.lines.position(self.text, self.own.start + offset);
        Place::span(Span {
            file: self.name.into(),
            start: position(at.start),
            end: position(at.end),
            excerpt: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: bailiwick.dev/v1\nkind: Exceptions\nitems:\n";

    fn read(items: &str) -> Result<Vec<Exception>, String> {
        exceptions("e.yaml", format!("{HEAD}{items}").into_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn of_an_object_and_of_a_fingerprint() {
        let found = read(
            "- check: full-control\n  object: {kind: ClusterRoleBinding, name: gitops}\n  owner: ops\n  reason: r\n  expires: 2027-01-31\n\
             - fingerprint: \"00ff\"\n  owner: ops\n  reason: r\n  expires: 2027-01-31T12:00:00Z\n",
        )
        .unwrap();
        let object = ObjectRef::new(Kind::ClusterRoleBinding, "", "gitops");
        assert_eq!(
            found[0].covers,
            Covers::Object {
                check: "full-control".into(),
                object
            }
        );
        assert_eq!(found[0].answer.expires.to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(found[0].place.to_string(), "e.yaml:4:3");
        assert_eq!(found[1].covers, Covers::Fingerprint("00ff".into()));
        assert_eq!(found[1].place.to_string(), "e.yaml:9:3");
    }

    /// As YAML, as JSON, and by an alias, which is where all of its items stand.
    #[test]
    fn each_item_of_many_has_its_place() {
        const MANY: usize = 2_000;
        let yaml = "- {fingerprint: f, owner: o, reason: r, expires: 2027-01-31}\n";
        let json = r#"{"fingerprint":"f","owner":"o","reason":"r","expires":"2027-01-31"}"#;
        let json = vec![json; MANY].join(",\n");
        let head = r#"{"apiVersion":"bailiwick.dev/v1","kind":"Exceptions","items":["#;
        let check = |text: String, expected: &dyn Fn(usize) -> String| {
            let found = exceptions("e", text.into_bytes()).unwrap();
            assert_eq!(found.len(), MANY);
            for (at, exception) in found.iter().enumerate() {
                assert_eq!(exception.place.to_string(), expected(at));
            }
        };
        check(format!("{HEAD}{}", yaml.repeat(MANY)), &|at| {
            format!("e:{}:3", at + 4)
        });
        check(format!("{head}\n{json}]}}"), &|at| {
            format!("e:{}:1", at + 2)
        });
        let document = |items: &str, rest: &str| {
            format!("apiVersion: bailiwick.dev/v1\nkind: Exceptions\nitems: {items}\n{rest}")
        };
        let aliased = vec!["*a"; MANY - 1].join(", ");
        let first = "&a {fingerprint: f, owner: o, reason: r, expires: 2027-01-31}";
        let text = document(&format!("[{first},\n{aliased}]"), "");
        check(text, &|at| match at {
            0 => "e:3:12".to_owned(),
            at => format!("e:4:{}", 1 + (at - 1) * 4),
        });
        let many = exceptions("e", format!("{HEAD}{}", yaml.repeat(MOST + 1)).into_bytes());
        assert!(many.is_err_and(|error| error.message.contains("10001 exceptions")));
    }

    #[test]
    fn nobody_is_excepted_by_half_an_exception() {
        let check = |items: &str, expected: &str| {
            let error = read(items).unwrap_err();
            let (place, message) = expected.split_once(' ').unwrap();
            assert!(
                error.starts_with(place) && error.contains(message),
                "{error}"
            );
        };
        let whole = "- check: a\n  object: {kind: Role, name: x}\n  owner: o\n  reason: r\n  expires: 2027-01-31\n";
        for field in ["owner", "reason", "expires"] {
            let without: String = whole
                .lines()
                .filter(|line| !line.contains(field))
                .map(|line| format!("{line}\n"))
                .collect();
            check(&without, &format!("e.yaml:4: it has no `{field}`;"));
        }
        check(
            &whole.replace("owner: o", "owner: ''"),
            "e.yaml:6: `owner` is empty",
        );
        check(
            &whole.replace("reason: r", "reason: 5"),
            "e.yaml:7: `reason` is a number",
        );
        check(
            &whole.replace("2027-01-31", "tomorrow"),
            "e.yaml:8: `tomorrow` is no day",
        );
        check(
            &whole.replace("2027-01-31", "2027-02-30"),
            "e.yaml:8: `2027-02-30` is no day",
        );
        check(
            &whole.replace("kind: Role", "kind: Roll"),
            "e.yaml:5: kind `Roll` is not one",
        );
        check(
            &whole.replace("owner:", "ower: x\n  owner:"),
            "e.yaml:4: `ower` is no field",
        );
        check(
            "- check: a\n  owner: o\n",
            "e.yaml:4: it does not say what it covers",
        );
        check("- 5\n", "e.yaml:4: it is a number");
        let other = exceptions("e.yaml", b"kind: Exceptions\nitems: []\n".to_vec()).unwrap_err();
        assert!(
            other.to_string().contains("it is no file of exceptions"),
            "{other}"
        );
        let of_list = |list: &str| {
            let text = HEAD.replace("items:", list);
            let refused = exceptions("e.yaml", text.into_bytes());
            refused.unwrap_err().to_string()
        };
        for (list, expected) in [
            (
                "exceptions: [{owner: o}]",
                "write the list `exceptions` under this name",
            ),
            ("exceptions: 5", "write the exceptions there, as a list"),
            (
                "items: 5",
                "`items` is a number; write a list of exceptions",
            ),
        ] {
            let said = of_list(list);
            assert!(said.contains(expected), "{list}: {said}");
        }
        let empty = exceptions("e.yaml", Vec::new()).unwrap_err();
        assert!(
            empty.to_string().starts_with("e.yaml: it is empty;"),
            "{empty}"
        );
        let broken = exceptions("e.yaml", b"kind: [\n".to_vec()).unwrap_err();
        assert!(broken.place.starts_with("e.yaml:"), "{broken}");
    }

    #[test]
    fn annotations() {
        let answer = annotation("{owner: ops, reason: 'it, too', expires: 2027-01-31}").unwrap();
        assert_eq!((&*answer.owner, &*answer.reason), ("ops", "it, too"));
        for wrong in [
            "",
            "yes",
            "{owner: ops, reason: r}",
            "{owner: ops, reason: r, expires: 2027-01-31, x: y}",
            "{",
        ] {
            assert!(annotation(wrong).is_err(), "{wrong}");
        }
    }
}
