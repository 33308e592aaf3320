use bailiwick_core::Str;
use bailiwick_core::names::{
    AUTHENTICATED, RBAC_GROUP, SERVICE_ACCOUNT_USER_PREFIX, SERVICE_ACCOUNTS,
};
use bailiwick_model::{
    Binding, BindingSubject, LabelSelector, Object, ObjectMeta, PolicyRule, Role, RoleRef, Snapshot,
};

use super::rng::Rng;
use super::{empty, put, strs, words};

/// How to make a small cluster of odd things. [`Wild::default`] is what the differential tests use.
#[derive(Clone, Debug)]
pub struct Wild {
    /// Number of namespaces.
    pub namespaces: usize,
    /// Number of ClusterRoles; a tenth of them aggregated, unless `storable`.
    pub cluster_roles: usize,
    /// Number of Roles.
    pub roles: usize,
    /// Number of ClusterRoleBindings.
    pub cluster_role_bindings: usize,
    /// Number of RoleBindings.
    pub role_bindings: usize,
    /// Only what an API server stores.
    pub storable: bool,
    /// What all names start with, so that several clusters can live in one API server.
    pub prefix: String,
}

impl Default for Wild {
    fn default() -> Self {
        Self {
            namespaces: 4,
            cluster_roles: 30,
            roles: 30,
            cluster_role_bindings: 20,
            role_bindings: 60,
            storable: false,
            prefix: String::new(),
        }
    }
}

/// The label by which ClusterRoles are gathered; its value is a level, and level `n` gathers level `n + 1`, so that
/// no circle arises.
const LEVEL: &str = "shop.example/level";

impl Wild {
    /// Makes the cluster of this seed.
    pub fn cluster(&self, seed: u64) -> Snapshot {
        let mut rng = Rng::new(seed);
        let mut snapshot = empty(format!("wild {seed}"));
        for i in 0..self.cluster_roles {
            let role = self.cluster_role(&mut rng, i);
            put(&mut snapshot, Object::Role(role));
        }
        for i in 0..self.roles {
            let metadata = ObjectMeta::named(&self.namespace(&mut rng), &self.role_name(i));
            let rules = self.rules(&mut rng, false);
            put(&mut snapshot, Object::Role(role(metadata, rules)));
        }
        for i in 0..self.cluster_role_bindings {
            let binding = self.binding(&mut rng, "", i);
            put(&mut snapshot, Object::Binding(binding));
        }
        for i in 0..self.role_bindings {
            let namespace = self.namespace(&mut rng);
            let binding = self.binding(&mut rng, &namespace, i);
            put(&mut snapshot, Object::Binding(binding));
        }
        snapshot
    }

    /// A binding to put, for changes: of a name that the cluster may have, or not.
    pub fn any_binding(&self, rng: &mut Rng) -> Binding {
        if rng.chance(25) {
            let i = rng.below(self.cluster_role_bindings + 2);
            self.binding(rng, "", i)
        } else {
            let i = rng.below(self.role_bindings + 2);
            let namespace = self.namespace(rng);
            self.binding(rng, &namespace, i)
        }
    }

    /// A role to put, for changes: of a name that the cluster may have, or not.
    pub fn any_role(&self, rng: &mut Rng) -> Role {
        if rng.chance(50) {
            let i = rng.below(self.cluster_roles + 2);
            self.cluster_role(rng, i)
        } else {
            let i = rng.below(self.roles + 2);
            let metadata = ObjectMeta::named(&self.namespace(rng), &self.role_name(i));
            role(metadata, self.rules(rng, false))
        }
    }

