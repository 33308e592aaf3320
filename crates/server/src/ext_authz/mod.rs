//! External authorization of Envoy v3, as gRPC and as HTTP.

mod grpc;
mod http;
mod identity;
mod kubernetes;
mod path;
mod routes;
mod wire;

use std::time::Duration;

use ::http::StatusCode;
use bailiwick_audit::{DecisionId, Door as AuditDoor, Durability, Input, SubjectRef};
use bailiwick_core::{Effect, Request, UserInfo};
use bailiwick_model::{Map, Value};
use bailiwick_pdp::{ApplicationRequest, Entity, Question};

use crate::authzen::KUBERNETES;
use crate::desk::{Asked, Patience};
use crate::doors::Door;
use crate::reply::Reply;
use crate::server::Asking;
use crate::telemetry;

pub use identity::Identities;
pub use routes::{Route, RouteError};

use identity::{Claimed, Identity, Unknown};

/// Where the gRPC form is asked.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// What stands before the path of a request in the HTTP form (`path_prefix`).
const PREFIX: &str = "/ext_authz";
/// The same, as the table of doors has it: every path of a request starts with a slash.
pub(crate) const BELOW: &str = "/ext_authz/";

/// The header that names the decision, to the service and to whoever is refused.
const DECISION: &str = "x-bailiwick-decision-id";

/// External authorization, as gateways ask for it.
#[derive(Clone, Debug, Default)]
pub struct ExtAuthzDoor {
    /// How long an answer waits for its record.
    pub budget: Duration,
    /// What the record has to survive before the answer goes out.
    pub durability: Durability,
    /// Who makes requests.
    pub identities: Identities,
    /// Headers that policies may read, in small letters.
    pub headers: Vec<String>,
    /// What requests mean to applications; the first that matches counts.
    pub routes: Vec<Route>,
}

impl ExtAuthzDoor {
    /// What a request asks of the application: the action and the resource, with what the route says of it. `None` for a
    /// host that no request is decided on.
    pub fn asks(&self, method: &str, authority: &str, path: &str) -> Option<(String, Entity)> {
        let (host, _) = host(authority).ok()?;
        Some(routes::asked(&self.routes, method, &host, path))
    }
}

/// A request as the gateway describes it.
struct Described {
    method: String,
    /// The path with its query.
    target: String,
    host: String,
    scheme: String,
    /// By name in small letters.
    headers: Vec<(String, String)>,
    claimed: Result<Claimed, Unknown>,
    about: Vec<(String, Value)>,
    request_id: Option<String>,
}

/// What becomes of a request; it is let through with status 200.
struct Verdict {
    status: StatusCode,
    message: String,
    id: DecisionId,
}

impl Verdict {
    /// What whoever is refused reads.
    fn to_text(&self) -> String {
        format!("{} (decision {})\n", self.message, self.id)
    }
}

/// Answers either form.
pub(crate) async fn answer(asking: &Asking<'_>, open: &ExtAuthzDoor, door: Door) -> Reply {
    match door {
        Door::Check => grpc::answer(asking, open).await,
        _ => http::answer(asking, open).await,
    }
}

/// A request that can be decided.
enum Ask {
    Application(Box<ApplicationRequest>),
    Kubernetes(Box<(UserInfo, Request)>),
}

/// Why nothing is decided about a request: the status, and what is wrong with it.
type Refusal = (StatusCode, String);

async fn decide(asking: &Asking<'_>, open: &ExtAuthzDoor, mut described: Described) -> Verdict {
    let desk = &asking.server.desk;
    let asked = Asked {
        door: AuditDoor::ExtAuthz,
        caller: &asking.caller.name,
        request_id: described.request_id.take(),
        arrived: asking.arrived,
        parent: telemetry::parent(&asking.head.headers),
    };
    let mut seen = Seen::of(&described);
    let (decided, refused) =
        match read(open, &asking.caller.scope.application, described, &mut seen) {
            Ok(ask) => (desk.decide(asking.state, ask.question()), None),
            Err((status, message)) => (
                desk.refuse(asking.state, message.clone()),
                Some((status, message)),
            ),
        };
    let answered = match decided.decision.effect {
        Effect::Allow => Effect::Allow,
        _ => Effect::Deny,
    };
    let patience = Patience {
        budget: open.budget,
        durability: open.durability,
    };
    let Seen { subject, input } = seen;
    let id = decided.id;
    let recorded = desk.record(decided, asked, subject, input, answered, patience);
    let recorded = recorded.await;
    let (status, message) = match (recorded, answered, refused) {
        (Err(_), ..) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the decision cannot be recorded, so it counts as a no".to_owned(),
        ),
        (Ok(()), _, Some(refusal)) => refusal,
        (Ok(()), Effect::Allow, None) => (StatusCode::OK, String::new()),
        (Ok(()), _, None) => (StatusCode::FORBIDDEN, "access denied".to_owned()),
    };
    Verdict {
        status,
        message,
        id,
    }
}

