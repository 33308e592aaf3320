use super::{directory, ids, objects, read, read_all};

const ACCOUNT: &[u8] = b"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";

fn account(name: &str) -> Vec<u8> {
    String::from_utf8_lossy(ACCOUNT)
        .replace("name: a", &format!("name: {name}"))
        .into_bytes()
}

#[test]
fn a_directory_is_read_in_order_of_its_paths() {
    let (a, b, c, d) = (account("a"), account("b"), account("c"), account("d"));
    let directory = directory(&[
        ("b/2.yml", &b),
        ("a.yaml", &a),
        (
            "c/deep/er/3.json",
            b"{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"c\"}}",
        ),
        ("d.txt", &d),
        ("README.md", b"# no manifest"),
        (".git/config.yaml", &c),
    ]);
    let loaded = read(directory.path());
    assert_eq!(
        objects(&loaded),
        [
            "ServiceAccount default/a",
            "ServiceAccount default/b",
            "ServiceAccount default/c"
        ]
    );
    let files: Vec<_> = loaded
        .snapshot
        .files
        .iter()
        .map(|file| file.path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(files, ["a.yaml", "2.yml", "3.json"]);
    assert_eq!(ids(&loaded), ["directory-left-aside"]);
    assert!(!loaded.findings[0].input_lost);
    // A file that is named is read whatever it is called.
    assert_eq!(
        objects(&read(&directory.path().join("d.txt"))),
        ["ServiceAccount default/d"]
    );
}

#[test]
fn results_do_not_depend_on_threads() {
    let files: Vec<(String, Vec<u8>)> = (0..60)
        .map(|n| (format!("{n:02}.yaml"), account(&format!("a{}", n % 7))))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_slice()))
        .collect();
    let directory = directory(&files);
    let first = read(directory.path());
    for _ in 0..5 {
        let again = read(directory.path());
        assert_eq!(again.snapshot, first.snapshot);
        assert_eq!(again.findings, first.findings);
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let directory = directory(&[
        ("a.yaml", ACCOUNT),
        ("binary.yaml", b"\x7fELF\0\0\0"),
        ("broken.gz", b"\x1f\x8b\x08\x00garbage"),
        ("empty.yaml", b""),
        ("latin1.yaml", b"kind: Role\nmetadata: {name: caf\xe9}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: b}\n"),
        ("zstd.zst", b"\x28\xb5\x2f\xfdgarbage"),
    ]);
    let path = |name: &str| directory.path().join(name);
    let names = [
        "a.yaml",
        "binary.yaml",
        "broken.gz",
        "empty.yaml",
        "latin1.yaml",
        "missing.yaml",
        "zstd.zst",
    ];
    let loaded = read_all(&names.map(path));
    assert_eq!(
        objects(&loaded),
        ["ServiceAccount default/a", "ServiceAccount default/b"]
    );
    assert_eq!(
        ids(&loaded),
        [
            "binary-file",
            "broken-archive",
            "empty-file",
            "invalid-utf8",
            "unreadable",
            "broken-snapshot"
        ]
    );
    let lost = loaded
        .findings
        .iter()
        .filter(|finding| finding.input_lost)
        .count();
    assert_eq!((lost, loaded.snapshot.gaps.len()), (5, 5));
    for finding in &loaded.findings {
        assert!(finding.help.is_some(), "{finding:?}");
        assert!(
            format!("{} {:?}", finding.message, finding.places)
                .contains(directory.path().to_str().unwrap()),
            "{finding:?}"
        );
    }
}

#[test]
fn an_empty_directory_is_told() {
    let directory = directory(&[("README.md", b"x")]);
    let loaded = read(directory.path());
    assert_eq!(ids(&loaded), ["no-manifests"]);
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_links_to_directories_are_not() {
    let directory = directory(&[("a.yaml", ACCOUNT), ("sub/b.yaml", &account("b"))]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(directory.path().join(to), directory.path().join(name)).unwrap();
    };
    link("a.yaml", "link.yaml");
    link(".", "sub/loop");
    link("nowhere", "dangling.yaml");
    let loaded = read(directory.path());
    assert_eq!(
        objects(&loaded),
        ["ServiceAccount default/a", "ServiceAccount default/b"]
    );
    assert_eq!(
        ids(&loaded),
        ["directory-left-aside", "unreadable", "duplicate-object"]
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_directory_does_not_hang() {
    let directory = directory(&[("a.yaml", ACCOUNT)]);
    let made = std::process::Command::new("mkfifo")
        .arg(directory.path().join("p.yaml"))
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "mkfifo is part of coreutils"
    );
    let loaded = read(directory.path());
    assert_eq!(objects(&loaded), ["ServiceAccount default/a"]);
    assert_eq!(ids(&loaded), ["unreadable"]);
}

#[test]
fn encodings_that_kubectl_reads_are_read() {
    let text = String::from_utf8_lossy(ACCOUNT).into_owned();
    let utf16: Vec<u8> = std::iter::once(0xFEFF)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let bom = format!("\u{feff}{text}");
    let crlf = text.replace('\n', "\r\n");
    for bytes in [utf16.as_slice(), bom.as_bytes(), crlf.as_bytes()] {
        let directory = directory(&[("a.yaml", bytes)]);
        let loaded = read(directory.path());
        assert_eq!(objects(&loaded), ["ServiceAccount default/a"]);
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    }
}
