//! Nothing in the tree belongs to one machine: no path of it, no mirror of a registry.

use super::Complaint;
use super::tree::{File, Tree};

/// Settings that send a package client to another registry, in pieces so that this file is clean.
const REDIRECTIONS: &[[&str; 2]] = &[
    ["GO", "PROXY="],
    ["GO", "NOSUMDB="],
    ["[registries", "."],
    ["replace", "-with"],
    ["index", "-url"],
    ["NPM_CONFIG_", "REGISTRY"],
];

/// The one source that Cargo.lock may name.
const CRATES_IO: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// No file names this machine, and packages come from where everybody gets them.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(message) = objection(tree, file, line) {
                complaints.push(Complaint::line(&file.path, number + 1, message));
            }
        }
    }
    complaints
}

fn objection(tree: &Tree, file: &File, line: &str) -> Option<String> {
    if let Some(path) = tree.machine.iter().find(|path| names(line, path)) {
        return Some(format!("`{path}` is a path of this machine"));
    }
    let setting = REDIRECTIONS.iter().map(|pieces| pieces.concat());
    if let Some(setting) = setting.into_iter().find(|setting| line.contains(setting)) {
        return Some(format!(
            "`{setting}` is for the settings of a machine, not for the tree"
        ));
    }
    let foreign = match file.path.rsplit('/').next() {
        Some("Cargo.lock") => line.starts_with("source = ") && line != CRATES_IO,
        Some("package-lock.json") => {
            line.contains("\"resolved\"") && !line.contains("\"https://registry.npmjs.org/")
        }
        _ => false,
    };
    foreign.then(|| "this package comes from a place of its own".to_owned())
}

/// Whether a line holds a path, and not just a longer one that ends alike.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line
            .get(at + path.len()..)
            .and_then(|tail| tail.chars().next());
        let inside = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn check_line(path: &str, line: &str, expected: Option<&str>) {
        let mut tree = Tree::of(&[(path, line)]);
        tree.machine = vec!["/src".to_owned(), "/home/anna/.cargo".to_owned()];
        let expected: Vec<_> = expected
            .map(|text| format!("{path}:1: {text}"))
            .into_iter()
            .collect();
        assert_eq!(said(&check(&tree)), expected, "{line}");
    }

    #[test]
    fn paths_of_this_machine_are_found() {
        check_line(
            "a.md",
            "cd /src && make",
            Some("`/src` is a path of this machine"),
        );
        check_line(
            "a.rs",
            "\"/src/x\"",
            Some("`/src` is a path of this machine"),
        );
        check_line(
            "a.sh",
            "/home/anna/.cargo/bin/x",
            Some("`/home/anna/.cargo` is a path of this machine"),
        );
        check_line(
            "a.md",
            "crates/src/x /srcs /usr/src /home/anna/.cargolike",
            None,
        );
    }

    #[test]
    fn packages_come_from_the_common_registries() {
        let own = Some("this package comes from a place of its own");
        check_line("Cargo.lock", "source = \"git+https://example.org/x\"", own);
        check_line(
            "fuzz/Cargo.lock",
            "source = \"registry+https://mirror.example/x\"",
            own,
        );
        check_line("Cargo.lock", CRATES_IO, None);
        check_line(
            "ui/package-lock.json",
            "\"resolved\": \"https://mirror.example/a.tgz\"",
            own,
        );
        check_line(
            "ui/package-lock.json",
            "\"resolved\": \"https://registry.npmjs.org/a.tgz\"",
            None,
        );
        for pieces in REDIRECTIONS {
            let setting = pieces.concat();
            let message = format!("`{setting}` is for the settings of a machine, not for the tree");
            check_line("x", &setting, Some(&message));
        }
    }
}
