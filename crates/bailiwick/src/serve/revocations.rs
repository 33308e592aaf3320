//! The file of revocations.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bailiwick_core::{Subject, Timestamp};
use bailiwick_pdp::{Revocation, RevocationTarget, Revocations};
use serde::Deserialize;

use super::config::document;

/// What the file holds: `revocations: [...]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    revocations: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    target: String,
    reason: String,
    expires: Option<Timestamp>,
}

/// Reads the file; all of it is right, or it is refused.
pub(super) fn read(path: &Path) -> Result<Revocations> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("`{name}` cannot be read"))?;
    let file: File = document(&name, &bytes)?;
    let mut revocations = Revocations::default();
    for entry in file.revocations {
        let target = target(&entry.target)
            .with_context(|| format!("{name}: revocation `{}`", entry.name))?;
        let before = revocations.len();
        revocations.put(Revocation {
            name: entry.name.as_str().into(),
            target,
            reason: entry.reason.into(),
            expires: entry.expires,
        });
        if revocations.len() == before {
            bail!("{name}: two revocations are called `{}`", entry.name);
        }
    }
    Ok(revocations)
}

/// `user:NAME`, `group:NAME`, `sa:NAMESPACE/NAME` or `credential:ID`.
fn target(text: &str) -> Result<RevocationTarget> {
    if let Some(id) = text.strip_prefix("credential:") {
        if id.is_empty() {
            bail!(
                "`{text}` names no credential; write `credential:JTI=ID` or `credential:X509SHA256=HASH`"
            );
        }
        return Ok(RevocationTarget::Credential(id.into()));
    }
    Ok(match text.parse::<Subject>()? {
        Subject::User { name } => RevocationTarget::User(name.into()),
        Subject::Group { name } => RevocationTarget::Group(name.into()),
        Subject::ServiceAccount { namespace, name } => RevocationTarget::ServiceAccount {
            namespace: namespace.into(),
            name: name.into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<usize, &str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.yaml");
        std::fs::write(&path, text).unwrap();
        match (read(&path), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.len(), expected, "{text}"),
            (Err(error), Err(part)) => {
                let error = format!("{error:#}");
                assert!(error.contains(part), "{text}: {error}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn files_of_revocations() {
        let one = "- {name: a, target: 'user:anna', reason: laptop stolen, expires: '2026-12-01T00:00:00Z'}";
        let two = "- {name: b, target: 'credential:JTI=7', reason: leaked}";
        check("revocations: []", Ok(0));
        check(&format!("revocations:\n{one}\n{two}"), Ok(2));
        check(
            &format!("revocations:\n{one}\n{one}"),
            Err("two revocations are called `a`"),
        );
        check(
            "revocations: [{name: a, target: 'sa:x', reason: r}]",
            Err("`sa:x` is no service account"),
        );
        check(
            "revocations: [{name: a, target: 'credential:', reason: r}]",
            Err("names no credential"),
        );
        check(
            "revocations: [{name: a, target: 'user:x'}]",
            Err("missing field `reason`"),
        );
        check(
            "revocations: [{name: a, target: 'user:x', reason: r, expires: soon}]",
            Err("`soon` is no time"),
        );
        check("revoked: []", Err("unknown field `revoked`"));
    }
}
