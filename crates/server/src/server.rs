use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Instant, SystemTime};

use bailiwick_audit::{Log, Records};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::authzen::{self, AuthzenDoor};
use crate::body::Body;
use crate::callers::{Caller, Callers};
use crate::current::Current;
use crate::desk::Desk;
use crate::doors::{Door, Entry};
use crate::error::Error;
use crate::explain::Explainer;
use crate::ext_authz::{self, ExtAuthzDoor};
use crate::listen::{Answer, Limits, Listener};
use crate::metrics::Metrics;
use crate::openapi;
use crate::peer::{Peer, Proven};
use crate::places::Places;
use crate::rate::Refusals;
use crate::ready::Ready;
use crate::reply::{Reply, text};
use crate::review::{self, ReviewDoor};
use crate::reviews::Reviews;
use crate::streams;
use crate::telemetry::{Telemetry, Telling};
use crate::tokens::{Refused, Tokens};

/// What a server is made of.
pub struct Parts {
    /// The state that is asked.
    pub current: Arc<Current>,
    /// Where decisions are written.
    pub log: Arc<dyn Log>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether there is something to ask.
    pub ready: Ready,
    /// Who may ask.
    pub callers: Callers,
    /// What verifies the tokens of callers, where some come with one.
    pub tokens: Option<Arc<Tokens>>,
    /// What asks the API server whose a token is, where callers come with tokens of service accounts.
    pub reviews: Option<Reviews>,
    /// The SubjectAccessReview webhook, where it is open.
    pub review: Option<ReviewDoor>,
    /// AuthZEN, where it is open.
    pub authzen: Option<AuthzenDoor>,
    /// External authorization, where it is open.
    pub ext_authz: Option<ExtAuthzDoor>,
    /// Where decisions are read again, to explain them.
    pub records: Option<Arc<dyn Records>>,
    /// Who is told of decisions, beside the log.
    pub telemetry: Option<Telemetry>,
    /// What callers may take.
    pub limits: Limits,
}

