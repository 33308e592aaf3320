//! Every list is complete: what has a file is compiled, and what is in the folder is in the list.

use super::Complaint;
use super::tree::{File, Tree};

/// A folder in which each file is one thing, and where each of them must be named as `THING::`.
const LISTS: &[(&str, &str)] = &[
    (
        "crates/posture/src/checks/",
        "crates/posture/src/checks/mod.rs",
    ),
    ("crates/bailiwick/src/cmd/", "crates/bailiwick/src/"),
];

/// Source files are compiled, and what has a file of its own is in its list.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.with_extension(&["rs"]) {
        if let Some((parents, stem)) = declaration(&file.path)
            && !parents
                .iter()
                .filter_map(|path| tree.file(path))
                .any(|file| declares(file, stem))
        {
            let message = format!(
                "never compiled: `mod {stem};` is missing in {}",
                parents.join(" or ")
            );
            complaints.push(Complaint::file(&file.path, message));
        }
        if let Some((list, stem)) = listed(&file.path)
            && !tree.files.iter().any(|other| {
                other.path != file.path
                    && other.path.starts_with(list)
                    && other.text.contains(&format!("{stem}::"))
            })
        {
            let message = format!("never used: `{stem}::` is missing in {list}");
            complaints.push(Complaint::file(&file.path, message));
        }
    }
    complaints
}

/// The files that may declare a module, and its name; `None` for the roots of crates.
fn declaration(path: &str) -> Option<(Vec<String>, &str)> {
    let (package, module) = path.split_once("/src/")?;
    let module = module.strip_suffix(".rs")?;
    if !package.starts_with("crates/") || module.starts_with("bin/") {
        return None;
    }
    let module = module.strip_suffix("/mod").unwrap_or(module);
    match module.rsplit_once('/') {
        Some((folder, stem)) => {
            let parent = format!("{package}/src/{folder}");
            Some((
                vec![format!("{parent}.rs"), format!("{parent}/mod.rs")],
                stem,
            ))
        }
        None if matches!(module, "lib" | "main") => None,
        None => {
            let root = format!("{package}/src");
            Some((
                vec![format!("{root}/lib.rs"), format!("{root}/main.rs")],
                module,
            ))
        }
    }
}

/// Whether a file declares a module, itself or by a macro that takes the names of modules.
fn declares(file: &File, stem: &str) -> bool {
    let declaration = format!("mod {stem};");
    let by_macro = file.text.contains("mod $");
    let code = file
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    code.into_iter().any(|line| {
        line.ends_with(&declaration)
            || (by_macro && line.split(',').any(|word| word.trim() == stem))
    })
}

fn listed(path: &str) -> Option<(&'static str, &str)> {
    let (folder, list) = LISTS.iter().find(|(folder, _)| path.starts_with(folder))?;
    let stem = path.strip_prefix(folder)?.strip_suffix(".rs")?;
    (stem != "mod" && !stem.contains('/')).then_some((list, stem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(said(&check(&Tree::of(files))), expected);
    }

    #[test]
    fn every_source_file_is_compiled() {
        check_files(
            &[
                (
                    "crates/a/src/lib.rs",
                    "pub(crate) mod b;\nmod d;\n// mod forgotten;",
                ),
                ("crates/a/src/b/mod.rs", "mod c;"),
                ("crates/a/src/b/c.rs", ""),
                (
                    "crates/a/src/d.rs",
                    "macro_rules! d { ($($n:ident),*) => { $(mod $n;)* } }\nd! {\n    e,\n}",
                ),
                ("crates/a/src/d/e.rs", ""),
                ("crates/a/src/d/f.rs", ""),
                ("crates/a/src/b/lost.rs", ""),
                ("crates/a/src/forgotten.rs", ""),
                ("crates/a/tests/free.rs", ""),
                ("crates/a/src/bin/tool.rs", ""),
            ],
            &[
                "crates/a/src/d/f.rs: never compiled: `mod f;` is missing in \
                 crates/a/src/d.rs or crates/a/src/d/mod.rs",
                "crates/a/src/b/lost.rs: never compiled: `mod lost;` is missing in \
                 crates/a/src/b.rs or crates/a/src/b/mod.rs",
                "crates/a/src/forgotten.rs: never compiled: `mod forgotten;` is missing in \
                 crates/a/src/lib.rs or crates/a/src/main.rs",
            ],
        );
    }

    #[test]
    fn what_has_a_file_is_in_the_list() {
        check_files(
            &[
                ("crates/posture/src/lib.rs", "mod checks;"),
                (
                    "crates/posture/src/checks/mod.rs",
                    "mod exec;\nmod silent;\n&[exec::CHECK]",
                ),
                ("crates/posture/src/checks/exec.rs", ""),
                ("crates/posture/src/checks/silent.rs", ""),
            ],
            &[
                "crates/posture/src/checks/silent.rs: never used: `silent::` is missing in \
               crates/posture/src/checks/mod.rs",
            ],
        );
    }
}
