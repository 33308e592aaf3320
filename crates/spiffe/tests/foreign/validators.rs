use std::path::Path;
use std::process::Command;

use bailiwick_spiffe::pem;
use bailiwick_testkit::packages::Packages;
use serde_json::Value;

use crate::house::House;

/// Runs a validator; whether it was content, and what it said.
pub(crate) fn run(program: &str, install: &str, arguments: &[&str], dir: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run `{install}`"));
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The chain of `/a`, its root and the root of another authority of the same name, as files.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (house, other) = (House::new(&["/a"]), House::new(&["/a"]));
    let fetched = house.fetch().remove(0);
    let write = |name: &str, ders: &[Vec<u8>]| {
        std::fs::write(dir.path().join(name), pem::certificates(ders)).unwrap();
    };
    write("leaf.pem", &fetched.chain[..1]);
    write("chain.pem", &fetched.chain);
    write("intermediate.pem", &fetched.chain[1..]);
    write("roots.pem", fetched.bundle.x509_authorities());
    write("foreign.pem", other.authority.bundle().x509_authorities());
    dir
}

#[test]
fn openssl_follows_the_path() {
    let dir = files();
    let verify = |roots: &str, purpose: &str| {
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            roots,
            "-untrusted",
            "intermediate.pem",
            "leaf.pem",
        ];
        run("openssl", "apt-get install openssl", &arguments, dir.path())
    };
    for purpose in ["sslserver", "sslclient"] {
        let (content, said) = verify("roots.pem", purpose);
        assert!(content, "{purpose}: {said}");
        assert!(!verify("foreign.pem", purpose).0, "{purpose}");
    }
    // A workload signs for nobody.
    let arguments = [
        "verify",
        "-x509_strict",
        "-CAfile",
        "roots.pem",
        "-untrusted",
        "leaf.pem",
        "leaf.pem",
    ];
    assert!(!run("openssl", "", &arguments, dir.path()).0);
    let arguments = ["x509", "-in", "leaf.pem", "-noout", "-text"];
    let (_, text) = run("openssl", "", &arguments, dir.path());
    for part in [
        "URI:spiffe://td.example/a",
        "DNS:localhost",
        "X509v3 Basic Constraints: critical",
        "CA:FALSE",
        "X509v3 Key Usage: critical",
        "X509v3 Subject Alternative Name: critical",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn gnutls_follows_the_path() {
    let dir = files();
    let verify = |roots: &str| {
        let arguments = [
            "--verify",
            "--load-ca-certificate",
            roots,
            "--infile",
            "chain.pem",
        ];
        run(
            "certtool",
            "apt-get install gnutls-bin",
            &arguments,
            dir.path(),
        )
    };
    let (content, said) = verify("roots.pem");
    assert!(
        content && said.contains("Chain verification output: Verified"),
        "{said}"
    );
    assert!(!verify("foreign.pem").0);
}

/// What pkilint finds in a certificate, from warnings on.
fn pkilint(packages: &Path, dir: &Path, file: &str) -> Vec<String> {
    let lint = "-m pkilint.bin.lint_pkix_cert lint --severity WARNING --format JSON";
    let output = Command::new("python3")
        .args(lint.split(' '))
        .arg(file)
        .env("PYTHONPATH", packages)
        .current_dir(dir)
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let results = found["results"].as_array().unwrap().iter();
    let mut codes: Vec<String> = results
        .flat_map(|result| result["finding_descriptions"].as_array().unwrap())
        .map(|finding| {
            finding["message"]
                .as_str()
                .unwrap_or(finding["code"].as_str().unwrap())
                .to_owned()
        })
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn pkilint_finds_nothing_that_spiffe_does_not_ask_for() {
    let Some(packages) = Packages::Python.ready().unwrap() else {
        return;
    };
    let dir = files();
    let roots = std::fs::read_to_string(dir.path().join("roots.pem")).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let first = roots.split_inclusive(end).next().unwrap();
    std::fs::write(dir.path().join("root.pem"), first).unwrap();
    let found = |file| pkilint(&packages, dir.path(), file);
    // pkilint knows no scheme `spiffe:` and no name without a dot.
    assert_eq!(
        found("leaf.pem"),
        [
            "Invalid URI syntax: \"spiffe://td.example/a\"",
            "Invalid domain name syntax: \"localhost\"",
        ]
    );
    for authority in ["intermediate.pem", "root.pem"] {
        assert_eq!(
            found(authority),
            ["Invalid URI syntax: \"spiffe://td.example\""],
            "{authority}"
        );
    }
}
