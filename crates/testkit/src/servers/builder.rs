//! What a test may ask of its cluster before the start.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::identity::{Credential, Endpoint, Identity};
use super::pki::Pki;
use super::{Cluster, ServersError, file_name};
use crate::binaries;
use crate::janitor::{self, Janitor};

/// Ready in about 3 s on an idle machine; the limit is for one that builds at the same time.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Another process may take a free port before the server binds it.
const PORT_ATTEMPTS: u32 = 5;

/// An audit policy that records every request with its metadata, once, when it is answered.
pub const AUDIT_METADATA: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// What a test asks of its cluster. See [`Cluster::builder`].
///
/// In the contents of files and in flags `{dir}` stands for the directory of the cluster, which is
/// where the files are.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    controller_manager: bool,
    controller_manager_listens: bool,
    authorization: Authorization,
    users: Vec<(String, Vec<String>)>,
    files: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    api_server: Option<std::path::PathBuf>,
}

#[derive(Clone, Debug)]
enum Authorization {
    Modes(String),
    File(String),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            controller_manager: true,
            controller_manager_listens: false,
            authorization: Authorization::Modes("Node,RBAC".to_owned()),
            users: Vec::new(),
            files: Vec::new(),
            flags: Vec::new(),
            api_server: None,
        }
    }
}

impl Builder {
    /// Leaves the controller-manager out: no aggregation, no service accounts by themselves.
    pub fn without_controller_manager(mut self) -> Self {
        self.controller_manager = false;
        self
    }

    /// Has the controller-manager serve its metrics ([`Cluster::controller_manager`]) to whom the API server says that they
    /// may have them: it asks who somebody is and what he may do, as kubelets do.
    pub fn controller_manager_listens(mut self) -> Self {
        self.controller_manager_listens = true;
        self
    }

    /// Authorizers in their order, as `--authorization-mode` takes them; `Node,RBAC` by default.
    pub fn authorization_modes(mut self, modes: &str) -> Self {
        self.authorization = Authorization::Modes(modes.to_owned());
        self
    }

    /// An `AuthorizationConfiguration`, instead of modes.
    pub fn authorization_config(mut self, yaml: &str) -> Self {
        self.authorization = Authorization::File(yaml.to_owned());
        self
    }

    /// An `AuthenticationConfiguration`.
    pub fn authentication_config(self, yaml: &str) -> Self {
        self.file("authentication.yaml", yaml)
            .flag("authentication-config", "{dir}/authentication.yaml")
    }

    /// An audit policy; what it records is in [`Cluster::audit_events`].
    pub fn audit_policy(self, yaml: &str) -> Self {
        self.file("audit-policy.yaml", yaml)
            .flag("audit-policy-file", "{dir}/audit-policy.yaml")
            .flag("audit-log-path", "{dir}/audit.log")
    }

    /// An `AdmissionConfiguration`.
    pub fn admission_config(self, yaml: &str) -> Self {
        self.file("admission.yaml", yaml)
            .flag("admission-control-config-file", "{dir}/admission.yaml")
    }

    /// Admission plugins that are on beside the default ones, separated by commas.
    pub fn enable_admission_plugins(self, plugins: &str) -> Self {
        self.flag("enable-admission-plugins", plugins)
    }

    /// Admission plugins that are off, separated by commas.
    pub fn disable_admission_plugins(self, plugins: &str) -> Self {
        self.flag("disable-admission-plugins", plugins)
    }

    /// Feature gates of the API server, as `Name=true,Other=false`.
    pub fn feature_gates(self, gates: &str) -> Self {
        self.flag("feature-gates", gates)
    }

    /// API versions that are on or off, as `api/all=true`.
    pub fn runtime_config(self, config: &str) -> Self {
        self.flag("runtime-config", config)
    }

    /// The minor whose behaviour the API server shows, as `1.36`.
    pub fn emulated_version(self, minor: &str) -> Self {
        self.flag("emulated-version", minor)
    }

