use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::Request;
use http::request::Parts as Head;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::error::Error;
use crate::gather::{Gather, Turns};
use crate::metrics::SharedMetrics;
use crate::peer::{Peer, Proven};
use crate::rate::Refusals;
use crate::reply::Reply;
use crate::streams::Come;
use crate::tls::Tls;

/// What a listener takes from its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait until one ends.
    pub connections: usize,
    /// Requests at once on a connection of HTTP/2.
    pub streams: u32,
    /// Requests under way at once, over all connections, half of them of one caller. More are refused.
    pub requests: usize,
    /// How long a handshake, a head and a body each may take to arrive.
    pub arrival: Duration,
    /// How long requests that are under way may take when the server ends.
    pub drain: Duration,
}

impl Default for Limits {
    /// 1,024 connections of 256 requests, 4,096 requests at once, 5 s to arrive, 10 s to end.
    fn default() -> Self {
        Self {
            connections: 1_024,
            streams: 256,
            requests: 4_096,
            arrival: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}

/// Bytes of the head of a request.
const HEAD: u32 = 64 << 10;
/// How often a silent connection of HTTP/2 is asked whether anybody is there.
const PING: Duration = Duration::from_secs(20);

/// An address that is listened on.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    address: SocketAddr,
}

/// Answers requests. Their heads are boxed, because they are large, and handed on several times.
pub(crate) trait Answer: Send + Sync + 'static {
    fn answer(
        self: Arc<Self>,
        peer: Arc<Peer>,
        head: Box<Head>,
        body: Incoming,
    ) -> impl Future<Output = Reply> + Send;
}

impl Listener {
    /// Whether it may be listened there without TLS: on a loopback address only.
    ///
    /// # Errors
    ///
    /// On any other.
    pub fn check_plaintext(address: SocketAddr) -> Result<(), Error> {
        match address.ip().is_loopback() {
            true => Ok(()),
            false => Err(Error::Plaintext(address)),
        }
    }

    /// Listens. Without TLS on a loopback address only.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<Tls>>) -> Result<Self, Error> {
        if tls.is_none() {
            Self::check_plaintext(address)?;
        }
        Self::bind_anywhere(address, tls).await
    }

    /// Listens without TLS on any address. For what tells nobody anything that matters.
    pub(crate) async fn bind_anywhere(
        address: SocketAddr,
        tls: Option<Arc<Tls>>,
    ) -> Result<Self, Error> {
        let bound = TcpListener::bind(address).await;
        let tcp = bound.map_err(|source| Error::Bind { address, source })?;
        let address = tcp.local_addr().unwrap_or(address);
        Ok(Self { tcp, tls, address })
    }

    /// Where it listens; the port is a real one even where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` says so, then finishes what is under way.
    pub(crate) async fn run<A: Answer>(
        self,
        answer: Arc<A>,
        limits: Limits,
        metrics: SharedMetrics,
        mut end: watch::Receiver<bool>,
    ) {
        let room = Arc::new(Semaphore::new(limits.connections));
        let failures = Arc::new(Refusals::default());
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.tcp, &room) => accepted,
                _ = end.wait_for(|end| *end) => break,
            };
            let Some((stream, address, place)) = accepted else {
                continue;
            };
            let connection = Connection {
                answer: Arc::clone(&answer),
                limits: limits.clone(),
                metrics: Arc::clone(&metrics),
                failures: Arc::clone(&failures),
                watcher: graceful.watcher(),
            };
            let tls = self.tls.clone();
            tokio::spawn(async move {
                connection.metrics.connections.inc();
                connection.handshake(stream, address, tls).await;
                drop(place);
            });
        }
        drop(self.tcp);
        // Whoever has not finished by then is cut off.
        let _ = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
    }
}

/// The next connection, once there is room for it.
async fn accept(
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match tcp.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            // Most often there are too many open files. Somebody has to finish first.
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// What a connection needs.
struct Connection<A> {
    answer: Arc<A>,
    limits: Limits,
    metrics: SharedMetrics,
    /// Handshakes that failed of late, so that nobody fills the log with them.
    failures: Arc<Refusals>,
    watcher: hyper_util::server::graceful::Watcher,
}

impl<A: Answer> Connection<A> {
    async fn handshake(self, stream: TcpStream, address: SocketAddr, tls: Option<Arc<Tls>>) {
        let open = Open(Arc::clone(&self.metrics));
        // Answers are small; waiting for more of them to send at once costs 40 ms.
        let _ = stream.set_nodelay(true);
        let mut peer = Peer {
            address,
            plaintext: tls.is_none(),
            certificate: None,
        };
        let Some(tls) = tls else {
            self.serve(stream, peer).await;
            return;
        };
        let acceptor = TlsAcceptor::from(tls.config());
        let accepted = tokio::time::timeout(self.limits.arrival, acceptor.accept(stream)).await;
        let Ok(Ok(stream)) = accepted else {
            self.metrics.handshakes_failed.inc();
            let why = match accepted {
                // Somebody who looks whether the port is open.
                Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => return,
                Ok(Err(error)) => error.to_string(),
                _ => "it took too long".to_owned(),
            };
            if self.failures.allows(address.ip(), Instant::now()) {
                tracing::info!(%address, why, "TLS handshake failed");
            }
            return;
        };
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        peer.certificate = certificates.first().map(Proven::of);
        self.serve(stream, peer).await;
        drop(open);
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let come = Come::default();
        let mut builder = Builder::new(come.clone());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.arrival)
            .max_buf_size(HEAD as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(HEAD)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let peer = Arc::new(peer);
        let answer = self.answer;
        let service = service_fn(move |request: Request<Incoming>| {
            let (answer, peer) = (Arc::clone(&answer), Arc::clone(&peer));
            let (head, body) = request.into_parts();
            let answered = answer.answer(peer, Box::new(head), body);
            // Boxed, because it is large, and moved several times on the way to where it runs.
            Box::pin(answered.map(Ok::<_, Infallible>))
        });
        let turns = Turns::default();
        let stream = TokioIo::new(Gather::new(stream, turns.clone()));
        let connection = builder.serve_connection(stream, service);
        let connection = self.watcher.watch(connection.into_owned());
        // How a caller hangs up is its own business.
        turns.counted(come.on(connection)).await;
    }
}

/// Counts an open connection until it is dropped.
struct Open(SharedMetrics);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
