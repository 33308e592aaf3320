use std::collections::BTreeSet;

use bailiwick_core::Subject;
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_model::{Binding, PolicyRule, Role};
use bailiwick_rbac::Right;

use crate::check::Check;
use crate::scan::{Scan, effective};
use crate::words::{bounded, count, quoted, ticked};

/// What gives a right away: a rule of a role that somebody wrote, or a binding of a role that every cluster has.
pub(crate) struct Cause<'a> {
    /// The role that holds the rule.
    pub(crate) role: &'a Role,
    /// The rule.
    pub(crate) rule: &'a PolicyRule,
    /// The binding, where it is the cause.
    binding: Option<&'a Binding>,
    /// The field to look at.
    place: Place,
    /// Who gets it.
    pub(crate) holders: Vec<Holder<'a>>,
}

/// A subject of a binding.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) position: usize,
}

/// Which bindings make a right live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// Any; a RoleBinding gives it in its namespace.
    Anywhere,
    /// ClusterRoleBindings alone: the request has no namespace.
    ClusterWide,
}

/// A right to report wherever it is given.
pub(crate) struct Grant<'a> {
    pub(crate) check: &'a Check,
    pub(crate) rights: &'a [Right],
    pub(crate) live: Live,
    /// What it allows, behind "lets alice ...".
    pub(crate) does: &'a str,
    pub(crate) help: &'a str,
}

impl<'a> Scan<'a> {
    /// Every cause of rules in which `find` finds something and that reach somebody; it gives the pointer into the
    /// rule.
    ///
    /// A role that the API server creates is meant to be bound in a namespace: such a RoleBinding is no cause.
    pub(crate) fn causes(
        &self,
        live: Live,
        find: impl Fn(&PolicyRule) -> Option<String>,
    ) -> Vec<Cause<'a>> {
        let mut causes = Vec::new();
        for role in self.snapshot.roles.iter() {
            let bindings = self.bindings_of(role);
            if bindings.is_empty() {
                continue;
            }
            let mut by_binding = BTreeSet::new();
            for (position, rule) in role.rules.iter().enumerate() {
                let Some(field) = find(rule) else {
                    continue;
                };
                if self.is_default_rule(role, rule) {
                    for &binding in bindings.iter().filter(|b| b.metadata.namespace.is_empty()) {
                        if by_binding.insert(&binding.metadata.name) {
                            causes.extend(self.binding_cause(role, rule, binding));
                        }
                    }
                } else if role.aggregation.is_none() || self.default_role(role).is_none() {
                    let pointer = self.pointer(role, position, &field);
                    causes.extend(self.rule_cause(role, rule, bindings, live, pointer));
                }
            }
        }
        causes
    }

    fn binding_cause(
        &self,
        role: &'a Role,
        rule: &'a PolicyRule,
        binding: &'a Binding,
    ) -> Option<Cause<'a>> {
        let holders: Vec<Holder<'a>> = holders_of(binding)
            .filter(|holder| {
                let subject = binding.subjects.get(holder.position);
                !subject.is_some_and(|subject| self.is_default_subject(binding, subject))
            })
            .collect();
        (!holders.is_empty()).then(|| Cause {
            role,
            rule,
            binding: Some(binding),
            place: Place::field(binding.object_ref(), "/roleRef/name"),
            holders,
        })
    }

    fn rule_cause(
        &self,
        role: &'a Role,
        rule: &'a PolicyRule,
        bindings: &[&'a Binding],
        live: Live,
        pointer: String,
    ) -> Option<Cause<'a>> {
        let holders: Vec<Holder<'a>> = bindings
            .iter()
            .filter(|binding| live == Live::Anywhere || binding.metadata.namespace.is_empty())
            .flat_map(|&binding| holders_of(binding))
            .collect();
        (!holders.is_empty()).then(|| Cause {
            role,
            rule,
            binding: None,
            place: Place::field(role.object_ref(), pointer),
            holders,
        })
    }

    /// The field of a rule; the manifest of an aggregated role does not hold the rules.
    pub(crate) fn pointer(&self, role: &Role, rule: usize, field: &str) -> String {
        if role.aggregation.is_some() && !self.snapshot.cluster.stored {
            "/aggregationRule".to_owned()
        } else {
            format!("/rules/{rule}/{field}")
        }
    }

    /// Findings about every place where a right is given without names. One step less severe where it holds in
    /// namespaces only.
    pub(crate) fn report(&self, grant: &Grant<'_>) -> Vec<Finding> {
        let find = |rule: &PolicyRule| {
            let unnamed = rule.resource_names.is_empty();
            let hit = |right: &Right| right.named_in(rule);
            let position = grant.rights.iter().find_map(hit).filter(|_| unnamed)?;
            Some(format!("resources/{position}"))
        };
        let finding = |cause: Cause<'a>| {
            let severity = cause.by_reach(grant.check.severity);
            cause
                .finding(grant.check, severity, grant.does)
                .help(grant.help)
        };
        self.causes(grant.live, find)
            .into_iter()
            .map(finding)
            .collect()
    }
}

