use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::{fs, mem};

use bailiwick_identity::BundleMap;
use bailiwick_identity::rules::RuleSet;
use thiserror::Error;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tonic::transport::Server;

use crate::authority::Authority;
use crate::evidence::Evidence;
use crate::issuer_core::IssuerCore;
use crate::limit::{Limit, Rate};
use crate::listen::{MAX_REQUEST, MAX_STREAMS, Unix, serve_until};
use crate::node::Health;
use crate::wire::DESCRIPTORS;
use crate::wire::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer;
use crate::wire::issuer::agent_health_server::AgentHealthServer;
use crate::wire::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use crate::workload::{Giver, SecretDiscovery, Shared, WorkloadApi};

/// A server at work. What it does is behind a pointer, so that its code is made in this crate and not in that of whoever
/// waits for it: it lies together in the program, and the system holds in memory what is near to what runs.
pub type Served<'r, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'r>>;
/// Is called when callers are served.
pub(crate) type Ready<'r> = Box<dyn FnOnce() + Send + 'r>;
/// Is done when a server is to end.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a user of the machine may ask for.
const RATE: Rate = Rate::per_second(500);

/// A socket for workloads.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Where it is made.
    pub path: PathBuf,
    /// Its permissions, such as 0o600.
    pub mode: u32,
    /// Where processes are looked at: `/proc`, but for tests.
    pub proc_root: PathBuf,
}

impl Socket {
    /// A socket with these permissions.
    pub fn new(path: PathBuf, mode: u32) -> Self {
        let proc_root = "/proc".into();
        Self {
            path,
            mode,
            proc_root,
        }
    }
}

/// An authority and whom it serves.
pub struct Serve {
    /// Where workloads come.
    pub socket: Socket,
    /// Who signs.
    pub authority: Arc<Authority>,
    /// Who gets what; streams follow changes.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Bundles of other domains.
    pub federated: watch::Receiver<Arc<BundleMap>>,
    /// Where everything that is given and refused is written first.
    pub evidence: Evidence,
}

/// Why the socket is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process serves it.
    #[error("`{0}` is served already: stop the other process, or name another socket")]
    Taken(PathBuf),
    /// Something else is at that place.
    #[error("`{0}` is there and is no socket: move it away, or name another socket")]
    NoSocket(PathBuf),
    /// The socket cannot be made.
    #[error("cannot make the socket `{path}`")]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be had.
    #[error("no TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// The server failed.
    #[error("the server of the socket failed")]
    Server(#[from] tonic::transport::Error),
    /// The services cannot describe themselves.
    #[error("the descriptions of the services cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `stop` is done; `ready` is called when callers are served.
///
/// # Errors
/// When the socket cannot be made or the server fails.
pub fn serve<'r>(
    serve: Serve,
    ready: impl FnOnce() + Send + 'r,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Served<'r, ServeError> {
    serve_boxed(serve, Box::new(ready), Box::pin(stop))
}

fn serve_boxed<'r>(serve: Serve, ready: Ready<'r>, stop: Stop) -> Served<'r, ServeError> {
    Box::pin(serve_own(serve, ready, stop))
}

async fn serve_own(serve: Serve, ready: Ready<'_>, stop: Stop) -> Result<(), ServeError> {
    let core = IssuerCore {
        authority: serve.authority,
        rules: serve.rules,
        evidence: serve.evidence,
    };
    let federated = serve.federated;
    let giver = Giver::Own {
        core,
        federated,
        refusals: Arc::default(),
    };
    serve_giver(serve.socket, giver, ready, stop).await
}

/// Serves what a giver gives.
pub(crate) async fn serve_giver(
    socket: Socket,
    giver: Giver,
    ready: Ready<'_>,
    stop: Stop,
) -> Result<(), ServeError> {
    let listener = bind(&socket.path, socket.mode)?;
    let _bound = Bound(socket.path);
    let limit = Arc::new(Limit::new(RATE));
    let health = match &giver {
        Giver::Server(node) => Some(AgentHealthServer::new(Health(Arc::clone(node)))),
        Giver::Own { .. } => None,
    };
    let telling = tokio::spawn(giver.clone().tell_refusals());
    let shared = Shared {
        giver: giver.clone(),
        limit,
    };
    let reflection = || {
        described("SpiffeWorkloadAPI")
            .with_service_name("envoy.service.secret.v3.SecretDiscoveryService")
    };
    let workload = SpiffeWorkloadApiServer::new(WorkloadApi(shared.clone()));
    let secrets = SecretDiscoveryServiceServer::new(SecretDiscovery(shared));
    let server = Server::builder()
        .max_concurrent_streams(Some(MAX_STREAMS))
        .add_service(workload.max_decoding_message_size(MAX_REQUEST))
        .add_service(secrets.max_decoding_message_size(MAX_REQUEST))
        .add_optional_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    ready();
    let proc_root = socket.proc_root;
    let door = Unix {
        listener,
        proc_root,
    };
    let outcome = serve_until(door, server, stop).await;
    telling.abort();
    // What it was telling is to be told again.
    let _ = telling.await;
    giver.tell_rest().await;
    Ok(outcome?)
}

/// A service that describes itself (E-4).
pub(crate) fn described(name: &str) -> tonic_reflection::server::Builder<'_> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .with_service_name(name)
}

/// Whether a socket can be made there, before anything else is made that a wrong place would leave behind.
///
/// # Errors
/// When something is there, or there is no such folder.
pub fn check_socket(path: &Path) -> Result<(), ServeError> {
    let error = |source| ServeError::Bind {
        path: path.to_owned(),
        source,
    };
    if let Ok(meta) = fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(ServeError::NoSocket(path.to_owned()));
        }
        // A socket that nobody serves was left by a process that was killed.
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(ServeError::Taken(path.to_owned()));
        }
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let meta = fs::metadata(folder.unwrap_or(Path::new("."))).map_err(error)?;
    match meta.is_dir() {
        true => Ok(()),
        false => Err(error(io::ErrorKind::NotADirectory.into())),
    }
}

/// Makes the socket under another name and moves it into its place when its permissions are right: there is no moment in
/// which it is open to others, and none in which it is gone.
pub(crate) fn bind(path: &Path, mode: u32) -> Result<UnixListener, ServeError> {
    check_socket(path)?;
    let error = |source| ServeError::Bind {
        path: path.to_owned(),
        source,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary).map_err(error)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(error)?;
    Ok(listener)
}

/// Removes the socket in the end.
pub(crate) struct Bound(pub(crate) PathBuf);

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = fs::remove_file(mem::take(&mut self.0));
    }
}
