//! What is asked before an object is stored, and may stop a step: webhooks and admission policies.

mod attempt;

use std::fmt;

use bailiwick_core::{Kind, ObjectRef, ResourceRequest, Str};
use bailiwick_model::{
    AdmissionBinding, AdmissionPolicy, ApiTable, MatchResources, Snapshot, WebhookConfiguration,
};
use bailiwick_rbac::Scope;

use self::attempt::{Answer, Attempt};
use crate::graph::Step;

/// The webhooks and policies of a cluster.
///
/// What they are about is decided here as the API server does; what they then say is not: no server is asked and no
/// expression evaluated. So a step that reaches one is still a step, with a [`Guard`] that may stop it.
pub struct Admission<'s> {
    snapshot: &'s Snapshot,
    policies: Vec<(&'s AdmissionPolicy, &'s AdmissionBinding)>,
    webhooks: Vec<&'s WebhookConfiguration>,
    api: ApiTable,
}

/// A webhook or a policy that may stop a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guard {
    /// The policy or the configuration of webhooks.
    pub by: ObjectRef,
    /// The binding of the policy, or the webhook in the configuration.
    pub through: Str,
    /// Whether it can change what is asked for as well.
    pub changes: bool,
    /// Whether there are namespaces in which it does not stand in the way.
    pub in_some_namespaces: bool,
    /// Whether it is there for objects of some names or labels alone, which whoever writes an object picks.
    pub for_some_objects: bool,
}

impl<'s> Admission<'s> {
    /// Those of a snapshot.
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let validating = in_force(
            snapshot.validating_policies.iter(),
            snapshot.validating_policy_bindings.iter(),
        );
        let mutating = in_force(
            snapshot.mutating_policies.iter(),
            snapshot.mutating_policy_bindings.iter(),
        );
        let policies: Vec<_> = validating.into_iter().chain(mutating).collect();
        let webhooks: Vec<_> = snapshot
            .validating_webhooks
            .iter()
            .chain(snapshot.mutating_webhooks.iter())
            .collect();
        let mut api = ApiTable::default();
        if !policies.is_empty() || !webhooks.is_empty() {
            let newest = ApiTable::MINORS.last().copied();
            let minor = snapshot.cluster.minor.or(newest);
            api = minor.and_then(ApiTable::embedded).unwrap_or_default();
            for custom in snapshot.custom_resources.iter() {
                api.add_custom(custom);
            }
        }
        Self {
            snapshot,
            policies,
            webhooks,
            api,
        }
    }

    /// What may stop a step, each once. Nothing for steps that need no request that is looked at before it is done,
    /// such as reading.
    pub fn guards(&self, step: &Step<'_>) -> Vec<Guard> {
        if self.policies.is_empty() && self.webhooks.is_empty() {
            return Vec::new();
        }
        let mut guards: Vec<Guard> = Attempt::of(step, self.snapshot)
            .iter()
            .flat_map(|attempt| self.guards_of_attempt(attempt))
            .collect();
        guards.sort();
        // Of several requests of a step that one guard is about the one that it is surest to stop.
        guards.dedup_by(|one, before| (&one.by, &one.through) == (&before.by, &before.through));
        guards
    }

    /// What may stop a request, for a resource of this scope. A request in a namespace that names none is one in
    /// whichever namespace suits.
    pub fn guards_of(&self, request: &ResourceRequest, scope: Scope) -> Vec<Guard> {
        let attempt = Attempt::new(request.clone(), scope);
        attempt.map_or_else(Vec::new, |attempt| self.guards_of_attempt(&attempt))
    }

    fn guards_of_attempt(&self, attempt: &Attempt) -> Vec<Guard> {
        let mut guards = Vec::new();
        for (policy, binding) in &self.policies {
            let by = ObjectRef::new(policy.kind(), "", &policy.metadata.name);
            let about = attempt.matches(&policy.matches, true, self);
            let limited = attempt.matches(&binding.matches, false, self);
            let own = guard(
                by,
                &binding.metadata.name,
                policy.mutating,
                [about, limited],
            );
            guards.extend(own.filter(|_| !attempt.is_exempt_from_policies()));
        }
        for configuration in &self.webhooks {
            let by = ObjectRef::new(configuration.kind(), "", &configuration.metadata.name);
            for webhook in &configuration.webhooks {
                let about = attempt.matches(&webhook.matches, true, self);
                let own = guard(by.clone(), &webhook.name, configuration.mutating, [about]);
                guards.extend(own.filter(|_| !attempt.is_of_admission()));
            }
        }
        guards
    }
}

