//! Where the binaries of the test environment are, and the key under which they are cached.
//!
//! The Go sources live in `testenv/`. `cargo xtask testenv` builds them into a directory outside
//! the checkout whose name is a hash of everything that went in, so that two checkouts with the
//! same sources share one build and a changed source never meets a stale binary.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// The command that installs what is missing.
pub const INSTALL: &str = "cargo xtask testenv";

/// A directory with ready servers, instead of the cache.
pub const BIN_VARIABLE: &str = "BAILIWICK_TESTENV_BIN";

/// The variable that other Kubernetes test tools use for the same purpose.
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// Where the cache is, instead of the user's cache directory.
pub const CACHE_VARIABLE: &str = "BAILIWICK_TESTENV_CACHE";

/// The environment of every Go build here, so that the build does not depend on the user's.
pub const GO_ENVIRONMENT: [(&str, &str); 3] = [
    ("CGO_ENABLED", "0"),
    ("GOFLAGS", "-mod=readonly -buildvcs=false"),
    ("GOWORK", "off"),
];

/// Binaries that are built and cached together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// etcd, kube-apiserver, kube-controller-manager and kubectl.
    Servers,
    /// The oracle alone: editing it does not rebuild the servers.
    Oracle,
    /// The judge and client of SPIFFE, over go-spiffe, and spiffe-helper, which keeps SVIDs in files.
    Spiffe,
    /// SPIRE's server and agent. Not part of what every test run needs: they take six minutes to build.
    Spire,
}

/// How one binary is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The folder of the Go module under `testenv/`.
    pub module: &'static str,
    /// The Go package to build.
    pub package: &'static str,
    /// The file name of the result.
    pub binary: &'static str,
    /// Flags for the linker.
    pub ldflags: String,
    /// Whether it is linked with C: SPIRE's server is, for SQLite.
    pub cgo: bool,
}

/// Why a binary cannot be had.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BinariesError {
    /// The binary is in none of the places where it may be.
    #[error("`{binary}` is not at {}: run `{INSTALL}` in the checkout (needs Go, takes about 8 minutes once), or set {BIN_VARIABLE} to a directory that holds it", path.display())]
    Missing {
        /// The file name.
        binary: &'static str,
        /// Where it was expected.
        path: PathBuf,
    },
    /// Go is needed for the key of the cache.
    #[error("cannot run `go env GOVERSION` in {}: {reason}; install Go 1.26 or newer, or set {BIN_VARIABLE} to a directory with ready servers", module.display())]
    Go {
        /// The module in which it was run.
        module: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A source file of the test environment cannot be read.
    #[error("cannot read {}: the checkout is not complete", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No place for the cache.
    #[error("neither {CACHE_VARIABLE} nor XDG_CACHE_HOME nor HOME is set: set one of them")]
    NoCache,
}

/// The message is for the person who reads a failed `unwrap`.
impl fmt::Debug for BinariesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Set {
    /// How the binaries of this set are built.
    ///
    /// # Errors
    /// When `go.mod`, which names the versions, cannot be read.
    pub fn recipes(self) -> Result<Vec<Recipe>, BinariesError> {
        let kubernetes = |package, binary, ldflags: &str| Recipe {
            module: "kubernetes",
            package,
            binary,
            ldflags: ldflags.to_owned(),
            cgo: false,
        };
        let spire = |package, binary| Recipe {
            module: "spire",
            package,
            binary,
            ldflags: "-s -w -X github.com/spiffe/spire/pkg/common/version.gittag=1.15.3".to_owned(),
            cgo: true,
        };
        match self {
            Self::Servers => {}
            Self::Oracle => return Ok(vec![kubernetes("./oracle", "oracle", "-s -w")]),
            Self::Spiffe => {
                let spiffe = |package, binary| Recipe {
                    module: "spiffe",
                    package,
                    binary,
                    ldflags: "-s -w".to_owned(),
                    cgo: false,
                };
                let helper = "github.com/spiffe/spiffe-helper/cmd/spiffe-helper";
                return Ok(vec![spiffe(".", "spiffe"), spiffe(helper, "spiffe-helper")]);
            }
            Self::Spire => {
                return Ok(vec![
                    spire("github.com/spiffe/spire/cmd/spire-server", "spire-server"),
                    spire("github.com/spiffe/spire/cmd/spire-agent", "spire-agent"),
                ]);
            }
        }
        let flags = version_flags(&read_text(&source_dir().join("kubernetes/go.mod"))?);
        Ok(vec![
            Recipe {
                module: "etcd",
                package: "go.etcd.io/etcd/server/v3",
                binary: "etcd",
                ldflags: "-s -w".to_owned(),
                cgo: false,
            },
            kubernetes("k8s.io/kubernetes/cmd/kubectl", "kubectl", &flags),
            kubernetes(
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "kube-apiserver",
                &flags,
            ),
            kubernetes(
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "kube-controller-manager",
                &flags,
            ),
        ])
    }

