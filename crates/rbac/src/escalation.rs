//! Whether somebody who may write roles and bindings may write this one, as the API server's registry asks after the
//! authorizers have said yes (`pkg/registry/rbac/*/policybased/storage.go`, `pkg/registry/rbac/escalation_check.go`).
//!
//! Nobody gives away what he does not have, unless `escalate` (on roles) or `bind` (for bindings) is granted to him.
//! The API server asks its whole chain of authorizers for these two verbs, but compares with the rules of RBAC alone:
//! what a webhook allows counts for the first and not for the second. Here only RBAC is known.

use std::fmt;

use bailiwick_core::{ObjectRef, Request, ResourceRequest, Str, UserInfo, names};
use bailiwick_model::{Binding, PolicyRule, Role, RoleRef};

use crate::covers::{Compact, covers};
use crate::engine::Engine;
use crate::impersonation::Leg;
use crate::problem::Problem;

/// What is done to an object.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// It is made by POST. The request then names no object, so that `escalate` limited to names does not count.
    Post,
    /// It is made or replaced by PUT, PATCH or apply; with the role that was there before, where one was. (A binding's
    /// `roleRef` cannot change, so that what was there makes no difference.)
    Put(Option<&'a Role>),
    /// Nothing changes but `ownerReferences`, `finalizers` and `managedFields`, or nothing at all. A PUT without the
    /// `resourceVersion` that was there changes that, and is no such change.
    Bookkeeping,
}

/// Whether a role or binding may be written, and why.
#[derive(Clone, Debug)]
pub struct Escalation<'a> {
    /// The answer.
    pub outcome: EscalationOutcome,
    /// What kept the engine from seeing all that the user has.
    pub problems: Vec<Problem<'a>>,
}

/// Why a role or binding may be written, or may not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EscalationOutcome {
    /// Allowed: the user is in `system:masters`.
    Masters,
    /// Allowed: nothing that matters is changed.
    Bookkeeping,
    /// Allowed: `escalate` or `bind` is granted.
    Exempt(Box<Leg>),
    /// Allowed: the user has all that it gives.
    Covered,
    /// Refused with 403: the user lacks something that it gives.
    Missing {
        /// What is missing, worded as the API server words it.
        rules: Vec<PolicyRule>,
        /// Whether there was too much to compare, so that `rules` may hold what is not missing.
        too_large: bool,
    },
    /// Refused with 403: a ClusterRole that has or had an `aggregationRule` is written by those alone who have
    /// everything or `escalate`.
    Aggregates {
        /// What is missing from everything.
        rules: Vec<PolicyRule>,
    },
    /// Refused with 404: the role that the binding names does not exist. (Of a `roleRef` with another kind than Role
    /// or ClusterRole the API server makes an error 500.)
    NoRole {
        /// The role, as the binding names it.
        role_ref: RoleRef,
    },
}

impl EscalationOutcome {
    /// Whether it may be written.
    pub fn is_allowed(&self) -> bool {
        match self {
            Self::Masters | Self::Bookkeeping | Self::Exempt(_) | Self::Covered => true,
            Self::Missing { .. } | Self::Aggregates { .. } | Self::NoRole { .. } => false,
        }
    }

    /// What a refusal does not know.
    pub fn caveat(&self) -> Option<&'static str> {
        (!self.is_allowed()).then_some(
            "the API server asks all its authorizers for `escalate` and `bind`; \
             this answer knows RBAC, another authorizer may still allow it",
        )
    }
}

impl fmt::Display for EscalationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masters => write!(f, "allowed: the user is in {}", names::MASTERS),
            Self::Bookkeeping => f.write_str("allowed: only owners and finalizers change"),
            Self::Exempt(leg) => write!(f, "allowed: the user may {}", leg.request),
            Self::Covered => f.write_str("allowed: the user has all that it gives"),
            Self::Missing { rules, too_large } => {
                f.write_str("refused: it gives what the user does not have:")?;
                rules
                    .iter()
                    .try_for_each(|rule| write!(f, "\n{}", Compact(rule)))?;
                f.write_str(if *too_large {
                    "\n(too much to compare in full)"
                } else {
                    ""
                })
            }
            Self::Aggregates { .. } => f.write_str(
                "refused: a ClusterRole with an aggregationRule can gather anything, \
                 so that only somebody with all rights, or escalate, may write it",
            ),
            Self::NoRole { role_ref } => {
                write!(
                    f,
                    "refused: {} {:?} does not exist",
                    role_ref.kind, &*role_ref.name
                )
            }
        }
    }
}

