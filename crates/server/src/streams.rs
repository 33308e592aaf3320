//! The requests of a connection are answered by the task of the connection.
//!
//! By itself HTTP/2 gives each request a task of its own. Most questions are decided within microseconds, and wait for
//! their records beside all others that came with them: to make a task, to hand it to another thread and to wake it
//! there takes longer than to decide. What takes long is given a task all the same ([`apart`]).

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, Stream as _};
use tokio::task::JoinSet;

type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Requests that have come on a connection and that nobody answers yet.
#[derive(Clone, Default)]
pub(crate) struct Come(Arc<Mutex<Vec<Request>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Come {
    fn execute(&self, request: F) {
        let mut come = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        come.push(Box::pin(request));
    }
}

impl Come {
    /// A connection with the requests that come on it, which end with it.
    pub(crate) async fn on<C: Future>(self, connection: C) {
        let mut connection = pin!(connection);
        let mut open = FuturesUnordered::new();
        std::future::poll_fn(|context| {
            loop {
                // Before the connection, which then finds their answers.
                while let Poll::Ready(Some(())) = Pin::new(&mut open).poll_next(context) {}
                let ended = connection.as_mut().poll(context).is_ready();
                let mut come = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if ended {
                    // They hold this list, as it holds them.
                    come.clear();
                    return Poll::Ready(());
                }
                if come.is_empty() {
                    return Poll::Pending;
                }
                open.extend(come.drain(..));
            }
        })
        .await;
    }
}

/// Does something in a task of its own, which ends with this. `None` where it came to no end.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    tasks.join_next().await?.ok()
}

#[cfg(test)]
mod tests {
    use hyper::rt::Executor as _;
    use tokio::sync::{mpsc, oneshot};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn requests_wait_for_themselves_alone_and_end_with_the_connection() {
        let come = Come::default();
        let (said, mut says) = mpsc::unbounded_channel();
        let (go, gone) = oneshot::channel::<()>();
        let held = said.clone();
        let connection = {
            let come = come.clone();
            async move {
                let first = said.clone();
                come.execute(async move {
                    // Nobody lets it go on before the second one.
                    let _ = gone.await;
                    first.send("first").unwrap();
                });
                yield_now().await;
                let second = said.clone();
                come.execute(async move {
                    second.send("second").unwrap();
                    go.send(()).unwrap();
                });
                while said.strong_count() > 2 {
                    yield_now().await;
                }
                let never = said.clone();
                come.execute(async move {
                    std::future::pending::<()>().await;
                    drop(never);
                });
                yield_now().await;
                // The last one has begun by now, and one more comes at the very end.
                come.execute(async move { drop(said) });
            }
        };
        come.on(connection).await;
        assert_eq!(held.strong_count(), 1, "nothing is left of any");
        drop(held);
        assert_eq!(says.recv().await, Some("second"));
        assert_eq!(says.recv().await, Some("first"));
        assert_eq!(says.recv().await, None);
    }

    #[tokio::test]
    async fn what_is_done_apart_ends_with_whoever_waits() {
        assert_eq!(apart(async { 7 }).await, Some(7));
        let (held, mut holds) = mpsc::channel::<()>(1);
        let waits = apart(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        let mut waits = Box::pin(waits);
        std::future::poll_fn(|context| {
            assert!(waits.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(waits);
        assert_eq!(holds.recv().await, None);
    }
}