    /// A user with a static token: any number of groups, none with a comma in its name.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push((
            name.to_owned(),
            groups.iter().map(|&group| group.to_owned()).collect(),
        ));
        self
    }

    /// A file in the directory of the cluster.
    pub fn file(mut self, name: &str, contents: &str) -> Self {
        self.files.push((name.to_owned(), contents.to_owned()));
        self
    }

    /// Any further flag of the API server.
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another kube-apiserver than the one of the test environment.
    pub fn api_server(mut self, binary: &std::path::Path) -> Self {
        self.api_server = Some(binary.to_owned());
        self
    }

    /// Starts the servers and waits until the API server is ready.
    ///
    /// # Errors
    /// When a binary is missing ([`ServersError::Binaries`] names the command that installs it) or
    /// a server does not start; its log is kept and named.
    pub fn start(&self) -> Result<Cluster, ServersError> {
        let mut attempt = 1;
        loop {
            match self.attempt() {
                Err(ServersError::NotReady {
                    dir,
                    log,
                    ended: true,
                    ..
                }) if attempt < PORT_ATTEMPTS && log.contains("address already in use") => {
                    attempt += 1;
                    // Nobody reads the logs of a lost race.
                    let _ = fs::remove_dir_all(dir);
                }
                result => return result,
            }
        }
    }

    fn attempt(&self) -> Result<Cluster, ServersError> {
        let etcd = binaries::server("etcd")?;
        let api_server = match &self.api_server {
            Some(binary) => binary.clone(),
            None => binaries::server("kube-apiserver")?,
        };
        let temporary = tempfile::Builder::new()
            .prefix("bailiwick-cluster-")
            .tempdir()
            .map_err(|source| ServersError::file(&std::env::temp_dir(), source))?
            .keep();
        let start = |source| ServersError::Process { name: "sh", source };
        let mut janitor = Janitor::start(temporary.clone()).map_err(start)?;
        let dir = temporary.as_path();
        let pki = Pki::create(dir.join("pki"))?;
        let tokens = self.write_files(dir)?;

        let [client, peer, api, manager] =
            janitor::free_ports().map_err(|source| ServersError::file(dir, source))?;
        let etcd_url = format!("http://127.0.0.1:{client}");
        let mut command = Command::new(etcd);
        command.args(etcd_flags(&etcd_url, &format!("http://127.0.0.1:{peer}")));
        spawn(&mut janitor, "etcd", command)?;
        let mut command = Command::new(api_server);
        command.args(self.api_server_flags(dir, &pki, &etcd_url, api));
        spawn(&mut janitor, "kube-apiserver", command)?;

        let server = format!("https://127.0.0.1:{api}");
        let ca = pki.ca();
        let endpoint = Endpoint {
            dir,
            server: &server,
            ca: &ca,
        };
        let admin = pki.client("admin", Some("system:masters"))?;
        let admin = Identity::create("admin", &endpoint, &Credential::Certificate(admin))?;
        wait_until_ready(&mut janitor, &admin)?;
        if self.controller_manager {
            let name = "system:kube-controller-manager";
            let key = Credential::Certificate(pki.client(name, None)?);
            let identity = Identity::create(name, &endpoint, &key)?;
            let mut command = Command::new(binaries::server("kube-controller-manager")?);
            command.args(controller_manager_flags(&pki, &identity));
            let port = if self.controller_manager_listens {
                manager
            } else {
                0
            };
            command.args(listening_flags(dir, &identity, port));
            spawn(&mut janitor, "kube-controller-manager", command)?;
        }
        let users = tokens
            .into_iter()
            .map(|(name, token)| Identity::create(&name, &endpoint, &Credential::Token(token)))
            .collect::<Result<_, _>>()?;
        Ok(Cluster {
            janitor,
            pki,
            server,
            etcd: etcd_url,
            manager: format!("https://127.0.0.1:{manager}"),
            admin,
            users,
        })
    }

    /// Writes what the flags refer to, and returns the users with their tokens.
    fn write_files(&self, dir: &std::path::Path) -> Result<Vec<(String, String)>, ServersError> {
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(|source| ServersError::file(&path, source))
        };
        for (name, contents) in &self.files {
            write(name, &expand(contents, dir))?;
        }
        if let Authorization::File(yaml) = &self.authorization {
            write("authorization.yaml", &expand(yaml, dir))?;
        }
        let mut lines = String::new();
        let mut tokens = Vec::new();
        for (name, groups) in &self.users {
            let token = format!("token-{}", file_name(name));
            let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let fields = [&token, name, &format!("uid-{name}"), &groups.join(",")];
            lines += &fields.map(|text| field(text)).join(",");
            lines.push('\n');
            tokens.push((name.clone(), token));
        }
        write("tokens.csv", &lines)?;
        Ok(tokens)
    }

    fn api_server_flags(
        &self,
        dir: &std::path::Path,
        pki: &Pki,
        etcd_url: &str,
        port: u16,
    ) -> Vec<String> {
        let path = |path: &std::path::Path| path.display().to_string();
        let (server, accounts) = (pki.server(), pki.service_accounts());
        let mut flags = vec![
            flag("etcd-servers", etcd_url),
            flag("bind-address", "127.0.0.1"),
            flag("secure-port", &port.to_string()),
            flag("cert-dir", &path(dir)),
            flag("tls-cert-file", &path(&server.certificate)),
            flag("tls-private-key-file", &path(&server.key)),
            flag("client-ca-file", &path(&pki.ca())),
            flag("token-auth-file", &path(&dir.join("tokens.csv"))),
            flag("service-account-issuer", "https://kubernetes.default.svc"),
            flag("service-account-key-file", &path(&accounts.certificate)),
            flag("service-account-signing-key-file", &path(&accounts.key)),
            flag("service-cluster-ip-range", "10.0.0.0/24"),
            flag("endpoint-reconciler-type", "none"),
        ];
        flags.push(match &self.authorization {
            Authorization::Modes(modes) => flag("authorization-mode", modes),
            Authorization::File(_) => flag(
                "authorization-config",
                &path(&dir.join("authorization.yaml")),
            ),
        });
        flags.extend(
            self.flags
                .iter()
                .map(|(name, value)| flag(name, &expand(value, dir))),
        );
        flags
    }
}

