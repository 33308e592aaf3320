//! Kubernetes RBAC, exactly as upstream decides it, fast enough for the request path.
//!
//! [`Engine`] owns a snapshot of the cluster and an index of its roles and bindings. It decides requests with their
//! evidence ([`Engine::decide`], [`Engine::grants`]), tells the rules that reach a user ([`Engine::rules_for`]) and
//! who can make a request ([`Engine::who_can`]), and follows the cluster by deltas ([`Engine::apply`]).
//!
//! Everything here is pure and synchronous: no I/O, no clock, no locks. It answers for RBAC alone: it knows neither
//! the Node authorizer nor webhooks, and says so where that matters ([`Problem::NodeAuthorizer`]).

pub mod aggregation;
mod covers;
mod decide;
mod diff;
mod engine;
mod escalation;
mod evidence;
mod impersonation;
mod index;
mod nearest;
mod problem;
mod request_info;
mod right;
mod rules;
mod second_check;
mod who_can;

pub use covers::{Compact, Coverage, covers};
pub use decide::{Outcome, Touched, Verdict};
pub use diff::{AccessChange, diff};
pub use engine::{Engine, Size};
pub use escalation::{Change, Escalation, EscalationOutcome};
pub use evidence::GrantRef;
pub use impersonation::{
    Attempt, Impersonated, Impersonation, ImpersonationOutcome, Leg, Mode, Stop,
};
pub use nearest::{Lack, NearMiss, Nearest, NewRole, RoleOffer};
pub use problem::Problem;
pub use request_info::{RequestInfoError, request_info};
pub use right::{Names, Right, Scope};
pub use rules::{ResolvedRule, ResolvedRules};
pub use second_check::second_check;
pub use who_can::{Member, Memberships, Who, WhoCan};
