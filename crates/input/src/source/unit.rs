use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bailiwick_core::Str;
use bailiwick_diag::{Finding, Severity};

use super::Source;
use crate::limits::{MAX_DIRECTORY_DEPTH, MAX_FILE_BYTES, MAX_FILES};

/// Something to read as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The path as the user gave it, or as it follows from the directory that the user gave.
    pub(crate) name: Str,
    pub(crate) place: UnitPlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitPlace {
    /// A file that the user named.
    Named(PathBuf),
    /// A file found in a directory.
    Found(PathBuf),
    Stdin,
}

/// What kubectl takes from a directory (`FileExtensions` of cli-runtime).
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// The files behind `sources`, in the order of the sources and of their paths in it, and what cannot be looked into.
pub(crate) fn units(sources: &[Source]) -> (Vec<Unit>, Vec<Finding>) {
    let mut walk = Walk::default();
    for source in sources {
        match source {
            Source::Stdin => walk.units.push(Unit {
                name: source.name(),
                place: UnitPlace::Stdin,
            }),
            Source::Path(path) if path.is_dir() => walk.source(path),
            Source::Path(path) => walk.units.push(Unit {
                name: source.name(),
                place: UnitPlace::Named(path.clone()),
            }),
        }
    }
    (walk.units, walk.findings)
}

#[derive(Default)]
struct Walk {
    units: Vec<Unit>,
    findings: Vec<Finding>,
    /// Directories that are left aside: hidden ones, and links.
    aside: Vec<PathBuf>,
    full: bool,
}

impl Walk {
    fn source(&mut self, path: &Path) {
        let before = (self.units.len(), self.findings.len());
        self.directory(path, 0);
        if before == (self.units.len(), self.findings.len()) {
            let message = format!("{}: no .yaml, .yml or .json file is in it", path.display());
            let finding = Finding::new("no-manifests", Severity::Medium, message)
                .help("name a file to have it read whatever it is called");
            self.findings.push(finding);
        }
        let aside = std::mem::take(&mut self.aside);
        if let Some(first) = aside.first() {
            let others = match aside.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let message = format!(
                "{}{others}: hidden directories and links to directories are left aside",
                first.display()
            );
            let finding = Finding::new("directory-left-aside", Severity::Info, message)
                .help("name the directory to have it read");
            self.findings.push(finding);
        }
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DIRECTORY_DEPTH {
            let message = format!(
                "{}: directories nest deeper than {MAX_DIRECTORY_DEPTH} levels",
                path.display()
            );
            self.findings
                .push(lost("directory-too-deep", message, "name the directory"));
            return;
        }
        let mut entries = match read_directory(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.findings
                    .push(unreadable(&path.to_string_lossy(), &error));
                return;
            }
        };
        entries.sort();
        for (name, kind) in entries {
            let path = path.join(&name);
            let hidden = name.as_encoded_bytes().first() == Some(&b'.');
            match kind {
                EntryKind::Directory if hidden => self.aside.push(path),
                EntryKind::Directory => self.directory(&path, depth + 1),
                EntryKind::Link if path.is_dir() => self.aside.push(path),
                EntryKind::File | EntryKind::Link => self.file(path),
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if self.full || !extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            return;
        }
        if self.units.len() >= MAX_FILES {
            self.full = true;
            let message = format!(
                "{}: more than {MAX_FILES} files; the rest is not read",
                path.display()
            );
            self.findings
                .push(lost("too-many-files", message, "name fewer directories"));
            return;
        }
        self.units.push(Unit {
            name: path.to_string_lossy().into(),
            place: UnitPlace::Found(path),
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EntryKind {
    Directory,
    Link,
    File,
}

fn read_directory(path: &Path) -> io::Result<Vec<(std::ffi::OsString, EntryKind)>> {
    std::fs::read_dir(path)?
        .map(|entry| {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = if kind.is_dir() {
                EntryKind::Directory
            } else if kind.is_symlink() {
                EntryKind::Link
            } else {
                EntryKind::File
            };
            Ok((entry.file_name(), kind))
        })
        .collect()
}

impl Unit {
    /// The bytes, no more than [`MAX_FILE_BYTES`].
    pub(crate) fn read(&self) -> Result<Vec<u8>, Box<Finding>> {
        let read = match &self.place {
            UnitPlace::Stdin => bounded(io::stdin().lock(), 0),
            UnitPlace::Named(path) => File::open(path).and_then(|file| {
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                bounded(file, size)
            }),
            UnitPlace::Found(path) => std::fs::metadata(path).and_then(|metadata| {
                // A pipe would wait for ever.
                if !metadata.is_file() {
                    return Err(io::Error::other("it is no regular file"));
                }
                bounded(File::open(path)?, metadata.len())
            }),
        };
        match read {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Box::new(too_large(&self.name))),
            Err(error) => Err(Box::new(unreadable(&self.name, &error))),
        }
    }
}

/// Everything from `reader`; `None` where it is too much.
pub(crate) fn bounded(reader: impl Read, size: u64) -> io::Result<Option<Vec<u8>>> {
    // Room for the line end that the last line may lack.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_FILE_BYTES)).unwrap_or(0) + 1);
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_FILE_BYTES).then_some(bytes))
}

pub(crate) fn too_large(name: &str) -> Finding {
    lost(
        "file-too-large",
        format!("{name}: it holds more than {} MiB", MAX_FILE_BYTES >> 20),
        "split it",
    )
}

pub(crate) fn unreadable(name: &str, error: &io::Error) -> Finding {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "ask for read access to it",
        _ => "check that it can be read, then try again",
    };
    lost("unreadable", format!("{name}: {error}"), help)
}

/// A finding about input that is lost.
pub(crate) fn lost(id: &'static str, message: String, help: &'static str) -> Finding {
    Finding::new(id, Severity::High, message)
        .help(help)
        .losing_input()
}
