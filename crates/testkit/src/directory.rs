//! A directory of manifests, put into a real cluster as a person would.

use std::path::{Path, PathBuf};

use crate::servers::{Cluster, ServersError};

/// How kubectl treats fields that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Takes the object without them, with a warning, as most clients other than kubectl do.
    Warn,
    /// Refuses the object.
    Strict,
}

/// The company cluster of `examples/`.
#[must_use]
pub fn acme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme")
}

/// Applies a directory: what everything else needs first, that is the files directly in it, then
/// the whole tree. Returns what kubectl had to say against it, one line each.
///
/// # Errors
/// When kubectl cannot be run, or takes nothing at all.
pub fn apply(
    cluster: &Cluster,
    directory: &Path,
    fields: Fields,
) -> Result<Vec<String>, ServersError> {
    let path = directory.to_string_lossy();
    let validate = match fields {
        Fields::Warn => "--validate=warn",
        Fields::Strict => "--validate=strict",
    };
    let admin = cluster.admin();
    admin.kubectl(&["apply", validate, "-f", &path])?;
    // A custom resource is refused until the API server serves its definition.
    admin.kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ])?;
    let all = admin.kubectl(&["apply", validate, "--recursive", "-f", &path])?;
    if all.stdout.is_empty() {
        all.clone().success()?;
    }
    Ok(all.stderr.lines().map(str::to_owned).collect())
}
