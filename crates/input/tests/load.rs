//! Files, directories, archives and dumps into a snapshot: what is kept, what is said, and that nothing secret is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and prints its seed"
)]

#[path = "load/archives.rs"]
mod archives;
#[path = "load/locating.rs"]
mod locating;
#[path = "load/manifests.rs"]
mod manifests;
#[path = "load/secrets.rs"]
mod secrets;
#[path = "load/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};

use bailiwick_diag::Finding;
use bailiwick_input::{Defaults, LoadOptions, Loaded, Source, load};

/// A directory with these files in it.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    directory
}

fn read(path: &Path) -> Loaded {
    read_all(&[path.to_path_buf()])
}

fn read_all(paths: &[PathBuf]) -> Loaded {
    let sources: Vec<Source> = paths.iter().cloned().map(Source::Path).collect();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    load(&sources, &options)
}

/// A file of that name with that text, read.
fn read_text(name: &str, text: &str) -> Loaded {
    let directory = directory(&[(name, text.as_bytes())]);
    read(&directory.path().join(name))
}

/// The objects, as `Kind namespace/name`.
fn objects(loaded: &Loaded) -> Vec<String> {
    loaded
        .snapshot
        .objects()
        .map(|(object, _)| object.object_ref().to_string())
        .collect()
}

fn ids(loaded: &Loaded) -> Vec<&str> {
    loaded.findings.iter().map(|finding| &*finding.id).collect()
}

/// Lines and columns of a finding's places.
fn lines(finding: &Finding) -> Vec<(u32, u32)> {
    finding
        .places
        .iter()
        .filter_map(|place| place.span.as_ref())
        .map(|span| (span.start.line, span.start.column))
        .collect()
}
