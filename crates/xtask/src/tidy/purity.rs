//! The words and the engines are values in, values out: no file, socket, process or clock.
//!
//! So the same engine runs in the command line, in a webhook, in a replay of last week and in a
//! fuzzer, and its answer depends on its arguments alone.

use super::Complaint;
use super::layers::{Layer, layer};
use super::tree::{Package, Tree};

/// What the words and the engines may depend on beside each other.
const PURE: &[&str] = &[
    "aws-lc-rs",
    "base64",
    "cedar-policy-core",
    "hashbrown",
    "indexmap",
    "miette",
    "rcgen",
    "rustls-pki-types",
    "rustls-webpki",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "smallvec",
    "smol_str",
    "thiserror",
    "time",
    "x509-parser",
    "zeroize",
];

/// Modules of the standard library that reach outside of the program.
const IMPURE_MODULES: &[&str] = &["env", "fs", "net", "os", "process"];

/// Types that read a clock.
const CLOCKS: &[&str] = &["Instant", "SystemTime"];

/// The words and the engines name nothing that reaches outside.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let pure = |package: &&Package| layer(&package.name).is_some_and(|l| l <= Layer::Engines);
    let mut complaints = Vec::new();
    for package in tree.packages.iter().filter(pure) {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| !dependency.dev)
        {
            let name = dependency.name.as_str();
            if !PURE.contains(&name) && layer(name).is_none() {
                let message = format!(
                    "`{name}` is not known to be pure: an engine takes values and gives values; \
                     if this one does no I/O, add it to the list of crates/xtask/src/tidy/purity.rs"
                );
                complaints.push(Complaint::file(
                    format!("{}/Cargo.toml", package.folder),
                    message,
                ));
            }
        }
        let source = format!("{}/src/", package.folder);
        let files = tree
            .with_extension(&["rs"])
            .filter(|file| file.path.starts_with(&source));
        for file in files.filter(|file| !is_test(&file.path)) {
            for (line, name) in impurities(&code(&file.text)) {
                let message = format!("`{name}` in an engine: make it an argument");
                complaints.push(Complaint::line(&file.path, line, message));
            }
        }
    }
    complaints
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Lines and names of what reaches outside.
fn impurities(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (start, word) in words(code) {
        let line = || code.get(..start).unwrap_or_default().matches('\n').count() + 1;
        if CLOCKS.contains(&word) {
            found.push((line(), word.to_owned()));
        } else if word == "std" {
            let rest = code.get(start + word.len()..).unwrap_or_default();
            let modules = modules(rest.trim_start().strip_prefix("::").unwrap_or_default());
            let impure = modules
                .into_iter()
                .filter(|module| IMPURE_MODULES.contains(module));
            found.extend(impure.map(|module| (line(), format!("std::{module}"))));
        }
    }
    found
}

/// The modules that a path names after `std::`: one, or those of a group in braces.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else {
        return words(path)
            .next()
            .map(|(_, word)| word)
            .into_iter()
            .collect();
    };
    let mut modules = Vec::new();
    let mut depth = 1;
    let mut start = 0;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && letter == ',') {
            let member = group.get(start..at).unwrap_or_default();
            modules.extend(words(member).next().map(|(_, word)| word));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    modules
}

/// Identifiers with their offsets.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.split(move |letter| !inside(letter))
        .filter(|word| !word.is_empty())
        .map(move |word| {
            // Both are parts of one string, so their distance is the offset.
            (word.as_ptr().addr() - code.as_ptr().addr(), word)
        })
}

