use std::io;
use std::path::PathBuf;

/// Why a log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or the directory cannot be used.
    #[error("`{path}` cannot be {what}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a participle.
        what: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process writes here.
    #[error(
        "another process writes to the log `{}`; end it, or give each its own directory",
        .0.display()
    )]
    Locked(PathBuf),
    /// There is no log.
    #[error("`{}` holds no log: there are no files like 00000000000000000001.log", .0.display())]
    NoLog(PathBuf),
    /// The system has no randomness.
    #[error("the system gives no random bytes to name the log with")]
    Random(#[source] io::Error),
    /// A thread cannot be started.
    #[error("the threads of the log cannot be started")]
    Thread(#[source] io::Error),
}

impl Error {
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        what: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, what, source }
    }
}
