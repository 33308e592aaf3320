use bailiwick_core::{Grant, Kind, ObjectRef, Subject, UserInfo, names};
use bailiwick_model::{Binding, BindingSubject, PolicyRule, Role};

use crate::decide::first_applying;
use crate::engine::Engine;
use crate::index::{BindingSlot, Given, RoleSlot, SubjectKey};

/// Why RBAC allows something: a rule of a role that a binding gives to a subject. Borrowed from the engine; costs
/// nothing to make and copy.
#[derive(Clone, Copy)]
pub struct GrantRef<'a> {
    engine: &'a Engine,
    binding: &'a BindingSlot,
    role: &'a RoleSlot,
    rule: u32,
    subject: Applies<'a>,
}

/// Which subject of the binding applies.
#[derive(Clone, Copy)]
pub(crate) enum Applies<'a> {
    /// The one in this place.
    At(u32),
    /// The first that applies to the user. Most answers are given without a look at the binding.
    First(&'a UserInfo),
}

impl<'a> GrantRef<'a> {
    /// The role comes with the binding, so that the two are read at the same time.
    pub(crate) fn new(
        engine: &'a Engine,
        given: Given,
        rule: u32,
        subject: Applies<'a>,
    ) -> Option<Self> {
        Some(Self {
            engine,
            binding: engine.index.binding(given.binding)?,
            role: engine.index.role(given.role)?,
            rule,
            subject,
        })
    }

    /// `RoleBinding` or `ClusterRoleBinding`.
    pub fn binding_kind(&self) -> Kind {
        self.binding.kind()
    }

    /// Name of the binding.
    pub fn binding_name(&self) -> &'a str {
        &self.binding.name
    }

    /// Namespace of the binding; empty for a ClusterRoleBinding.
    pub fn namespace(&self) -> &'a str {
        self.engine.index.symbols.text(self.binding.namespace)
    }

    /// `Role` or `ClusterRole`.
    pub fn role_kind(&self) -> Kind {
        self.role.kind()
    }

    /// Name of the role.
    pub fn role_name(&self) -> &'a str {
        self.engine.index.symbols.text(self.role.name)
    }

    /// Position of the rule in the role's `rules`.
    pub fn rule(&self) -> usize {
        self.rule as usize
    }

    /// Position of the subject in the binding's `subjects`.
    pub fn subject(&self) -> usize {
        let place = match self.subject {
            Applies::At(place) => place,
            Applies::First(user) => first_applying(&self.engine.index, self.binding, user),
        };
        place as usize
    }

    /// The name by which the subject matched: a group, or a user name (of a service account, the one that it makes
    /// requests with).
    pub fn subject_name(&self) -> &'a str {
        self.name_of(self.subject())
    }

    fn name_of(&self, subject: usize) -> &'a str {
        match self.engine.index.subjects(self.binding).get(subject) {
            Some(subject) => self.engine.index.symbols.text(subject.name()),
            None => "",
        }
    }

    /// The reference to the binding.
    pub fn binding_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.binding_kind(),
            namespace: self.engine.index.symbols.shared(self.binding.namespace),
            name: self.binding.name.clone(),
        }
    }

    /// The reference to the role.
    pub fn role_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.role_kind(),
            namespace: self.engine.index.symbols.shared(self.role.namespace),
            name: self.engine.index.symbols.shared(self.role.name),
        }
    }

    /// The binding in the snapshot.
    pub fn binding(&self) -> Option<&'a Binding> {
        let store = &self.engine.snapshot().bindings;
        store.get(self.namespace(), self.binding_name())
    }

    /// The role in the snapshot.
    pub fn role(&self) -> Option<&'a Role> {
        let namespace = self.engine.index.symbols.text(self.role.namespace);
        self.engine
            .snapshot()
            .roles
            .get(namespace, self.role_name())
    }

    /// The rule in the snapshot.
    pub fn policy_rule(&self) -> Option<&'a PolicyRule> {
        self.role()?.rules.get(self.rule())
    }

    /// The subject as the binding spells it.
    pub fn binding_subject(&self) -> Option<&'a BindingSubject> {
        self.binding()?.subjects.get(self.subject())
    }

    /// The same with strings of its own.
    pub fn to_grant(&self) -> Grant {
        let subject = self.subject();
        Grant {
            binding: self.binding_ref(),
            role: self.role_ref(),
            rule: self.rule(),
            subject: self.spelled(subject),
        }
    }

    /// The subject as the binding spells it. A service account has two spellings, between which the index makes no
    /// difference; for whatever else it holds nobody has to look at the snapshot.
    fn spelled(&self, subject: usize) -> Subject {
        let key = self.engine.index.subjects(self.binding).get(subject);
        let key = key.copied().unwrap_or(SubjectKey::NOBODY);
        let known = key != SubjectKey::NOBODY;
        let name = self.name_of(subject);
        if known && key.is_group() {
            return Subject::Group { name: name.into() };
        }
        // Without the prefix, it is no account. With it, a binding may name one whose name no account can have.
        let plain = !name.starts_with(names::SERVICE_ACCOUNT_USER_PREFIX);
        if known && (plain || self.binding.is_as_named()) {
            return Subject::from_user_name(name);
        }
        let spelled = self
            .binding()
            .and_then(|binding| binding.subjects.get(subject));
        let spelled = spelled.and_then(|subject| subject.subject(self.namespace()));
        spelled.unwrap_or_else(|| Subject::from_user_name(name))
    }
}

impl std::fmt::Debug for GrantRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} → {} rule {} subject {}",
            self.binding_ref(),
            self.role_ref(),
            self.rule,
            self.subject()
        )
    }
}