fn flag(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

fn expand(text: &str, dir: &std::path::Path) -> String {
    text.replace("{dir}", &dir.display().to_string())
}

fn spawn(janitor: &mut Janitor, name: &'static str, command: Command) -> Result<(), ServersError> {
    janitor
        .spawn(name, command)
        .map_err(|source| ServersError::Process { name, source })
}

fn etcd_flags(client: &str, peer: &str) -> Vec<String> {
    vec![
        flag("data-dir", "etcd"),
        flag("listen-client-urls", client),
        flag("advertise-client-urls", client),
        flag("listen-peer-urls", peer),
        flag("initial-advertise-peer-urls", peer),
        flag("initial-cluster", &format!("default={peer}")),
        // The data dies with the test; waiting for the disk only makes it slow.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn controller_manager_flags(pki: &Pki, identity: &Identity) -> Vec<String> {
    let authority = pki.authority();
    vec![
        flag(
            "cluster-signing-cert-file",
            &authority.certificate.display().to_string(),
        ),
        flag(
            "cluster-signing-key-file",
            &authority.key.display().to_string(),
        ),
        flag("kubeconfig", &identity.kubeconfig().display().to_string()),
        flag("use-service-account-credentials", "true"),
        flag(
            "service-account-private-key-file",
            &pki.service_accounts().key.display().to_string(),
        ),
        flag("root-ca-file", &pki.ca().display().to_string()),
        flag("leader-elect", "false"),
        // The default of 20 requests a second makes the first round of the controllers take 6 s.
        flag("kube-api-qps", "1000"),
        flag("kube-api-burst", "1000"),
    ]
}

/// Where the controller-manager listens (0 for nowhere), and whom it asks about those who come.
fn listening_flags(dir: &std::path::Path, identity: &Identity, port: u16) -> Vec<String> {
    let mut flags = vec![flag("secure-port", &port.to_string())];
    if port > 0 {
        let asking = identity.kubeconfig().display().to_string();
        flags.extend([
            flag("bind-address", "127.0.0.1"),
            flag("cert-dir", &dir.display().to_string()),
            flag("authentication-kubeconfig", &asking),
            flag("authorization-kubeconfig", &asking),
        ]);
    }
    flags
}

pub(super) fn wait_until_ready(
    janitor: &mut Janitor,
    admin: &Identity,
) -> Result<(), ServersError> {
    let start = Instant::now();
    loop {
        let ended = janitor.any_ended();
        if !ended && admin.get("/readyz").is_ok_and(|reply| reply.status == 200) {
            return Ok(());
        }
        if ended || start.elapsed() > READY_LIMIT {
            janitor.keep();
            return Err(ServersError::NotReady {
                seconds: start.elapsed().as_secs(),
                ended,
                dir: janitor.dir().to_owned(),
                log: ["etcd", "kube-apiserver"]
                    .map(|name| janitor.log_end(name))
                    .concat(),
            });
        }
        thread::sleep(Duration::from_millis(50));
    }
}