    /// The directory of the cache that holds, or will hold, this set.
    ///
    /// # Errors
    /// When Go or a source file is missing, or there is no place for a cache.
    pub fn cached(self) -> Result<PathBuf, BinariesError> {
        Ok(cache_root()?.join(match self {
            Self::Servers => format!("servers-{}", self.key()?),
            Self::Oracle => format!("oracle-{}", self.key()?),
            Self::Spiffe => format!("spiffe-{}", self.key()?),
            Self::Spire => format!("spire-{}", self.key()?),
        }))
    }

    /// Hash over everything that the binaries depend on.
    fn key(self) -> Result<String, BinariesError> {
        let root = source_dir();
        let mut hash = Sha256::new();
        let mut field = |name: &str, bytes: &[u8]| {
            for part in [name.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        };
        let modules: &[&str] = match self {
            Self::Servers => &["kubernetes", "etcd"],
            Self::Oracle => &["kubernetes"],
            Self::Spiffe => &["spiffe"],
            Self::Spire => &["spire"],
        };
        let mut files = Vec::new();
        for module in modules {
            files.extend(["go.mod", "go.sum"].map(|name| root.join(module).join(name)));
        }
        match self {
            Self::Servers | Self::Spire => {}
            Self::Oracle => files.extend(go_sources(&root.join("kubernetes/oracle"))?),
            Self::Spiffe => files.extend(go_sources(&root.join("spiffe"))?),
        }
        for path in files {
            let name = path
                .strip_prefix(&root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            field(
                &name,
                &fs::read(&path).map_err(|source| BinariesError::Source { path, source })?,
            );
        }
        for recipe in self.recipes()? {
            field(
                recipe.binary,
                format!("{} {}", recipe.package, recipe.ldflags).as_bytes(),
            );
        }
        for (name, value) in GO_ENVIRONMENT {
            field(name, value.as_bytes());
        }
        field("go", go_version(&root.join("kubernetes"))?.as_bytes());
        Ok(key_of(hash))
    }
}

/// What names a directory of the cache, of everything that it depends on.
pub(crate) fn key_of(hash: Sha256) -> String {
    let bytes = hash.finalize();
    let first = bytes.iter().take(8);
    first.map(|byte| format!("{byte:02x}")).collect()
}

/// The path of a server's binary: from [`BIN_VARIABLE`] or [`ASSETS_VARIABLE`] when one is set
/// (servers of two origins are never mixed), else from the cache.
///
/// # Errors
/// [`BinariesError::Missing`] tells what to run.
pub fn server(binary: &'static str) -> Result<PathBuf, BinariesError> {
    let dir = match ready_dir() {
        Some(dir) => dir,
        None => Set::Servers.cached()?,
    };
    existing(&dir, binary)
}

/// The path of the oracle's binary: from [`BIN_VARIABLE`] when it is there, else from the cache.
///
/// # Errors
/// [`BinariesError::Missing`] tells what to run.
pub fn oracle() -> Result<PathBuf, BinariesError> {
    if let Some(ready) = ready_dir().and_then(|dir| existing(&dir, "oracle").ok()) {
        return Ok(ready);
    }
    existing(&Set::Oracle.cached()?, "oracle")
}

/// The path of `spiffe`, the judge and client of SPIFFE, or of `spiffe-helper`: from [`BIN_VARIABLE`] when it is there,
/// else from the cache.
///
/// # Errors
/// [`BinariesError::Missing`] tells what to run.
pub fn spiffe(binary: &'static str) -> Result<PathBuf, BinariesError> {
    if let Some(ready) = ready_dir().and_then(|dir| existing(&dir, binary).ok()) {
        return Ok(ready);
    }
    existing(&Set::Spiffe.cached()?, binary)
}

/// The path of SPIRE's `spire-server` or `spire-agent`, where it was built; tests go on without.
///
/// # Errors
/// When Go or a source file is missing, or there is no place for a cache.
pub fn spire(binary: &'static str) -> Result<Option<PathBuf>, BinariesError> {
    Ok(existing(&Set::Spire.cached()?, binary).ok())
}

/// The directory that the environment names for ready binaries.
#[must_use]
pub fn ready_dir() -> Option<PathBuf> {
    [BIN_VARIABLE, ASSETS_VARIABLE]
        .into_iter()
        .find_map(set_path)
}

/// The root of the cache.
///
/// # Errors
/// [`BinariesError::NoCache`] when the environment names no place.
pub fn cache_root() -> Result<PathBuf, BinariesError> {
    set_path(CACHE_VARIABLE)
        .or_else(|| set_path("XDG_CACHE_HOME").map(|dir| dir.join("bailiwick/testenv")))
        .or_else(|| set_path("HOME").map(|dir| dir.join(".cache/bailiwick/testenv")))
        .ok_or(BinariesError::NoCache)
}

/// The `testenv/` folder of this checkout.
#[must_use]
pub fn source_dir() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent);
    crates.unwrap_or(Path::new(".")).join("testenv")
}

