use std::path::{Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError};

use crate::error::ConnectError;

/// Reads and merges the files that exist; the first to set a name wins. The second value lists what was found.
pub(super) fn read(
    files: &[PathBuf],
    required: bool,
) -> Result<(Kubeconfig, Vec<PathBuf>), ConnectError> {
    let mut merged = Kubeconfig::default();
    let mut found = Vec::new();
    for file in files {
        let mut next = match Kubeconfig::read_from(file) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(source, _))
                if source.kind() == std::io::ErrorKind::NotFound && !required =>
            {
                continue;
            }
            Err(error) => return Err(unreadable(file, &error)),
        };
        // An empty text sets nothing, as with kubectl.
        next.current_context = next.current_context.filter(|name| !name.is_empty());
        merged = merged
            .merge(next)
            .map_err(|error| unreadable(file, &error))?;
        found.push(file.clone());
    }
    Ok((merged, found))
}

/// Says where a kubeconfig is broken, and never what stands there: it may be a token.
fn unreadable(file: &Path, error: &KubeconfigError) -> ConnectError {
    let reason = match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::Parse(source) => match source.location() {
            Some(at) => format!(
                "not a valid kubeconfig at line {}, column {}; `kubectl config view` says what it reads",
                at.line(),
                at.column()
            ),
            None => "not a valid kubeconfig".to_owned(),
        },
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "it is of another kind or apiVersion than the files before it".to_owned()
        }
        _ => "not a valid kubeconfig".to_owned(),
    };
    ConnectError::File {
        what: "kubeconfig",
        path: file.to_owned(),
        reason,
    }
}
