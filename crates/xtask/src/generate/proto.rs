//! `cargo xtask generate proto`: Rust code from the protocol files of `crates/spiffe`, without protoc.
//!
//! The code is committed, so that building the product needs none of this.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use prost::Message as _;

/// The files that are compiled, and where they import from, below `crates/spiffe/proto`.
const FILES: [&str; 8] = [
    "workload.proto",
    "broker.proto",
    "rpc.proto",
    "bailiwick/agents.proto",
    "bailiwick/issuer.proto",
    "envoy/sds.proto",
    "envoy/discovery.proto",
    "envoy/tls.proto",
];

/// Messages that hold keys or tokens: they get a `Debug` by hand, which prints none.
const SECRET: [&str; 12] = [
    ".bailiwick.identity.v1.IssueResponse",
    ".bailiwick.identity.v1.JoinRequest",
    ".bailiwick.identity.v1.JoinRequest.proof",
    ".bailiwick.identity.v1.SignResponse",
    ".X509SVID",
    ".JWTSVID",
    ".WITSVID",
    ".spiffe.broker.X509SVID",
    ".spiffe.broker.JWTSVID",
    ".ValidateJWTSVIDRequest",
    ".envoy.extensions.transport_sockets.tls.v3.DataSource",
    ".envoy.extensions.transport_sockets.tls.v3.DataSource.specifier",
];

/// Writes the code in place.
pub(super) fn run() -> Result<()> {
    write(&crate_dir().join("generated"))
}

fn crate_dir() -> PathBuf {
    crate::root().join("crates/spiffe")
}

fn write(to: &Path) -> Result<()> {
    let protos = crate_dir().join("proto");
    let files = FILES.map(|file| protos.join(file));
    let mut descriptors = protox::compile(files, [protos.join("envoy"), protos])?;
    fs::create_dir_all(to)?;
    let mut config = prost_build::Config::new();
    config.default_package_filename("workload");
    tonic_prost_build::configure()
        .out_dir(to)
        .include_file("mod.rs")
        .disable_comments(["."])
        .skip_debug(SECRET)
        .btree_map(".")
        .compile_fds_with_config(descriptors.clone(), config)
        .context("cannot write the code of the wire formats")?;
    // Whoever asks by reflection needs no comments, and every agent would hold them.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    fs::write(to.join("descriptors.bin"), descriptors.encode_to_vec())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_code_is_what_the_protocol_files_say() {
        let fresh = tempfile::tempdir().unwrap();
        write(fresh.path()).unwrap();
        let committed = crate_dir().join("generated");
        for entry in fs::read_dir(fresh.path()).unwrap() {
            let name = entry.unwrap().file_name();
            let [new, old] = [fresh.path(), &committed].map(|dir| fs::read(dir.join(&name)).ok());
            let name = name.display();
            assert!(
                new == old,
                "{name} is old: run `cargo xtask generate proto`"
            );
        }
    }
}
