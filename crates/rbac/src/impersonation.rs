//! Whether somebody may act as somebody else by the `Impersonate-*` headers, and as whom he then acts
//! (`k8s.io/apiserver/pkg/endpoints/filters/impersonation`, KEP-5284).
//!
//! From Kubernetes 1.36 the API server tries the constrained modes first and the old `impersonate` verb last. It
//! remembers which mode served a requestor last and tries that one before all others. Where several attempts succeed
//! it may so use any of them, and only for a node's name does that change the identity: the constrained modes put it
//! in `system:nodes`, the old verb does not.

use std::fmt;

use bailiwick_core::dns::{is_dns_label, is_dns_subdomain};
use bailiwick_core::{Decision, Request, ResourceRequest, UserInfo, names};

use crate::engine::Engine;

/// The first minor version that has constrained impersonation on by default.
const CONSTRAINED_SINCE: u16 = 36;

/// From so many groups or extra values on, the constrained modes first ask for all of them at once.
const MANY: usize = 4;

/// Group of the checks of the constrained modes, and of UIDs and extra values in all modes.
const AUTHENTICATION_GROUP: &str = "authentication.k8s.io";

/// Key of the extra value in which a service account's token names the node that it is bound to.
const NODE_NAME_KEY: &str = "authentication.kubernetes.io/node-name";

/// A way to impersonate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A service account as the node that its token is bound to.
    AssociatedNode,
    /// Any node.
    ArbitraryNode,
    /// A service account.
    ServiceAccount,
    /// A user who is neither, with groups, UID and extra values.
    UserInfo,
    /// The verb `impersonate`, as ever.
    Legacy,
}

impl Mode {
    const CONSTRAINED: [Self; 4] = [
        Self::AssociatedNode,
        Self::ArbitraryNode,
        Self::ServiceAccount,
        Self::UserInfo,
    ];

    /// What the mode is called after the colon of `impersonate:`; `None` for the old verb.
    pub fn constraint(self) -> Option<&'static str> {
        match self {
            Self::AssociatedNode => Some("associated-node"),
            Self::ArbitraryNode => Some("arbitrary-node"),
            Self::ServiceAccount => Some("serviceaccount"),
            Self::UserInfo => Some("user-info"),
            Self::Legacy => None,
        }
    }

    fn applies(self, requestor: &UserInfo, target: &UserInfo) -> bool {
        let bare = target.uid.is_empty() && target.groups.is_empty() && target.extra.is_empty();
        let node = node_name(&target.name);
        let account = service_account(&target.name);
        match self {
            Self::AssociatedNode => bare && node.is_some() && node == bound_node(requestor),
            Self::ArbitraryNode => bare && node.is_some(),
            Self::ServiceAccount => bare && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.constraint().unwrap_or("legacy"))
    }
}

/// What came of an attempt to impersonate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// The answer.
    pub outcome: ImpersonationOutcome,
    /// Each mode that applies, in the order in which the API server tries them at first.
    pub attempts: Vec<Attempt>,
}

/// Who makes the request in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImpersonationOutcome {
    /// The requestor himself: no user, group, UID or extra value was asked for.
    NotAttempted,
    /// Refused with 400: groups, UID or extra values without a user name.
    NoUserName,
    /// Refused with 403: no attempt succeeded. The API server shows why the first one failed.
    Refused,
    /// Somebody else.
    As(Box<Impersonated>),
}

/// The impersonated identity and what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonated {
    /// The first mode that succeeded.
    pub mode: Mode,
    /// The identity, with the groups that the API server adds.
    pub user: UserInfo,
    /// What RBAC says to the request of this identity.
    pub decision: Decision,
}

/// One mode that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The mode.
    pub mode: Mode,
    /// What the authorizers were asked, in order, up to the first refusal that counts. A question for all groups or
    /// extra values at once (name `*`) may be refused and the next ones allowed.
    pub legs: Vec<Leg>,
    /// The identity, where it succeeded, or what stopped it.
    pub result: Result<UserInfo, Stop>,
}

/// One question to the authorizers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What was asked.
    pub request: Request,
    /// The answer.
    pub decision: Decision,
}

/// What stopped an attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// The last leg was refused.
    #[error("nothing grants the last of what is needed")]
    NotGranted,
    /// The constrained modes never give `system:masters`.
    #[error("the group `system:masters` is impersonated by the old verb `impersonate` alone")]
    Masters,
    /// The constrained modes take no group without a name.
    #[error("the name of a group is empty")]
    EmptyGroup,
    /// The constrained modes take only some keys and values.
    #[error(
        "the extra key `{0}` or one of its values cannot be impersonated: the key has to be in lower case, \
         as `example.com/key`, and no value may be empty"
    )]
    Extra(String),
}

