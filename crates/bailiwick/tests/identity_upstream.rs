//! An authority below another one that OpenSSL made, whose key is in a file or in a PKCS#11 token, judged by OpenSSL and
//! GnuTLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a test that cannot go on ends, and not every test uses all of the shared module"
)]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bailiwick_testkit::janitor::free_ports;
use program::{PROGRAM, Process, said, until_said};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// A company's PKI: a root, and below it an authority that may have one more below itself.
const PKI: &str = "\
openssl ecparam -name prime256v1 -genkey -noout -out root.key
openssl req -x509 -new -key root.key -days 30 -utf8 -subj 'ROOT' -out root.pem \
    -addext basicConstraints=critical,CA:TRUE,pathlen:2 -addext keyUsage=critical,keyCertSign,cRLSign
openssl ecparam -name secp384r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out ca.key
openssl req -new -key ca.key -utf8 -subj 'ISSUING' -out ca.csr
printf 'basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' > ca.ext
openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 -sha384 -extfile ca.ext -out ca.pem
cat ca.pem root.pem > chain.pem
chmod 600 ca.key
";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::named(
            "/C=DE/O=Example/CN=Example Root",
            "/C=DE/O=Example/OU=Workloads/CN=Example Issuing CA",
        )
    }

    /// With these names of the two authorities.
    fn named(root: &str, issuing: &str) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let pki = PKI.replace("ROOT", root).replace("ISSUING", issuing);
        place.shell(&format!("set -e\n{pki}"));
        place
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn shell(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.dir.path());
        let (code, text) = said(self.in_house(&mut command).output().unwrap());
        assert_eq!(code, Some(0), "{script}: {text}");
        text
    }

    /// With the tokens of this place, which SoftHSM finds by the environment.
    fn in_house<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        said(
            self.in_house(Command::new(PROGRAM).args(args))
                .output()
                .unwrap(),
        )
    }

    /// Serves with this key until an identity is in files, and has it judged.
    fn judge(&self, name: &str, key: &str) -> PathBuf {
        let (data, socket) = (
            self.path(&format!("{name}-data")),
            self.path(&format!("{name}.sock")),
        );
        let chain = self.path("chain.pem");
        let upstream = ["--upstream-certificate", &chain, "--upstream-key", key];
        let mut command = Command::new(PROGRAM);
        command
            .args(["agent", "--embedded", "--data", &data, "--socket", &socket])
            .args(upstream)
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path(&format!("{name}.log"))).unwrap());
        let _agent = Process(self.in_house(&mut command).spawn().unwrap());
        let certs = self.path(&format!("{name}-certs"));
        let fetch = ["identity", "fetch", "--socket", &socket, "--write", &certs];
        until_said(|| self.run(&fetch), 0, "spiffe://localhost/uid/");
        let at = |file: &str| Path::new(&certs).join(file).to_str().unwrap().to_owned();
        let roots = fs::read_to_string(at("bundle.pem")).unwrap();
        let given = self.shell("openssl x509 -in root.pem -noout -fingerprint -sha256");
        let found = self.shell(&format!(
            "openssl x509 -in {} -noout -fingerprint -sha256",
            at("bundle.pem")
        ));
        assert_eq!(found, given, "the bundle is the root of the company");
        assert_eq!(roots.matches("BEGIN").count(), 1);
        for purpose in ["sslserver", "sslclient"] {
            let verify = format!(
                "openssl verify -x509_strict -purpose {purpose} -CAfile root.pem -untrusted {0} {0}",
                at("svid.pem")
            );
            assert!(self.shell(&verify).contains("OK"));
        }
        let verify = format!(
            "certtool --verify --load-ca-certificate root.pem --infile {}",
            at("svid.pem")
        );
        assert!(
            self.shell(&verify)
                .contains("Chain verification output: Verified")
        );
        let list = ["identity", "authority", "--data", &data];
        let (code, text) = self.run(&list);
        assert!(
            code == Some(0) && text.contains("X.509 (upstream)"),
            "{text}"
        );
        let (code, text) = self.run(&[
            "agent",
            "--embedded",
            "--data",
            &self.path("none"),
            "--upstream-certificate",
            &chain,
        ]);
        assert!(code == Some(2) && text.contains("--upstream-key"), "{text}");
        data.into()
    }
}

/// A program below the authority of a place, as an operator sees it.
struct Served {
    operations: String,
    socket: String,
    log: String,
    /// Has it read its files again.
    reload: String,
    _agent: Process,
}

