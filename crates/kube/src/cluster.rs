use std::sync::Arc;
use std::time::Duration;

use bailiwick_core::UserInfo;
use bailiwick_model::ReadYaml;
use serde::Deserialize;

use crate::credential::{self, Credential};
use crate::environment::Environment;
use crate::error::{ConnectError, RequestError};
use crate::kubeconfig::{self, Access};
use crate::options::ConnectOptions;
use crate::plugin;
use crate::threads::Threads;
use crate::transport::Transport;
use crate::whoami;

/// A live cluster. Every method blocks until it is done; connections run on threads of the cluster's own.
pub struct Cluster {
    pub(crate) threads: Arc<Threads>,
    pub(crate) transport: Transport,
    name: String,
    namespace: String,
    minor: Option<u16>,
    pub(crate) yaml: Option<ReadYaml>,
}

impl Cluster {
    /// Connects as kubectl would with the same flags, and asks the server for its version.
    ///
    /// # Errors
    /// When nothing says which cluster is meant, when credentials cannot be had, or when the server cannot be reached,
    /// is not to be trusted, or does not accept the credentials.
    pub fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        Self::connect_from(options, &Environment::of_process())
    }

    pub(crate) fn connect_from(
        options: &ConnectOptions,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let threads = Threads::start().map_err(|error| {
            ConnectError::Invalid(format!("no threads for connections: {error}"))
        })?;
        let mut access = kubeconfig::resolve(options, environment)?;
        // kube-rs spawns the task that serves a client when the client is made.
        let (transport, minor) = threads.block_on(async {
            let transport = transport(&mut access, options, environment).await?;
            let minor = minor(&transport).await?;
            Ok::<_, ConnectError>((transport, minor))
        })?;
        let name = if access.name.is_empty() {
            transport.server().to_owned()
        } else {
            access.name
        };
        let namespace = access.namespace.unwrap_or_else(|| "default".to_owned());
        Ok(Self {
            threads: Arc::new(threads),
            transport,
            name,
            namespace,
            minor,
            yaml: options.yaml,
        })
    }

    /// A name for people: the context, or the server where there is none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        self.transport.server()
    }

    /// The namespace that a command without `-n` means.
    pub fn default_namespace(&self) -> &str {
        &self.namespace
    }

    /// The minor version of Kubernetes: 37 for 1.37. `None` where the server's answer cannot be read as one.
    pub fn minor(&self) -> Option<u16> {
        self.minor
    }

    /// Who the API server takes us for, impersonation included (SelfSubjectReview, Kubernetes 1.28 and newer).
    ///
    /// # Errors
    /// When the request fails or the server does not serve it.
    pub fn whoami(&self) -> Result<UserInfo, RequestError> {
        self.threads.block_on(whoami::whoami(&self.transport))
    }
}

/// The connection of an access, with a plugin's credentials where it has one.
async fn transport(
    access: &mut Access,
    options: &ConnectOptions,
    environment: &Environment,
) -> Result<Transport, ConnectError> {
    refuse_old_providers(access)?;
    let mut credential = Credential::of(&access.auth, options.token.is_some());
    if let Some(plugin) = kubeconfig::plugin(access)? {
        let limit = options
            .plugin_timeout
            .unwrap_or(ConnectOptions::PLUGIN_TIMEOUT);
        plugin::run(&plugin, options.stdin_in_use, limit, &mut access.auth).await?;
        let command = plugin.command.unwrap_or_default();
        credential = Credential::of(&access.auth, false).given_by_plugin(&command);
    }
    credential::read_token(&mut access.auth)?;
    let timeout = options
        .request_timeout
        .unwrap_or(ConnectOptions::REQUEST_TIMEOUT);
    let timeout = Some(timeout).filter(|timeout| *timeout > Duration::ZERO);
    Transport::new(access, credential, timeout, environment)
}

/// kubectl dropped them; kube-rs would still run their commands.
fn refuse_old_providers(access: &Access) -> Result<(), ConnectError> {
    match &access.auth.auth_provider {
        Some(provider) if provider.name != "oidc" => Err(ConnectError::Invalid(format!(
            "auth-provider `{}` is not supported, nor is it by kubectl; use a credential plugin (users[].user.exec)",
            provider.name
        ))),
        _ => Ok(()),
    }
}

async fn minor(transport: &Transport) -> Result<Option<u16>, RequestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        minor: String,
        /// What it acts as, since 1.34: in the course of an upgrade the version before.
        #[serde(default)]
        emulation_minor: String,
    }
    let answer = match transport.get("/version", "application/json").await {
        Ok(answer) => answer,
        // A hardened server may show its version to nobody: the rest still works.
        Err(RequestError::Forbidden { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let version: Version = transport.parse(&answer)?;
    let minor = match &*version.emulation_minor {
        "" => version.minor,
        emulated => emulated.to_owned(),
    };
    // Some distributions append a sign: `37+`.
    Ok(minor
        .trim_end_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .ok())
}
