//! Every crate says what it is and keeps the lints of the workspace.

use super::Complaint;
use super::tree::Tree;

/// Lints that the habits of the house rest on. The compiler does the rest.
const DENIED: &[&str] = &[
    "allow_attributes_without_reason",
    "expect_used",
    "indexing_slicing",
    "panic",
    "print_stderr",
    "print_stdout",
    "todo",
    "unimplemented",
    "unwrap_used",
];

const LICENSE: &str = "Apache-2.0";

/// Descriptions, licences and lints are there.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = workspace(tree);
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.folder);
        let mut complain = |message: &str| complaints.push(Complaint::file(&path, message));
        if package.description.is_empty() {
            complain("no description: say in a sentence what the crate is");
        }
        if package.license != LICENSE {
            complain("the licence is not that of the workspace: write `license.workspace = true`");
        }
        let text = tree.file(&path).map_or("", |file| &file.text);
        if !section(text, "[lints]").any(|line| line == "workspace = true") {
            complain("no `[lints] workspace = true`: the lints of the house do not hold here");
        }
    }
    complaints
}

fn workspace(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let text = tree.file("Cargo.toml").map_or("", |file| &file.text);
    for lint in DENIED {
        let line = format!("{lint} = \"deny\"");
        if !section(text, "[workspace.lints.clippy]").any(|found| found == line) {
            complaints.push(Complaint::file(
                "Cargo.toml",
                format!("`{line}` is missing"),
            ));
        }
    }
    if !section(text, "[workspace.lints.rust]").any(|line| line == "unsafe_code = \"forbid\"") {
        complaints.push(Complaint::file(
            "Cargo.toml",
            "`unsafe_code = \"forbid\"` is missing",
        ));
    }
    let license = tree.file("LICENSE").map_or("", |file| &file.text);
    if !license.contains("Apache License") || !license.contains("Version 2.0") {
        complaints.push(Complaint::file(
            "LICENSE",
            "this is not the text of Apache-2.0",
        ));
    }
    complaints
}

/// The lines of a section of a TOML file.
fn section<'a>(text: &'a str, header: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text
        .lines()
        .map(str::trim)
        .skip_while(move |line| *line != header)
        .skip(1);
    lines.take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    const CRATE: (&str, &str) = ("crates/core/Cargo.toml", "[lints]\nworkspace = true\n");
    const TEXT: (&str, &str) = ("LICENSE", "Apache License\nVersion 2.0");

    fn workspace_file() -> String {
        let denied: String = DENIED
            .iter()
            .map(|lint| format!("{lint} = \"deny\"\n"))
            .collect();
        let rust = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        format!("{rust}[workspace.lints.clippy]\n{denied}[profile.dev]\n")
    }

    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let tree = Tree::of(files).package("bailiwick-core", &[]);
        assert_eq!(said(&check(&tree)), expected);
    }

    #[test]
    fn lints_and_licence_hold_everywhere() {
        let workspace = workspace_file();
        check_files(&[("Cargo.toml", &workspace), CRATE, TEXT], &[]);
        check_files(
            &[
                (
                    "Cargo.toml",
                    &workspace.replace("panic = \"deny\"", "panic = \"warn\""),
                ),
                CRATE,
                TEXT,
            ],
            &["Cargo.toml: `panic = \"deny\"` is missing"],
        );
        check_files(
            &[
                ("Cargo.toml", &workspace.replace("forbid", "deny")),
                CRATE,
                TEXT,
            ],
            &["Cargo.toml: `unsafe_code = \"forbid\"` is missing"],
        );
        check_files(
            &[
                ("Cargo.toml", &workspace),
                (
                    "crates/core/Cargo.toml",
                    "[lints]\n[other]\nworkspace = true",
                ),
                TEXT,
            ],
            &[
                "crates/core/Cargo.toml: no `[lints] workspace = true`: the lints of the house do not hold here",
            ],
        );
        check_files(
            &[("Cargo.toml", &workspace), CRATE, ("LICENSE", "MIT")],
            &["LICENSE: this is not the text of Apache-2.0"],
        );
    }

    #[test]
    fn crates_say_what_they_are() {
        let workspace = workspace_file();
        let mut tree =
            Tree::of(&[("Cargo.toml", &workspace), CRATE, TEXT]).package("bailiwick-core", &[]);
        tree.packages[0].description.clear();
        tree.packages[0].license = "MIT".to_owned();
        let found = said(&check(&tree));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("no description"), "{found:?}");
        assert!(found[1].contains("licence"), "{found:?}");
    }
}