impl Served {
    fn start(place: &Place) -> Self {
        let [port] = free_ports().unwrap();
        let operations = format!("127.0.0.1:{port}");
        let (chain, key, data) = (
            place.path("chain.pem"),
            place.path("ca.key"),
            place.path("data"),
        );
        let (socket, log) = (place.path("s"), place.path("log"));
        let child = Command::new(PROGRAM)
            .args(["agent", "--embedded", "--data", &data, "--socket", &socket])
            .args(["--upstream-certificate", &chain, "--upstream-key", &key])
            .args(["--operations", &operations])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            operations,
            socket,
            log,
            reload: format!("kill -HUP {}", child.id()),
            _agent: Process(child),
        }
    }

    /// Metrics, or whether it is ready.
    fn asked(&self, path: &str) -> (Option<i32>, String) {
        let answer = ureq::get(format!("http://{}/{path}", self.operations))
            .config()
            .http_status_as_error(false)
            .build()
            .call();
        let Ok(mut answer) = answer else {
            return (None, fs::read_to_string(&self.log).unwrap());
        };
        let text = answer.body_mut().read_to_string().unwrap();
        (Some(i32::from(answer.status().as_u16())), text)
    }
}

#[test]
fn a_key_in_a_file() {
    let place = Place::new();
    let data = place.judge("file", &place.path("ca.key"));
    // A program that was not told of the authority above does not sign in its place.
    let (socket, data) = (place.path("s"), data.to_str().unwrap().to_owned());
    let (code, text) = place.run(&["agent", "--embedded", "--data", &data, "--socket", &socket]);
    assert!(
        code == Some(2) && text.contains("name it with --upstream-certificate"),
        "{text}"
    );
    let (code, text) = place.run(&["identity", "rotate", "x509", "--data", &data]);
    assert!(code == Some(2) && text.contains("no key waits"), "{text}");
    // What the log says of its root.
    let log = format!("{data}/log");
    let (_, text) = place.run(&["audit", "tail", &log, "--lines", "100"]);
    assert!(text.contains("for X.509 is active"), "{text}");
    // An authority that may have none below itself is refused, and so is a key that others can read.
    let refused = |expected: &str| {
        let (chain, key, fresh) = (
            place.path("chain.pem"),
            place.path("ca.key"),
            place.path("fresh"),
        );
        let args = [
            "identity",
            "authority",
            "--data",
            &fresh,
            "--upstream-certificate",
            &chain,
            "--upstream-key",
            &key,
        ];
        let (code, text) = place.run(&args);
        assert!(code == Some(2) && text.contains(expected), "{text}");
    };
    fs::set_permissions(place.path("ca.key"), fs::Permissions::from_mode(0o640)).unwrap();
    refused("has mode 640");
    place.shell("chmod 600 ca.key; sed -i s/pathlen:1/pathlen:0/ ca.ext; openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -days 20 -extfile ca.ext -out ca.pem; cat ca.pem root.pem > chain.pem");
    refused("upstream certificate 1 allows 0 authorities below it (pathlen) and 1 are needed");
    place.shell("echo 'nameConstraints=critical,permitted;URI:.example.org' >> ca.ext; sed -i s/pathlen:0/pathlen:1/ ca.ext; openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -days 20 -extfile ca.ext -out ca.pem; cat ca.pem root.pem > chain.pem");
    refused("may not sign for `localhost`");
    place.shell("openssl pkcs8 -topk8 -in ca.key -out sealed.key -passout pass:x; mv sealed.key ca.key; chmod 600 ca.key; sed -i '$d' ca.ext; openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -days 20 -extfile ca.ext -out ca.pem; cat ca.pem root.pem > chain.pem");
    refused("`openssl pkcs8 -topk8 -nocrypt` makes one");
}

#[test]
fn an_authority_above_that_fails_and_comes_back_shows_in_the_metrics() {
    let place = Place::new();
    let served = Served::start(&place);
    let kept =
        |value: u8| format!("bailiwick_authority_keys_kept{{trust_domain=\"localhost\"}} {value}");
    let until = || {
        let (_, text) = served.asked("metrics");
        let name = "bailiwick_authority_signs_until_timestamp_seconds{trust_domain=\"localhost\"} ";
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value
            .unwrap_or_else(|| panic!("{text}"))
            .parse::<u64>()
            .unwrap()
    };
    until_said(|| served.asked("metrics"), 200, &kept(1));
    let before = until();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    assert!(before > now.unwrap().as_secs() + 11 * 3600, "{before}");
    place.shell("mv ca.key away");
    place.shell(&served.reload);
    until_said(|| served.asked("metrics"), 200, &kept(0));
    // The intermediate that is there serves on, and it is said how long.
    assert_eq!((until(), served.asked("readyz").0), (before, Some(200)));
    let said = fs::read_to_string(&served.log).unwrap();
    assert!(said.contains("ca.key"), "{said}");
    let fetch = ["identity", "fetch", "--socket", &served.socket];
    until_said(|| place.run(&fetch), 0, "spiffe://localhost/uid/");
    place.shell("mv away ca.key");
    place.shell(&served.reload);
    until_said(|| served.asked("metrics"), 200, &kept(1));
}

