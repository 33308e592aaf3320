//! Where we refuse a document that kubectl reads. Each one loses input and says so, so that no answer is built on it in
//! silence; in the other direction there is none (`tests/kubectl.rs` looks for it).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bailiwick_input::documents;
use bailiwick_testkit::oracle::Oracle;

fn check(text: &str, message: &str) {
    let theirs = Oracle::start().unwrap().documents(text).unwrap();
    assert_eq!(theirs.error, "", "kubectl reads {text:?}");
    let (_, findings) = documents("x", text.as_bytes().to_vec());
    let ours: Vec<_> = findings
        .iter()
        .filter(|finding| finding.input_lost)
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(
        ours.len() == 1 && ours.iter().all(|ours| ours.contains(message)),
        "{text:?}: {ours:?}"
    );
}

#[test]
fn invisible_line_ends_are_refused() {
    check("# comment\u{2028}a: 1\nb: 2\n", "invisible character");
    check("a: \"x\u{85}y\"\n", "invisible character");
}

#[test]
fn a_byte_order_mark_inside_a_document_is_refused() {
    check("a: x\u{feff}y\n", "byte order mark");
}

#[test]
fn text_behind_the_brackets_of_a_document_is_refused() {
    check("[a] junk\n", "behind the end of the document");
    check("{a: b} junk\n", "no valid JSON");
}

#[test]
fn the_timestamp_tag_is_refused() {
    check("a: !!timestamp 2001-01-01\n", "!!timestamp");
}

#[test]
fn a_number_with_an_anchor_is_no_key() {
    check("a: &x 1\n*x : b\n", "number with an anchor");
}

#[test]
fn keys_that_become_equal_as_text_are_refused() {
    check("09: a\n9: b\n", "by chance");
    check("\"8\": a\n010: b\n", "by chance");
}

#[test]
fn a_comment_needs_a_space_in_front() {
    check("a: 'x'#c\n", "comments must be separated");
}

#[test]
fn a_dash_alone_in_brackets_is_refused() {
    check("a: [-]\n", "cannot start with '-'");
}

#[test]
fn nesting_ends_at_128_levels() {
    check(
        &format!("a: {}{}\n", "[".repeat(200), "]".repeat(200)),
        "recursion limit",
    );
}

#[test]
fn an_escaped_apostrophe_is_refused() {
    check("a: \"it\\'s\"\n", "unknown escape");
}

#[test]
fn unpaired_surrogates_in_json_are_refused() {
    check(r#"{"a": "\ud800"}"#, "no valid JSON");
}
