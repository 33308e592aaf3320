//! The page that says which test holds which rule of SPIFFE is true.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many rules there are of each kind that is built.
const RULES: [(&str, u32); 11] = [
    ("ID", 5),
    ("X", 8),
    ("J", 6),
    ("E", 6),
    ("A", 10),
    ("B", 2),
    ("F", 8),
    ("K", 6),
    ("W", 6),
    ("R", 6),
    // What went wrong elsewhere.
    ("V", 21),
];

/// A test: its file below `crates/`, and its name.
type Test = (String, String);

struct Row {
    kept: Vec<Test>,
    broken: Vec<Test>,
}

/// The tests that a cell of the table names; none where it says why there can be none.
fn tests(cell: &str) -> Vec<Test> {
    if let Some(why) = cell.strip_prefix("none: ") {
        assert!(!why.is_empty(), "{cell}");
        return Vec::new();
    }
    let mut tests = Vec::new();
    for group in cell.split("; ") {
        let (file, names) = group.trim_start_matches('`').split_once("` ").unwrap();
        for name in names.split(", ") {
            tests.push((file.to_owned(), name.trim().to_owned()));
        }
    }
    assert!(!tests.is_empty(), "{cell}");
    tests
}

fn rows(page: &str) -> BTreeMap<String, Row> {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let lines = lines.filter(|line| !line.starts_with("| Rule |") && !line.starts_with("| Flaw |"));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let row = Row {
            kept: tests(cells[2]),
            broken: cells.get(3).map(|cell| tests(cell)).unwrap_or_default(),
        };
        assert!(!row.kept.is_empty(), "{} is kept by no test", cells[0]);
        (cells[0].to_owned(), row)
    });
    rows.collect()
}

/// All files of Rust below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The names of the tests in a text.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let function = line.strip_prefix("async ").unwrap_or(line);
        if let (true, Some(rest)) = (is_test, function.strip_prefix("fn ")) {
            names.extend(rest.split('(').next().map(str::to_owned));
            is_test = false;
        }
    }
    names
}

/// The rule that a test has in its name, such as `X-5` of `x_5_authorities`.
fn rule_of(test: &str) -> Option<String> {
    let (kind, rest) = test.split_once('_')?;
    let (number, _) = rest.split_once('_')?;
    number.parse::<u32>().ok()?;
    let kind = kind.to_uppercase();
    let known = RULES.iter().any(|(known, _)| *known == kind) || kind == "C";
    known.then(|| format!("{kind}-{number}"))
}

#[test]
fn every_rule_has_tests_and_every_test_of_a_rule_is_listed() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(crates.join("../docs/spiffe.md")).unwrap();
    let rows = rows(&page);
    let mut wanted: BTreeSet<String> = BTreeSet::from(["C-1", "C-2"].map(str::to_owned));
    for (kind, count) in RULES {
        wanted.extend((1..=count).map(|number| format!("{kind}-{number}")));
    }
    let found: BTreeSet<String> = rows.keys().cloned().collect();
    assert_eq!(found, wanted);

    let mut files = Vec::new();
    sources(crates, &mut files);
    let mut exist = BTreeMap::new();
    for file in files {
        let below = file.strip_prefix(crates).unwrap().to_str().unwrap();
        exist.insert(below.to_owned(), named(&fs::read_to_string(&file).unwrap()));
    }
    let mut wrong = Vec::new();
    for (rule, row) in &rows {
        for (file, name) in row.kept.iter().chain(&row.broken) {
            if !exist.get(file).is_some_and(|names| names.contains(name)) {
                wrong.push(format!("{rule}: no test `{name}` in `{file}`"));
            }
        }
    }
    for (file, names) in &exist {
        for name in names {
            let Some(row) = rule_of(name).and_then(|rule| rows.get(&rule)) else {
                continue;
            };
            let test = (file.clone(), name.clone());
            if !row.kept.contains(&test) && !row.broken.contains(&test) {
                wrong.push(format!("`{name}` in `{file}` is in no row"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_row_without_tests_is_noticed() {
    let broken = |cell: &str| std::panic::catch_unwind(|| tests(cell)).is_err();
    assert!(broken("") && broken("none: ") && broken("soon"));
    assert_eq!(tests("none: nothing can break it"), []);
    let two = tests("`a/b.rs` x_1_y, z");
    assert_eq!(two.len(), 2);
    assert_eq!(rule_of("x_1_y").as_deref(), Some("X-1"));
    assert_eq!(rule_of("a_ban_holds"), None);
    let source = "#[tokio::test]\n#[ignore]\nasync fn x_1_y() {\nfn no() {";
    assert_eq!(named(source), BTreeSet::from(["x_1_y".to_owned()]));
}
