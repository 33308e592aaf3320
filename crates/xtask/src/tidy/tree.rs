//! What the rules look at: the files of the checkout and the packages of the workspace.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The checkout as the rules see it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) packages: Vec<Package>,
    /// Directories of this machine that no file may name.
    pub(super) machine: Vec<String>,
}

/// A text file that is committed, or would be with `git add`.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the checkout, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) license: String,
    /// Its folder, from the root of the checkout.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// What a package depends on.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// For tests, examples and benches alone.
    pub(super) dev: bool,
}

impl Tree {
    /// Reads a checkout.
    ///
    /// # Errors
    /// When `git` or `cargo metadata` cannot be run in it, or a file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let root = &fs::canonicalize(root).context("cannot find the root of the checkout")?;
        let mut machine = vec![root.display().to_string()];
        if let Some(home) = env::home_dir() {
            machine
                .extend([".cargo", ".cache", "go"].map(|dir| home.join(dir).display().to_string()));
        }
        Ok(Self {
            files: files(root)?,
            packages: packages(root)?,
            machine,
        })
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Files with one of these extensions.
    pub(super) fn with_extension<'a>(
        &'a self,
        extensions: &'a [&str],
    ) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| {
            file.path
                .rsplit_once('.')
                .is_some_and(|(_, extension)| extensions.contains(&extension))
        })
    }
}

fn files(root: &Path) -> Result<Vec<File>> {
    let list = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let list = output(Command::new("git").args(list).current_dir(root))?;
    let mut files = Vec::new();
    for path in list.split_terminator('\0') {
        let bytes = match fs::read(root.join(path)) {
            Ok(bytes) => bytes,
            // Deleted, and the deletion not committed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        };
        if !bytes.contains(&0) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(File {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let text = output(Command::new(cargo).args(arguments).current_dir(root))?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("`cargo metadata` names no packages")?;
    packages
        .iter()
        .map(|package| parse(package, root))
        .collect()
}

fn parse(package: &Value, root: &Path) -> Result<Package> {
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let manifest = text(package, "manifest_path");
    let folder = Path::new(&manifest)
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok());
    let folder = folder.with_context(|| format!("{manifest} is outside of the checkout"))?;
    let dependencies = package.get("dependencies").and_then(Value::as_array);
    let dependencies = dependencies
        .into_iter()
        .flatten()
        .map(|dependency| Dependency {
            name: text(dependency, "name"),
            dev: dependency.get("kind").and_then(Value::as_str) == Some("dev"),
        });
    Ok(Package {
        name: text(package, "name"),
        description: text(package, "description"),
        license: text(package, "license"),
        folder: folder.display().to_string(),
        dependencies: dependencies.collect(),
    })
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {complaint}",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} wrote invalid UTF-8"))
}

#[cfg(test)]
impl Tree {
    /// A made-up tree of files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Self {
            files: files.iter().map(file).collect(),
            ..Self::default()
        }
    }

    /// A made-up package in `crates/NAME`; a dependency that starts with `dev:` is for tests.
    #[must_use]
    pub(super) fn package(mut self, name: &str, dependencies: &[&str]) -> Self {
        let folder = name.strip_prefix("bailiwick-").unwrap_or(name);
        let dependency = |text: &&str| match text.strip_prefix("dev:") {
            Some(name) => Dependency {
                name: name.to_owned(),
                dev: true,
            },
            None => Dependency {
                name: (*text).to_owned(),
                dev: false,
            },
        };
        self.packages.push(Package {
            name: name.to_owned(),
            description: "Described.".to_owned(),
            license: "Apache-2.0".to_owned(),
            folder: format!("crates/{folder}"),
            dependencies: dependencies.iter().map(dependency).collect(),
        });
        self
    }
}

/// Complaints as the user reads them, for comparison in tests.
#[cfg(test)]
pub(super) fn said(complaints: &[super::Complaint]) -> Vec<String> {
    complaints.iter().map(ToString::to_string).collect()
}