/// The source without comments, literals and modules of tests; lines stay where they are.
fn code(source: &str) -> String {
    let mut code = blank(source);
    while let Some(start) = code.find("#[cfg(test)]") {
        let rest = code.get(start..).unwrap_or_default();
        let end = start + item_end(rest);
        let gone = code.get(start..end).unwrap_or_default();
        let blank: String = gone.chars().filter(|letter| *letter == '\n').collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Where the first item ends: at a `;` or with its last brace.
fn item_end(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (letter == '}' || letter == ';') {
            return at + 1;
        }
    }
    code.len()
}

/// The source with a space for each letter of comments and literals.
fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(letter) = rest.chars().next() {
        let length = literal_or_comment(rest);
        let (skipped, kept) = if length > 0 {
            (length, false)
        } else {
            (letter.len_utf8(), true)
        };
        let (head, tail) = rest.split_at(skipped);
        if kept {
            code.push_str(head);
        } else {
            code.extend(
                head.chars()
                    .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
            );
        }
        rest = tail;
    }
    code
}

/// Bytes of the comment or literal that starts here; 0 where none does.
fn literal_or_comment(rest: &str) -> usize {
    let until = |open: usize, close: &str| {
        let body = rest.get(open..).unwrap_or_default();
        body.find(close)
            .map_or(rest.len(), |at| open + at + close.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw.get(hashes..).is_some_and(|body| body.starts_with('"')) {
            return until(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if let Some(body) = rest.strip_prefix('"') {
        return 1 + quoted(body, '"');
    }
    match rest.strip_prefix('\'') {
        // A lifetime has no second quote right after its first letter.
        Some(body) if body.starts_with('\\') || body.chars().nth(1) == Some('\'') => {
            1 + quoted(body, '\'')
        }
        _ => 0,
    }
}

/// Bytes up to and with the closing quote.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in body.char_indices() {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn check_source(source: &str, expected: &[(usize, &str)]) {
        let found = impurities(&code(source));
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, name)| (*line, (*name).to_owned()))
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn what_reaches_outside_is_found() {
        check_source("use std::fs;", &[(1, "std::fs")]);
        check_source("\nfn f() { std::process::exit(1) }", &[(2, "std::process")]);
        check_source(
            "use std::{\n  collections::{self, BTreeMap},\n  net::TcpStream, env};",
            &[(1, "std::net"), (1, "std::env")],
        );
        check_source("use std::time::{Duration, Instant};", &[(1, "Instant")]);
        check_source(
            "#[cfg(test)]\nmod tests { use std::fs; }\nuse std::env;",
            &[(3, "std::env")],
        );
        check_source(
            "let a = r#\"\"#; let b = '\"'; std::fs::read(b)",
            &[(1, "std::fs")],
        );
        check_source(
            "fn f<'a>(x: &'a str) { std::fs::read(x) } // '",
            &[(1, "std::fs")],
        );
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        check_source(
            "use std::fmt; use std::io::Write; use std::time::Duration;",
            &[],
        );
        check_source(
            "// std::fs\n/* std::net */ let fs = \"std::env\"; let net = '\\''; // Instant",
            &[],
        );
        check_source("let text = r\"std::fs\"; let more = \"\\\"std::fs\";", &[]);
        check_source(
            "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse std::fs;\n",
            &[],
        );
        check_source(
            "struct InstantSoup; fn stdfs() {} mod env { fn fs() {} }",
            &[],
        );
    }

    #[test]
    fn engines_are_checked_and_adapters_are_not() {
        let impure = "use std::fs;";
        let tree = Tree::of(&[
            ("crates/rbac/src/lib.rs", impure),
            ("crates/rbac/src/index/tests.rs", impure),
            ("crates/rbac/tests/all.rs", impure),
            ("crates/kube/src/lib.rs", impure),
        ])
        .package(
            "bailiwick-rbac",
            &["serde", "bailiwick-core", "tokio", "dev:proptest"],
        )
        .package("bailiwick-kube", &["tokio"]);
        let found = said(&check(&tree));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/rbac/Cargo.toml: `tokio` is not known to be pure"));
        assert_eq!(
            found[1],
            "crates/rbac/src/lib.rs:1: `std::fs` in an engine: make it an argument"
        );
    }
}