/// PEM of an authority that ends so many seconds from now, below `root`.
fn ending(root: &rcgen::Issuer<'_, rcgen::KeyPair>, key: &rcgen::KeyPair, seconds: u64) -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1));
    params.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::CrlSign,
    ];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "issuing");
    let now = std::time::SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(seconds)).into();
    params.signed_by(key, root).unwrap().pem()
}

#[test]
fn when_nothing_signs_any_more_it_is_not_ready() {
    let place = Place {
        dir: tempfile::tempdir().unwrap(),
    };
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(2));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "root");
    let root = rcgen::KeyPair::generate().unwrap();
    let root_pem = params.self_signed(&root).unwrap().pem();
    let root = rcgen::Issuer::new(params, root);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(place.path("ca.key"), key.serialize_pem()).unwrap();
    place.shell("chmod 600 ca.key");
    let put = |seconds: u64| {
        let chain = ending(&root, &key, seconds) + &root_pem;
        fs::write(place.path("chain.pem"), chain).unwrap();
    };
    put(35);
    let served = Served::start(&place);
    until_said(|| served.asked("readyz"), 200, "");
    let looked = |path: &str| {
        place.shell(&served.reload);
        std::thread::sleep(Duration::from_millis(500));
        served.asked(path)
    };
    let why = "the authority has a key that signs certificates";
    until_said(|| looked("readyz"), 503, why);
    let name = "bailiwick_authority_signs_until_timestamp_seconds{trust_domain=\"localhost\"}";
    until_said(|| served.asked("metrics"), 200, &format!("{name} 0\n"));
    let fetch = ["identity", "fetch", "--socket", &served.socket];
    until_said(|| place.run(&fetch), 2, "");
    // The next certificate of the authority above, under the same root.
    put(30 * 24 * 3600);
    until_said(|| looked("readyz"), 200, "");
    until_said(|| place.run(&fetch), 0, "spiffe://localhost/uid/");
}

/// As a directory of Microsoft names its authorities: several parts of one kind, parts side by side, and texts of each kind
/// (PrintableString, IA5String, UTF8String).
#[test]
fn authorities_with_the_names_of_a_directory() {
    let place = Place::named(
        "/DC=example/DC=corp/CN=corp-DC01-CA",
        "/C=DE/DC=example/DC=corp/O=Pr\u{fc}fwerk GmbH+OU=PKI/OU=Server/OU=Workloads/CN=corp Issuing CA 1",
    );
    let subject = place.shell("openssl asn1parse -in ca.pem");
    for kind in ["PRINTABLESTRING", "IA5STRING", "UTF8STRING"] {
        assert!(subject.contains(kind), "no {kind} in {subject}");
    }
    place.judge("directory", &place.path("ca.key"));
}

#[test]
fn a_key_in_a_token() {
    assert!(
        Path::new(MODULE).exists(),
        "SoftHSM is not installed: run `apt-get install softhsm2`"
    );
    let place = Place::new();
    place.shell(
        "mkdir tokens; printf 'directories.tokendir = %s\\nlog.level = ERROR\\n' \"$PWD/tokens\" > softhsm2.conf
        softhsm2-util --init-token --free --label company --pin 1234 --so-pin 4321 &&
        softhsm2-util --import ca.key --token company --label 'issuing ca' --id 01 --pin 1234 &&
        echo 1234 > pin && chmod 600 pin && rm ca.key",
    );
    let uri = |object: &str| {
        let pin = place.path("pin");
        format!("pkcs11:token=company;object={object}?module-path={MODULE}&pin-source=file:{pin}")
    };
    let data = place.judge("token", &uri("issuing%20ca"));
    let list = |key: &str| {
        let (chain, data) = (place.path("chain.pem"), data.to_str().unwrap());
        place.run(&[
            "identity",
            "authority",
            "--data",
            data,
            "--upstream-certificate",
            &chain,
            "--upstream-key",
            key,
        ])
    };
    let (code, text) = list(&uri("other"));
    assert!(
        code == Some(2) && text.contains("0 private keys have the label `other`"),
        "{text}"
    );
    let (code, text) = list("pkcs11:token=company;object=a?pin-value=1234");
    assert!(
        code == Some(2) && text.contains("a PIN does not belong into a URI"),
        "{text}"
    );
    fs::write(place.path("pin"), "9999").unwrap();
    let (code, text) = list(&uri("issuing%20ca"));
    assert!(
        code == Some(2) && text.contains("PKCS#11") && !text.contains("9999"),
        "{text}"
    );
}
