//! What a binding gives to a crowd.

use bailiwick_core::Subject;
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_model::{Binding, BindingSubject, PolicyRule, Role};

use crate::check::Check;
use crate::rights::dangers;
use crate::scan::{Scan, effective};
use crate::words::{bounded, quoted};

/// How far a role goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exposure {
    /// Paths, named objects, or questions about oneself.
    Narrow,
    /// Reading.
    Reads,
    /// Anything else.
    Writes,
    /// What leads further, in words.
    Dangerous(Vec<&'static str>),
}

/// A role given to a crowd.
pub(crate) struct Given<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) subject: &'a BindingSubject,
    pub(crate) exposure: Exposure,
    position: usize,
    role: &'a Role,
}

/// Every role given to a subject that `crowd` picks, beyond what the API server gives it by default.
pub(crate) fn given_to<'a>(
    scan: &'a Scan<'a>,
    crowd: impl Fn(&Subject) -> bool,
) -> impl Iterator<Item = Given<'a>> {
    let entries = scan.snapshot.bindings.iter().flat_map(|binding| {
        (0..)
            .zip(&binding.subjects)
            .map(move |entry| (binding, entry))
    });
    entries.filter_map(move |(binding, (position, subject))| {
        let role = scan.role_of(binding)?;
        let named = effective(subject, binding).is_some_and(|subject| crowd(&subject));
        let kept = named && !(scan.is_default_subject(binding, subject) && all_default(scan, role));
        kept.then(|| Given {
            binding,
            subject,
            position,
            role,
            exposure: exposure(role),
        })
    })
}

fn all_default(scan: &Scan<'_>, role: &Role) -> bool {
    role.rules
        .iter()
        .all(|rule| scan.is_default_rule(role, rule))
}

fn exposure(role: &Role) -> Exposure {
    role.rules
        .iter()
        .map(rule_exposure)
        .max()
        .unwrap_or(Exposure::Narrow)
}

fn rule_exposure(rule: &PolicyRule) -> Exposure {
    let reads = |verb: &bailiwick_core::Str| matches!(&**verb, "get" | "list" | "watch");
    let only_reads = rule.verbs.iter().all(reads);
    // Reviews are questions, though the API has people create them.
    let reviews = |group: &bailiwick_core::Str| {
        matches!(&**group, "authorization.k8s.io" | "authentication.k8s.io")
    };
    let asks = !rule.api_groups.is_empty()
        && rule.api_groups.iter().all(reviews)
        && rule.verbs.iter().all(|verb| &**verb == "create");
    let dangers = dangers(rule);
    if rule.resources.is_empty() || asks || (only_reads && !rule.resource_names.is_empty()) {
        Exposure::Narrow
    } else if !dangers.is_empty() {
        Exposure::Dangerous(dangers)
    } else if only_reads {
        Exposure::Reads
    } else {
        Exposure::Writes
    }
}

impl Given<'_> {
    pub(crate) fn finding(&self, check: &Check, severity: Severity, whom: &str) -> Finding {
        let binding = self.binding.object_ref();
        let role = quoted(&self.role.object_ref());
        let message = format!("{} gives {role} to {whom}", quoted(&binding));
        let pointer = format!("/subjects/{}/name", self.position);
        let mut finding =
            Finding::new(check.id, severity, message).at(Place::field(binding, pointer));
        if let Exposure::Dangerous(dangers) = &self.exposure {
            finding.evidence = bounded(
                dangers
                    .iter()
                    .map(|danger| format!("with that one can {danger}")),
            );
        }
        finding
    }
}