fn set_path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn existing(dir: &Path, binary: &'static str) -> Result<PathBuf, BinariesError> {
    let path = dir.join(binary);
    if path.is_file() {
        Ok(path)
    } else {
        Err(BinariesError::Missing { binary, path })
    }
}

fn read_text(path: &Path) -> Result<String, BinariesError> {
    fs::read_to_string(path).map_err(|source| BinariesError::Source {
        path: path.to_owned(),
        source,
    })
}

/// The Go files of a folder in the order of their names.
fn go_sources(dir: &Path) -> Result<Vec<PathBuf>, BinariesError> {
    let failed = |source| BinariesError::Source {
        path: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "go") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Tells the Kubernetes binaries their version; a plain `go build` leaves it out, and kubectl and
/// the API server report it.
fn version_flags(go_mod: &str) -> String {
    let version = go_mod
        .lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches("require ")
                .strip_prefix("k8s.io/kubernetes ")
        })
        .map(|rest| rest.split_whitespace().next().unwrap_or_default())
        .next()
        .unwrap_or("v0.0.0");
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut number = || numbers.next().unwrap_or_default();
    let (major, minor) = (number(), number());
    let set = |name, value| format!("-X k8s.io/component-base/version.{name}={value}");
    format!(
        "-s -w {} {} {}",
        set("gitVersion", version),
        set("gitMajor", major),
        set("gitMinor", minor)
    )
}

/// The version of Go that builds the module, asked once per process.
fn go_version(module: &Path) -> Result<String, BinariesError> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version.clone());
    }
    let failed = |reason| BinariesError::Go {
        module: module.to_owned(),
        reason,
    };
    let output = Command::new("go")
        .args(["env", "GOVERSION", "GOOS", "GOARCH"])
        .current_dir(module)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(VERSION.get_or_init(|| version).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_flags_follow_go_mod() {
        let want = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.1 \
                    -X k8s.io/component-base/version.gitMajor=1 \
                    -X k8s.io/component-base/version.gitMinor=37";
        for go_mod in [
            "require k8s.io/kubernetes v1.37.1\n",
            "require (\n\tk8s.io/klog/v2 v2.1.0\n\tk8s.io/kubernetes v1.37.1 // indirect\n)\n",
        ] {
            assert_eq!(version_flags(go_mod), want, "{go_mod}");
        }
    }

    #[test]
    fn a_missing_binary_names_the_command_that_installs_it() {
        let error = existing(Path::new("/nowhere"), "etcd").unwrap_err();
        let text = format!("{error:?}");
        assert!(
            text.contains("cargo xtask testenv") && text.contains("/nowhere/etcd"),
            "{text}"
        );
    }

    #[test]
    fn the_sets_have_keys_of_their_own() {
        let sets = [Set::Servers, Set::Oracle, Set::Spiffe, Set::Spire];
        let keys = std::collections::BTreeSet::from(sets.map(|set| set.key().unwrap()));
        assert_eq!(keys.len(), sets.len());
        assert!(keys.iter().all(|key| key.len() == 16));
    }
}
