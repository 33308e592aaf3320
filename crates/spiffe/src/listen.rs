//! What every server here does the same way: takes connections within bounds, and ends in time.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::UnixTime as TlsTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, Router};

use crate::frames::Frames;
use crate::limit::{Bucket, Place, Places, Rate, origin};
use crate::peer::{Peer, PeerError};
use crate::server::{Clients, Shown};

/// Connections at one time; more wait.
const MAX_CONNECTIONS: usize = 4096;
/// Connections from one address at one time: others have room beside it.
const MAX_OF_ADDRESS: usize = MAX_CONNECTIONS / 4;
/// Streams of one connection at one time.
pub(crate) const MAX_STREAMS: u32 = 100;
/// Streams that a client may reset on one connection, which ends where it resets more. Clients reset the stream of which
/// they want no more, and what they give up waiting for.
const RESETS: Rate = Rate::per_second(100);
/// No request is longer: the longest holds a token.
pub(crate) const MAX_REQUEST: usize = 64 * 1024;
/// How long connections have to end when the server does.
const GRACE: Duration = Duration::from_secs(2);
/// How long a caller has for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long it is waited when nothing can be accepted, such as with too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from, and what is known of each.
pub(crate) trait Door: Send + Sync + 'static {
    /// A connection of which nothing is known yet.
    type Socket: Send;
    /// A connection that can be talked over.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// What is known of it.
    type Known: Clone + Send + Sync + Unpin + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Socket>> + Send;

    /// Who that is; nothing where it is nobody to talk to.
    fn greet(
        &self,
        socket: Self::Socket,
    ) -> impl Future<Output = Option<(Self::Stream, Self::Known)>> + Send;
}

/// Serves until `stop` is done, and a little longer: streams never end by themselves, so that they are cut then.
///
/// # Errors
/// When the server fails.
pub(crate) async fn serve_until<D: Door>(
    door: D,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (connections, incoming) = mpsc::channel(16);
    let accepting = tokio::spawn(accept(Arc::new(door), connections));
    let (stopping, mut stopped) = watch::channel(false);
    let served = router.serve_with_incoming_shutdown(ReceiverStream::new(incoming), async move {
        stop.await;
        let _ = stopping.send(true);
    });
    let outcome = tokio::select! {
        outcome = served => outcome,
        () = async {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    };
    accepting.abort();
    outcome
}

/// Accepts connections until nobody wants them. One that is slow to shake hands holds up nobody else.
async fn accept<D: Door>(
    door: Arc<D>,
    connections: mpsc::Sender<io::Result<Connection<D::Stream, D::Known>>>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let socket = tokio::select! {
            socket = door.accept() => socket,
            () = connections.closed() => return,
        };
        let Ok(socket) = socket else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (door, connections) = (Arc::clone(&door), connections.clone());
        tokio::spawn(async move {
            if let Some((stream, known)) = door.greet(socket).await {
                let connection = Connection {
                    stream,
                    known,
                    frames: Frames::default(),
                    resets: Bucket::full(RESETS, Instant::now()),
                    _permit: permit,
                };
                let _ = connections.send(Ok(connection)).await;
            }
        });
    }
}

/// A connection and what is known of it.
pub(crate) struct Connection<S, K> {
    stream: S,
    known: K,
    frames: Frames,
    resets: Bucket,
    _permit: OwnedSemaphorePermit,
}

impl<S, K: Clone + Send + Sync + 'static> Connected for Connection<S, K> {
    type ConnectInfo = K;

    fn connect_info(&self) -> K {
        self.known.clone()
    }
}

impl<S: AsyncRead + Unpin, K: Unpin> AsyncRead for Connection<S, K> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut connection.stream).poll_read(context, buffer);
        let new = buffer.filled_mut().get_mut(before..);
        let resets = connection.frames.pass(new.unwrap_or_default());
        if resets > 0 {
            let admitted = connection.resets.take(RESETS, resets, Instant::now());
            admitted.map_err(|_| io::Error::other("the client resets too many streams"))?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, K: Unpin> AsyncWrite for Connection<S, K> {
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

/// The process at the other end of a unix socket, or why it cannot be told.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) peer: Arc<Result<Arc<Peer>, PeerError>>,
}

/// A socket for processes of this machine.
pub(crate) struct Unix {
    pub(crate) listener: UnixListener,
    /// `/proc`, but for tests.
    pub(crate) proc_root: PathBuf,
}

impl Door for Unix {
    type Socket = UnixStream;
    type Stream = UnixStream;
    type Known = Local;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    async fn greet(&self, stream: UnixStream) -> Option<(UnixStream, Local)> {
        let peer = Arc::new(Peer::of(&stream, &self.proc_root).map(Arc::new));
        Some((stream, Local { peer }))
    }
}

/// Connections over TLS.
pub(crate) struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    clients: Arc<Clients>,
    places: Places<IpAddr>,
}

/// A caller from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) from: IpAddr,
    pub(crate) shown: Shown,
    /// Its connection counts among those of its address.
    pub(crate) _place: Option<Arc<Place<IpAddr>>>,
}

impl Tls {
    pub(crate) fn new(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        clients: Arc<Clients>,
    ) -> Self {
        Self {
            listener,
            acceptor: TlsAcceptor::from(config),
            clients,
            places: Places::new(MAX_OF_ADDRESS),
        }
    }
}

impl Door for Tls {
    type Socket = (TcpStream, IpAddr, Place<IpAddr>);
    type Stream = TlsStream<TcpStream>;
    type Known = Remote;

    async fn accept(&self) -> io::Result<Self::Socket> {
        loop {
            let (stream, address) = self.listener.accept().await?;
            // One too many is closed.
            if let Some(place) = self.places.take(origin(address.ip())) {
                return Ok((stream, address.ip(), place));
            }
        }
    }

    async fn greet(
        &self,
        (stream, from, place): Self::Socket,
    ) -> Option<(TlsStream<TcpStream>, Remote)> {
        let _ = stream.set_nodelay(true);
        let shaken = tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await;
        let stream = shaken.ok()?.ok()?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        let shown = self.clients.who(chain, TlsTime::now()).ok()?;
        let known = Remote {
            from,
            shown,
            _place: Some(Arc::new(place)),
        };
        Some((stream, known))
    }
}
