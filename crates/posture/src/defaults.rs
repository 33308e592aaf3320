use bailiwick_core::ObjectRef;
use bailiwick_model::{
    ApiTable, Binding, BindingSubject, Delta, Origin, PolicyRule, Role, Snapshot, defaults,
};
use bailiwick_rbac::{aggregation, covers};

/// What every API server of this version creates for itself, and what of a cluster is no more than that.
pub(crate) struct Defaults<'a> {
    snapshot: &'a Snapshot,
    /// The default objects, aggregated roles filled.
    own: Snapshot,
}

impl<'a> Defaults<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            own: default_objects(snapshot.cluster.minor),
        }
    }

    /// The role of the same name that the API server creates for itself.
    pub(crate) fn role(&self, role: &Role) -> Option<&Role> {
        let metadata = &role.metadata;
        self.own.roles.get(&metadata.namespace, &metadata.name)
    }

    /// The binding of the same name that the API server creates for itself.
    pub(crate) fn binding(&self, binding: &Binding) -> Option<&Binding> {
        let metadata = &binding.metadata;
        self.own.bindings.get(&metadata.namespace, &metadata.name)
    }

    /// Whether the API server gives what this rule allows to this role by default.
    pub(crate) fn is_rule(&self, role: &Role, rule: &PolicyRule) -> bool {
        let untouched = role.aggregation.is_none() && self.is_object(&role.object_ref());
        untouched
            || self.role(role).is_some_and(|default| {
                default.rules.contains(rule)
                    || covers(&default.rules, std::slice::from_ref(rule)).covered
            })
    }

    /// Whether the API server gives this role to this subject by this binding by default.
    pub(crate) fn is_subject(&self, binding: &Binding, subject: &BindingSubject) -> bool {
        self.is_object(&binding.object_ref())
            || self.binding(binding).is_some_and(|default| {
                default.role_ref.name == binding.role_ref.name
                    && default.role_ref.kind == binding.role_ref.kind
                    && default.subjects.iter().any(|own| {
                        (&own.kind, &own.namespace, &own.name)
                            == (&subject.kind, &subject.namespace, &subject.name)
                    })
            })
    }

    /// Whether this object was not in the input, but added as one that every API server has.
    pub(crate) fn is_object(&self, object: &ObjectRef) -> bool {
        matches!(self.snapshot.origin(object), Some(Origin::Default { .. }))
    }
}

/// The default objects of a minor, or of the newest known one.
fn default_objects(minor: Option<u16>) -> Snapshot {
    let newest = || ApiTable::MINORS.last().copied().and_then(defaults);
    let objects = minor.and_then(defaults).or_else(newest);
    let mut snapshot = Snapshot::default();
    for object in objects.unwrap_or_default() {
        snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    }
    for delta in aggregation::aggregate(&snapshot).deltas(&snapshot) {
        snapshot.apply(delta);
    }
    snapshot
}
