//! A directory of manifests, put into a real cluster as a person would.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

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
    wait_for_custom_resources(cluster)?;
    let all = admin.kubectl(&["apply", validate, "--recursive", "-f", &path])?;
    if all.stdout.is_empty() {
        all.clone().success()?;
    }
    // It logs that it does not look into a `List` as a whole; the items are looked into one by one.
    let of_lists = |line: &&str| line.contains("skipping validation");
    Ok(all
        .stderr
        .lines()
        .filter(|line| !of_lists(line))
        .map(str::to_owned)
        .collect())
}

/// How long the API server may take to serve and describe a custom resource, which is about 2 s.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until every custom resource is served, and described: until then kubectl cannot let the
/// API server validate such an object, and says so or refuses it.
fn wait_for_custom_resources(cluster: &Cluster) -> Result<(), ServersError> {
    let start = Instant::now();
    while !described(cluster)? {
        if start.elapsed() > LIMIT {
            return Err(ServersError::Timeout {
                what: "the description of a custom resource",
                seconds: LIMIT.as_secs(),
            });
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn described(cluster: &Cluster) -> Result<bool, ServersError> {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definitions = cluster.admin().get(DEFINITIONS)?.json()?;
    for definition in definitions
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |pointer| definition.pointer(pointer).and_then(Value::as_str);
        let (Some(group), Some(plural)) = (text("/spec/group"), text("/spec/names/plural")) else {
            continue;
        };
        let version = text("/spec/versions/0/name").unwrap_or_default();
        let document = cluster
            .admin()
            .get(&format!("/openapi/v3/apis/{group}/{version}"))?;
        // One path of the collection, one of an object.
        if document.status != 200 || !document.body.contains(&format!("/{plural}/{{name}}\"")) {
            return Ok(false);
        }
    }
    Ok(true)
}
