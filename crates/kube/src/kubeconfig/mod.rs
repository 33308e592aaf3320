//! From flags, kubeconfig files and environment to one connection, as `client-go/tools/clientcmd` does it.

mod files;
mod overlay;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use kube::config::{AuthInfo, Cluster, Context, ExecConfig, Kubeconfig};

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
    let (kubeconfig, found) = files::read(&files, options.kubeconfig.is_some())?;
    let mut access = pick(&kubeconfig, options)?;
    if access.cluster.server.is_none() && options.server.is_none() {
        if !environment.is_pod() {
            return Err(no_server(&kubeconfig, files, found, &access));
        }
        access = in_cluster(options, environment);
    }
    overlay::overlay(&mut access, options)?;
    if access.namespace.is_none() && environment.is_pod() {
        access.namespace = environment.pod_namespace();
    }
    Ok(access)
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
fn in_cluster(options: &ConnectOptions, environment: &Environment) -> Access {
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
            token_file: file("token").filter(|_| options.token.is_none()),
            ..AuthInfo::default()
        },
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