impl Engine {
    /// Whether `user` may write this Role or ClusterRole, given that RBAC lets him write such objects at all.
    pub fn may_write_role<'a>(
        &'a self,
        user: &'a UserInfo,
        role: &Role,
        change: Change<'_>,
    ) -> Escalation<'a> {
        let ObjectRef {
            kind,
            namespace,
            name,
        } = role.object_ref();
        let name = if matches!(change, Change::Post) {
            ""
        } else {
            &*name
        };
        let escalate = ResourceRequest::new("escalate", names::RBAC_GROUP, kind.resource())
            .in_namespace(&namespace)
            .named(name);
        self.check(user, &namespace, |check| {
            if let Some(exempt) = check.exemption(escalate) {
                return exempt;
            }
            if matches!(change, Change::Bookkeeping) {
                return EscalationOutcome::Bookkeeping;
            }
            let covered = check.covers(&role.rules);
            let old = match change {
                Change::Put(old) => old,
                _ => None,
            };
            let aggregates = aggregates(role) || old.is_some_and(aggregates);
            match (aggregates && covered.is_allowed()).then(|| check.covers(&full_authority())) {
                Some(EscalationOutcome::Missing { rules, .. }) => {
                    EscalationOutcome::Aggregates { rules }
                }
                _ => covered,
            }
        })
    }

    /// Whether `user` may write this RoleBinding or ClusterRoleBinding, given that RBAC lets him write such objects
    /// at all.
    pub fn may_write_binding<'a>(
        &'a self,
        user: &'a UserInfo,
        binding: &Binding,
        change: Change<'_>,
    ) -> Escalation<'a> {
        let (namespace, role_ref) = (&*binding.metadata.namespace, &binding.role_ref);
        self.check(user, namespace, |check| {
            if matches!(change, Change::Bookkeeping) {
                return EscalationOutcome::Bookkeeping;
            }
            let bind = bind_request(role_ref, namespace);
            if let Some(exempt) = bind.and_then(|bind| check.exemption(bind)) {
                return exempt;
            }
            let role = binding
                .role()
                .and_then(|role| self.snapshot().roles.get(&role.namespace, &role.name));
            match role {
                Some(role) => check.covers(&role.rules),
                None => EscalationOutcome::NoRole {
                    role_ref: role_ref.clone(),
                },
            }
        })
    }

    fn check<'a>(
        &'a self,
        user: &'a UserInfo,
        namespace: &str,
        decide: impl FnOnce(&Check<'a, '_>) -> EscalationOutcome,
    ) -> Escalation<'a> {
        let outcome = if user.is_master() {
            EscalationOutcome::Masters
        } else {
            decide(&Check {
                engine: self,
                user,
                namespace,
            })
        };
        let problems = self.problems(user, namespace);
        Escalation { outcome, problems }
    }
}

/// Who writes, and where his rules count.
struct Check<'a, 'n> {
    engine: &'a Engine,
    user: &'a UserInfo,
    namespace: &'n str,
}

impl Check<'_, '_> {
    fn exemption(&self, request: ResourceRequest) -> Option<EscalationOutcome> {
        let request = Request::from(request);
        let verdict = self.engine.decide(self.user, &request);
        let decision = verdict.is_allowed().then(|| verdict.to_decision())?;
        Some(EscalationOutcome::Exempt(Box::new(Leg {
            request,
            decision,
        })))
    }

    fn covers(&self, rules: &[PolicyRule]) -> EscalationOutcome {
        let resolved = self.engine.rules_for(self.user, self.namespace);
        let own: Vec<&PolicyRule> = resolved
            .rules
            .iter()
            .map(|resolved| resolved.rule)
            .collect();
        let coverage = covers(&own, rules);
        if coverage.covered {
            return EscalationOutcome::Covered;
        }
        EscalationOutcome::Missing {
            rules: coverage.missing,
            too_large: coverage.too_large,
        }
    }
}

/// `None` for a kind that is no role: `bind` is not asked then.
fn bind_request(role_ref: &RoleRef, namespace: &str) -> Option<ResourceRequest> {
    let resource = match &*role_ref.kind {
        "ClusterRole" => "clusterroles",
        "Role" => "roles",
        _ => return None,
    };
    // A manifest may leave the group out; the API server fills it in before it looks.
    let group = match &*role_ref.api_group {
        "" => names::RBAC_GROUP,
        group => group,
    };
    let bind = ResourceRequest::new("bind", group, resource);
    Some(bind.in_namespace(namespace).named(&role_ref.name))
}

/// Whether there is an `aggregationRule` that selects something.
fn aggregates(role: &Role) -> bool {
    role.aggregation
        .as_ref()
        .is_some_and(|selectors| !selectors.is_empty())
}

fn full_authority() -> [PolicyRule; 2] {
    let all = || -> Box<[Str]> { ["*".into()].into() };
    let resources = PolicyRule {
        verbs: all(),
        api_groups: all(),
        resources: all(),
        ..PolicyRule::default()
    };
    let urls = PolicyRule {
        verbs: all(),
        non_resource_urls: all(),
        ..PolicyRule::default()
    };
    [resources, urls]
}
