use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{directory, ids, objects, read};

const ACCOUNT: &[u8] = b"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn manifests_in_archives_are_read() {
    let files: [(&str, &[u8]); 4] = [
        ("dump/a.yaml", ACCOUNT),
        ("dump/notes.txt", b"kind: no"),
        ("dump/._a.yaml", b"\0\x05\x16\x07"),
        (
            "dump/b.json",
            b"{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"b\"}}",
        ),
    ];
    for (name, bytes) in [
        ("dump.tar", tar(&files)),
        ("dump.tgz", gzip(&tar(&files))),
        ("dump.zip", zip(&files)),
    ] {
        let directory = directory(&[(name, &bytes)]);
        let loaded = read(&directory.path().join(name));
        assert_eq!(
            objects(&loaded),
            ["ServiceAccount default/a", "ServiceAccount default/b"],
            "{name}"
        );
        assert!(loaded.findings.is_empty(), "{name} {:?}", loaded.findings);
        assert!(
            loaded.snapshot.files[0]
                .path
                .ends_with(&format!("{name}!dump/a.yaml"))
        );
    }
    let directory = directory(&[("a.yaml.gz", &gzip(ACCOUNT))]);
    let loaded = read(&directory.path().join("a.yaml.gz"));
    assert_eq!(objects(&loaded), ["ServiceAccount default/a"]);
}

#[test]
fn what_stands_in_front_of_the_break_is_read() {
    let other = [b'#'; 60_000];
    let whole = tar(&[("a.yaml", ACCOUNT), ("b.yaml", &other)]);
    for bytes in [whole[..20_000].to_vec(), gzip(&whole)[..100].to_vec()] {
        let directory = directory(&[("dump.tar", &bytes)]);
        let loaded = read(&directory.path().join("dump.tar"));
        assert_eq!(ids(&loaded), ["broken-archive"]);
        assert!(loaded.findings[0].input_lost);
        assert!(objects(&loaded).len() <= 1);
    }
}
