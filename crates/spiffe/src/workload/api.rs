use std::pin::Pin;
use std::time::Duration;

use bailiwick_audit::Door;
use bailiwick_identity::{Bundle, BundleMap, SpiffeId, jwt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::Shared;
use super::session::{Holding, RETRY, Renewals, Session};
use super::wit::{WitBundles, WitSvids};
use crate::wire::spiffe_workload_api_server::SpiffeWorkloadApi;
use crate::wire::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse,
    WitsvidRequest, WitsvidResponse, X509BundlesRequest, X509BundlesResponse, X509svid,
    X509svidRequest, X509svidResponse,
};

/// No request names more receivers of a token.
const MAX_AUDIENCE: usize = 100;
/// No name of a receiver is longer.
const MAX_AUDIENCE_BYTES: usize = 2048;
/// How long a stream waits when there is nothing to renew.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// How the log names this door.
const DOOR: Door = Door::WorkloadApi;

/// The SPIFFE Workload API.
pub(crate) struct WorkloadApi(pub(crate) Shared);

pub(crate) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// E-2: a browser or a proxy that was tricked into calling does not send this.
fn check_header<T>(request: &Request<T>) -> Result<(), Status> {
    let values: Vec<_> = request
        .metadata()
        .get_all("workload.spiffe.io")
        .iter()
        .collect();
    match values.as_slice() {
        [value] if *value == "true" => Ok(()),
        _ => Err(Status::invalid_argument(
            "the metadata `workload.spiffe.io: true` is missing",
        )),
    }
}

/// What a stream is made of.
pub(crate) trait Source<T>: Send + 'static {
    /// The next message, where there is a new one, and how long it is good for.
    fn next(
        &mut self,
        session: &Session,
    ) -> impl Future<Output = Result<(Option<T>, Duration), Status>> + Send;
}