/// Answers questions.
pub struct Server {
    pub(crate) desk: Desk,
    ready: Ready,
    callers: Callers,
    tokens: Option<Arc<Tokens>>,
    reviews: Option<Reviews>,
    refusals: Refusals,
    pub(crate) review: Option<ReviewDoor>,
    pub(crate) authzen: Option<AuthzenDoor>,
    pub(crate) ext_authz: Option<ExtAuthzDoor>,
    pub(crate) records: Option<Explainer>,
    limits: Limits,
    under_way: Places,
    telling: Mutex<Option<Telling>>,
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let mut run = [0; 8];
        getrandom::fill(&mut run).map_err(|error| Error::Random(error.to_string()))?;
        let run = u64::from_ne_bytes(run);
        let under_way = Places::new(parts.limits.requests, parts.callers.names());
        let started = parts
            .telemetry
            .map(|telemetry| telemetry.start(Arc::clone(&parts.metrics)));
        let (teller, telling) = started.unzip();
        Ok(Self {
            desk: Desk::new(parts.current, parts.log, parts.metrics, teller, run),
            ready: parts.ready,
            callers: parts.callers,
            tokens: parts.tokens,
            reviews: parts.reviews,
            refusals: Refusals::default(),
            review: parts.review,
            authzen: parts.authzen,
            ext_authz: parts.ext_authz,
            records: parts.records.map(Explainer::new),
            under_way,
            telling: Mutex::new(telling),
            limits: parts.limits,
        })
    }

    /// Answers on a listener until `end` becomes true, and finishes what is under way then.
    pub async fn run(self: Arc<Self>, listener: Listener, end: watch::Receiver<bool>) {
        let metrics = Arc::clone(&self.desk.metrics);
        let limits = self.limits.clone();
        let telling = self
            .telling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (done, told) = watch::channel(false);
        let drain = limits.drain;
        let telling = telling.map(|telling| tokio::spawn(telling.run(told)));
        listener.run(self, limits, metrics, end).await;
        // What was decided last is told too, if somebody takes it in time.
        let _ = done.send(true);
        if let Some(telling) = telling {
            let _ = tokio::time::timeout(drain, telling).await;
        }
    }

    /// Who asks, if it may use this door.
    async fn caller(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        door: Door,
    ) -> Result<Arc<Caller>, Box<Reply>> {
        let refuse = |status, message: &str| {
            self.desk.metrics.unlisted.inc();
            if !self.refusals.allows(peer.address.ip(), Instant::now()) {
                return Box::new(text(StatusCode::TOO_MANY_REQUESTS, "refused too often"));
            }
            let certificate = peer.certificate.as_ref().and_then(Proven::name);
            let certificate = certificate.map(tracing::field::debug);
            tracing::info!(address = %peer.address, certificate, why = message, "refused");
            let mut reply = text(status, message);
            if status == StatusCode::UNAUTHORIZED {
                let how = HeaderValue::from_static(match (&self.tokens, &self.reviews) {
                    (None, None) => "Mutual realm=\"bailiwick\"",
                    _ => "Bearer realm=\"bailiwick\"",
                });
                reply.headers_mut().insert(header::WWW_AUTHENTICATE, how);
            }
            Box::new(reply)
        };
        match self.who(peer, headers).await {
            Err((status, message)) => Err(refuse(status, &message)),
            Ok(caller) if !door.is_open_to(&caller.scope) => Err(refuse(
                StatusCode::FORBIDDEN,
                "this door is not open to this caller",
            )),
            Ok(caller) => Ok(caller),
        }
    }

    /// Who asks: by its connection, or by the token that it comes with.
    async fn who(&self, peer: &Peer, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
        let certificate = peer.certificate.as_ref();
        let expired = certificate.is_some_and(|proven| !proven.is_valid_at(SystemTime::now()));
        if let Some(caller) = self.callers.find(peer).filter(|_| !expired) {
            return Ok(caller);
        }
        let refusal = |status, message: &str| Err((status, message.to_owned()));
        let believed = self.tokens.is_some() || self.reviews.is_some();
        match bearer(headers) {
            Some(token) if believed => Box::pin(self.who_by_token(peer, token)).await,
            _ if expired => refusal(
                StatusCode::UNAUTHORIZED,
                "the client certificate of this connection has expired; connect again with a new one",
            ),
            _ if peer.certificate.is_none() => refusal(
                StatusCode::UNAUTHORIZED,
                "who asks? Connect with a client certificate that the list of callers names",
            ),
            _ => refusal(
                StatusCode::FORBIDDEN,
                "the list of callers does not name this certificate",
            ),
        }
    }

    /// Who comes with a token: by the keys of its issuer, else by the word of the API server.
    async fn who_by_token(&self, peer: &Peer, token: &str) -> Result<Arc<Caller>, Refusal> {
        let unlisted = || {
            let message = "the list of callers does not name the subject of this token";
            (StatusCode::FORBIDDEN, message.to_owned())
        };
        let verified = match &self.tokens {
            Some(tokens) => Some(tokens.verify(token, SystemTime::now()).await),
            None => None,
        };
        let why = match verified {
            Some(Ok(claims)) => match self.callers.of_token(claims) {
                Some(caller) => return Ok(caller),
                None => unlisted(),
            },
            Some(Err(Refused::NotAccepted(why))) => unaccepted(why),
            Some(Err(Refused::NobodyCanSay)) => {
                let message = "the keys of the token's issuer cannot be had now; ask again";
                (StatusCode::SERVICE_UNAVAILABLE, message.to_owned())
            }
            None => {
                unaccepted("the API server knows no service account that has it for this audience")
            }
        };
        let Some(reviews) = &self.reviews else {
            return Err(why);
        };
        let now = Instant::now();
        // Whoever is refused all the time does not get to ask the API server.
        if self.refusals.exhausted(peer.address.ip(), now) && !reviews.knows(token, now) {
            return Err(why);
        }
        match reviews.review(token).await {
            Ok(Some(account)) => self.callers.of_account(account).ok_or_else(unlisted),
            Ok(None) => Err(why),
            Err(error) => {
                tracing::warn!(error, "the API server cannot be asked whose a token is");
                let message = "nobody can say now whose the token is; ask again";
                Err((StatusCode::SERVICE_UNAVAILABLE, message.to_owned()))
            }
        }
    }

    /// In a task of its own, so that others on the connection do not wait.
    async fn apart(self: Arc<Self>, peer: Arc<Peer>, head: Box<Head>, body: Incoming) -> Reply {
        let answer = Box::pin(async move { self.route(&peer, head, body).await });
        let answered = streams::apart(answer).await;
        answered.unwrap_or_else(|| text(StatusCode::INTERNAL_SERVER_ERROR, "no answer was found"))
    }

    async fn route(&self, peer: &Peer, head: Box<Head>, body: Incoming) -> Reply {
        let arrived = Instant::now();
        // The API server adds ?timeout=; the path alone says where to.
        let path = head.uri.path();
        let Some(Entry { door, method, .. }) = Entry::at(path, self) else {
            return text(StatusCode::NOT_FOUND, "there is no door here");
        };
        let door = *door;
        let caller = match self.caller(peer, &head.headers, door).await {
            Ok(caller) => caller,
            Err(refusal) => return *refusal,
        };
        if let Some(method) = method
            && head.method != method
        {
            return not_allowed(method);
        }
        // These need no state, so they tell what they know while there is none.
        match (door, &self.records) {
            (Door::OpenApi, _) => return openapi::answer(self),
            (Door::Explain, Some(records)) => {
                return Box::pin(records.answer(path, &caller, &self.callers)).await;
            }
            _ => {}
        }
        let waiting = self.ready.waiting();
        if !waiting.is_empty() {
            // Without Retry-After: the API server would sleep on it inside its own time limit.
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("not ready: {}", waiting.join(", ")),
            );
        }
        let Some(_place) = self.under_way.take(&caller.name) else {
            self.desk.metrics.shed.inc();
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests are under way",
            );
        };
        let body = match self.body(body, door).await {
            Ok(body) => body,
            Err(reply) => return *reply,
        };
        // Only now: while a slow caller sends its question, the state goes on to change.
        let Some(state) = self.desk.current.state() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not ready");
        };
        let asking = Asking {
            server: self,
            state: &state,
            caller: &caller,
            head: &head,
            body: &body,
            arrived,
        };
        // Boxed, where it is large: the room of all is taken for each.
        match (door, &self.review, &self.authzen, &self.ext_authz) {
            (Door::Review, Some(open), ..) => {
                let answered = review::answer(&self.desk, &asking, open);
                drop((head, body, state));
                answered.await
            }
            (Door::Check | Door::CheckHttp, .., Some(open)) => {
                Box::pin(ext_authz::answer(&asking, open, door)).await
            }
            (door, _, Some(open), _) => Box::pin(authzen::answer(&asking, open, door)).await,
            _ => text(StatusCode::NOT_FOUND, "there is no door here"),
        }
    }

    /// All of a body, if it is not too large and comes in time.
    async fn body(&self, body: Incoming, door: Door) -> Result<Body, Box<Reply>> {
        let mut whole = pin!(Body::arrived(body, door.most_bytes()));
        // Most have arrived with their heads; then nobody needs a clock.
        let arrived = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
        let body = match arrived {
            Poll::Ready(body) => Ok(body),
            Poll::Pending => tokio::time::timeout(self.limits.arrival, whole).await,
        };
        let (status, message) = match body {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(_)) => (StatusCode::BAD_REQUEST, "the body did not arrive"),
            Err(_) => (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            ),
        };
        Err(Box::new(text(status, message)))
    }
}

