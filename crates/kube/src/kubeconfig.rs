//! From flags, kubeconfig files and environment to one connection, as `client-go/tools/clientcmd` does it.

use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context, ExecConfig, Kubeconfig, KubeconfigError};

use crate::environment::Environment;
use crate::error::ConnectError;
use crate::options::ConnectOptions;

/// The parts of a kubeconfig that say how to connect, with the flags laid over them.
#[derive(Default)]
pub(crate) struct Access {
    /// A name for people: the context, or the server where there is none.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) cluster: Cluster,
    pub(crate) auth: AuthInfo,
}

/// The access that kubectl would use with these flags.
///
/// # Errors
/// When no file, flag or pod says which cluster is meant, when a name is not there, or when a file cannot be read.
pub(crate) fn resolve(
    options: &ConnectOptions,
    environment: &Environment,
) -> Result<Access, ConnectError> {
    let files = match &options.kubeconfig {
        Some(file) => vec![file.clone()],
        None => environment.kubeconfig_files(),
    };
    let (kubeconfig, found) = read(&files, options.kubeconfig.is_some())?;
    let mut access = pick(&kubeconfig, options)?;
    if access.cluster.server.is_none() && options.server.is_none() {
        if !environment.is_pod() {
            return Err(no_server(&kubeconfig, files, found, &access));
        }
        access = in_cluster(environment);
    }
    overlay(&mut access, options)?;
    if access.namespace.is_none() && environment.is_pod() {
        access.namespace = environment.pod_namespace();
    }
    Ok(access)
}

/// Reads and merges the files that exist; the first to set a name wins. The second value lists what was found.
fn read(files: &[PathBuf], required: bool) -> Result<(Kubeconfig, Vec<PathBuf>), ConnectError> {
    let mut merged = Kubeconfig::default();
    let mut found = Vec::new();
    for file in files {
        let mut next = match Kubeconfig::read_from(file) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(source, _))
                if source.kind() == std::io::ErrorKind::NotFound && !required =>
            {
                continue;
            }
            Err(error) => return Err(unreadable(file, &error)),
        };
        // An empty text sets nothing, as with kubectl.
        next.current_context = next.current_context.filter(|name| !name.is_empty());
        merged = merged
            .merge(next)
            .map_err(|error| unreadable(file, &error))?;
        found.push(file.clone());
    }
    Ok((merged, found))
}

/// Says where a kubeconfig is broken, and never what stands there: it may be a token.
fn unreadable(file: &Path, error: &KubeconfigError) -> ConnectError {
    let reason = match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::Parse(source) => match source.location() {
            Some(at) => format!(
                "not a valid kubeconfig at line {}, column {}; `kubectl config view` says what it reads",
                at.line(),
                at.column()
            ),
            None => "not a valid kubeconfig".to_owned(),
        },
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "it is of another kind or apiVersion than the files before it".to_owned()
        }
        _ => "not a valid kubeconfig".to_owned(),
    };
    ConnectError::File {
        what: "kubeconfig",
        path: file.to_owned(),
        reason,
    }
}

/// The entries of the context that is meant. A context may name a user that does not exist: it is then nobody.
fn pick(kubeconfig: &Kubeconfig, options: &ConnectOptions) -> Result<Access, ConnectError> {
    let context_name = options
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref());
    let context = match context_name {
        None => Context::default(),
        Some(name) => kubeconfig
            .contexts
            .iter()
            .find(|context| context.name == *name)
            .map(|context| context.context.clone().unwrap_or_default())
            .ok_or_else(|| unknown("context", name, kubeconfig.contexts.iter().map(|c| &c.name)))?,
    };

    let cluster_name = options.cluster.as_ref().unwrap_or(&context.cluster);
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|cluster| cluster.name == *cluster_name);
    if cluster.is_none()
        && (options.cluster.is_some() || !cluster_name.is_empty())
        && options.server.is_none()
    {
        let known = kubeconfig.clusters.iter().map(|cluster| &cluster.name);
        return Err(unknown("cluster", cluster_name, known));
    }
    let user_name = options.user.as_ref().or(context.user.as_ref());
    let user =
        user_name.and_then(|name| kubeconfig.auth_infos.iter().find(|user| user.name == *name));
    if let (None, Some(name)) = (user, &options.user) {
        return Err(unknown(
            "user",
            name,
            kubeconfig.auth_infos.iter().map(|user| &user.name),
        ));
    }
    let cluster = cluster
        .and_then(|cluster| cluster.cluster.clone())
        .unwrap_or_default();
    Ok(Access {
        name: context_name.cloned().unwrap_or_default(),
        namespace: context.namespace.filter(|namespace| !namespace.is_empty()),
        cluster: Cluster {
            server: cluster.server.filter(|server| !server.is_empty()),
            ..cluster
        },
        auth: user
            .and_then(|user| user.auth_info.clone())
            .unwrap_or_default(),
    })
}

