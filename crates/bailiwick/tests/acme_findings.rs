//! `scan` finds what the page of the example company says, and does not fall for its look-alikes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::fs;
use std::process::Command;

use bailiwick_testkit::directory::acme;
use serde_json::Value;

/// A row of a table on the page: a file, perhaps an object in it, and a finding.
#[derive(Debug)]
struct Row {
    file: String,
    object: Option<String>,
    finding: String,
    /// Whether findings of severity low do not count.
    above_low: bool,
}

#[test]
fn planted_problems_are_found() {
    let findings = findings();
    let rows = rows("## Planted problems");
    assert!(rows.len() > 30, "{}", rows.len());
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| !reported(&findings, row))
        .collect();
    assert!(missing.is_empty(), "not found: {missing:#?}");
}

#[test]
fn look_alikes_are_not() {
    let findings = findings();
    let rows = rows("## Look-alikes");
    assert!(rows.len() > 8, "{}", rows.len());
    let wrong: Vec<_> = rows.iter().filter(|row| reported(&findings, row)).collect();
    assert!(wrong.is_empty(), "found: {wrong:#?}");
}

/// Whether the first place of a finding of this kind is in this file, and in this object.
fn reported(findings: &[Value], row: &Row) -> bool {
    findings
        .iter()
        .filter(|finding| finding["id"] == *row.finding)
        .any(|finding| {
            let place = &finding["places"][0];
            let file = place["span"]["file"].as_str().unwrap_or_default();
            let object = place["object"]["name"].as_str();
            let low = matches!(finding["severity"].as_str(), Some("low" | "info"));
            file.ends_with(&format!("/{}", row.file))
                && row
                    .object
                    .as_deref()
                    .is_none_or(|wanted| object == Some(wanted))
                && !(row.above_low && low)
        })
}

fn findings() -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["scan", "--min-severity", "info", "-o", "json", "-f"])
        .arg(acme())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(report["items"].take()).unwrap()
}

/// The rows of the table in this section: the file is the first link, the object is what follows it in backticks, the
/// finding is the next cell.
fn rows(section: &str) -> Vec<Row> {
    let page = fs::read_to_string(acme().join("README.md")).unwrap();
    let (_, text) = page.split_once(section).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let quoted = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        let link = cells.get(2)?.split_once("](")?.1;
        let (file, rest) = link.split_once(')')?;
        let cell = cells.get(3)?;
        Some(Row {
            file: file.to_owned(),
            object: quoted(rest),
            finding: quoted(cell)?,
            above_low: cell.contains("above low"),
        })
    };
    text.lines().filter_map(row).collect()
}