impl Engine {
    /// Whether `requestor` may make `request` as `target`, which is what the headers name, nothing added.
    ///
    /// `minor` is that of the server (37 for 1.37); without one it is taken to have the constrained modes. Only RBAC
    /// is asked, and `system:masters` before it.
    pub fn impersonate(
        &self,
        requestor: &UserInfo,
        target: &UserInfo,
        request: &Request,
        minor: Option<u16>,
    ) -> Impersonation {
        let bare = target.uid.is_empty() && target.groups.is_empty() && target.extra.is_empty();
        if target.name.is_empty() {
            let outcome = if bare {
                ImpersonationOutcome::NotAttempted
            } else {
                ImpersonationOutcome::NoUserName
            };
            return Impersonation {
                outcome,
                attempts: Vec::new(),
            };
        }
        let constrained = minor.is_none_or(|minor| minor >= CONSTRAINED_SINCE);
        let modes = if constrained {
            &Mode::CONSTRAINED[..]
        } else {
            &[]
        };
        let attempts: Vec<Attempt> = modes
            .iter()
            .chain(&[Mode::Legacy])
            .filter(|mode| mode.applies(requestor, target))
            .map(|&mode| self.attempt(mode, requestor, target, request))
            .collect();
        let found = attempts
            .iter()
            .find_map(|attempt| Some((attempt.mode, attempt.result.as_ref().ok()?)));
        let outcome = match found {
            None => ImpersonationOutcome::Refused,
            Some((mode, user)) => ImpersonationOutcome::As(Box::new(Impersonated {
                mode,
                user: user.clone(),
                decision: self.decide(user, request).to_decision(),
            })),
        };
        Impersonation { outcome, attempts }
    }

    fn attempt(
        &self,
        mode: Mode,
        requestor: &UserInfo,
        target: &UserInfo,
        request: &Request,
    ) -> Attempt {
        let mut asking = Asking {
            engine: self,
            requestor,
            mode,
            legs: Vec::new(),
        };
        let result = asking.all(target, request).map(|()| identity(mode, target));
        Attempt {
            mode,
            legs: asking.legs,
            result,
        }
    }
}

/// The questions of one mode.
struct Asking<'a> {
    engine: &'a Engine,
    requestor: &'a UserInfo,
    mode: Mode,
    legs: Vec<Leg>,
}

impl Asking<'_> {
    fn all(&mut self, target: &UserInfo, request: &Request) -> Result<(), Stop> {
        if let Some(constraint) = self.mode.constraint() {
            self.need(on_behalf(constraint, request))?;
        }
        self.need(self.name_request(&target.name))?;
        if !target.uid.is_empty() {
            self.need(self.authentication("uids", &target.uid))?;
        }
        self.groups(&target.groups)?;
        self.extra(target)
    }

    fn groups(&mut self, groups: &[String]) -> Result<(), Stop> {
        let request = |asking: &Self, name: &str| asking.impersonate("groups", name);
        if self.is_constrained() {
            if groups.iter().any(String::is_empty) {
                return Err(Stop::EmptyGroup);
            }
            if groups.iter().any(|group| group == names::MASTERS) {
                return Err(Stop::Masters);
            }
            if groups.len() >= MANY && self.ask(request(self, "*")) {
                return Ok(());
            }
        }
        groups
            .iter()
            .try_for_each(|group| self.need(request(self, group)))
    }

    fn extra(&mut self, target: &UserInfo) -> Result<(), Stop> {
        let extra = &target.extra;
        let request = |asking: &Self, key: &str, value: &str| {
            asking.authentication(&format!("userextras/{key}"), value)
        };
        if self.is_constrained() && !extra.is_empty() {
            if let Some((key, _)) = extra
                .iter()
                .find(|(key, values)| !is_plain_extra(key, values))
            {
                return Err(Stop::Extra(key.clone()));
            }
            let values: usize = extra.values().map(Vec::len).sum();
            if values >= MANY && self.ask(request(self, "*", "*")) {
                return Ok(());
            }
        }
        for (key, values) in extra {
            values
                .iter()
                .try_for_each(|value| self.need(request(self, key, value)))?;
        }
        Ok(())
    }

    fn need(&mut self, request: Request) -> Result<(), Stop> {
        if self.ask(request) {
            Ok(())
        } else {
            Err(Stop::NotGranted)
        }
    }

    fn ask(&mut self, request: Request) -> bool {
        let verdict = self.engine.decide(self.requestor, &request);
        let (allowed, decision) = (verdict.is_allowed(), verdict.to_decision());
        self.legs.push(Leg { request, decision });
        allowed
    }

    fn is_constrained(&self) -> bool {
        self.mode != Mode::Legacy
    }

    fn verb(&self) -> String {
        match self.mode.constraint() {
            Some(constraint) => format!("impersonate:{constraint}"),
            None => "impersonate".to_owned(),
        }
    }

    /// The question for the user name, of whatever kind it is.
    fn name_request(&self, user: &str) -> Request {
        if let Some((namespace, name)) = service_account(user) {
            let group = self.group();
            let request = ResourceRequest::new(&self.verb(), group, "serviceaccounts");
            return version_1(request.in_namespace(namespace).named(name));
        }
        match (self.mode, node_name(user)) {
            // The answer has to hold for every node that the service account's pods run on.
            (Mode::AssociatedNode, _) => self.impersonate("nodes", "*"),
            (Mode::ArbitraryNode, Some(node)) => self.impersonate("nodes", node),
            _ => self.impersonate("users", user),
        }
    }

    /// The old verb knows users, groups and service accounts in the core group.
    fn group(&self) -> &'static str {
        if self.is_constrained() {
            AUTHENTICATION_GROUP
        } else {
            ""
        }
    }

    fn impersonate(&self, resource: &str, name: &str) -> Request {
        version_1(ResourceRequest::new(&self.verb(), self.group(), resource).named(name))
    }

    fn authentication(&self, resource: &str, name: &str) -> Request {
        version_1(ResourceRequest::new(&self.verb(), AUTHENTICATION_GROUP, resource).named(name))
    }
}

