//! The SPIFFE authority of a trust domain and its doors: keys and their storage, the SPIFFE Workload API and Envoy's
//! secret discovery on one unix socket, and the client of it.
//!
//! What an identity is, and who gets one, is decided in `bailiwick-identity`; here are the sockets, files, clocks and
//! random numbers around it.

mod authority;
mod broker;
mod channel;
mod client;
mod clock;
mod embedded;
mod evidence;
mod exchange;
mod federation;
mod frames;
mod issuer_client;
mod issuer_core;
pub mod keys;
mod ledger;
mod limit;
mod listen;
mod node;
mod own;
mod peer;
pub mod pem;
mod refusals;
mod seal;
mod serve;
mod server;
pub mod store;
mod tls;
mod upstream;
mod wire;
mod wire_plan;
mod workload;

pub use authority::{
    Authority, AuthorityError, BACKDATE, IssuedJwt, IssuedX509, ListOptions, Options,
};
pub use broker::BrokerSocket;
pub use client::{AgentState, Client, ClientError, Endpoint, EndpointError, Fetched, Watch};
pub use clock::{Clock, SystemClock};
pub use embedded::{Embedded, private_folder};
pub use evidence::{Evidence, Unrecorded, Witness};
pub use exchange::{SendError, send};
pub use federation::{
    Federation, FetchError, Heard, KeepError, Kept, KeptBundles, RefreshError, fetch_bundle,
};
pub use issuer_client::IssuerClient;
pub use ledger::{Entries, Ledger, LedgerError, Read};
pub use limit::Rate;
pub use node::{AgentNews, NodeAgent, NodeProof, Tell, serve_node};
pub use own::{OwnSvid, OwnSvidError, server_id};
pub use peer::{PeerError, facts_of};
pub use seal::{Seal, SealError};
pub use serve::{Serve, ServeError, Served, Socket, check_socket, serve};
pub use server::{
    AgentDoor, IdentityServer, JoinToken, Limits, NodeCertificates, NodeCertificatesError, Pods,
    ServerError, serve_identities,
};
pub use upstream::{UpstreamFailure, UpstreamKey, UpstreamOptions};
