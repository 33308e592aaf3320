//! Files stay small enough to be read in one go.

use super::Complaint;
use super::tree::Tree;

/// Lines beyond which somebody should think about two files.
const SOFT: usize = 500;

/// Lines beyond which there must be two.
const HARD: usize = 900;

/// No source file is longer than it may be.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let sources = tree.with_extension(&["rs", "go", "js", "ts", "svelte"]);
    // What a program wrote is read by compilers.
    for file in sources.filter(|file| !file.path.contains("/generated/")) {
        let lines = file.text.lines().count();
        if lines > HARD {
            let message = format!("{lines} lines, and {HARD} are the most: split it by concept");
            complaints.push(Complaint::file(&file.path, message));
        } else if lines > SOFT {
            let message = format!("{lines} lines; beyond {SOFT} a file holds two concepts");
            complaints.push(Complaint::warning(&file.path, message));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn long_files_are_named() {
        let lines = |count: usize| "x\n".repeat(count);
        let tree = Tree::of(&[
            ("a.rs", &lines(500)),
            ("b.go", &lines(501)),
            ("c.ts", &lines(901)),
            ("d.json", &lines(5000)),
        ]);
        assert_eq!(
            said(&check(&tree)),
            [
                "warning: b.go: 501 lines; beyond 500 a file holds two concepts",
                "c.ts: 901 lines, and 900 are the most: split it by concept",
            ]
        );
    }
}
