use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bailiwick_audit::{Door, Proof};
use bailiwick_identity::SpiffeId;
use bailiwick_identity::facts::Facts;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};

use super::door::Broker;
use super::errors::{Reason, entitled, is_refusal};
use super::reference::ForBroker;
use crate::issuer_core::Asker;
use crate::limit::Limit;
use crate::node::Node;
use crate::refusals::{Refusal, RefusedCaller};
use crate::wire::broker::api_server::Api;
use crate::wire::broker::{
    FetchJwtsvidRequest, FetchJwtsvidResponse, Jwtsvid, SubscribeToJwtBundlesRequest,
    SubscribeToJwtBundlesResponse, SubscribeToX509BundlesRequest, SubscribeToX509BundlesResponse,
    SubscribeToX509svidRequest, SubscribeToX509svidResponse, WorkloadReference, X509svid,
};
use crate::workload::{
    JwtBundles, Messages, Renewals, Session, X509Bundles, check_audience, stream, tokens, wanted,
};

/// How the log names this door.
pub(super) const DOOR: Door = Door::WorkloadApi;

/// What the calls share.
pub(super) struct Brokering {
    pub(super) node: Arc<Node>,
    /// `/proc`, but for tests.
    pub(super) proc_root: PathBuf,
    pub(super) allowed: BTreeSet<SpiffeId>,
    pub(super) limit: Limit<SpiffeId>,
}

/// The SPIFFE Broker API.
pub(super) struct BrokerApi(pub(super) Arc<Brokering>);

impl Brokering {
    /// The broker that asks, if it may.
    fn broker<T>(&self, request: &Request<T>) -> Result<Broker, Status> {
        let values: Vec<_> = request
            .metadata()
            .get_all("broker.spiffe.io")
            .iter()
            .collect();
        if !matches!(values.as_slice(), [value] if *value == "true") {
            return Err(Status::invalid_argument(
                "the metadata `broker.spiffe.io: true` is missing",
            ));
        }
        let broker = request.extensions().get::<Broker>().cloned();
        let broker = broker.ok_or_else(|| Status::unauthenticated("show an X509-SVID"))?;
        if !self.allowed.contains(&broker.id) {
            let why = format!("`{}` is no broker of this agent", broker.id);
            return Err(self.node.denied(refusal(&broker.id, why)));
        }
        let admitted = self.limit.admits(broker.id.clone(), 1, Instant::now());
        match admitted {
            Ok(()) => Ok(broker),
            Err(_) => {
                let caller = RefusedCaller::Broker(broker.id.to_string());
                let refusal = Refusal::too_many(caller, DOOR, None);
                self.node.refused_often(refusal);
                Err(Status::unavailable(
                    "too many requests of this broker: try again later",
                ))
            }
        }
    }

    /// A session about the workload that the request names, which is there now.
    async fn session(
        &self,
        broker: Broker,
        reference: Option<WorkloadReference>,
    ) -> Result<Session, Status> {
        let id = broker.id.clone();
        let attested = async {
            let about = ForBroker::read(broker, reference, &self.proc_root)?;
            about.attest(&self.node).await?;
            Ok::<_, Status>(about)
        };
        let about = attested.await.map_err(|status| self.told(&id, status))?;
        Ok(Session::for_broker(about, Arc::clone(&self.node)))
    }

    /// Tells of a workload that a broker does not get, and gives what it hears.
    fn told(&self, broker: &SpiffeId, status: Status) -> Status {
        if is_refusal(&status) {
            let why = status.message().to_owned();
            self.node.refused(refusal(broker, why));
        }
        status
    }

    /// The same of a request that says nothing else.
    async fn session_of<T>(
        &self,
        request: Request<T>,
        reference: impl FnOnce(T) -> Option<WorkloadReference>,
    ) -> Result<Session, Status> {
        let broker = self.broker(&request)?;
        self.session(broker, reference(request.into_inner())).await
    }
}

