use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fs, mem};

use bailiwick_identity::BundleMap;
use bailiwick_identity::rules::RuleSet;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::authority::Authority;
use crate::evidence::Evidence;
use crate::peer::{Peer, PeerError};
use crate::pseudo::Pseudo;
use crate::wire::DESCRIPTORS;
use crate::wire::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer;
use crate::wire::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use crate::workload::{Limit, SecretDiscovery, Shared, WorkloadApi};

/// Connections at one time; more wait.
pub(crate) const MAX_CONNECTIONS: usize = 4096;
/// Streams of one connection at one time.
pub(crate) const MAX_STREAMS: u32 = 100;
/// Requests that a user may make at once before the rate counts.
const BURST: u32 = 2000;
/// Requests a second and user after that.
const RATE: u32 = 500;
/// No request is longer: the longest holds a token.
pub(crate) const MAX_REQUEST: usize = 64 * 1024;
/// How often the keys are looked after.
const TICK: Duration = Duration::from_secs(60);
/// How long connections have to end when the server does.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A socket for workloads.
pub struct Serve {
    /// Where the socket is made.
    pub socket: PathBuf,
    /// Its permissions, such as 0o600.
    pub mode: u32,
    /// Who signs.
    pub authority: Arc<Authority>,
    /// Who gets what; streams follow changes.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Bundles of other domains.
    pub federated: watch::Receiver<Arc<BundleMap>>,
    /// Where everything that is given and refused is written first.
    pub evidence: Evidence,
    /// Hears why the keys could not be looked after; what was signed with before goes on.
    pub trouble: Arc<dyn Fn(&crate::AuthorityError) + Send + Sync>,
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
    /// The server failed.
    #[error("the server of the socket failed")]
    Server(#[from] tonic::transport::Error),
    /// The services cannot describe themselves.
    #[error("the descriptions of the services cannot be read: {0}")]
    Reflection(String),
}

/// What is known of a connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) peer: Arc<Result<Arc<Peer>, PeerError>>,
}

/// Serves until `stop` is done; `ready` is called when callers are served.
///
/// # Errors
/// When the socket cannot be made or the server fails.
pub async fn serve(
    serve: Serve,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let listener = bind(&serve.socket, serve.mode)?;
    let _socket = Socket(serve.socket);
    let shared = Shared {
        authority: Arc::clone(&serve.authority),
        rules: serve.rules,
        federated: serve.federated,
        evidence: serve.evidence,
        limit: Arc::new(Limit::new(BURST, RATE)),
    };
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .with_service_name("SpiffeWorkloadAPI")
            .with_service_name("envoy.service.secret.v3.SecretDiscoveryService")
    };
    let described =
        |error: tonic_reflection::server::Error| ServeError::Reflection(error.to_string());
    let workload = SpiffeWorkloadApiServer::new(WorkloadApi(shared.clone()));
    let secrets = SecretDiscoveryServiceServer::new(SecretDiscovery(shared));
    let server = Server::builder()
        .max_concurrent_streams(Some(MAX_STREAMS))
        .add_service(workload.max_decoding_message_size(MAX_REQUEST))
        .add_service(secrets.max_decoding_message_size(MAX_REQUEST))
        .add_service(reflection().build_v1().map_err(described)?)
        .add_service(reflection().build_v1alpha().map_err(described)?);
    let (connections, incoming) = mpsc::channel(16);
    let accepting = tokio::spawn(accept(listener, connections));
    let ticking = tokio::spawn(look_after(serve.authority, serve.trouble));
    let (stopping, mut stopped) = watch::channel(false);
    let stop = async move {
        stop.await;
        let _ = stopping.send(true);
    };
    ready();
    let served = server.serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop);
    // Streams never end by themselves, so that they are cut after a while.
    let outcome = tokio::select! {
        outcome = served => outcome,
        () = async {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    };
    accepting.abort();
    ticking.abort();
    Ok(outcome?)
}

async fn look_after(
    authority: Arc<Authority>,
    trouble: Arc<dyn Fn(&crate::AuthorityError) + Send + Sync>,
) {
    loop {
        tokio::time::sleep(TICK).await;
        let authority = Arc::clone(&authority);
        // Keys of RSA take long to make, and files are read.
        let ticked = tokio::task::spawn_blocking(move || authority.tick()).await;
        if let Ok(Err(error)) = ticked {
            trouble(&error);
        }
    }
}

/// Makes the socket under another name and moves it into its place when its permissions are right: there is no moment in
/// which it is open to others, and none in which it is gone.
fn bind(path: &Path, mode: u32) -> Result<UnixListener, ServeError> {
    use std::os::unix::fs::FileTypeExt;
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
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(mem::take(&mut self.0));
    }
}

async fn accept(listener: UnixListener, connections: mpsc::Sender<io::Result<Caller>>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = Arc::new(Peer::of(&stream).map(Arc::new));
                let caller = Caller {
                    stream,
                    peer,
                    pseudo: Pseudo::default(),
                    _permit: permit,
                };
                if connections.send(Ok(caller)).await.is_err() {
                    return;
                }
            }
            // Such as too many open files: others will close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A connection and who made it.
struct Caller {
    stream: UnixStream,
    peer: Arc<Result<Arc<Peer>, PeerError>>,
    pseudo: Pseudo,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Caller {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        Connection {
            peer: Arc::clone(&self.peer),
        }
    }
}

impl AsyncRead for Caller {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let caller = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut caller.stream).poll_read(context, buffer);
        let new = buffer.filled_mut().get_mut(before..);
        caller.pseudo.pass(new.unwrap_or_default());
        read
    }
}

impl AsyncWrite for Caller {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
