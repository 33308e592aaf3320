use std::ops::Deref;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

/// The threads that connections run on. Dropping them waits for nothing: looking up a name that nobody answers takes
/// longer than anybody wants to wait.
pub(crate) struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Threads {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("bailiwick-kube")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Does something on these threads, where connections are, for as long as somebody waits for it.
    pub(crate) async fn while_wanted<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let task = self.handle.spawn(work);
        let _ended = EndedWithAsker(task.abort_handle());
        task.await
    }
}

/// Ends a task when nobody waits for it any more.
struct EndedWithAsker(AbortHandle);

impl Drop for EndedWithAsker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Deref for Threads {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    /// Questions that nobody waited for any more lived on until the API server's own time limit.
    #[test]
    fn what_nobody_waits_for_ends() {
        let (threads, asker) = (Threads::start().unwrap(), Threads::start().unwrap());
        let (held, ended) = channel::<()>();
        let answer = asker.block_on(async {
            let silent = threads.while_wanted(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
            tokio::time::timeout(Duration::from_millis(50), silent).await
        });
        assert!(answer.is_err());
        let end = ended.recv_timeout(Duration::from_secs(10));
        assert_eq!(end, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        let answer = asker.block_on(threads.while_wanted(async { 7 }));
        assert_eq!(answer.unwrap(), 7);
    }
}
