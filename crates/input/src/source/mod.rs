mod archive;
mod unit;

use std::path::PathBuf;
use std::str::FromStr;

use bailiwick_core::Str;
use bailiwick_diag::Finding;
use bailiwick_model::Snapshot;

use crate::held::Held;

pub(crate) use archive::{Format, members};
pub(crate) use unit::{Unit, UnitPlace, bounded, lost, units};

/// Where to read from: what the user gave behind `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, a directory (read with everything below it), an archive or a snapshot file.
    Path(PathBuf),
    /// Standard input, read to its end.
    Stdin,
}

impl Source {
    /// The path as the user gave it; `-` for standard input.
    pub fn name(&self) -> Str {
        match self {
            Self::Path(path) => path.to_string_lossy().into(),
            Self::Stdin => "-".into(),
        }
    }
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    /// `-` is standard input, everything else a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "-" => Self::Stdin,
            path => Self::Path(path.into()),
        })
    }
}

/// How to read manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// The namespace of namespaced objects that name none, as kubectl's `-n`.
    pub namespace: String,
    /// Which default roles and bindings to add.
    pub defaults: Defaults,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            defaults: Defaults::Auto,
        }
    }
}

/// Which of the roles and bindings that every API server creates for itself to add to the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Defaults {
    /// Those of the newest known minor, where the input holds none of them; a finding says so.
    #[default]
    Auto,
    /// None.
    None,
    /// Those of Kubernetes 1.`minor` that the input does not hold itself.
    Minor(u16),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects, the files they came from, and what is missing.
    pub snapshot: Snapshot,
    /// Everything to say about the input, in the order of the input.
    pub findings: Vec<Finding>,
    /// Text of what cannot be read a second time, for the [`Locator`](crate::Locator).
    pub held: Held,
}
