use std::sync::Arc;

use bailiwick_core::{
    Decision, Effect, Kind, NonResourceRequest, Reason, Request, Requirement, ResourceRequest,
    SelectorOperator, Timestamp, UserInfo,
};
use bailiwick_model::{
    Binding, BindingSubject, Delta, Namespace, Object, ObjectMeta, Origin, PolicyRule, Role,
    RoleRef, Snapshot,
};
use bailiwick_rbac::Engine;

use crate::{
    Delegation, Policies, PolicyDocument, Question, RelationSchema, Relations, Revocation,
    RevocationTarget, State, Tuple,
};

/// A state made by hand.
pub(super) struct World {
    pub(super) state: State,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            state: State::new(Arc::new(Engine::new(Snapshot::default()))),
        }
    }

    /// Policies of the cluster, or of `NAMESPACE:`.
    pub(super) fn policy(mut self, name: &str, cedar: &str) -> Self {
        let (namespace, name) = name.split_once(':').unwrap_or(("", name));
        let document = PolicyDocument {
            namespace: namespace.into(),
            name: name.into(),
            cedar: cedar.to_owned(),
            links: Vec::new(),
        };
        let policies: &mut Policies = Arc::make_mut(&mut self.state.policies);
        if let Err(problems) = policies.put(&document) {
            panic!("{name}: {problems:#?}");
        }
        self
    }

    /// `user` may do `verb` on `resource` everywhere.
    pub(super) fn rbac(mut self, user: &str, verb: &str, resource: &str) -> Self {
        grant(Arc::make_mut(&mut self.state.rbac), user, verb, resource);
        self
    }

    pub(super) fn floor(mut self, user: &str, verb: &str, resource: &str) -> Self {
        grant(Arc::make_mut(&mut self.state.floor), user, verb, resource);
        self
    }

    pub(super) fn revoked(mut self, user: &str) -> Self {
        Arc::make_mut(&mut self.state.revocations).put(Revocation {
            name: user.into(),
            target: RevocationTarget::User(user.into()),
            reason: "gone".into(),
            expires: None,
        });
        self
    }

    pub(super) fn namespace(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        let mut metadata = ObjectMeta::named("", name);
        metadata.labels = labels.iter().map(|&(k, v)| (k.into(), v.into())).collect();
        let object = Object::Namespace(Namespace { metadata });
        let delta = Delta::Upsert(Box::new(object), Origin::default());
        Arc::make_mut(&mut self.state.rbac).apply(delta);
        self
    }

    pub(super) fn delegation(mut self, namespace: &str, verb: &str, resource: &str) -> Self {
        let delegations = Arc::make_mut(&mut self.state.delegations);
        delegations.put(&Delegation {
            name: format!("{namespace}-{verb}-{}", resource.len()).into(),
            namespaces: vec![namespace.into()],
            rules: vec![rule(verb, resource)],
        });
        self
    }

    /// Relations of the cluster, or of `NAMESPACE:`, where `reader` and `creator` are related to namespaces.
    pub(super) fn related(mut self, namespace: &str, tuple: &str) -> Self {
        let relations = Arc::make_mut(&mut self.state.relations);
        if relations.is_empty() {
            let own = [("creator", "[user]"), ("reader", "[user, group#member]")].to_vec();
            let actions = [
                ("create pods", "creator"),
                ("create rolebindings.rbac.authorization.k8s.io", "creator"),
            ];
            let pods = [("reader", "[user] or reader from namespace")].to_vec();
            let types = [
                ("namespaces", own, actions.to_vec()),
                (
                    "pods",
                    pods,
                    [("get", "reader"), ("impersonate", "reader")].to_vec(),
                ),
            ];
            *relations = Relations::new(RelationSchema::new(types).unwrap());
        }
        let tuple: Tuple = tuple.parse().unwrap();
        relations.extend(&namespace.into(), &[tuple]).unwrap();
        self
    }

    pub(super) fn decide(&self, user: &UserInfo, request: &Request) -> Decision {
        let question = Question::Kubernetes { user, request };
        self.state
            .decide(question, Timestamp::default())
            .to_decision()
    }

    /// Compares the answer, written as `Effect` or `Effect by EVIDENCE`.
    pub(super) fn check(&self, user: &str, request: &str, expected: &str) {
        let found = self.decide(&user_of(user), &request_of(request));
        assert_eq!(shown(&found), expected, "{user}: {request}: {found:#?}");
    }
}

