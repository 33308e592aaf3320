//! A connection with a client certificate, on which many ask at once.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::wire::{self, Incoming, Request};

/// One connection. One thread may receive while another sends.
pub(super) struct Connection {
    tcp: TcpStream,
    state: Mutex<State>,
}

struct State {
    tls: ClientConnection,
    incoming: Incoming,
    out: Vec<u8>,
    /// Bytes that may be sent.
    credit: i64,
    /// When each request was to be sent, from the first stream on.
    sent: Vec<Instant>,
    answered: usize,
}

/// What somebody was told.
pub(super) struct Told {
    /// From the moment at which the question was to be sent.
    pub(super) took: Duration,
    /// Whether the status is 200.
    pub(super) ok: bool,
    pub(super) body: Vec<u8>,
}

/// Bytes of answers that may be under way.
const WINDOW: u32 = 1 << 30;
/// Requests at once on a connection; servers take 256.
const STREAMS: usize = 250;
/// How often somebody who waits for answers looks whether it still has to.
const LOOK: Duration = Duration::from_millis(50);

impl Connection {
    pub(super) fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut tls = ClientConnection::new(
            Arc::clone(config),
            ServerName::try_from("localhost").context("a name")?,
        )?;
        tls.set_buffer_limit(None);
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        ensure!(
            tls.alpn_protocol() == Some(b"h2"),
            "the server speaks no HTTP/2"
        );
        let mut out = wire::PREFACE.to_vec();
        wire::window(&mut out, WINDOW);
        tls.writer().write_all(&out)?;
        while tls.wants_write() {
            tls.write_tls(&mut tcp)?;
        }
        tcp.set_read_timeout(Some(LOOK))?;
        let state = State {
            tls,
            incoming: Incoming::default(),
            out: Vec::new(),
            credit: 65_535,
            sent: Vec::new(),
            answered: 0,
        };
        Ok(Self {
            tcp,
            state: Mutex::new(state),
        })
    }

    /// Sends requests that were to be sent at these moments. Gives how many of them found room.
    pub(super) fn send<'a>(
        &self,
        requests: impl IntoIterator<Item = (&'a Request, Instant)>,
    ) -> Result<usize> {
        let mut state = self.lock();
        let mut count = 0;
        for (request, at) in requests {
            if state.open() >= STREAMS || state.credit < request.length() {
                break;
            }
            state.credit -= request.length();
            let stream = 2 * state.sent.len() as u32 + 1;
            request.write(stream, &mut state.out);
            state.sent.push(at);
            count += 1;
        }
        state.flush(&self.tcp)?;
        Ok(count)
    }

    /// What has come; nothing where nothing comes for a while.
    pub(super) fn receive(&self) -> Result<Vec<Told>> {
        let mut bytes = [0; 32 << 10];
        let length = match (&self.tcp).read(&mut bytes) {
            Ok(0) => anyhow::bail!("the server hung up"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        let mut state = self.lock();
        state.decrypt(bytes.get(..length).unwrap_or_default())?;
        let heard = state.incoming.take()?;
        state.credit += heard.credit;
        state.out.extend_from_slice(&heard.reply);
        if state.incoming.received > WINDOW / 2 {
            let received = std::mem::take(&mut state.incoming.received);
            wire::window(&mut state.out, received);
        }
        state.flush(&self.tcp)?;
        state.answered += heard.answers.len();
        let told = heard.answers.into_iter().map(|answer| {
            let sent = state.sent.get(answer.stream as usize / 2);
            let sent = sent.copied().unwrap_or(now);
            Told {
                took: now.saturating_duration_since(sent),
                ok: answer.ok,
                body: answer.body,
            }
        });
        Ok(told.collect())
    }

    /// Requests that are under way.
    pub(super) fn open_requests(&self) -> usize {
        self.lock().open()
    }

    /// Asks one question and waits for its answer; nothing else may be under way.
    pub(super) fn ask(&self, request: &Request) -> Result<Told> {
        let start = Instant::now();
        let sent = self.send([(request, start)])?;
        ensure!(sent == 1, "no room on the connection");
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(told) = self.receive()?.into_iter().next() {
                return Ok(told);
            }
        }
        anyhow::bail!("no answer")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> usize {
        self.sent.len() - self.answered
    }

    fn flush(&mut self, mut tcp: &TcpStream) -> Result<()> {
        if !self.out.is_empty() {
            self.tls.writer().write_all(&self.out)?;
            self.out.clear();
        }
        while self.tls.wants_write() {
            self.tls.write_tls(&mut tcp)?;
        }
        Ok(())
    }

    fn decrypt(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes)?;
            let state = self.tls.process_new_packets()?;
            let start = self.incoming.buffer().len();
            let plain = state.plaintext_bytes_to_read();
            self.incoming.buffer().resize(start + plain, 0);
            let target = self.incoming.buffer().get_mut(start..).unwrap_or_default();
            self.tls.reader().read_exact(target)?;
        }
        Ok(())
    }
}
