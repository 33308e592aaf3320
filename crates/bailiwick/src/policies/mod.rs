//! Files of policies, relations, delegations and revocations.

pub(crate) mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bailiwick_core::PolicyEvidence;
use bailiwick_input::documents_wanted;
use bailiwick_model::Value;
use bailiwick_pdp::{
    API_VERSION, Bundle, Document, DocumentProblem, PolicyDocument, PolicyLint, State,
};
use bailiwick_rbac::Engine;

use crate::console;

/// A directory is walked no further down.
const DEPTH: usize = 16;
/// Files and directories read in all.
pub(crate) const MOST_FILES: usize = 10_000;

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
    /// Documents that are none of ours.
    pub(crate) strange: Vec<Wrong>,
}

/// What one file holds.
#[derive(Default)]
pub(crate) struct FileRead {
    /// Each with its place, and with its piece of the file where it is one of several.
    pub(crate) documents: Vec<(Document, String, Option<usize>)>,
    tests: Vec<(String, Value)>,
    pub(crate) wrong: Vec<Wrong>,
    pub(crate) strange: Vec<Wrong>,
}

impl Policies {
    /// Reads files, and every `.yaml`, `.yml`, `.json` and `.cedar` file of directories. A `.cedar` file is a
    /// ClusterPolicy of its own name.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut read = Self {
            documents: Vec::new(),
            tests: Vec::new(),
            places: BTreeMap::new(),
            wrong: Vec::new(),
            strange: Vec::new(),
        };
        for file in files(paths)? {
            let bytes = console::read_file(&file)?;
            read.add(FileRead::of(&file, bytes, &mut |_| true));
        }
        Ok(read)
    }

    /// Whether none of the files holds anything of ours, right or wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.tests.is_empty() && self.wrong.is_empty()
    }

    fn add(&mut self, file: FileRead) {
        for (document, place, _) in file.documents {
            self.places.entry(document.title()).or_insert(place);
            self.documents.push(document);
        }
        self.tests.extend(file.tests);
        self.wrong.extend(file.wrong);
        self.strange.extend(file.strange);
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

    /// Where a document stands.
    pub(crate) fn place_of(&self, document: &Document) -> String {
        let place = self.places.get(&document.title());
        place.cloned().unwrap_or_default()
    }

    /// Where a policy of the documents stands.
    pub(crate) fn place(&self, lint: &PolicyLint) -> String {
        let document = self.document(&lint.namespace, &lint.id);
        let found = document.map(|document| {
            self.placed(&DocumentProblem {
                document: Document::Policies(document.clone()).title(),
                message: String::new(),
                span: Some(lint.clause),
            })
        });
        found.map_or_else(String::new, |wrong| wrong.place)
    }

    /// The text of a policy's clause, where it still stands there.
    pub(crate) fn clause(&self, evidence: &PolicyEvidence) -> Option<String> {
        let document = self.document(&evidence.namespace, &evidence.id)?;
        let span = evidence.clause;
        let text = document.cedar.get(span.start as usize..span.end as usize)?;
        Some(text.to_owned())
    }

    /// The document that a policy's id names.
    fn document(&self, namespace: &str, id: &str) -> Option<&PolicyDocument> {
        let name = id.split_once('/').map_or(id, |(document, _)| document);
        self.documents.iter().find_map(|document| match document {
            Document::Policies(document)
                if *document.name == *name && *document.namespace == *namespace =>
            {
                Some(document)
            }
            _ => None,
        })
    }

    fn placed(&self, problem: &DocumentProblem) -> Wrong {
        let place = self
            .places
            .get(&problem.document)
            .cloned()
            .unwrap_or_default();
        let document = self
            .documents
            .iter()
            .find(|document| document.title() == problem.document);
        placed(problem, place, document)
    }
}

