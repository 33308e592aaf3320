//! Builds the API server of any minor in a module of its own that is thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bailiwick_testkit::binaries::GO_ENVIRONMENT;
use serde_json::Value;

/// The binary of `v1.{release}`, built under `scratch`; takes 2 to 5 minutes and 9 minutes of CPU.
///
/// It runs at the lowest priority and compiles without optimisation: it serves a few requests.
pub(super) fn api_server(release: &str, scratch: &Path) -> Result<PathBuf> {
    note(&format!("building kube-apiserver v1.{release}"));
    let start = Instant::now();
    let version = format!("v1.{release}");
    let output = go(scratch)
        .args([
            "mod",
            "download",
            "-json",
            &format!("k8s.io/kubernetes@{version}"),
        ])
        .output()
        .context("cannot run `go`: install Go 1.26 or newer")?;
    ensure!(
        output.status.success(),
        "k8s.io/kubernetes {version} cannot be had: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let path = answer
        .get("GoMod")
        .and_then(Value::as_str)
        .context("`go` names no go.mod")?;
    let upstream = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    fs::write(scratch.join("go.mod"), module(&upstream, release))?;

    let binary = scratch.join("kube-apiserver");
    let minor = release.split('.').next().unwrap_or_default();
    let set = |name, value| format!("-X k8s.io/component-base/version.{name}={value}");
    let ldflags = format!(
        "-s -w {} {} {}",
        set("gitVersion", version.as_str()),
        set("gitMajor", "1"),
        set("gitMinor", minor)
    );
    let status = go(scratch)
        // The cloud providers that 1.29 still held are not served any more; the tag leaves them out.
        .args([
            "build",
            "-p",
            "1",
            "-mod=mod",
            "-tags",
            "providerless",
            "-trimpath",
        ])
        .args([
            "-gcflags",
            "all=-N -l -dwarf=false",
            "-ldflags",
            &ldflags,
            "-o",
        ])
        .args([
            binary.as_os_str(),
            "k8s.io/kubernetes/cmd/kube-apiserver".as_ref(),
        ])
        .stdout(std::io::stderr())
        .status()?;
    ensure!(
        status.success(),
        "`go build` of kube-apiserver {version} ended with {status}"
    );
    note(&format!(
        "built kube-apiserver {version} in {:.0} s",
        start.elapsed().as_secs_f32()
    ));
    Ok(binary)
}

fn go(dir: &Path) -> Command {
    let mut command = Command::new("nice");
    command
        .args(["-n", "19", "go"])
        .envs(GO_ENVIRONMENT)
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

/// A module that requires one release, with the staging modules at their published versions where
/// upstream's `go.mod` points into its own source tree.
fn module(upstream: &str, release: &str) -> String {
    let language = upstream
        .lines()
        .find(|line| line.starts_with("go "))
        .unwrap_or("go 1.21");
    let mut text = format!(
        "module bailiwick.dev/testenv/release\n\n{language}\n\nrequire k8s.io/kubernetes v1.{release}\n\n"
    );
    for line in upstream.lines() {
        let replaced = line.trim().trim_start_matches("replace ");
        if let Some((staging, _)) = replaced.split_once(" => ./staging/") {
            text += &format!("replace {staging} => {staging} v0.{release}\n");
        }
    }
    text
}

#[allow(
    clippy::print_stderr,
    reason = "progress of a command that takes minutes"
)]
fn note(text: &str) {
    eprintln!("generate: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_modules_are_replaced_by_published_ones() {
        let upstream = "module k8s.io/kubernetes\n\ngo 1.22.0\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n";
        let want = "module bailiwick.dev/testenv/release\n\ngo 1.22.0\n\nrequire k8s.io/kubernetes v1.30.14\n\nreplace k8s.io/api => k8s.io/api v0.30.14\n";
        assert_eq!(module(upstream, "30.14"), want);
    }
}
