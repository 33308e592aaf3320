//! `bailiwick policy diff` with a solver: what is proven holds, and what is not is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and says what it could not test"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn diff(directory: &Path, old: &str, new: &str, solver: &str) -> Output {
    let cedar = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["policy", "diff", "-o", "json", "--solver", solver])
        .arg(cedar("old.cedar", old))
        .arg(cedar("new.cedar", new))
        .output()
        .unwrap()
}

fn solver() -> Option<String> {
    let solver = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
    let there = Command::new(&solver).arg("--version").output().is_ok();
    if !there {
        eprintln!("NOT TESTED with a solver: cvc5 is not installed");
    }
    there.then_some(solver)
}

/// What has to come out: that nothing more is allowed, that nothing less is, whether a difference is shown, and how the
/// program ends.
type Expected = (bool, bool, bool, i32);

fn check(name: &str, old: &str, new: &str, expected: Expected) {
    let Some(solver) = solver() else { return };
    let directory = tempfile::tempdir().unwrap();
    let output = diff(directory.path(), old, new, &solver);
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).expect(&said);
    let proven = |what: &str| answer["proof"][what]["proven"].as_bool().unwrap();
    let shown = !answer["counterexamples"].as_array().unwrap().is_empty();
    assert_eq!(
        (
            proven("nothingMore"),
            proven("nothingLess"),
            shown,
            output.status.code().unwrap()
        ),
        expected,
        "{name}: {answer:#} {said}"
    );
}

const PODS: &str = r#"permit (principal in k8s::Group::"ops", action in k8s::Action::"read", resource is k8s::Resource)
when { resource.resource == "pods" };"#;

#[test]
fn other_words_for_the_same_are_proven() {
    let new = r#"permit (principal, action, resource is k8s::Resource)
when { ["pods"].contains(resource.resource) && principal in k8s::Group::"ops" && action in k8s::Action::"read" };"#;
    check("other words", PODS, new, (true, true, false, 0));
    // One policy cut into two.
    let two = r#"@id("a") permit (principal in k8s::Group::"ops", action in k8s::Action::"read", resource is k8s::Resource)
when { resource.resource == "pods" && resource has name };
@id("b") permit (principal in k8s::Group::"ops", action in k8s::Action::"read", resource is k8s::Resource)
when { resource.resource == "pods" && !(resource has name) };"#;
    check("two for one", PODS, two, (true, true, false, 0));
}

#[test]
fn a_narrower_set_is_proven_to_allow_nothing_more() {
    let new = r#"permit (principal in k8s::Group::"ops", action == k8s::Action::"get", resource is k8s::Resource)
when { resource.resource == "pods" };"#;
    check("narrower", PODS, new, (true, false, true, 1));
}

#[test]
fn what_the_search_misses_the_solver_shows() {
    let old = r#"permit (principal, action == k8s::Action::"get", resource is k8s::Resource)
when { resource.resource like "a*" };"#;
    let new = r#"permit (principal, action == k8s::Action::"get", resource is k8s::Resource)
when { resource.resource like "a*" && !(resource.resource like "*q?z") };"#;
    check("a pattern", old, new, (true, false, true, 1));
}

/// A `forbid` takes away what RBAC allows, so that what is permitted is not all that counts.
#[test]
fn a_forbid_that_goes_is_more_even_where_nothing_is_permitted() {
    let old = r#"@id("a") forbid (principal, action, resource is k8s::Resource) when { resource.resource == "secrets" };
@id("b") permit (principal, action, resource is k8s::NonResourceURL) when { resource.path == "/healthz" };"#;
    let new = r#"@id("b") permit (principal, action, resource is k8s::NonResourceURL) when { resource.path == "/healthz" };"#;
    check("a forbid gone", old, new, (false, true, true, 1));
}

/// `patch` of a path has no place in the schema and comes all the same, and so does a verb that nobody knows.
#[test]
fn requests_beyond_the_schema_count() {
    let old = "permit (principal, action, resource is k8s::NonResourceURL);";
    let new = r#"permit (principal, action in [k8s::Action::"read", k8s::Action::"head", k8s::Action::"options",
  k8s::Action::"post", k8s::Action::"put"], resource is k8s::NonResourceURL);"#;
    let Some(solver) = solver() else { return };
    let directory = tempfile::tempdir().unwrap();
    let output = diff(directory.path(), old, new, &solver);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let open = answer["proof"]["nothingLess"]["open"].to_string();
    for request in ["patch", "any other verb"] {
        assert!(open.contains(request), "{request}: {answer:#}");
    }
    assert_eq!(output.status.code(), Some(1));
}

/// Before the object of a write is known the answer may differ all the same.
#[test]
fn what_waits_for_the_object_is_not_proven() {
    let old = r#"forbid (principal, action == k8s::Action::"create", resource is k8s::Resource)
when { resource.resource == "pods" }
when { context.request.hasTag("a") && context.request.getTag("a").contains("b") };"#;
    let new = r#"forbid (principal, action == k8s::Action::"create", resource is k8s::Resource)
when { ["pods"].contains(resource.resource) }
when { context.request.hasTag("a") && context.request.getTag("a").contains("b") };"#;
    let Some(solver) = solver() else { return };
    let directory = tempfile::tempdir().unwrap();
    let output = diff(directory.path(), old, new, &solver);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer["proof"]["but"].as_array().unwrap().len(),
        1,
        "{answer:#}"
    );
    assert_eq!(output.status.code(), Some(3), "{answer:#}");
}

#[test]
fn a_solver_that_fails_or_is_not_there_proves_nothing_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let new = PODS.replace("pods", "nodes");
    for solver in ["/bin/false", "/nonexistent/cvc5"] {
        let output = diff(directory.path(), PODS, &new, solver);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("nothing was proven"), "{said}");
        assert!(said.contains(solver), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    let output = diff(directory.path(), PODS, &new, "none");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer.get("proof").is_none());
    assert_eq!(output.status.code(), Some(1));
}
