use std::collections::{HashMap, HashSet};

use bailiwick_core::{Kind, Subject, UserInfo, names};
use bailiwick_graph::Graph;
use bailiwick_model::{
    ApiTable, Binding, BindingSubject, LabelSelector, PolicyRule, Role, Snapshot,
};
use bailiwick_rbac::{Engine, Right};

use crate::mend::Mending;
use crate::reach::Reaches;
use crate::rights::{ESCALATE, WRITE_ROLES, is_everything};

/// A cluster with what every check wants to know of it.
pub(crate) struct Scan<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) api: &'a ApiTable,
    pub(crate) snapshot: &'a Snapshot,
    /// How far things lead.
    pub(crate) reaches: Reaches<'a>,
    /// What would mend them, and what is there by default.
    pub(crate) mending: Mending<'a>,
    /// Bindings by the namespace and name of their role.
    bindings: HashMap<(&'a str, &'a str), Vec<&'a Binding>>,
    /// Bindings by whom they name.
    held: HashMap<Subject, Vec<&'a Binding>>,
    /// Whoever has full control of the cluster.
    sovereigns: HashSet<Subject>,
    /// The first service account of each namespace with full control of the cluster.
    sovereign_accounts: HashMap<String, Sovereign<'a>>,
}

/// A service account with full control of the cluster.
pub(crate) struct Sovereign<'a> {
    pub(crate) subject: Subject,
    pub(crate) binding: &'a Binding,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(engine: &'a Engine, api: &'a ApiTable, graph: &'a Graph) -> Self {
        let snapshot = engine.snapshot();
        let mut bindings: HashMap<_, Vec<&Binding>> = HashMap::new();
        let mut held: HashMap<_, Vec<&Binding>> = HashMap::new();
        for binding in snapshot.bindings.iter() {
            for subject in binding.subjects.iter() {
                if let Some(subject) = effective(subject, binding) {
                    held.entry(subject).or_default().push(binding);
                }
            }
            if let Some(key) = role_key(binding) {
                bindings.entry(key).or_default().push(binding);
            }
        }
        let mut scan = Self {
            engine,
            api,
            snapshot,
            reaches: Reaches::new(snapshot, graph),
            mending: Mending::new(snapshot),
            bindings,
            held,
            sovereigns: HashSet::new(),
            sovereign_accounts: HashMap::new(),
        };
        scan.find_sovereigns();
        scan
    }

    /// The bindings that give a role, in order of namespace and name.
    pub(crate) fn bindings_of(&self, role: &'a Role) -> &[&'a Binding] {
        let key = (&*role.metadata.namespace, &*role.metadata.name);
        self.bindings.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The role that a binding gives, where it is there.
    pub(crate) fn role_of(&self, binding: &Binding) -> Option<&'a Role> {
        let (namespace, name) = role_key(binding)?;
        self.snapshot.roles.get(namespace, name)
    }

    /// The role of the same name that the API server creates for itself.
    pub(crate) fn default_role(&self, role: &Role) -> Option<&Role> {
        self.mending.defaults.role(role)
    }

    /// Whether the API server gives what this rule allows to this role by default.
    pub(crate) fn is_default_rule(&self, role: &Role, rule: &PolicyRule) -> bool {
        self.mending.defaults.is_rule(role, rule)
    }

    /// Whether the API server gives this role to this subject by this binding by default.
    pub(crate) fn is_default_subject(&self, binding: &Binding, subject: &BindingSubject) -> bool {
        self.mending.defaults.is_subject(binding, subject)
    }

    /// The binding of the same name that the API server creates for itself.
    pub(crate) fn default_binding(&self, binding: &Binding) -> Option<&Binding> {
        self.mending.defaults.binding(binding)
    }

    /// The rules that somebody wrote: those that the API server does not give by default, each with its position, of
    /// roles that do not gather them from others.
    pub(crate) fn written_rules(&self) -> impl Iterator<Item = (&'a Role, usize, &'a PolicyRule)> {
        let roles = self.snapshot.roles.iter();
        let roles = roles.filter(|role| role.aggregation.is_none());
        roles.flat_map(move |role| {
            let rules = role.rules.iter().enumerate();
            let written = rules.filter(|(_, rule)| !self.is_default_rule(role, rule));
            written.map(move |(position, rule)| (role, position, rule))
        })
    }

    /// Whether everything of these kinds in this namespace (empty: in the cluster) could be read, so that absence says
    /// something.
    pub(crate) fn is_complete(&self, kinds: &[Kind], namespace: &str) -> bool {
        self.snapshot
            .gaps_touching(kinds, namespace)
            .next()
            .is_none()
    }

    /// Whether a rule that reaches the subject in the namespace (empty: in the whole cluster) gives one of the rights,
    /// if only on some names.
    pub(crate) fn holds(&self, subject: &Subject, namespace: &str, rights: &[Right]) -> bool {
        let user = UserInfo::of(subject, &[]);
        let resolved = self.engine.rules_for(&user, namespace);
        resolved
            .rules
            .iter()
            .any(|own| rights.iter().any(|right| right.is_in(own.rule)))
    }

    /// Whether a rule that reaches the subject anywhere gives one of the rights, if only on some names.
    pub(crate) fn holds_anywhere(&self, subject: &Subject, rights: &[Right]) -> bool {
        let user = UserInfo::of(subject, &[]);
        let groups = user
            .groups
            .iter()
            .map(|name| Subject::Group { name: name.clone() });
        std::iter::once(subject.clone())
            .chain(groups)
            .flat_map(|subject| self.bindings_naming(&subject))
            .filter_map(|binding| self.role_of(binding))
            .flat_map(|role| &role.rules)
            .any(|rule| rights.iter().any(|right| right.is_in(rule)))
    }

    /// The ClusterRoles that gather rules of others, with their selectors.
    pub(crate) fn aggregated(&self) -> impl Iterator<Item = (&'a Role, &'a [LabelSelector])> {
        let roles = self.snapshot.roles.in_namespace("");
        roles.filter_map(|role| Some((role, role.aggregation.as_deref()?)))
    }

    /// Whether an aggregated ClusterRole with these selectors gathers the rules of this one.
    pub(crate) fn gathers(&self, selectors: &[LabelSelector], role: &Role) -> bool {
        selectors
            .iter()
            .any(|selector| selector.matches(&role.metadata) == Some(true))
    }

    /// The bindings that name this very subject.
    pub(crate) fn bindings_naming(&self, subject: &Subject) -> &[&'a Binding] {
        self.held.get(subject).map_or(&[], Vec::as_slice)
    }

    /// A service account of this namespace that has full control of the cluster.
    pub(crate) fn sovereign(&self, namespace: &str) -> Option<&Sovereign<'a>> {
        self.sovereign_accounts.get(namespace)
    }

    /// Whether the subject itself has full control of the cluster.
    pub(crate) fn is_sovereign(&self, subject: &Subject) -> bool {
        self.sovereigns.contains(subject)
    }

    fn find_sovereigns(&mut self) {
        for binding in self.snapshot.bindings.in_namespace("") {
            if !self.role_of(binding).is_some_and(is_sovereign) {
                continue;
            }
            for subject in binding
                .subjects
                .iter()
                .filter_map(|s| effective(s, binding))
            {
                if let Subject::ServiceAccount { namespace, .. } = &subject {
                    let account = Sovereign {
                        subject: subject.clone(),
                        binding,
                    };
                    self.sovereign_accounts
                        .entry(namespace.clone())
                        .or_insert(account);
                }
                self.sovereigns.insert(subject);
            }
        }
    }
}

/// Whom a subject of a binding stands for; `None` for nobody, and for `system:masters`, who need no binding.
pub(crate) fn effective(subject: &BindingSubject, binding: &Binding) -> Option<Subject> {
    match subject.subject(&binding.metadata.namespace)? {
        Subject::Group { name } if name == names::MASTERS => None,
        Subject::User { name } => Some(Subject::from_user_name(&name)),
        other => Some(other),
    }
}

/// Whether a role bound in the whole cluster is full control of it, at once or in one step.
pub(crate) fn is_sovereign(role: &Role) -> bool {
    let has = |rights: &[Right]| {
        role.rules
            .iter()
            .any(|rule| rights.iter().any(|right| right.is_in(rule)))
    };
    let [escalate, _] = ESCALATE;
    let [write, _] = WRITE_ROLES;
    role.rules.iter().any(is_everything) || (has(&[escalate]) && has(&[write]))
}

fn role_key(binding: &Binding) -> Option<(&str, &str)> {
    let name = &*binding.role_ref.name;
    match &*binding.role_ref.kind {
        "ClusterRole" => Some(("", name)),
        "Role" if !binding.metadata.namespace.is_empty() => {
            Some((&binding.metadata.namespace, name))
        }
        _ => None,
    }
}
