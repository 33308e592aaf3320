//! Starts the program with certificates of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};

/// A directory with certificates, configuration, manifests and the log.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: String,
    stderr: Arc<Mutex<String>>,
}

impl Home {
    /// A home with a server certificate and one for each client: `CN=NAME`, or an SVID where the name is a SPIFFE id.
    pub(crate) fn new(clients: &[&str]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.crt"), certificate.pem()).unwrap();
        let home = Self {
            directory,
            authority: Issuer::new(params, key),
        };
        home.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
        for client in clients {
            home.issue(client, ExtendedKeyUsagePurpose::ClientAuth);
        }
        home
    }

    pub(crate) fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) {
        self.issue_until(name, usage, None);
    }

    pub(crate) fn issue_until(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        end: Option<SystemTime>,
    ) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        if let Some(end) = end {
            params.not_after = end.into();
        }
        if name.starts_with("spiffe://") {
            let uri = SanType::URI(name.try_into().unwrap());
            params.subject_alt_names.push(uri);
        } else {
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = vec![
                SanType::DnsName("localhost".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
        }
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let file = name.replace([':', '/'], "_");
        self.write(&format!("{file}.crt"), &certificate.pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A file of one revocation, or of none.
    pub(crate) fn revoke(&self, user: Option<(&str, &str)>) {
        let text = user.map(|(user, reason)| {
            format!(
                "{{apiVersion: bailiwick.dev/v1alpha1, kind: Revocation, metadata: {{name: r1}}, \
                 spec: {{user: {user}, reason: {reason}}}}}"
            )
        });
        self.write("revocations.yaml", &text.unwrap_or_default());
    }

    /// A configuration that opens the review door to `CN=api` at an address.
    pub(crate) fn configure(&self, address: &str, rest: &str) {
        let text = format!(
            "listen:
  address: {address}
  tls: {{certificate: server.crt, key: server.key, clientCa: ca.crt}}
log: {{directory: log}}
reread: 50ms
callers:
- {{name: kube-apiserver, certificate: CN=api, doors: [accessReview]}}
- {{name: shop, certificate: CN=shop, doors: [evaluation, search], application: shop}}
- {{name: kube-asker, certificate: CN=asker, doors: [evaluation], application: kubernetes}}
- {{name: edge, certificate: CN=edge, doors: [extAuthz], application: shop}}
{rest}"
        );
        self.write("serve.yaml", &text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        command.args(arguments);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn serve(&self) -> Program {
        let manifests = self.path("manifests.yaml");
        let mut program = self.listen(&["-f", manifests.to_str().unwrap(), "--defaults", "none"]);
        program.wait_for("new state revision=");
        program
    }

    /// The same about a cluster, without waiting until it is read.
    pub(crate) fn serve_cluster(&self, kubeconfig: &Path) -> Program {
        self.listen(&["--kubeconfig", kubeconfig.to_str().unwrap()])
    }

    /// The same by way of another address than the kubeconfig names.
    pub(crate) fn serve_cluster_at(&self, kubeconfig: &Path, server: &str) -> Program {
        self.listen(&[
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
            "--server",
            server,
        ])
    }

    fn listen(&self, about: &[&str]) -> Program {
        let config = self.path("serve.yaml");
        let mut arguments = vec!["serve", "--config", config.to_str().unwrap()];
        arguments.extend(about);
        let mut child = self
            .command(&arguments)
            .stdout(fs::File::create(self.path("stdout")).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stderr, read) = (
            Arc::new(Mutex::new(String::new())),
            child.stderr.take().unwrap(),
        );
        let shared = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in BufReader::new(read).lines().map_while(Result::ok) {
                shared.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut program = Program {
            child,
            address: String::new(),
            stderr,
        };
        let line = program.wait_for("listening address=");
        let address = line.split("listening address=").nth(1).unwrap();
        program.address = address.split(' ').next().unwrap().to_owned();
        program
    }

    /// A kubeconfig for whoever asks the program with the certificate `client`.
    pub(crate) fn kubeconfig_at(&self, client: &str, address: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": {
                "server": format!("https://{address}/kubernetes/authorize"),
                "certificate-authority": path("ca.crt"),
            }}],
            "users": [{"name": "it", "user": {
                "client-certificate": path(&format!("{client}.crt")),
                "client-key": path(&format!("{client}.key")),
            }}],
        })
        .to_string()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path("log")
    }
}

impl Program {
    /// The first line of the program's own log that holds a text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.wait_for_nth(text, 0)
    }

    pub(crate) fn wait_for_nth(&mut self, text: &str, nth: usize) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let said = self.said();
            if let Some(line) = said.lines().filter(|line| line.contains(text)).nth(nth) {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(100));
                panic!(
                    "ended with {status} before `{text}`:\n{}",
                    self.stderr.lock().unwrap()
                );
            }
            assert!(Instant::now() < until, "no `{text}` in:\n{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The program's own log up to now.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Kills it without a warning.
    pub(crate) fn kill(mut self) {
        self.kill_and_stay();
    }

    /// The same where another one takes its place; it has let the log go when this comes back.
    pub(crate) fn kill_and_stay(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does, and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the log in a directory is intact, and what `audit verify` says.
pub(crate) fn verify(log: &Path) -> (bool, String) {
    let report = bailiwick_store::verify(log, None).unwrap();
    (report.is_intact(), format!("{:?}", report.faults))
}
