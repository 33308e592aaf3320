//! `cargo xtask generate api`: the tables of API resources and default roles, one pair of files per
//! minor, read from that minor's real API server.
//!
//! This takes minutes per minor and is not part of the tests; the files are committed.

mod build;
mod proto;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::binaries;
use bailiwick_testkit::servers::{Cluster, Identity};
use clap::{Args, ValueEnum};
use serde_json::Value;

use self::table::{GroupVersion, Row};

/// Each minor with the release that stands for it; the first is that of the test environment. Where it is not the last one of its minor, the
/// checksum database does not know all modules of the later ones.
const RELEASES: [(&str, &str); 9] = [
    ("1.37", "37.1"),
    ("1.36", "36.4"),
    ("1.35", "35.4"),
    ("1.34", "34.4"),
    ("1.33", "33.13"),
    ("1.32", "32.13"),
    ("1.31", "31.4"),
    ("1.30", "30.14"),
    ("1.29", "29.6"),
];

/// The kinds of the default objects, in the order of the files.
const KINDS: [(&str, &str); 4] = [
    ("ClusterRole", "clusterroles"),
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("Role", "roles"),
    ("RoleBinding", "rolebindings"),
];

/// What to generate.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(default_value = "api")]
    what: What,
    /// Only this minor, as `1.36`; repeat for more
    #[arg(long)]
    minor: Vec<String>,
    /// A ready kube-apiserver of the one minor, instead of building it
    #[arg(long, value_name = "BINARY", requires = "minor")]
    api_server: Option<PathBuf>,
}

/// A generated table.
#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// API resources and default roles, in crates/model/data
    Api,
    /// The Rust code of the wire formats, from crates/spiffe/proto
    Proto,
}

/// Generates and says what was written.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let What::Proto = arguments.what {
        return proto::run();
    }
    for minor in &arguments.minor {
        ensure!(
            RELEASES.iter().any(|(known, _)| known == minor),
            "no release is listed for the minor `{minor}`: add it to RELEASES"
        );
    }
    ensure!(
        arguments.api_server.is_none() || arguments.minor.len() == 1,
        "--api-server goes with exactly one --minor"
    );
    crate::testenv::ready()?;
    for (minor, release) in RELEASES {
        if !arguments.minor.is_empty() && !arguments.minor.iter().any(|wanted| wanted == minor) {
            continue;
        }
        let scratch = tempfile::tempdir()?;
        let binary = match &arguments.api_server {
            Some(binary) => binary.clone(),
            None if (minor, release) == RELEASES[0] => binaries::server("kube-apiserver")?,
            None => build::api_server(release, scratch.path())?,
        };
        let tables =
            tables(minor, &binary).with_context(|| format!("cannot read the tables of {minor}"))?;
        for table in tables {
            table.write()?;
        }
    }
    Ok(())
}

/// A file under `crates/model/data` and what belongs in it.
struct Table {
    file: String,
    text: String,
}

/// Starts the API server twice, as it is and with every built-in version on, and writes down what it
/// says of itself.
fn tables(minor: &str, binary: &Path) -> Result<[Table; 2]> {
    let server = Cluster::builder()
        .without_controller_manager()
        .api_server(binary);
    let cluster = server.start()?;
    let admin = cluster.admin();
    let version = read(admin, "/version")?;
    let version = version
        .get("gitVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure!(
        version.starts_with(&format!("v{minor}.")),
        "the API server is {version}, not {minor}"
    );
    let on = discover(admin)?;
    let mut objects = Vec::new();
    for (kind, resource) in KINDS {
        let list = read(
            admin,
            &format!("/apis/rbac.authorization.k8s.io/v1/{resource}"),
        )?;
        objects.extend(table::objects(kind, &list)?);
    }
    drop(cluster);
    let everything = discover(server.runtime_config("api/all=true").start()?.admin())?;
    let rows = lines::<Row>(&table::rows(&on, &everything)?)?;
    let objects = lines(&objects)?;
    Ok([
        Table {
            file: format!("api/{minor}.json"),
            text: format!(
                "{{\"minor\":\"{minor}\",\"server\":\"{version}\",\"resources\":[\n{rows}\n]}}\n"
            ),
        },
        Table {
            file: format!("defaults/{minor}.json"),
            text: format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{objects}\n]}}\n"
            ),
        },
    ])
}

/// Every group and version with its resources, in the server's order of preference.
fn discover(admin: &Identity) -> Result<Vec<GroupVersion>> {
    let mut found = Vec::new();
    for (group, version) in table::group_versions(&read(admin, "/api")?, &read(admin, "/apis")?)? {
        let path = match group.as_str() {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        found.push(GroupVersion::new(group, version, &read(admin, &path)?)?);
    }
    Ok(found)
}

fn read(admin: &Identity, path: &str) -> Result<Value> {
    let reply = admin.get(path)?;
    ensure!(
        reply.status == 200,
        "GET {path} was answered with {}: {}",
        reply.status,
        reply.body
    );
    Ok(reply.json()?)
}

/// One entry a line, so that a difference between releases shows as a line.
fn lines<T: serde::Serialize>(entries: &[T]) -> Result<String> {
    let lines: Result<Vec<_>, _> = entries.iter().map(serde_json::to_string).collect();
    Ok(lines?.join(",\n"))
}

impl Table {
    fn path(&self) -> PathBuf {
        crate::root().join("crates/model/data").join(&self.file)
    }

    #[allow(clippy::print_stderr, reason = "says what was written")]
    fn write(&self) -> Result<()> {
        fs::write(self.path(), &self.text)
            .with_context(|| format!("cannot write {}", self.path().display()))?;
        eprintln!("generate: wrote crates/model/data/{}", self.file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newer test environment brings newer tables: this fails until they are generated.
    #[test]
    fn the_newest_tables_are_what_the_server_of_the_tests_says() {
        let (minor, _) = RELEASES[0];
        let binary = binaries::server("kube-apiserver").unwrap();
        for table in tables(minor, &binary).unwrap() {
            let committed = fs::read_to_string(table.path()).unwrap();
            assert!(
                committed == table.text,
                "{} differs: run `cargo xtask generate api --minor {minor}`",
                table.file
            );
        }
    }
}