/// Sends the full state at once and on every change, until the caller goes or loses its identity.
pub(crate) fn stream<T: Send + 'static>(
    session: Session,
    mut source: impl Source<T>,
) -> Messages<T> {
    let (sender, receiver) = mpsc::channel(1);
    let mut changes = session.changes();
    tokio::spawn(async move {
        let mut sent = false;
        loop {
            // On the heap while it runs: a stream waits for most of its life, and there are many.
            let pause = match Box::pin(source.next(&session)).await {
                Ok((message, pause)) => {
                    if let Some(message) = message {
                        if sender.send(Ok(message)).await.is_err() {
                            return;
                        }
                        sent = true;
                    }
                    pause
                }
                // A workload that holds something keeps it while the authority is in trouble.
                Err(status) if status.code() == Code::Unavailable && sent => RETRY,
                Err(status) => {
                    // Nobody listens any more where this fails.
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            };
            tokio::select! {
                () = changes.wait(pause.min(session.patience()), session.clock()) => {}
                () = sender.closed() => return,
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

impl Source<X509svidResponse> for Renewals {
    async fn next(
        &mut self,
        session: &Session,
    ) -> Result<(Option<X509svidResponse>, Duration), Status> {
        let holding = self.due(session).await?;
        Ok((holding.as_ref().map(x509_response), self.left(session)))
    }
}

/// Root certificates of the domains that a caller may see.
#[derive(Default)]
pub(crate) struct X509Bundles(Option<X509BundlesResponse>);

impl Source<X509BundlesResponse> for X509Bundles {
    async fn next(
        &mut self,
        session: &Session,
    ) -> Result<(Option<X509BundlesResponse>, Duration), Status> {
        let bundles = visible(session).await?.into_iter();
        let bundles = bundles.map(|bundle| (domain_id(&bundle), x509_der(&bundle)));
        let response = X509BundlesResponse {
            crl: Vec::new(),
            bundles: bundles.collect(),
        };
        Ok((different(&mut self.0, response), IDLE))
    }
}

/// Keys of tokens of the domains that a caller may see.
#[derive(Default)]
pub(crate) struct JwtBundles(Option<JwtBundlesResponse>);

impl Source<JwtBundlesResponse> for JwtBundles {
    async fn next(
        &mut self,
        session: &Session,
    ) -> Result<(Option<JwtBundlesResponse>, Duration), Status> {
        let bundles = visible(session).await?.into_iter().map(|bundle| {
            let json = bundle.jwt_only().to_json().to_string();
            (domain_id(&bundle), json.into_bytes())
        });
        let bundles = bundles.collect();
        let response = JwtBundlesResponse { bundles };
        Ok((different(&mut self.0, response), IDLE))
    }
}

/// Lets only messages through that differ from the last one.
pub(super) fn different<T: Clone + PartialEq>(last: &mut Option<T>, message: T) -> Option<T> {
    if last.as_ref() == Some(&message) {
        return None;
    }
    *last = Some(message.clone());
    Some(message)
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Messages<X509svidResponse>;
    type FetchX509BundlesStream = Messages<X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;
    type FetchWITSVIDStream = Messages<WitsvidResponse>;
    type FetchWITBundlesStream = Messages<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        check_header(&request)?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        Ok(Response::new(stream(session, Renewals::default())))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        check_header(&request)?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        Ok(Response::new(stream(session, X509Bundles::default())))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        check_header(&request)?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        let JwtsvidRequest {
            audience,
            spiffe_id,
        } = request.into_inner();
        check_audience(&audience)?;
        let svids = tokens(&session, &audience, wanted(&spiffe_id)?).await?;
        Ok(Response::new(JwtsvidResponse { svids }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        check_header(&request)?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        Ok(Response::new(stream(session, JwtBundles::default())))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        check_header(&request)?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        let ValidateJwtsvidRequest { audience, svid } = request.into_inner();
        let mut known = BundleMap::default();
        for bundle in visible(&session).await? {
            known.insert(bundle);
        }
        let now = session.now();
        let checked = jwt::validate(&svid, &[audience.as_str()], &known, now);
        let checked = checked.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(ValidateJwtsvidResponse {
            spiffe_id: checked.id.to_string(),
            claims: Some(wire_struct(checked.claims)),
        }))
    }

    async fn fetch_witsvid(
        &self,
        request: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        check_header(&request)?;
        self.check_wit()?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        let wanted = wanted(&request.get_ref().spiffe_id)?;
        Ok(Response::new(stream(session, WitSvids::of(wanted))))
    }

    async fn fetch_wit_bundles(
        &self,
        request: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        check_header(&request)?;
        self.check_wit()?;
        let session = Session::of(DOOR, &request, &self.0).await?;
        Ok(Response::new(stream(session, WitBundles::default())))
    }
}

impl WorkloadApi {
    /// Workload API 7: who does not have the profile says so, and clients do not come again.
    fn check_wit(&self) -> Result<(), Status> {
        match self.0.giver.offers_wit() {
            true => Ok(()),
            false => Err(Status::unimplemented(
                "WIT-SVIDs are experimental here: start the agent with --experimental wit-svid",
            )),
        }
    }
}

/// Tokens of all identities of a workload, or of the one that is wanted.
pub(crate) async fn tokens(
    session: &Session,
    audience: &[String],
    wanted: Option<SpiffeId>,
) -> Result<Vec<Jwtsvid>, Status> {
    let (caller, plans) = session.plans_for(wanted.as_ref()).await?;
    let mut svids = Vec::new();
    for plan in plans {
        svids.push(Jwtsvid {
            spiffe_id: plan.id.to_string(),
            svid: session.token(&caller, &plan, audience).await?,
            hint: plan.hint.unwrap_or_default(),
        });
    }
    Ok(svids)
}

/// An identity that is asked for; nothing where all are.
pub(crate) fn wanted(spiffe_id: &str) -> Result<Option<SpiffeId>, Status> {
    if spiffe_id.is_empty() {
        return Ok(None);
    }
    let id = SpiffeId::parse(spiffe_id);
    id.map(Some)
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

///
pub(crate) fn check_audience(audience: &[String]) -> Result<(), Status> {
    let wrong = |name: &String| name.is_empty() || name.len() > MAX_AUDIENCE_BYTES;
    if audience.is_empty() || audience.len() > MAX_AUDIENCE || audience.iter().any(wrong) {
        let message = format!(
            "the audience has to name 1 to {MAX_AUDIENCE} receivers, each with 1 to {MAX_AUDIENCE_BYTES} bytes"
        );
        return Err(Status::invalid_argument(message));
    }
    Ok(())
}

/// Bundles that the caller may see, its own first. Who has no identity sees none (E-3).
pub(super) async fn visible(session: &Session) -> Result<Vec<Bundle>, Status> {
    let (_, plans) = session.plans().await?;
    let domains = plans.into_iter().flat_map(|plan| plan.federates_with);
    let mut bundles = vec![Bundle::clone(&*session.bundle()?)];
    bundles.extend(session.federated(domains.collect()));
    Ok(bundles)
}

///
fn x509_response(holding: &Holding) -> X509svidResponse {
    let bundle = x509_der(&holding.bundle);
    let svids = holding.identities.iter().map(|held| X509svid {
        spiffe_id: held.plan.id.to_string(),
        x509_svid: held.chain.concat(),
        x509_svid_key: held.key.pkcs8.to_vec(),
        bundle: bundle.clone(),
        hint: held.plan.hint.clone().unwrap_or_default(),
    });
    let federated = holding.federated.iter();
    X509svidResponse {
        svids: svids.collect(),
        crl: Vec::new(),
        federated_bundles: federated
            .map(|bundle| (domain_id(bundle), x509_der(bundle)))
            .collect(),
    }
}

/// bundles go by the SPIFFE ID of their domain.
pub(super) fn domain_id(bundle: &Bundle) -> String {
    bundle.trust_domain().id().to_string()
}

fn x509_der(bundle: &Bundle) -> Vec<u8> {
    bundle.x509_authorities().concat()
}

/// Claims as protobuf has them: all numbers are floating.
fn wire_struct(claims: serde_json::Map<String, Value>) -> prost_types::Struct {
    let fields = claims.into_iter();
    prost_types::Struct {
        fields: fields
            .map(|(name, value)| (name, wire_value(value)))
            .collect(),
    }
}

fn wire_value(value: Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items.into_iter().map(wire_value).collect(),
        }),
        Value::Object(map) => Kind::StructValue(wire_struct(map)),
    };
    prost_types::Value { kind: Some(kind) }
}