/// What the log keeps of a request. Never a query, which may hold tokens.
struct Seen {
    subject: SubjectRef,
    input: Input,
}

/// Letters of a text that is not yet known to be sensible.
const LONGEST: usize = 1_024;

impl Seen {
    fn of(described: &Described) -> Self {
        let cut = |text: &str| text.chars().take(LONGEST).collect();
        let path = described.target.split('?').next().unwrap_or_default();
        Self {
            subject: SubjectRef::default(),
            input: Input::Http {
                method: cut(&described.method),
                host: cut(&described.host),
                path: cut(path),
            },
        }
    }
}

fn read(
    open: &ExtAuthzDoor,
    application: &str,
    described: Described,
    seen: &mut Seen,
) -> Result<Ask, Refusal> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let claimed = described.claimed.clone();
    let identity = claimed.and_then(|claimed| open.identities.identify(claimed));
    let identity = identity.map_err(|error| (StatusCode::UNAUTHORIZED, error.to_string()))?;
    seen.subject = SubjectRef {
        kind: identity.subject.kind.clone(),
        name: identity.subject.id.clone(),
        groups: identity.groups.clone(),
    };
    overrides(&described).map_err(bad)?;
    let (path, query) = match described.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (described.target.as_str(), None),
    };
    let path = path::canonical(path).map_err(|error| bad(error.to_string()))?;
    let (host, port) = host(&described.host).map_err(bad)?;
    seen.input = Input::Http {
        method: described.method.clone(),
        host: described.host.to_ascii_lowercase(),
        path: path.clone(),
    };
    if application == KUBERNETES {
        let ask = kubernetes::ask(identity, &described.method, &path, query).map_err(bad)?;
        seen.input = Input::Kubernetes {
            request: ask.1.clone(),
        };
        return Ok(Ask::Kubernetes(Box::new(ask)));
    }
    let (action, mut resource) = routes::asked(&open.routes, &described.method, &host, &path);
    let facts = [
        ("host", host.as_str()),
        ("port", port.as_str()),
        ("path", &path),
        ("scheme", &described.scheme),
    ];
    routes::describe(&mut resource.properties, facts);
    let Identity {
        subject,
        groups,
        credential,
    } = identity;
    Ok(Ask::Application(Box::new(ApplicationRequest {
        application: application.to_owned(),
        subject,
        groups,
        credential,
        action,
        action_properties: Map::new(),
        resource,
        context: context(open, described),
    })))
}

impl Ask {
    fn question(&self) -> Question<'_> {
        match self {
            Self::Application(request) => Question::Application(request),
            Self::Kubernetes(ask) => Question::Kubernetes {
                user: &ask.0,
                request: &ask.1,
            },
        }
    }
}

/// Headers by which some services take a request for one of another method, or for another path.
const METHODS: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
const PATHS: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// What is decided on is what the service sees.
fn overrides(described: &Described) -> Result<(), String> {
    for (name, value) in &described.headers {
        let name = name.as_str();
        let other = METHODS.contains(&name) && !value.eq_ignore_ascii_case(&described.method);
        if other || PATHS.contains(&name) {
            return Err(format!(
                "the header `{name}` asks for something else than the request"
            ));
        }
    }
    Ok(())
}

/// The host in small letters, and the port behind it. A name with a dot at its end is another one to a gateway that
/// was not told to strip it.
fn host(authority: &str) -> Result<(String, String), String> {
    let small = authority.to_ascii_lowercase();
    let (host, port) = match small.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() =>
        {
            (host, port)
        }
        _ => (small.as_str(), ""),
    };
    if !routes::is_host(host) {
        let shown: String = authority
            .chars()
            .filter(|letter| !letter.is_control())
            .take(64)
            .collect();
        return Err(format!(
            "`{shown}` is no host that everybody reads in the same way"
        ));
    }
    Ok((host.to_owned(), port.to_owned()))
}

/// What is known beside subject, action and resource: the headers that policies may read, and what the gateway's own
/// configuration says of the route.
fn context(open: &ExtAuthzDoor, described: Described) -> Map {
    let mut context = Map::new();
    for wanted in &open.headers {
        let values = described.headers.iter().filter(|(name, _)| name == wanted);
        // Gateways join headers of one name with commas, and so may clients (RFC 9110 section 5.3).
        let each = values.flat_map(|(_, value)| value.split(','));
        let values: Vec<Value> = each
            .map(|value| text_value(value.trim().to_owned()))
            .collect();
        if !values.is_empty() {
            context.insert(format!("header.{wanted}"), Value::Array(values));
        }
    }
    for (name, value) in described.about {
        context.insert(name, value);
    }
    context
}

fn text_value(text: String) -> Value {
    Value::String(text)
}

#[cfg(test)]
mod tests;
