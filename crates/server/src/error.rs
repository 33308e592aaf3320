use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server does not start, or a new certificate is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not to be had.
    #[error("`{address}` cannot be listened on")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Without TLS anybody on the way could ask and answer.
    #[error(
        "`{0}` is no loopback address; a listener without `tls` listens on 127.0.0.1 or ::1 alone"
    )]
    Plaintext(SocketAddr),
    /// A file of certificates or keys is not usable.
    #[error("`{path}` holds no usable {what}: {why}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not make a server.
    #[error("the certificate `{path}` cannot be used: {why}", path = .path.display())]
    Certificate {
        /// The file of the certificate.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// TLS itself cannot be had.
    #[error("no TLS: {0}")]
    NoTls(String),
    /// An issuer's keys cannot be asked for.
    #[error("the keys of `{issuer}` cannot be asked for: {why}")]
    Keys {
        /// The issuer.
        issuer: String,
        /// What is wrong.
        why: String,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes to name decisions with: {0}")]
    Random(String),
}