impl<'a> Cause<'a> {
    /// A finding that says who gets what, where, and through what.
    pub(crate) fn finding(&self, check: &Check, severity: Severity, does: &str) -> Finding {
        let role = self.role.object_ref();
        let (giver, through) = match self.binding {
            Some(binding) => (binding.object_ref(), format!(", through {}", quoted(&role))),
            None => (role, String::new()),
        };
        let message = format!(
            "{} lets {} {does} {}{through}",
            quoted(&giver),
            self.who(),
            self.place_words(),
        );
        let mut finding = Finding::new(check.id, severity, message).at(self.place.clone());
        if let (None, Some(holder)) = (self.binding, self.holders.first()) {
            finding = finding.at(holder.place().label("given away here"));
        }
        // The message names the few subjects of one binding already.
        if self.binding.is_none() || self.holders.len() > 3 {
            finding.evidence = facts(&self.holders);
        }
        finding
    }

    /// This severity where the cause reaches the whole cluster, one less where it reaches namespaces only.
    pub(crate) fn by_reach(&self, top: Severity) -> Severity {
        if self.is_cluster_wide() {
            top
        } else {
            top.lower()
        }
    }

    /// Whether it holds in every namespace.
    pub(crate) fn is_cluster_wide(&self) -> bool {
        let mut bindings = self.holders.iter().map(|holder| holder.binding);
        bindings.any(|binding| binding.metadata.namespace.is_empty())
    }

    fn who(&self) -> String {
        ticked(self.subjects())
    }

    /// Everybody who gets it, each once.
    pub(crate) fn subjects(&self) -> BTreeSet<Subject> {
        self.holders.iter().filter_map(Holder::subject).collect()
    }

    /// Everybody who gets it with the namespace where (empty: in the whole cluster), each pair once.
    pub(crate) fn reached(&self) -> BTreeSet<(Subject, &'a str)> {
        let reached = |holder: &Holder<'a>| {
            let binding: &'a Binding = holder.binding;
            Some((holder.subject()?, &*binding.metadata.namespace))
        };
        self.holders.iter().filter_map(reached).collect()
    }

    fn place_words(&self) -> String {
        let namespaces: BTreeSet<&str> = self
            .holders
            .iter()
            .map(|holder| &*holder.binding.metadata.namespace)
            .collect();
        let mut names = namespaces.iter();
        match (names.next(), names.next()) {
            (Some(&"") | None, _) => "in the whole cluster".to_owned(),
            (Some(one), None) => format!("in namespace `{one}`"),
            _ => format!("in {}", count(namespaces.len(), "namespace")),
        }
    }
}

impl Holder<'_> {
    pub(crate) fn subject(&self) -> Option<Subject> {
        effective(self.binding.subjects.get(self.position)?, self.binding)
    }

    /// The subject's entry in the binding.
    pub(crate) fn place(&self) -> Place {
        let pointer = format!("/subjects/{}/name", self.position);
        Place::field(self.binding.object_ref(), pointer)
    }

    fn fact(&self) -> String {
        let subject = self.subject().map(|subject| subject.to_string());
        format!(
            "{} through {}",
            subject.unwrap_or_default(),
            self.binding.object_ref()
        )
    }
}

/// The subjects of a binding that stand for somebody.
pub(crate) fn holders_of(binding: &Binding) -> impl Iterator<Item = Holder<'_>> {
    (0..binding.subjects.len())
        .map(move |position| Holder { binding, position })
        .filter(|holder| holder.subject().is_some())
}

/// Who gets something through what, one a line.
pub(crate) fn facts(holders: &[Holder<'_>]) -> Vec<String> {
    bounded(holders.iter().map(Holder::fact))
}
