//! The snapshot file: what is written is read again, and only that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and prints its seed"
)]

use bailiwick_core::Kind;
use bailiwick_input::snapshot::{SnapshotError, read, write};
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::{Gap, Origin, Snapshot};
use proptest::prelude::*;

use made_up::any_snapshot;

mod made_up;
mod network;

fn bytes(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(snapshot, &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_is_written_is_read_again(snapshot in any_snapshot()) {
        let written = bytes(&snapshot);
        prop_assert_eq!(&read(written.as_slice()).unwrap(), &snapshot);
        prop_assert_eq!(bytes(&snapshot), written);
    }

    #[test]
    fn a_file_cut_short_or_changed_is_never_taken_for_whole(snapshot in any_snapshot(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let written = bytes(&snapshot);
        let at = at.index(written.len());
        prop_assert!(read(&written[..at]).is_err());
        let mut changed = written;
        changed[at] ^= 1_u8 << bit;
        if let Ok(read) = read(changed.as_slice()) {
            prop_assert_eq!(read, snapshot);
        }
    }
}

#[test]
fn a_snapshot_is_a_source_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("a.yaml");
    std::fs::write(&manifest, "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: []\n---\nkind: [\n").unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let first = load(&[Source::Path(manifest.clone())], &options);
    let file = directory.path().join("cluster.bailiwick");
    write(&first.snapshot, std::fs::File::create(&file).unwrap()).unwrap();

    let again = load(&[Source::Path(file.clone())], &options);
    assert_eq!(again.snapshot, first.snapshot);
    assert_eq!(
        again.snapshot.gaps.len(),
        1,
        "what was lost then is still missing"
    );
    let said = again
        .findings
        .iter()
        .filter(|finding| finding.id == "not-read");
    assert_eq!(said.count(), 1, "and is said again");
    // Together with other files the numbers of the files move.
    let extra = directory.path().join("b.yaml");
    std::fs::write(
        &extra,
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n",
    )
    .unwrap();
    let both = load(&[Source::Path(extra), Source::Path(file)], &options);
    let Some(Origin::File(origin)) = both
        .snapshot
        .roles
        .entry("default", "r")
        .map(|entry| entry.origin)
    else {
        panic!("no origin");
    };
    assert_eq!(
        &*both.snapshot.files[origin.file.0 as usize].path,
        manifest.to_str().unwrap()
    );
}

#[test]
fn a_newer_version_is_refused() {
    let line = "{\"format\":\"bailiwick.dev/snapshot\",\"version\":99}\n";
    let packed = zstd::encode_all(line.as_bytes(), 1).unwrap();
    assert!(matches!(
        read(packed.as_slice()),
        Err(SnapshotError::Newer(99))
    ));
}

/// Programs that know the kinds of the first files alone read every gap, and take one of later kinds for one of all.
#[test]
fn gaps_of_later_kinds_are_written_so_that_earlier_readers_know_them() {
    let gap = |kinds: &[Kind]| Gap {
        kinds: kinds.to_vec(),
        message: "not read".to_owned(),
        ..Gap::default()
    };
    let snapshot = Snapshot {
        gaps: vec![
            gap(&[Kind::Role, Kind::APIService]),
            gap(&[Kind::ClusterTrustBundle]),
        ],
        ..Snapshot::default()
    };
    let written = bytes(&snapshot);
    let text = String::from_utf8(zstd::decode_all(written.as_slice()).unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(header["gaps"][0]["kinds"], serde_json::json!(["Role"]));
    assert!(header["gaps"][1].get("kinds").is_none(), "{header}");
    assert_eq!(read(written.as_slice()).unwrap(), snapshot);
}