/// A broker that gets nothing.
fn refusal(broker: &SpiffeId, why: String) -> Refusal {
    let proof = Proof {
        broker: broker.to_string(),
        ..Proof::default()
    };
    let asker = Asker {
        door: DOOR,
        facts: Facts::default(),
        proof,
    };
    Refusal::of(&asker, None, why)
}

/// Messages of the Workload API as those of this one.
fn relayed<T: 'static, U: 'static>(
    messages: Messages<T>,
    change: impl Fn(T) -> U + Send + 'static,
) -> Response<Messages<U>> {
    Response::new(Box::pin(
        messages.map(move |message| message.map(&change).map_err(entitled)),
    ))
}

#[tonic::async_trait]
impl Api for BrokerApi {
    type SubscribeToX509SVIDStream = Messages<SubscribeToX509svidResponse>;
    type SubscribeToX509BundlesStream = Messages<SubscribeToX509BundlesResponse>;
    type SubscribeToJWTBundlesStream = Messages<SubscribeToJwtBundlesResponse>;

    async fn subscribe_to_x509svid(
        &self,
        request: Request<SubscribeToX509svidRequest>,
    ) -> Result<Response<Self::SubscribeToX509SVIDStream>, Status> {
        let session = self.0.session_of(request, |asked| asked.reference).await?;
        let messages = stream(session, Renewals::default());
        Ok(relayed(messages, |message| SubscribeToX509svidResponse {
            svids: message
                .svids
                .into_iter()
                .map(|svid| X509svid {
                    spiffe_id: svid.spiffe_id,
                    x509_svid: svid.x509_svid,
                    x509_svid_key: svid.x509_svid_key,
                    bundle: svid.bundle,
                    hint: svid.hint,
                })
                .collect(),
            crl: message.crl,
            federated_bundles: message.federated_bundles,
        }))
    }

    async fn subscribe_to_x509_bundles(
        &self,
        request: Request<SubscribeToX509BundlesRequest>,
    ) -> Result<Response<Self::SubscribeToX509BundlesStream>, Status> {
        let session = self.0.session_of(request, |asked| asked.reference).await?;
        let messages = stream(session, X509Bundles::default());
        Ok(relayed(messages, |message| {
            SubscribeToX509BundlesResponse {
                crl: message.crl,
                bundles: message.bundles,
            }
        }))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<FetchJwtsvidRequest>,
    ) -> Result<Response<FetchJwtsvidResponse>, Status> {
        let broker = self.0.broker(&request)?;
        let FetchJwtsvidRequest {
            reference,
            audience,
            spiffe_id,
        } = request.into_inner();
        check_audience(&audience)?;
        let wanted = wanted(&spiffe_id)?;
        let id = broker.id.clone();
        let session = self.0.session(broker, reference).await?;
        let tokens = tokens(&session, &audience, wanted)
            .await
            .map_err(entitled)?;
        let svids = tokens.into_iter().map(|token| Jwtsvid {
            spiffe_id: token.spiffe_id,
            svid: token.svid,
            hint: token.hint,
        });
        let svids: Vec<Jwtsvid> = svids.collect();
        match svids.is_empty() {
            true => {
                let status = Reason::NotEntitled.status("the workload gets no token");
                Err(self.0.told(&id, status))
            }
            false => Ok(Response::new(FetchJwtsvidResponse { svids })),
        }
    }

    async fn subscribe_to_jwt_bundles(
        &self,
        request: Request<SubscribeToJwtBundlesRequest>,
    ) -> Result<Response<Self::SubscribeToJWTBundlesStream>, Status> {
        let session = self.0.session_of(request, |asked| asked.reference).await?;
        let messages = stream(session, JwtBundles::default());
        Ok(relayed(messages, |message| SubscribeToJwtBundlesResponse {
            bundles: message.bundles,
        }))
    }
}
