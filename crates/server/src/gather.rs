//! Answers that are ready at about the same time leave together.
//!
//! HTTP/2 flushes after each answer, and each flush is a record of TLS and a call of the system. Here a flush first
//! lets everything run that is ready already, and so finds the other answers beside its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered: what a record of TLS holds (RFC 8446 section 5.1).
const MOST: usize = 16 << 10;

/// Counts how often the task of a connection was polled, so that its stream can tell that others ran since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<AtomicU64>);

impl Turns {
    /// The future of a connection, which counts.
    pub(crate) async fn counted<F: Future>(self, connection: F) -> F::Output {
        let mut connection = std::pin::pin!(connection);
        std::future::poll_fn(|context| {
            self.0.fetch_add(1, Ordering::Relaxed);
            connection.as_mut().poll(context)
        })
        .await
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream that gathers what is written to it.
#[derive(Debug)]
pub(crate) struct Gather<S> {
    stream: S,
    turns: Turns,
    /// The turn in which a flush was put off.
    put_off: Option<u64>,
    gathered: Vec<u8>,
    /// How much of it is written.
    written: usize,
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    pub(crate) fn new(stream: S, turns: Turns) -> Self {
        Self {
            stream,
            turns,
            put_off: None,
            gathered: Vec::new(),
            written: 0,
        }
    }

    /// Writes what is gathered.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .gathered
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.gathered.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Takes what fits, after there is room.
    fn take<'a>(
        &mut self,
        context: &mut Context<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= MOST {
            ready!(self.drain(context))?;
        }
        let before = self.gathered.len();
        for part in parts {
            let room = MOST.saturating_sub(self.gathered.len());
            let part = part.get(..room).unwrap_or(part);
            self.gathered.extend_from_slice(part);
        }
        Poll::Ready(Ok(self.gathered.len() - before))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(context, [bytes].into_iter())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(context, parts.iter().map(|part| &**part))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The first time in a turn with something to write, the task goes behind all that are ready.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.gathered.is_empty() {
            let now = self.turns.now();
            if *self.put_off.get_or_insert(now) == now {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(self.drain(context))?;
        }
        self.put_off = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Remembers each write, of which it takes so many bytes.
    struct Wire {
        most: usize,
        writes: Vec<Vec<u8>>,
        full: bool,
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.full {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.most);
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn gather(most: usize) -> Gather<Wire> {
        let wire = Wire {
            most,
            writes: Vec::new(),
            full: false,
        };
        Gather::new(wire, Turns::default())
    }

    fn write(stream: &mut Gather<Wire>, bytes: &[u8]) -> Poll<usize> {
        let context = &mut Context::from_waker(Waker::noop());
        Pin::new(stream)
            .poll_write(context, bytes)
            .map(Result::unwrap)
    }

    fn flush(stream: &mut Gather<Wire>) -> bool {
        let context = &mut Context::from_waker(Waker::noop());
        Pin::new(stream).poll_flush(context).is_ready()
    }

    fn next_turn(stream: &Gather<Wire>) {
        stream.turns.0.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn answers_of_one_turn_leave_together_in_the_next() {
        let mut stream = gather(usize::MAX);
        assert!(flush(&mut stream));
        for answer in [b"one ", b"two "] {
            assert_eq!(write(&mut stream, answer), Poll::Ready(4));
            assert!(!flush(&mut stream) && stream.stream.writes.is_empty());
        }
        next_turn(&stream);
        assert_eq!(write(&mut stream, b"three"), Poll::Ready(5));
        assert!(flush(&mut stream));
        assert_eq!(stream.stream.writes, [b"one two three"]);
        // And so does the next answer.
        assert_eq!(write(&mut stream, b"four"), Poll::Ready(4));
        assert!(!flush(&mut stream));
        next_turn(&stream);
        assert!(flush(&mut stream));
        assert_eq!(stream.stream.writes.len(), 2);
    }

    #[test]
    fn nothing_is_lost_where_the_other_side_takes_little() {
        let mut stream = gather(1_000);
        let all: Vec<u8> = (0..3 * MOST).map(|number| number as u8).collect();
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let Poll::Ready(taken @ 1..) = write(&mut stream, rest) else {
                panic!("{} bytes are left", rest.len());
            };
            rest = &rest[taken..];
        }
        stream.stream.full = true;
        next_turn(&stream);
        assert!(!flush(&mut stream));
        next_turn(&stream);
        assert!(!flush(&mut stream));
        assert_eq!(write(&mut stream, b"more"), Poll::Pending);
        stream.stream.full = false;
        assert_eq!(write(&mut stream, b"more"), Poll::Ready(4));
        // Whoever ends the stream waits for no turn.
        let context = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_shutdown(context).is_ready());
        assert_eq!(stream.stream.writes.concat(), [&all, &b"more"[..]].concat());
    }

    #[test]
    fn whoever_flushes_is_woken() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let mut stream = gather(3);
            let turns = stream.turns.clone();
            let flushed = std::future::poll_fn(|context| {
                if stream.gathered.is_empty() && stream.stream.writes.is_empty() {
                    let _ = Pin::new(&mut stream).poll_write(context, b"answer");
                }
                Pin::new(&mut stream).poll_flush(context)
            });
            turns.counted(flushed).await.unwrap();
            assert_eq!(stream.stream.writes, [b"ans", b"wer"]);
        });
    }
}
