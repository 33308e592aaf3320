//! Files of policies, relations, delegations and revocations.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bailiwick_input::documents;
use bailiwick_model::Value;
use bailiwick_pdp::{API_VERSION, Bundle, Document, DocumentProblem};

/// A directory is walked no further down.
const DEPTH: usize = 16;
/// Files and directories read in all.
const MOST_FILES: usize = 10_000;

/// What is wrong, and in which file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// `FILE:LINE`.
    pub(crate) place: String,
    /// What is wrong.
    pub(crate) message: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that was read.
pub(crate) struct Policies {
    pub(crate) documents: Vec<Document>,
    /// Documents with tests, whole.
    pub(crate) tests: Vec<(String, Value)>,
    /// Where each document is, by its title.
    places: BTreeMap<String, String>,
    pub(crate) wrong: Vec<Wrong>,
}

impl Policies {
    /// Reads files, and every `.yaml`, `.yml`, `.json` and `.cedar` file of directories. A `.cedar` file is a
    /// ClusterPolicy of its own name.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let metadata = std::fs::metadata(path)
                .with_context(|| format!("`{}` cannot be read", path.display()))?;
            if metadata.is_dir() {
                walk(path, DEPTH, &mut files)?;
            } else {
                files.push(path.clone());
            }
        }
        let mut read = Self {
            documents: Vec::new(),
            tests: Vec::new(),
            places: BTreeMap::new(),
            wrong: Vec::new(),
        };
        for file in files {
            let bytes = std::fs::read(&file)
                .with_context(|| format!("`{}` cannot be read", file.display()))?;
            read.file(&file, bytes);
        }
        Ok(read)
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>) {
        let name = path.display().to_string();
        if path.extension().is_some_and(|end| end == "cedar") {
            let own = path.file_stem().unwrap_or_default().to_string_lossy();
            let Ok(cedar) = String::from_utf8(bytes) else {
                let message = "it is no text in UTF-8".to_owned();
                self.wrong.push(Wrong {
                    place: name,
                    message,
                });
                return;
            };
            let document = Document::Policies(bailiwick_pdp::PolicyDocument {
                name: (*own).into(),
                cedar,
                ..Default::default()
            });
            self.places.insert(document.title(), name);
            self.documents.push(document);
            return;
        }
        let (found, findings) = documents(&name, bytes);
        self.wrong.extend(findings.into_iter().map(|finding| {
            Wrong {
                place: finding
                    .places
                    .first()
                    .map_or_else(|| name.clone(), ToString::to_string),
                message: finding.message,
            }
        }));
        for document in found {
            let place = format!("{name}:{}", document.start.line);
            let kind = document.value.get("kind").and_then(Value::as_str);
            let version = document.value.get("apiVersion").and_then(Value::as_str);
            if kind == Some("PolicyTest") && version == Some(API_VERSION) {
                self.tests.push((place, document.value));
                continue;
            }
            match Document::read(&document.value) {
                // Other objects may stand beside ours.
                None => {}
                Some(Ok(document)) => {
                    self.places.entry(document.title()).or_insert(place);
                    self.documents.push(document);
                }
                Some(Err(problem)) => self.wrong.push(Wrong {
                    place,
                    message: problem.to_string(),
                }),
            }
        }
    }

    /// Puts the documents together, or says everything that is wrong.
    pub(crate) fn bundle(&self) -> Result<Bundle, Vec<Wrong>> {
        let bundle = Bundle::new(&self.documents);
        let mut wrong: Vec<Wrong> = Vec::new();
        for known in &self.wrong {
            wrong.push(Wrong {
                place: known.place.clone(),
                message: known.message.clone(),
            });
        }
        match bundle {
            Ok(bundle) if wrong.is_empty() => Ok(bundle),
            Ok(_) => Err(wrong),
            Err(problems) => {
                wrong.extend(problems.iter().map(|problem| self.placed(problem)));
                Err(wrong)
            }
        }
    }

    fn placed(&self, problem: &DocumentProblem) -> Wrong {
        let place = self
            .places
            .get(&problem.document)
            .cloned()
            .unwrap_or_default();
        let Some((line, column)) = self.within(problem) else {
            return Wrong {
                place,
                message: problem.to_string(),
            };
        };
        if place.ends_with(".cedar") {
            return Wrong {
                place: format!("{place}:{line}:{column}"),
                message: problem.to_string(),
            };
        }
        Wrong {
            place,
            message: format!("{problem} (line {line}, column {column} of its Cedar text)"),
        }
    }

    /// Line and column in the Cedar text, from 1.
    fn within(&self, problem: &DocumentProblem) -> Option<(usize, usize)> {
        let text = self.documents.iter().find_map(|document| match document {
            Document::Policies(policies) if document.title() == problem.document => {
                Some(&policies.cedar)
            }
            _ => None,
        })?;
        let before = text.get(..problem.span?.start as usize)?;
        let last = before.rsplit('\n').next().unwrap_or_default();
        Some((before.matches('\n').count() + 1, last.chars().count() + 1))
    }
}

/// The documents of files that have to be right, all of them, and what they amount to.
pub(crate) fn load(paths: &[PathBuf]) -> Result<(Vec<Document>, Bundle)> {
    let policies = Policies::read(paths)?;
    match policies.bundle() {
        Ok(bundle) => Ok((policies.documents, bundle)),
        Err(wrong) => {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            bail!("{}", lines.join("\n"))
        }
    }
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let listed = std::fs::read_dir(directory)
        .with_context(|| format!("`{}` cannot be read", directory.display()))?;
    let mut paths = Vec::new();
    for entry in listed {
        paths.push(entry?.path());
    }
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            if depth == 0 {
                bail!(
                    "`{}` lies too deep: {DEPTH} directories are walked",
                    path.display()
                );
            }
            walk(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|end| {
            ["yaml", "yml", "json", "cedar"]
                .iter()
                .any(|known| end == *known)
        }) {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            bail!(
                "`{}` holds more than {MOST_FILES} files",
                directory.display()
            );
        }
    }
    Ok(())
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
        load(&paths).unwrap();
        write(
            "b.cedar",
            "permit (principal, action, resource);\n\n  permit (principal, actio, resource);\n",
        );
        let error = load(&paths).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("b.cedar:3:"), "{error}");
        write("b.cedar", "");
        write(
            "a.yaml",
            "{apiVersion: bailiwick.dev/v1alpha1, kind: ClusterPolicy, metadata: {name: a}, spec: {cedar: ''}}",
        );
        let error = load(&paths).map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("2 documents have this kind and name"),
            "{error}"
        );
    }
}
