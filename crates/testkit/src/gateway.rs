//! The CustomResourceDefinitions of the Gateway API, as its Go module holds them.

use std::path::PathBuf;
use std::process::Command;

use crate::binaries::{self, GO_ENVIRONMENT};

/// Which resources and fields there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Those that are generally available, or soon.
    Standard,
    /// These and those that are tried out.
    Experimental,
}

/// The directory with the definitions; where Go cannot fetch them nothing, which is said on standard error.
#[allow(clippy::print_stderr, reason = "a test that could not be done says so")]
#[must_use]
pub fn definitions(channel: Channel) -> Option<PathBuf> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", "sigs.k8s.io/gateway-api"])
        .current_dir(binaries::source_dir().join("gateway"))
        .envs(GO_ENVIRONMENT)
        .output();
    let answer = output
        .ok()
        .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok());
    let module = answer.as_ref().and_then(|answer| answer["Dir"].as_str());
    let channel = match channel {
        Channel::Standard => "standard",
        Channel::Experimental => "experimental",
    };
    let dir = module.map(|module| PathBuf::from(module).join("config/crd").join(channel));
    let dir = dir.filter(|dir| dir.is_dir());
    if dir.is_none() {
        eprintln!(
            "NOT TESTED with the definitions of the Gateway API: Go did not fetch its module"
        );
    }
    dir
}