fn version_1(request: ResourceRequest) -> Request {
    Request::Resource(ResourceRequest {
        version: "v1".to_owned(),
        ..request
    })
}

/// The request under the verb that allows it to somebody who impersonates.
fn on_behalf(constraint: &str, request: &Request) -> Request {
    let mut request = request.clone();
    let verb = match &mut request {
        Request::Resource(request) => &mut request.verb,
        Request::NonResource(request) => &mut request.verb,
    };
    *verb = format!("impersonate-on:{constraint}:{verb}");
    request
}

/// The target with the groups that the API server adds.
fn identity(mode: Mode, target: &UserInfo) -> UserInfo {
    let mut user = target.clone();
    if user.groups.is_empty() {
        if let Some((namespace, _)) = service_account(&user.name) {
            let own = format!("{}:{namespace}", names::SERVICE_ACCOUNTS);
            user.groups = vec![names::SERVICE_ACCOUNTS.to_owned(), own];
        } else if matches!(mode, Mode::AssociatedNode | Mode::ArbitraryNode) {
            user.groups = vec![names::NODES.to_owned()];
        }
    }
    let unauthenticated = user.name == names::ANONYMOUS
        || user
            .groups
            .iter()
            .any(|group| group == names::UNAUTHENTICATED);
    let added = if unauthenticated {
        names::UNAUTHENTICATED
    } else {
        names::AUTHENTICATED
    };
    if !user.groups.iter().any(|group| group == added) {
        user.groups.push(added.to_owned());
    }
    user
}

/// The node that a user name of `system:node:NAME` stands for, if a node can be called so.
fn node_name(user: &str) -> Option<&str> {
    user.strip_prefix(names::NODE_USER_PREFIX)
        .filter(|name| is_dns_subdomain(name))
}

/// Namespace and name of the service account that a user name stands for, if one can be called so.
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix(names::SERVICE_ACCOUNT_USER_PREFIX)?
        .split_once(':')?;
    (is_dns_label(namespace) && is_dns_subdomain(name)).then_some((namespace, name))
}

/// The node that a service account's token is bound to, by itself or by its pod.
fn bound_node(requestor: &UserInfo) -> Option<&str> {
    service_account(&requestor.name)?;
    match requestor.extra.get(NODE_NAME_KEY)?.as_slice() {
        [node] => Some(node),
        _ => None,
    }
}

/// `DOMAIN/PATH` in lower case with values that are not empty (`validation.IsDomainPrefixedPath`).
fn is_plain_extra(key: &str, values: &[String]) -> bool {
    let in_path = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-._~%!$&'()*+,;=:".contains(&byte)
    };
    let is_key = key.split_once('/').is_some_and(|(domain, path)| {
        is_dns_subdomain(domain) && !path.is_empty() && path.bytes().all(in_path)
    });
    is_key && !values.is_empty() && values.iter().all(|value| !value.is_empty())
}
