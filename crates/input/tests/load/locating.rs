use std::io::Write;

use bailiwick_core::{Kind, ObjectRef};
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_input::{Loaded, Locator, documents};

use super::{directory, lines, read};

fn located(loaded: &Loaded, kind: Kind, name: &str, pointer: &str) -> Finding {
    let namespace = if kind.is_namespaced() { "default" } else { "" };
    let object = ObjectRef::new(kind, namespace, name);
    let mut finding = Finding::new("x", Severity::Info, "x").at(Place::field(object, pointer));
    Locator::new(&loaded.snapshot)
        .with_held(&loaded.held)
        .locate(&mut finding);
    finding
}

const TEXT: &str = "# head\n---\napiVersion: v1\nitems:\n- apiVersion: rbac.authorization.k8s.io/v1\n  kind: Role\n  metadata:\n    name: a\n  rules:\n  - apiGroups: ['']\n    resources: [pods, secrets]\n    verbs:\n    - get\n    - list\n- apiVersion: rbac.authorization.k8s.io/v1\n  kind: Role\n  metadata: {name: b}\n  rules: []\nkind: List\n";

#[test]
fn fields_are_found_again_in_yaml_and_json() {
    let (values, _) = documents("x", TEXT.as_bytes().to_vec());
    let pretty = serde_json::to_string_pretty(&values[0].value).unwrap();
    for (name, text, expected) in [
        (
            "a.yaml",
            TEXT,
            [
                (11, 23, "secrets"),
                (14, 7, "list"),
                (17, 20, "b"),
                (5, 3, "apiVersion: rbac.authorization.k8s.io/v1"),
            ],
        ),
        (
            "a.json",
            &pretty,
            [
                (18, 13, "\"secrets\""),
                (22, 13, "\"list\""),
                (31, 17, "\"b\""),
                (5, 5, "{"),
            ],
        ),
    ] {
        let directory = directory(&[(name, text.as_bytes())]);
        let loaded = read(directory.path());
        for ((line, column, shown), (role, pointer)) in expected.into_iter().zip([
            ("a", "/rules/0/resources/1"),
            ("a", "/rules/0/verbs/1"),
            ("b", "/metadata/name"),
            ("a", ""),
        ]) {
            let finding = located(&loaded, Kind::Role, role, pointer);
            assert_eq!(lines(&finding), [(line, column)], "{name} {pointer}");
            let span = finding.places[0].span.as_ref().unwrap();
            let range = usize::try_from(span.start.offset).unwrap()
                ..usize::try_from(span.end.offset).unwrap();
            assert_eq!(&text[range], shown, "{name} {pointer}");
            let excerpt = span.excerpt.as_ref().unwrap();
            assert_eq!(excerpt.line, line);
            assert_eq!(
                excerpt.text.trim_end(),
                text.lines().nth(line as usize - 1).unwrap()
            );
            let at = usize::try_from(excerpt.offset).unwrap();
            assert!(text[at..].starts_with(&*excerpt.text));
        }
    }
}

#[test]
fn a_file_that_has_changed_is_noticed() {
    let directory = directory(&[("a.yaml", TEXT.as_bytes())]);
    let loaded = read(directory.path());
    std::fs::write(
        directory.path().join("a.yaml"),
        TEXT.replace("secrets", "nothing"),
    )
    .unwrap();
    let finding = located(&loaded, Kind::Role, "a", "/rules");
    assert!(lines(&finding).is_empty());
    assert!(
        finding.evidence[0].contains("has changed since it was read"),
        "{finding:?}"
    );
    // The other object is as it was.
    assert_eq!(
        lines(&located(&loaded, Kind::Role, "b", "/metadata/name")),
        [(17, 20)]
    );
    std::fs::remove_file(directory.path().join("a.yaml")).unwrap();
    assert!(lines(&located(&loaded, Kind::Role, "b", "")).is_empty());
}

#[test]
fn members_of_archives_are_found_again_from_what_was_held() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(TEXT.as_bytes()).unwrap();
    let directory = directory(&[("a.yaml.gz", &encoder.finish().unwrap())]);
    let loaded = read(&directory.path().join("a.yaml.gz"));
    let finding = located(&loaded, Kind::Role, "a", "/rules/0/verbs/1");
    assert_eq!(lines(&finding), [(14, 7)]);
    assert_eq!(
        finding.places[0]
            .span
            .as_ref()
            .unwrap()
            .excerpt
            .as_ref()
            .unwrap()
            .text
            .trim(),
        "- list"
    );
}

#[test]
fn lines_are_counted_over_block_borders_and_in_other_encodings() {
    let filler = "# \u{e9}\u{e9}\u{e9}\u{e9} filler\n".repeat(5000);
    let text = format!("\u{feff}{filler}{TEXT}");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [text.as_bytes(), &utf16] {
        let directory = directory(&[("a.yaml", bytes)]);
        let loaded = read(directory.path());
        let finding = located(&loaded, Kind::Role, "a", "/rules/0/resources/1");
        assert_eq!(lines(&finding), [(5011, 23)]);
    }
}

#[test]
fn the_first_line_of_a_file_with_a_byte_order_mark_has_its_column() {
    let text = "\u{feff}{\"apiVersion\": \"v1\", \"kind\": \"ServiceAccount\", \"metadata\": {\"name\": \"a\"}}";
    for name in ["a.yaml", "a.json"] {
        let directory = directory(&[(name, text.as_bytes())]);
        let loaded = read(directory.path());
        assert_eq!(
            lines(&located(
                &loaded,
                Kind::ServiceAccount,
                "a",
                "/metadata/name"
            )),
            [(1, 69)]
        );
    }
}