fn unknown<'a>(
    what: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> ConnectError {
    let mut known: Vec<_> = known.cloned().collect();
    known.sort();
    ConnectError::Unknown {
        what,
        name: name.to_owned(),
        known,
    }
}

fn no_server(
    kubeconfig: &Kubeconfig,
    files: Vec<PathBuf>,
    found: Vec<PathBuf>,
    access: &Access,
) -> ConnectError {
    if found.is_empty() {
        ConnectError::NoKubeconfig { looked_at: files }
    } else if access.name.is_empty() {
        let mut known: Vec<_> = kubeconfig
            .contexts
            .iter()
            .map(|context| context.name.clone())
            .collect();
        known.sort();
        ConnectError::NoCurrentContext {
            files: found,
            known,
        }
    } else {
        ConnectError::Invalid(format!(
            "the cluster of context `{}` has no `server`; add one or pass `--server`",
            access.name
        ))
    }
}

/// The access of a pod's service account (`client-go/rest/config.go`, `InClusterConfig`).
fn in_cluster(environment: &Environment) -> Access {
    let file = |name: &str| Some(environment.service_account.join(name).display().to_string());
    let (host, port) = environment.service.clone().unwrap_or_default();
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    Access {
        name: "in-cluster".to_owned(),
        namespace: environment.pod_namespace(),
        cluster: Cluster {
            server: Some(format!("https://{host}:{port}")),
            certificate_authority: file("ca.crt"),
            ..Cluster::default()
        },
        auth: AuthInfo {
            token_file: file("token"),
            ..AuthInfo::default()
        },
    }
}

/// Lays the flags over the kubeconfig (`client_config.go`, `getCluster` and `getAuthInfo`).
fn overlay(access: &mut Access, options: &ConnectOptions) -> Result<(), ConnectError> {
    let Access { cluster, auth, .. } = access;
    if options.insecure_skip_tls_verify || options.certificate_authority.is_some() {
        cluster.insecure_skip_tls_verify = Some(options.insecure_skip_tls_verify);
        cluster.certificate_authority_data = None;
        cluster.certificate_authority = options
            .certificate_authority
            .as_ref()
            .map(|path| path.display().to_string());
    }
    if options.server.is_some() || options.tls_server_name.is_some() {
        cluster.tls_server_name.clone_from(&options.tls_server_name);
    }
    if let Some(server) = &options.server {
        cluster.server = Some(server.clone());
        if access.name.is_empty() {
            access.name.clone_from(server);
        }
    }
    if let Some(token) = options.token.as_ref().filter(|token| !token.is_empty()) {
        auth.token = Some(token.secret());
        auth.token_file = None;
    }
    // A file that exists is newer than a token beside it (`client-go/transport/round_trippers.go`).
    if auth
        .token_file
        .as_ref()
        .is_some_and(|file| Path::new(file).is_file())
    {
        auth.token = None;
    }
    impersonate(auth, options)?;
    if let Some(namespace) = &options.namespace {
        access.namespace = Some(namespace.clone());
    }
    settle(&mut access.auth);
    Ok(())
}

