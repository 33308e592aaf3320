use bailiwick_core::{Kind, ObjectRef, Request, ResourceRequest, Str, UserInfo};
use bailiwick_model::{
    Binding, BindingSubject, Delta, Object, ObjectMeta, Origin, PolicyRule, Role, RoleRef, Snapshot,
};
use bailiwick_rbac::Engine;

/// What the cluster's tier lets the policies and relations of a namespace grant there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Its name, unique.
    pub name: Str,
    /// The namespaces that it is for, by name.
    pub namespaces: Vec<Str>,
    /// What they may grant, in the words of RBAC.
    pub rules: Vec<PolicyRule>,
}

/// All delegations: RBAC with one subject, which stands for the namespace's tier.
#[derive(Clone, Debug)]
pub struct Delegations {
    engine: Engine,
    tier: UserInfo,
}

/// The name under which a namespace's tier is bound. It is bound nowhere but in the engine here.
const TIER: &str = "tier";

impl Default for Delegations {
    fn default() -> Self {
        Self {
            engine: Engine::new(Snapshot::default()),
            tier: UserInfo::exactly(TIER, &[]),
        }
    }
}

impl Delegations {
    /// Adds a delegation, in place of the one of its name.
    pub fn put(&mut self, delegation: &Delegation) {
        self.remove(&delegation.name);
        let name = &delegation.name;
        self.apply(Object::Role(Role {
            metadata: ObjectMeta::named("", name),
            rules: delegation.rules.clone().into(),
            ..Role::default()
        }));
        for namespace in &delegation.namespaces {
            self.apply(Object::Binding(Binding {
                metadata: ObjectMeta::named(namespace, name),
                role_ref: RoleRef {
                    kind: Kind::ClusterRole.as_str().into(),
                    name: name.clone(),
                    ..RoleRef::default()
                },
                subjects: [BindingSubject {
                    kind: "User".into(),
                    name: TIER.into(),
                    ..BindingSubject::default()
                }]
                .into(),
            }));
        }
    }

    /// Takes a delegation away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let bindings: Vec<ObjectRef> = self
            .engine
            .snapshot()
            .bindings
            .iter()
            .filter(|binding| *binding.metadata.name == *name)
            .map(|binding| ObjectRef::new(Kind::RoleBinding, &binding.metadata.namespace, name))
            .collect();
        for binding in bindings {
            self.engine.apply(Delta::Remove(binding));
        }
        let role = ObjectRef::new(Kind::ClusterRole, "", name);
        self.engine.apply(Delta::Remove(role)).is_some()
    }

    fn apply(&mut self, object: Object) {
        self.engine
            .apply(Delta::Upsert(Box::new(object), Origin::default()));
    }

    /// Whether a namespace's tier may grant this request. Whatever is delegated, it never grants what would let
    /// somebody get more than was delegated.
    pub(crate) fn allow(&self, request: &Request) -> bool {
        match request {
            Request::Resource(resource) if !gives_more(resource) => {
                self.engine.decide(&self.tier, request).is_allowed()
            }
            _ => false,
        }
    }
}

/// Whether the request could lead to rights that its author does not have: acting as somebody else, giving roles that
/// one does not hold, or writing the documents that decisions are made of, of which RBAC's own check knows nothing.
fn gives_more(request: &ResourceRequest) -> bool {
    let verb = request.verb.as_str();
    let reads = matches!(verb, "get" | "list" | "watch");
    matches!(verb, "bind" | "escalate" | "*")
        || verb.starts_with("impersonate")
        || (!reads && request.group == GROUP)
}

/// API group of Bailiwick's own documents.
const GROUP: &str = "bailiwick.dev";
