//! A trust domain of this test: a running `bailiwick agent --embedded`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bailiwick_testkit::spiffe::Spiffe;
use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_bailiwick");

/// A running program, and its folder.
pub(crate) struct House {
    child: Child,
    pub(crate) domain: String,
    pub(crate) dir: PathBuf,
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program; gives what it prints, and ends the test where it fails.
pub(crate) fn ask(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

impl House {
    /// Starts an agent of `domain` whose rule federates with `partner`, with relationships from `DIR/federation`, and
    /// further arguments.
    pub(crate) fn start(dir: &Path, domain: &str, partner: &str, args: &[&str]) -> Self {
        let dir = dir.join(domain);
        fs::create_dir_all(dir.join("federation")).unwrap();
        let rule = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "WorkloadIdentity",
            "metadata": {"name": "all"},
            "spec": {
                "selector": {"unix": {"uids": [nix_uid()]}}, "id": "/web",
                "federatesWith": [partner],
            },
        });
        fs::write(dir.join("rules.json"), rule.to_string()).unwrap();
        let child = Command::new(PROGRAM)
            .args([
                "agent",
                "--embedded",
                "--no-default-rule",
                "--trust-domain",
                domain,
            ])
            .arg("--data")
            .arg(dir.join("data"))
            .arg("--rules")
            .arg(dir.join("rules.json"))
            .arg("--federation")
            .arg(dir.join("federation"))
            .arg("--socket")
            .arg(dir.join("agent.sock"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.join("log.txt")).unwrap())
            .spawn()
            .unwrap();
        let mut house = Self {
            child,
            domain: domain.to_owned(),
            dir,
        };
        let mut line = String::new();
        let output = house.child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let log = fs::read_to_string(house.dir.join("log.txt")).unwrap();
        assert!(line.starts_with("SPIFFE_ENDPOINT_SOCKET="), "{line}: {log}");
        house
    }

    /// Its Workload API.
    pub(crate) fn socket(&self) -> String {
        format!("unix://{}", self.dir.join("agent.sock").display())
    }

    /// Its own bundle.
    pub(crate) fn bundle(&self) -> String {
        ask(&["identity", "bundle", "--socket", &self.socket()])
    }

    /// Runs `identity federation` about it.
    pub(crate) fn federation(&self, args: &[&str]) -> String {
        let (data, federation) = (self.dir.join("data"), self.dir.join("federation"));
        let place = [
            "--trust-domain",
            &self.domain,
            "--data",
            data.to_str().unwrap(),
            "--federation",
            federation.to_str().unwrap(),
        ];
        ask(&[&["identity", "federation"], args, &place].concat())
    }

    /// Federates with `domain` from now on.
    pub(crate) fn federate(&self, domain: &str, endpoint: &Value, bundle: Option<&str>) {
        let document = json!({
            "apiVersion": "bailiwick.dev/v1alpha1", "kind": "FederatedTrustDomain",
            "metadata": {"name": domain},
            "spec": {"trustDomain": domain, "endpoint": endpoint, "bundle": bundle},
        });
        let file = self.dir.join(format!("federation/{domain}.json"));
        fs::write(file, document.to_string()).unwrap();
        self.reload();
    }

    /// Has it read its files again.
    pub(crate) fn reload(&self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(told.success());
    }

    /// Waits until its workloads get the bundle of `domain`.
    pub(crate) fn wait_for(&self, go: &mut Spiffe, domain: &str) {
        let start = Instant::now();
        loop {
            let fetched = go
                .ask("fetch_x509", json!({"socket": self.socket()}))
                .unwrap();
            if fetched["bundles"].get(domain).is_some() {
                return;
            }
            let log = || fs::read_to_string(self.dir.join("log.txt")).unwrap();
            assert!(
                start.elapsed() < Duration::from_secs(90),
                "{fetched}\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log.txt")).unwrap()
    }
}

/// The user of this test.
fn nix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

/// A line over mTLS from a workload of one domain to one of another; both check who the other is.
pub(crate) fn speak(go: &mut Spiffe, from: (&str, &str), to: (&str, &str)) {
    let ((from_socket, from_domain), (to_socket, to_domain)) = (from, to);
    let member = |domain: &str| format!("member:{domain}");
    let question = json!({"socket": to_socket, "accept": member(from_domain)});
    let listening = go.ask("listen", question).unwrap();
    let mut dial = |accept: &str| {
        let question = json!({
            "socket": from_socket, "accept": accept, "address": listening["address"],
            "message": "hello",
        });
        go.ask("dial", question)
    };
    let spoken = dial(&member(to_domain)).unwrap();
    assert_eq!(spoken["peer"], format!("spiffe://{to_domain}/web"));
    assert_eq!(spoken["reply"], format!("spiffe://{from_domain}/web hello"));
    let refused = dial(&member(from_domain)).unwrap_err().to_string();
    assert!(refused.contains("unexpected trust domain"), "{refused}");
}

/// A certificate of the web for `localhost` in `dir`: its file, the file of its key, and itself in PEM.
pub(crate) fn web_certificate(dir: &Path, name: &str) -> (String, String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let file = |kind: &str, text: &str| {
        let file = dir.join(format!("{name}.{kind}"));
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let pem = certificate.pem();
    (file("pem", &pem), file("key", &key.serialize_pem()), pem)
}
