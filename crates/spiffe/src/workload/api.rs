use std::pin::Pin;
use std::time::Duration;

use bailiwick_identity::rules::Plan;
use bailiwick_identity::{Bundle, BundleMap, SpiffeId, jwt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::session::{Holding, RETRY, Renewals, Session, unavailable};
use super::{Event, Shared};
use crate::wire::spiffe_workload_api_server::SpiffeWorkloadApi;
use crate::wire::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svid, X509svidRequest, X509svidResponse,
};

/// No request names more receivers of a token.
const MAX_AUDIENCE: usize = 100;
/// No name of a receiver is longer.
const MAX_AUDIENCE_BYTES: usize = 2048;
/// How long a stream waits when there is nothing to renew.
const IDLE: Duration = Duration::from_secs(3600);

/// The SPIFFE Workload API.
pub(crate) struct WorkloadApi(pub(crate) Shared);

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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

/// Sends the full state at once and on every change, until the caller goes or loses its identity. `make`
/// gives the next message, where there is a new one, and how long it is good for.
fn stream<T: Send + 'static>(
    session: Session,
    mut make: impl FnMut(&Session) -> Result<(Option<T>, Duration), Status> + Send + 'static,
) -> Messages<T> {
    let (sender, receiver) = mpsc::channel(1);
    let mut changes = session.changes();
    tokio::spawn(async move {
        let mut sent = false;
        loop {
            let pause = match make(&session) {
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
                () = changes.wait(pause) => {}
                () = sender.closed() => return,
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Lets only messages through that differ from the last one.
fn different<T: Clone + PartialEq>(last: &mut Option<T>, message: T) -> Option<T> {
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

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        check_header(&request)?;
        let session = Session::of(&request, &self.0)?;
        let mut renewals = Renewals::default();
        let messages = stream(session, move |session| {
            let holding = renewals.due(session)?;
            Ok((holding.as_ref().map(x509_response), renewals.left()))
        });
        Ok(Response::new(messages))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        check_header(&request)?;
        let session = Session::of(&request, &self.0)?;
        let mut last = None;
        let messages = stream(session, move |session| {
            let bundles = visible(session)?.into_iter();
            let bundles = bundles.map(|bundle| (domain_id(&bundle), x509_der(&bundle)));
            let response = X509BundlesResponse {
                crl: Vec::new(),
                bundles: bundles.collect(),
            };
            Ok((different(&mut last, response), IDLE))
        });
        Ok(Response::new(messages))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        check_header(&request)?;
        let session = Session::of(&request, &self.0)?;
        let JwtsvidRequest {
            audience,
            spiffe_id,
        } = request.into_inner();
        check_audience(&audience)?;
        let (facts, mut plans) = session.plans()?;
        if !spiffe_id.is_empty() {
            plans = entitled(plans, &spiffe_id)?;
        }
        let mut svids = Vec::new();
        for plan in plans {
            let issued = self.0.authority.issue_jwt(&plan, &audience);
            let issued = issued.map_err(|error| unavailable(&error))?;
            (self.0.witness)(&Event::Issued {
                kind: "JWT",
                id: plan.id.as_str(),
                number: &issued.jti,
                rule: &plan.rule.to_string(),
                facts: &facts,
            });
            svids.push(Jwtsvid {
                spiffe_id: plan.id.to_string(),
                svid: issued.token,
                hint: plan.hint.unwrap_or_default(),
            });
        }
        Ok(Response::new(JwtsvidResponse { svids }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        check_header(&request)?;
        let session = Session::of(&request, &self.0)?;
        let mut last = None;
        let messages = stream(session, move |session| {
            let bundles = visible(session)?.into_iter().map(|bundle| {
                let json = bundle.jwt_only().to_json().to_string();
                (domain_id(&bundle), json.into_bytes())
            });
            let bundles = bundles.collect();
            let response = JwtBundlesResponse { bundles };
            Ok((different(&mut last, response), IDLE))
        });
        Ok(Response::new(messages))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        check_header(&request)?;
        let session = Session::of(&request, &self.0)?;
        let ValidateJwtsvidRequest { audience, svid } = request.into_inner();
        let mut known = BundleMap::default();
        for bundle in visible(&session)? {
            known.insert(bundle);
        }
        let now = self.0.authority.now();
        let checked = jwt::validate(&svid, &[audience.as_str()], &known, now);
        let checked = checked.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(ValidateJwtsvidResponse {
            spiffe_id: checked.id.to_string(),
            claims: Some(wire_struct(checked.claims)),
        }))
    }
}

///
fn check_audience(audience: &[String]) -> Result<(), Status> {
    let wrong = |name: &String| name.is_empty() || name.len() > MAX_AUDIENCE_BYTES;
    if audience.is_empty() || audience.len() > MAX_AUDIENCE || audience.iter().any(wrong) {
        let message = format!(
            "the audience has to name 1 to {MAX_AUDIENCE} receivers, each with 1 to {MAX_AUDIENCE_BYTES} bytes"
        );
        return Err(Status::invalid_argument(message));
    }
    Ok(())
}

/// the plan of one id, if the caller has it.
fn entitled(plans: Vec<Plan>, spiffe_id: &str) -> Result<Vec<Plan>, Status> {
    let id =
        SpiffeId::parse(spiffe_id).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let plans: Vec<Plan> = plans.into_iter().filter(|plan| plan.id == id).collect();
    if plans.is_empty() {
        return Err(Status::permission_denied(format!(
            "no rule gives the caller `{id}`"
        )));
    }
    Ok(plans)
}

/// Bundles that the caller may see, its own first. Who has no identity sees none (E-3).
fn visible(session: &Session) -> Result<Vec<Bundle>, Status> {
    let (_, plans) = session.plans()?;
    let domains = plans.into_iter().flat_map(|plan| plan.federates_with);
    let mut bundles = vec![Bundle::clone(&session.shared().authority.bundle())];
    bundles.extend(session.federated(domains.collect()));
    Ok(bundles)
}

///
fn x509_response(holding: &Holding) -> X509svidResponse {
    let bundle = x509_der(&holding.bundle);
    let svids = holding.identities.iter().map(|held| X509svid {
        spiffe_id: held.plan.id.to_string(),
        x509_svid: held.issued.chain.concat(),
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
fn domain_id(bundle: &Bundle) -> String {
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
