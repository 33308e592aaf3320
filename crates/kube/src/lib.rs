//! A live cluster: the connection that kubectl would make, and what Bailiwick reads over it.
//!
//! The only crate that names kube-rs. Everything blocks: connections run on threads of a [`Cluster`]'s own, so that
//! the program above stays synchronous. Of the Secrets of a cluster only names, types and metadata are asked for; what
//! `kubectl apply` copied of their values into an annotation is dropped unread. One Secret of our own, in which replicas
//! share what they have sealed, is the exception ([`StateSecret`]).

mod cluster;
mod config;
mod credential;
mod discovery;
mod environment;
mod error;
mod feed;
mod followed;
mod kubeconfig;
mod load;
mod options;
mod plugin;
mod proxy;
mod role;
mod state_secret;
mod status;
mod threads;
mod transport;
mod watch;
mod whoami;
mod workloads;

pub use cluster::Cluster;
pub use credential::Credential;
pub use discovery::Discovered;
pub use error::{ConnectError, PluginError, RequestError};
pub use feed::Feeds;
pub use followed::{CustomDelta, Followed, ObjectName};
pub use load::{LoadKinds, LoadOptions, Loaded, Progress};
pub use options::{ConnectOptions, Token};
pub use role::{decision_point_role, smallest_cluster_role, smallest_watching_cluster_role};
pub use state_secret::{StateSecret, state_secret_role};
pub use status::Standing;
pub use watch::{Batch, Change, Confirmed, Notice, Start, Stopper, Watch, WatchOptions};
pub use workloads::{
    CertificatesApi, Condition, Issued, Listener, PodRequest, Published, RequestedKey, Told,
    issuer_role, signer_role,
};
