//! Connections over TLS.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::serve::MAX_CONNECTIONS;

/// How long a caller has for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection, and where it comes from.
pub(super) struct Secured {
    stream: TlsStream<TcpStream>,
    from: IpAddr,
    _permit: OwnedSemaphorePermit,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) IpAddr);

/// Accepts connections until nobody wants them. One that is slow to shake hands holds up nobody else.
pub(super) async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    connections: mpsc::Sender<io::Result<Secured>>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let acceptor = TlsAcceptor::from(config);
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let Ok((stream, address)) = listener.accept().await else {
            // Such as too many open files: others will close some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                let from = address.ip();
                let secured = Secured {
                    stream,
                    from,
                    _permit: permit,
                };
                let _ = connections.send(Ok(secured)).await;
            }
        });
    }
}

impl Connected for Secured {
    type ConnectInfo = From;

    fn connect_info(&self) -> From {
        From(self.from)
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
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
}