    /// The names of all namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        (0..self.namespaces)
            .map(|i| format!("{}ns-{i}", self.prefix))
            .collect()
    }

    fn namespace(&self, rng: &mut Rng) -> String {
        rng.pick(&self.namespaces()).clone()
    }

    fn role_name(&self, i: usize) -> String {
        format!("{}role-{i}", self.prefix)
    }

    fn cluster_role(&self, rng: &mut Rng, i: usize) -> Role {
        let mut metadata = ObjectMeta::named("", &self.role_name(i));
        let mut made = role(metadata.clone(), self.rules(rng, true));
        let level = i % 4;
        if !self.storable && rng.chance(40) {
            metadata.labels = [(LEVEL.into(), Str::from(level.to_string()))].into();
            made.metadata = metadata;
        }
        if !self.storable && rng.chance(10) {
            let next = Str::from((level + 1).to_string());
            let selector = LabelSelector {
                match_labels: [(LEVEL.into(), next)].into(),
                ..LabelSelector::default()
            };
            made.aggregation = Some([selector].into());
        }
        made
    }

    fn rules(&self, rng: &mut Rng, with_urls: bool) -> Vec<PolicyRule> {
        let count = rng.below(5);
        (0..count).map(|_| self.rule(rng, with_urls)).collect()
    }

    fn rule(&self, rng: &mut Rng, with_urls: bool) -> PolicyRule {
        let verbs = mixed(rng, words::VERBS, words::ODD_VERBS, 4);
        let urls = if self.storable {
            with_urls && rng.chance(20)
        } else {
            rng.chance(20)
        };
        let mut rule = PolicyRule {
            verbs,
            ..PolicyRule::default()
        };
        if urls {
            rule.non_resource_urls = mixed(rng, words::URLS, words::ODD_URLS, 3);
        }
        if !urls || (!self.storable && rng.chance(20)) {
            rule.api_groups = mixed(rng, words::GROUPS, words::ODD_GROUPS, 3);
            rule.resources = mixed(rng, words::RESOURCES, words::ODD_RESOURCES, 4);
            if rng.chance(30) {
                rule.resource_names = mixed(rng, words::NAMES, words::ODD_NAMES, 3);
            }
        }
        if !self.storable && rng.chance(3) {
            let field = match rng.below(3) {
                0 => &mut rule.verbs,
                1 => &mut rule.api_groups,
                _ => &mut rule.resources,
            };
            *field = Box::default();
        }
        rule
    }

    fn binding(&self, rng: &mut Rng, namespace: &str, i: usize) -> Binding {
        let count = match rng.below(10) {
            0 => 0,
            1..=6 => 1,
            _ => 1 + rng.below(4),
        };
        let mut subjects: Vec<BindingSubject> =
            (0..count).map(|_| self.subject(rng, namespace)).collect();
        if rng.chance(5) {
            subjects.extend(subjects.first().cloned());
        }
        Binding {
            metadata: ObjectMeta::named(namespace, &format!("{}binding-{i}", self.prefix)),
            role_ref: self.role_ref(rng, namespace),
            subjects: subjects.into(),
        }
    }

    /// One in ten names a role that is not there, and a few, unless `storable`, one that cannot be.
    fn role_ref(&self, rng: &mut Rng, namespace: &str) -> RoleRef {
        let kind = if !self.storable && rng.chance(4) {
            *rng.pick(&["Role", "role", "", "Group"])
        } else if namespace.is_empty() || rng.chance(50) {
            "ClusterRole"
        } else {
            "Role"
        };
        let defined = self.cluster_roles.max(self.roles);
        RoleRef {
            api_group: RBAC_GROUP.into(),
            kind: kind.into(),
            name: self.role_name(rng.below(defined + defined / 10)).into(),
        }
    }

    fn subject(&self, rng: &mut Rng, namespace: &str) -> BindingSubject {
        let other = self.namespace(rng);
        let account = *rng.pick(&["default", "runner", "operator"]);
        let (kind, name, of) = match rng.below(20) {
            0..=5 => ("User", self.user(rng), ""),
            6..=11 => ("Group", self.group(rng), ""),
            12..=14 => ("ServiceAccount", account.to_owned(), &*other),
            15 if self.storable && namespace.is_empty() => ("User", self.user(rng), ""),
            15 => ("ServiceAccount", account.to_owned(), ""),
            16 => (
                "User",
                format!("{SERVICE_ACCOUNT_USER_PREFIX}{other}:{account}"),
                "",
            ),
            17 => ("Group", format!("{SERVICE_ACCOUNTS}:{other}"), ""),
            18 if rng.chance(30) => ("Group", AUTHENTICATED.to_owned(), ""),
            _ if self.storable => ("User", self.user(rng), ""),
            _ => match rng.below(4) {
                0 => ("Robot", self.user(rng), ""),
                1 => ("user", self.user(rng), ""),
                2 => ("User", String::new(), ""),
                _ => ("ServiceAccount", "a:b".to_owned(), &*other),
            },
        };
        let api_group = match kind {
            "User" | "Group" => RBAC_GROUP,
            _ => "",
        };
        BindingSubject {
            kind: kind.into(),
            api_group: api_group.into(),
            name: name.into(),
            namespace: of.into(),
        }
    }

    fn user(&self, rng: &mut Rng) -> String {
        format!("{}user-{}", self.prefix, rng.below(20))
    }

    fn group(&self, rng: &mut Rng) -> String {
        format!("{}group-{}", self.prefix, rng.below(8))
    }
}

fn role(metadata: ObjectMeta, rules: Vec<PolicyRule>) -> Role {
    Role {
        metadata,
        rules: rules.into(),
        aggregation: None,
    }
}

/// One to `most` words, one in five of them odd.
fn mixed(rng: &mut Rng, plain: &[&str], odd: &[&str], most: usize) -> Box<[Str]> {
    let count = 1 + rng.below(most);
    let words: Vec<&str> = (0..count)
        .map(|_| {
            if rng.chance(20) {
                *rng.pick(odd)
            } else {
                *rng.pick(plain)
            }
        })
        .collect();
    strs(&words)
}