/// The policies that a binding puts in force, so that they can stop something.
pub(crate) fn in_force<'p>(
    policies: impl Iterator<Item = &'p AdmissionPolicy>,
    bindings: impl Iterator<Item = &'p AdmissionBinding>,
) -> Vec<(&'p AdmissionPolicy, &'p AdmissionBinding)> {
    let bindings: Vec<&AdmissionBinding> = bindings.collect();
    let of = |policy: &'p AdmissionPolicy| {
        let own = bindings.iter().copied();
        let own = own.filter(|binding| binding.policy == policy.metadata.name);
        let own = own.filter(|binding| may_stop(policy, binding));
        own.map(move |binding| (policy, binding))
            .collect::<Vec<_>>()
    };
    policies.flat_map(of).collect()
}

/// Whether a policy that a binding puts in force can stop anything.
///
/// One that only warns or takes notes does so where it cannot be evaluated as it should, unless it lets everything pass
/// then: without its parameters, or without the value of an annotation
/// (upstream `admission/plugin/policy/validating/dispatcher.go`).
fn may_stop(policy: &AdmissionPolicy, binding: &AdmissionBinding) -> bool {
    let by_mistake = policy.param_kind.is_some() || policy.annotates;
    (policy.judges && binding.denies) || (by_mistake && !policy.fails_open)
}

/// The guard, unless one of these answers keeps it off.
fn guard<const N: usize>(
    by: ObjectRef,
    through: &Str,
    changes: bool,
    answers: [Option<Answer>; N],
) -> Option<Guard> {
    let mut guard = Guard {
        by,
        through: through.clone(),
        changes,
        in_some_namespaces: false,
        for_some_objects: false,
    };
    for answer in answers {
        let answer = answer?;
        guard.in_some_namespaces |= answer.in_some_namespaces;
        guard.for_some_objects |= answer.for_some_objects;
    }
    Some(guard)
}

impl fmt::Display for Guard {
    /// A sentence without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match self.changes {
            true => "stopped or changed",
            false => "stopped",
        };
        let (part, why) = match self.by.kind {
            Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => {
                ("webhook", "which is not asked")
            }
            _ => ("binding", "whose expressions are not evaluated"),
        };
        let (by, through) = (&self.by, &self.through);
        write!(f, "may be {does} by {by} ({part} {through}), {why}")?;
        if self.in_some_namespaces {
            f.write_str("; not in every namespace")?;
        }
        if self.for_some_objects {
            f.write_str("; not for every name and label of objects")?;
        }
        Ok(())
    }
}

impl Admission<'_> {
    /// Whether a rule is about a version in which a resource is served. Whoever sends the request picks one.
    fn serves(&self, group: &str, resource: &str, versions: &[Str]) -> bool {
        let known = self.api.resource(group, resource);
        versions.iter().any(|own| {
            &**own == "*"
                || known.is_none_or(|known| known.versions.iter().any(|v| v.version == *own))
        })
    }

    /// Whether namespaces of this name, or where there is none any, have labels that are selected, and whether all do.
    fn selected(&self, matches: &MatchResources, namespace: Option<&str>) -> (bool, bool) {
        let namespaces = &self.snapshot.namespaces;
        let unknown = || (true, false);
        match namespace {
            Some(name) => match namespaces.get("", name) {
                Some(known) => {
                    let is = attempt::is_selected(&known.metadata, name, &matches.namespaces);
                    (is, is)
                }
                None if matches.by_namespace() => unknown(),
                None => {
                    let metadata = bailiwick_model::ObjectMeta::named("", name);
                    let is = attempt::is_selected(&metadata, name, &matches.namespaces);
                    (is, is)
                }
            },
            None if namespaces.is_empty() => unknown(),
            None => {
                let is = |own: &bailiwick_model::Namespace| {
                    let metadata = &own.metadata;
                    attempt::is_selected(metadata, &metadata.name, &matches.namespaces)
                };
                (namespaces.iter().any(is), namespaces.iter().all(is))
            }
        }
    }
}
