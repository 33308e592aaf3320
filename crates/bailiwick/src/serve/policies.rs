//! Files of policies.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bailiwick_pdp::{Policies, PolicyDocument, PolicyProblem};

/// Files in one directory.
const MOST: usize = 100_000;

/// The files that a path of the configuration stands for: itself, or what ends in `.cedar` in the directory.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    if !std::fs::metadata(path).with_context(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).with_context(unreadable)?.take(MOST) {
        let file = entry.with_context(unreadable)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "cedar")
        {
            found.push(file);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads the policies of the cluster's tier; all of them are right, or all are refused.
pub(super) fn read(paths: &[PathBuf]) -> Result<Policies> {
    let mut policies = Policies::default();
    let mut names = Vec::new();
    for path in paths {
        for file in files(path)? {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("`{}` cannot be read", file.display()))?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            if names.iter().any(|known| *known == name) {
                bail!(
                    "`{}`: another file of policies is called `{name}` too",
                    file.display()
                );
            }
            let document = PolicyDocument {
                name: name.as_ref().into(),
                cedar: text,
                ..PolicyDocument::default()
            };
            if let Err(problems) = policies.put(&document) {
                bail!("{}", told(&file, &document.cedar, &problems));
            }
            names.push(name.into_owned());
        }
    }
    Ok(policies)
}

/// Every problem with its line.
fn told(file: &Path, text: &str, problems: &[PolicyProblem]) -> String {
    let one = |problem: &PolicyProblem| {
        let start = problem.span.map(|span| span.start as usize);
        let before = start.and_then(|start| text.get(..start));
        let line = before.map(|before| {
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            format!(":{}:{column}", before.matches('\n').count() + 1)
        });
        format!("{}{}: {problem}", file.display(), line.unwrap_or_default())
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        let paths = [directory.path().to_owned()];
        write(
            "a.cedar",
            "forbid (principal, action == k8s::Action::\"get\", resource);\n",
        );
        write("notes.txt", "not a policy");
        read(&paths).unwrap();
        write(
            "b.cedar",
            "permit (principal, action, resource);\n\n  permit (principal, actio, resource);\n",
        );
        let error = read(&paths).unwrap_err().to_string();
        assert!(error.contains("b.cedar:3:"), "{error}");
    }
}