impl Answer for Server {
    async fn answer(self: Arc<Self>, peer: Arc<Peer>, head: Box<Head>, body: Incoming) -> Reply {
        let version = head.version;
        let long = Entry::at(head.uri.path(), &self).is_some_and(|entry| entry.door.takes_long());
        let mut reply = match long {
            true => self.apart(peer, head, body).await,
            false => self.route(&peer, head, body).await,
        };
        // The body of a refused request is not read, so that nothing can follow it on a connection of HTTP/1.
        if version < Version::HTTP_2 && !reply.status().is_success() {
            let close = HeaderValue::from_static("close");
            reply.headers_mut().insert(header::CONNECTION, close);
        }
        reply
    }
}

/// A status and what to say with it.
type Refusal = (StatusCode, String);

fn unaccepted(why: &str) -> Refusal {
    let message = format!("the token is not accepted: {why}");
    (StatusCode::UNAUTHORIZED, message)
}

/// The one token of a request (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

/// A request of a caller who may ask, and the state that answers it.
pub(crate) struct Asking<'a> {
    pub(crate) server: &'a Server,
    pub(crate) state: &'a bailiwick_pdp::State,
    pub(crate) caller: &'a Caller,
    pub(crate) head: &'a Head,
    pub(crate) body: &'a Body,
    pub(crate) arrived: Instant,
}

fn not_allowed(method: &Method) -> Reply {
    let mut reply = text(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("ask with {method}"),
    );
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        reply.headers_mut().insert(header::ALLOW, method);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the future that a function gives.
    fn room<F>(_: impl Fn(Arc<Server>, Arc<Peer>, Box<Head>, Incoming) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_takes_little_room() {
        // As much as the allocator hands out without a search.
        let room = room(<Server as Answer>::answer);
        assert!(room <= 1_024, "{room} bytes");
    }
}