/// A problem with the place of the document that it is about.
pub(crate) fn placed(
    problem: &DocumentProblem,
    place: String,
    document: Option<&Document>,
) -> Wrong {
    let Some((line, column)) = within(problem, document) else {
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

/// What is wrong with a document that is no file, and where in its Cedar text.
pub(crate) fn located(problem: &DocumentProblem, document: Option<&Document>) -> String {
    match within(problem, document) {
        Some((line, column)) => format!(
            "{} (line {line}, column {column} of its Cedar text)",
            problem.message
        ),
        None => problem.message.clone(),
    }
}

/// Line and column in the Cedar text, from 1.
fn within(problem: &DocumentProblem, document: Option<&Document>) -> Option<(usize, usize)> {
    let Document::Policies(policies) = document? else {
        return None;
    };
    let before = policies.cedar.get(..problem.span?.start as usize)?;
    let last = before.rsplit('\n').next().unwrap_or_default();
    Some((before.matches('\n').count() + 1, last.chars().count() + 1))
}

impl FileRead {
    /// Reads a file. `wanted` says of the text of each YAML document whether it is to be read.
    pub(crate) fn of(path: &Path, bytes: Vec<u8>, wanted: &mut dyn FnMut(&[u8]) -> bool) -> Self {
        let name = path.display().to_string();
        if path.extension().is_some_and(|end| end == "cedar") {
            return Self::cedar(path, name, bytes);
        }
        let mut read = Self::default();
        let (found, findings) = documents_wanted(&name, bytes, wanted);
        read.wrong.extend(findings.into_iter().map(|finding| {
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
            read.document(document, place);
        }
        read
    }

    fn cedar(path: &Path, name: String, bytes: Vec<u8>) -> Self {
        let mut read = Self::default();
        let own = path.file_stem().unwrap_or_default().to_string_lossy();
        match String::from_utf8(bytes) {
            Ok(cedar) => {
                let document = Document::Policies(PolicyDocument {
                    name: (*own).into(),
                    cedar,
                    ..Default::default()
                });
                read.documents.push((document, name, None));
            }
            Err(_) => read.wrong.push(Wrong {
                place: name,
                message: "it is no text in UTF-8".to_owned(),
            }),
        }
        read
    }

    fn document(&mut self, document: bailiwick_input::Document, place: String) {
        let text = |key| document.value.get(key).and_then(Value::as_str);
        let (version, kind) = (text("apiVersion"), text("kind"));
        if kind == Some("PolicyTest") && version == Some(API_VERSION) {
            self.tests.push((place, document.value));
            return;
        }
        match Document::read(&document.value) {
            Some(Ok(found)) => self.documents.push((found, place, document.piece)),
            Some(Err(problem)) => self.wrong.push(Wrong {
                place,
                message: problem.to_string(),
            }),
            // A forbid in a version that is not known would be missed without a word.
            None if version.is_some_and(|version| version.starts_with("bailiwick.dev/")) => {
                self.wrong.push(Wrong {
                    place,
                    message: format!(
                        "`{}` is a version that is not known here; write `{API_VERSION}`",
                        version.unwrap_or_default()
                    ),
                });
            }
            None => {
                let what = match (version, kind) {
                    (Some(version), Some(kind)) => format!("a `{kind}` of `{version}`"),
                    _ => "a document without `apiVersion` and `kind`".to_owned(),
                };
                self.strange.push(Wrong {
                    place,
                    message: format!(
                        "{what} is no document of `{API_VERSION}`, and says nothing here"
                    ),
                });
            }
        }
    }
}

/// The files of paths: those that are named, and every `.yaml`, `.yml`, `.json` and `.cedar` file of directories. What
/// begins with a dot is passed over: that is how a mounted ConfigMap keeps what its files point to.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
    Ok(files)
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

/// A state of roles and of what documents amount to.
pub(crate) fn state(engine: Arc<Engine>, bundle: Bundle) -> State {
    let mut state = State::new(engine);
    state.policies = Arc::new(bundle.policies);
    state.relations = Arc::new(bundle.relations);
    state.delegations = Arc::new(bundle.delegations);
    state.revocations = Arc::new(bundle.revocations);
    state
}

/// Whether a file of a directory is one of those that are read of it. `inside`: its path from there.
pub(crate) fn is_read(inside: &Path) -> bool {
    let mut parts = inside.components().map(Component::as_os_str);
    let dotted = parts.any(|part| part.as_encoded_bytes().starts_with(b"."));
    !dotted && inside.components().count() <= DEPTH && has_ending(inside)
}

fn has_ending(path: &Path) -> bool {
    let endings = ["yaml", "yml", "json", "cedar"];
    path.extension()
        .is_some_and(|own| endings.iter().any(|ending| own == *ending))
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let listed = std::fs::read_dir(directory)
        .with_context(|| format!("`{}` cannot be read", directory.display()))?;
    let mut paths = Vec::new();
    for entry in listed {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            let path = entry.path();
            // Only what a link leads to has to be asked for. One that leads nowhere is told of when it is read.
            let kind = match entry.file_type()? {
                link if link.is_symlink() => {
                    std::fs::metadata(&path).map_or(link, |found| found.file_type())
                }
                kind => kind,
            };
            let is_dir = kind.is_dir();
            if !is_dir && !kind.is_file() && !kind.is_symlink() && has_ending(&path) {
                // Whoever opened a pipe would wait for ever.
                bail!("`{}` is no regular file", path.display());
            }
            paths.push((path, is_dir));
        }
    }
    paths.sort_unstable();
    for (path, is_dir) in paths {
        if is_dir {
            if depth == 0 {
                bail!(
                    "`{}` lies too deep: {DEPTH} directories are walked",
                    path.display()
                );
            }
            walk(&path, depth - 1, files)?;
        } else if has_ending(&path) {
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

    /// The first things that are wrong.
    fn load(paths: &[PathBuf]) -> Result<()> {
        let wrong = Policies::read(paths)?.bundle().err().unwrap_or_default();
        match wrong.first() {
            Some(wrong) => bail!("{wrong}"),
            None => Ok(()),
        }
    }

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
        let error = load(&paths).unwrap_err().to_string();
        assert!(error.contains("b.cedar:3:"), "{error}");
        write("b.cedar", "");
        write(
            "a.yaml",
            "{apiVersion: bailiwick.dev/v1alpha1, kind: ClusterPolicy, metadata: {name: a}, spec: {cedar: ''}}",
        );
        let error = load(&paths).unwrap_err().to_string();
        assert!(
            error.contains("2 documents have this kind and name"),
            "{error}"
        );
    }

    /// Whoever opened one waited, and nothing that changed was taken any more.
    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let paths = [directory.path().to_owned()];
        let socket = directory.path().join("elsewhere");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        load(&paths).unwrap();
        std::os::unix::fs::symlink(&socket, directory.path().join("a.yaml")).unwrap();
        let error = load(&paths).unwrap_err().to_string();
        assert!(error.contains("a.yaml` is no regular file"), "{error}");
        std::fs::remove_file(&socket).unwrap();
        let error = load(&paths).unwrap_err().to_string();
        assert!(error.contains("a.yaml` cannot be read"), "{error}");
    }
}
