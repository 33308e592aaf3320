//! What SPIFFE calls incubating: it is off where nobody asks for it, and may change.

/// Something that is not stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Experiment {
    /// WIT-SVIDs: tokens bound to a key, at the Workload API
    WitSvid,
    /// The SPIFFE Broker API, at a socket of the agent of a node
    BrokerApi,
}

/// Arguments of whoever gives identities.
#[derive(clap::Args, Debug)]
pub(crate) struct ExperimentOptions {
    /// Turn on what SPIFFE calls incubating, which may change; the server and its agents each need it
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    experimental: Vec<Experiment>,
}

impl ExperimentOptions {
    /// Whether brokers may be served.
    pub(crate) fn broker_api(&self) -> bool {
        self.experimental.contains(&Experiment::BrokerApi)
    }

    /// Whether WIT-SVIDs are made.
    pub(crate) fn wit_svid(&self) -> bool {
        self.experimental.contains(&Experiment::WitSvid)
    }
}