fn impersonate(auth: &mut AuthInfo, options: &ConnectOptions) -> Result<(), ConnectError> {
    if let Some(user) = &options.impersonate {
        auth.impersonate = Some(user.clone());
    }
    if !options.impersonate_groups.is_empty() {
        auth.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    if let Some(uid) = &options.impersonate_uid {
        auth.impersonate_uid = Some(uid.clone());
    }
    let nobody = auth.impersonate.as_ref().is_none_or(String::is_empty);
    let more = auth
        .impersonate_groups
        .as_ref()
        .is_some_and(|groups| !groups.is_empty())
        || auth.impersonate_uid.is_some()
        || auth
            .impersonate_user_extra
            .as_ref()
            .is_some_and(|extra| !extra.is_empty());
    if nobody && more {
        return Err(ConnectError::Invalid(
            "groups, UID or extra to impersonate are given without a user; add `--as USER`"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Leaves one credential of several, the one that kubectl uses: a plugin is run only where there is nothing else
/// (`client-go/plugin/pkg/client/auth/exec/exec.go`, `UpdateTransportConfig`).
fn settle(auth: &mut AuthInfo) {
    auth.token = auth.token.take().filter(|token| {
        use secrecy::ExposeSecret as _;
        !token.expose_secret().is_empty()
    });
    let has_token = auth.token.is_some() || auth.token_file.is_some();
    let has_password = auth.username.is_some();
    let has_certificate =
        auth.client_certificate.is_some() || auth.client_certificate_data.is_some();
    if has_token || has_password || has_certificate {
        auth.exec = None;
    }
    if has_token {
        auth.auth_provider = None;
        auth.username = None;
        auth.password = None;
    }
}

/// The plugin of a user entry, where its credentials are needed, with what it may be told of the cluster.
pub(crate) fn plugin(access: &mut Access) -> Result<Option<ExecConfig>, ConnectError> {
    let Some(mut plugin) = access.auth.exec.take() else {
        return Ok(None);
    };
    if plugin.provide_cluster_info {
        let cluster = (&access.cluster).try_into().map_err(|_| {
            ConnectError::Invalid(
                "the certificate authority of the kubeconfig cannot be read".to_owned(),
            )
        })?;
        plugin.cluster = Some(cluster);
    }
    Ok(Some(plugin))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bailiwick_testkit::servers;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::Cluster as Connection;

    fn environment(files: &[&Path]) -> Environment {
        Environment {
            kubeconfig: Some(std::env::join_paths(files).unwrap()),
            ..Environment::default()
        }
    }

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn server_and_token(access: &Access) -> (Option<&str>, Option<&str>) {
        let token = access
            .auth
            .token
            .as_ref()
            .map(|token| token.expose_secret());
        (access.cluster.server.as_deref(), token)
    }

    #[test]
    fn of_several_files_the_first_to_set_a_name_wins() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(
            dir.path(),
            "a/config",
            "current-context: ''\nusers: [{name: u, user: {token: first}}]\n",
        );
        let second = write(
            dir.path(),
            "b/config",
            "current-context: both\n\
             contexts: [{name: both, context: {cluster: c, user: u, namespace: shop}}]\n\
             clusters: [{name: c, cluster: {server: 'https://b', certificate-authority: ca.crt}}]\n\
             users: [{name: u, user: {token: second, as: someone}}]\n",
        );
        let third = write(
            dir.path(),
            "c/config",
            "current-context: third\ncontexts:\nusers:\n",
        );
        let missing = dir.path().join("missing");
        let environment = environment(&[&missing, &first, &second, &third, &first]);
        let access = resolve(&ConnectOptions::default(), &environment).unwrap();
        assert_eq!(
            server_and_token(&access),
            (Some("https://b"), Some("first"))
        );
        assert_eq!(
            (access.name.as_str(), access.namespace.as_deref()),
            ("both", Some("shop"))
        );
        // Nothing of an entry that came too late, and paths are relative to the file that names them.
        assert_eq!(access.auth.impersonate, None);
        let authority = dir.path().join("b/ca.crt").display().to_string();
        assert_eq!(access.cluster.certificate_authority, Some(authority));

        let broken = write(dir.path(), "broken", "users: {");
        let error = resolve(
            &ConnectOptions::default(),
            &self::environment(&[&second, &broken]),
        );
        assert!(error.err().unwrap().to_string().contains("broken"));
    }

    #[test]
    fn without_a_kubeconfig_the_message_says_where_it_was_looked_for() {
        let check = |environment: &Environment, expected: &str| {
            let error = resolve(&ConnectOptions::default(), environment)
                .err()
                .unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        };
        let home = Environment {
            home: Some("/home/anna".into()),
            ..Environment::default()
        };
        check(&home, "looked at /home/anna/.kube/config");
        check(
            &environment(&[Path::new("/a"), Path::new("/b")]),
            "looked at /a, /b",
        );
    }

    #[test]
    fn flags_lie_over_the_kubeconfig() {
        let dir = tempfile::tempdir().unwrap();
        let file = write(
            dir.path(),
            "config",
            "current-context: x\n\
             contexts: [{name: x, context: {cluster: c, user: u}}]\n\
             clusters: [{name: c, cluster: {server: 'https://c', certificate-authority-data: AA==, tls-server-name: n}}]\n\
             users: [{name: u, user: {tokenFile: /nowhere, username: a, password: b, as: someone, as-groups: [g]}}]\n",
        );
        let environment = environment(&[&file]);
        let resolve = |options: ConnectOptions| resolve(&options, &environment).unwrap();

        let plain = resolve(ConnectOptions::default());
        assert_eq!(plain.cluster.tls_server_name.as_deref(), Some("n"));
        assert_eq!(plain.auth.impersonate_groups, Some(vec!["g".to_owned()]));

        let server = resolve(ConnectOptions {
            server: Some("https://d".into()),
            ..Default::default()
        });
        assert_eq!(server.cluster.server.as_deref(), Some("https://d"));
        assert_eq!(server.cluster.tls_server_name, None);
        assert!(server.cluster.certificate_authority_data.is_some());

        let insecure = resolve(ConnectOptions {
            insecure_skip_tls_verify: true,
            ..Default::default()
        });
        assert_eq!(insecure.cluster.insecure_skip_tls_verify, Some(true));
        assert_eq!(insecure.cluster.certificate_authority_data, None);

        let flag = ConnectOptions {
            token: Some("t".to_owned().into()),
            impersonate: Some("anna".into()),
            impersonate_groups: vec!["h".into()],
            ..Default::default()
        };
        let flag = resolve(flag);
        assert_eq!(server_and_token(&flag), (Some("https://c"), Some("t")));
        assert_eq!((flag.auth.token_file, flag.auth.username), (None, None));
        assert_eq!(flag.auth.impersonate.as_deref(), Some("anna"));
        assert_eq!(flag.auth.impersonate_groups, Some(vec!["h".to_owned()]));
    }

    #[test]
    fn a_pod_reads_with_its_service_account() {
        let server = servers::Cluster::shared().unwrap();
        let manifest =
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: pod, namespace: default}}";
        server.admin().apply(manifest).unwrap();
        let identity = server.service_account("default", "pod").unwrap();
        let text = fs::read_to_string(identity.kubeconfig()).unwrap();
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let token = config["users"][0]["user"]["token"].as_str().unwrap();
        write(dir.path(), "token", &format!("{token}\n"));
        write(dir.path(), "namespace", "default\n");
        fs::copy(server.ca(), dir.path().join("ca.crt")).unwrap();
        let address = server
            .server()
            .trim_start_matches("https://")
            .split_once(':')
            .unwrap();
        let environment = Environment {
            service: Some((address.0.to_owned(), address.1.to_owned())),
            service_account: dir.path().to_owned(),
            ..Environment::default()
        };

        let cluster = Connection::connect_from(&ConnectOptions::default(), &environment).unwrap();
        assert_eq!(
            (cluster.name(), cluster.default_namespace()),
            ("in-cluster", "default")
        );
        assert_eq!(
            cluster.whoami().unwrap().name,
            "system:serviceaccount:default:pod"
        );

        // A kubeconfig is used before it.
        let admin = Environment {
            kubeconfig: Some(server.admin().kubeconfig().into()),
            ..environment
        };
        let cluster = Connection::connect_from(&ConnectOptions::default(), &admin).unwrap();
        assert_eq!(cluster.whoami().unwrap().name, "admin");
    }
}