fn rule(verb: &str, resource: &str) -> PolicyRule {
    PolicyRule {
        verbs: [verb.into()].into(),
        api_groups: ["*".into()].into(),
        resources: [resource.into()].into(),
        ..PolicyRule::default()
    }
}

fn grant(engine: &mut Engine, user: &str, verb: &str, resource: &str) {
    let name = format!("{user}-{verb}");
    let role = Role {
        metadata: ObjectMeta::named("", &name),
        rules: [rule(verb, resource)].into(),
        ..Role::default()
    };
    let binding = Binding {
        metadata: ObjectMeta::named("", &name),
        role_ref: RoleRef {
            kind: Kind::ClusterRole.as_str().into(),
            name: name.as_str().into(),
            ..RoleRef::default()
        },
        subjects: [BindingSubject {
            kind: "User".into(),
            name: user.into(),
            ..BindingSubject::default()
        }]
        .into(),
    };
    for object in [Object::Role(role), Object::Binding(binding)] {
        engine.apply(Delta::Upsert(Box::new(object), Origin::default()));
    }
}

/// `NAME` or `NAME GROUP...`.
pub(super) fn user_of(text: &str) -> UserInfo {
    let mut words = text.split(' ');
    let name = words.next().unwrap();
    UserInfo::exactly(name, &words.collect::<Vec<_>>())
}

/// `VERB /PATH`, or `VERB RESOURCE[.GROUP][/SUBRESOURCE] [NAMESPACE/][NAME] [KEY=VALUE,...]`.
pub(super) fn request_of(text: &str) -> Request {
    let words: Vec<&str> = text.split(' ').collect();
    if words[1].starts_with('/') {
        return NonResourceRequest {
            verb: words[0].to_owned(),
            path: words[1].to_owned(),
        }
        .into();
    }
    let (resource, subresource) = words[1].split_once('/').unwrap_or((words[1], ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let place = words.get(2).copied().unwrap_or_default();
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let selectors = words.get(3).into_iter().flat_map(|word| word.split(','));
    let label_selector = selectors.map(|word| {
        let (key, values) = word.split_once('=').unwrap();
        Requirement {
            key: key.to_owned(),
            operator: SelectorOperator::In,
            values: values.split('|').map(str::to_owned).collect(),
        }
    });
    ResourceRequest {
        verb: words[0].to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        label_selector: label_selector.collect(),
        ..ResourceRequest::default()
    }
    .into()
}

pub(super) fn shown(decision: &Decision) -> String {
    let by = match &decision.reason {
        Reason::Masters => " by masters".to_owned(),
        Reason::Rbac(_) => " by rbac".to_owned(),
        Reason::Floor(_) => " by floor".to_owned(),
        Reason::Revoked(_) => " by revocation".to_owned(),
        Reason::Policies { policies } => {
            let ids: Vec<&str> = policies.iter().map(|policy| &*policy.id).collect();
            format!(" by {}", ids.join(" "))
        }
        Reason::Relation { path } => format!(" by {}", path.join(" ")),
        Reason::Conditions(conditions) => {
            let list = |name: &str, list: &[bailiwick_core::Condition]| {
                let texts = list
                    .iter()
                    .map(|condition| format!(" {name}({})", condition.residual));
                texts.collect::<String>()
            };
            list("deny", &conditions.deny) + &list("allow", &conditions.allow)
        }
        Reason::Refused { message } => format!(": {message}"),
        _ => String::new(),
    };
    let effect = match decision.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
        Effect::NoOpinion => "NoOpinion",
        Effect::Conditional => "Conditional",
    };
    format!("{effect}{by}")
}
