//! The example of two services, as its README shows it.

use std::path::Path;
use std::process::Command;

#[test]
fn two_services_know_each_other() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    if Command::new("python3").arg("--version").output().is_err() {
        println!(
            "NOT TESTED: the services of examples/mtls are written in Python, which is not here"
        );
        return;
    }
    let output = Command::new(root.join("examples/mtls/run.sh"))
        .env("BAILIWICK", env!("CARGO_BIN_EXE_bailiwick"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{trouble}");
    let readme = std::fs::read_to_string(root.join("examples/mtls/README.md")).unwrap();
    let mut shown = readme.split("```").nth(3).unwrap().trim().lines();
    for line in said.lines() {
        let shown = shown.next().expect("a line that the README lacks");
        match shown.strip_suffix("...") {
            Some(start) => assert!(line.starts_with(start), "{line}"),
            None => assert_eq!(line, shown),
        }
    }
    assert_eq!(shown.next(), None);
}
