use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::{
    Binding, BindingSubject, Object, ObjectMeta, PolicyRule, Role, RoleRef, Snapshot,
};

use super::rng::Rng;
use super::{empty, put, strs, words};

/// A cluster of ordinary rules in given numbers. Half of the bindings name a user, a quarter a group, a quarter a
/// service account. Users and groups belong to a namespace, where all their RoleBindings are, and take turns, so that
/// each has as many bindings as any other of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// ClusterRoleBindings.
    pub cluster_role_bindings: usize,
    /// RoleBindings, the same number in each namespace.
    pub role_bindings: usize,
    /// ClusterRoles.
    pub cluster_roles: usize,
    /// Roles, the same number in each namespace.
    pub roles: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Service accounts in each namespace.
    pub service_accounts: usize,
}

impl Shape {
    /// The numbers of a large cluster reported in <https://github.com/DataDog/KubeHound/issues/87>.
    pub const KUBEHOUND_87: Self = Self {
        cluster_role_bindings: 676,
        role_bindings: 4491,
        cluster_roles: 721,
        roles: 1374,
        namespaces: 300,
        users: 500,
        groups: 100,
        service_accounts: 4,
    };

    /// So many times as much of everything, in each namespace the same.
    #[must_use]
    pub const fn times(self, factor: usize) -> Self {
        Self {
            cluster_role_bindings: self.cluster_role_bindings * factor,
            role_bindings: self.role_bindings * factor,
            cluster_roles: self.cluster_roles * factor,
            roles: self.roles * factor,
            namespaces: self.namespaces * factor,
            users: self.users * factor,
            groups: self.groups * factor,
            service_accounts: self.service_accounts,
        }
    }

    /// `bindings` bindings, 30 % of them cluster-wide, that look the same to each subject and in each namespace
    /// however many there are: a hundred bindings are those of 2 namespaces, 10 users and 4 groups, of which a user
    /// has 5 bindings on average and a group 6.
    pub fn mixed(bindings: usize) -> Self {
        let hundreds = bindings.div_ceil(100);
        Self {
            cluster_role_bindings: bindings * 3 / 10,
            role_bindings: bindings - bindings * 3 / 10,
            cluster_roles: 100,
            roles: hundreds * 8,
            namespaces: hundreds * 2,
            users: hundreds * 10,
            groups: hundreds * 4,
            service_accounts: 4,
        }
    }

    /// Makes the cluster.
    pub fn cluster(&self, seed: u64) -> Snapshot {
        let mut rng = Rng::new(seed);
        let mut snapshot = empty(format!("{self:?} {seed}"));
        for i in 0..self.cluster_roles {
            let role = ordinary_role(&mut rng, "", i, i % 20 == 0);
            put(&mut snapshot, Object::Role(role));
        }
        for i in 0..self.roles {
            let namespace = namespace(i % self.namespaces);
            let role = ordinary_role(&mut rng, &namespace, i / self.namespaces, false);
            put(&mut snapshot, Object::Role(role));
        }
        for i in 0..self.cluster_role_bindings {
            let binding = self.binding(&mut rng, None, i);
            put(&mut snapshot, Object::Binding(binding));
        }
        for i in 0..self.role_bindings {
            let of = Some(i % self.namespaces);
            let binding = self.binding(&mut rng, of, i);
            put(&mut snapshot, Object::Binding(binding));
        }
        snapshot
    }

    fn binding(&self, rng: &mut Rng, of: Option<usize>, i: usize) -> Binding {
        let own = of.map(namespace).unwrap_or_default();
        let roles_here = self.roles / self.namespaces;
        let (role_kind, role) = if of.is_some() && roles_here > 0 && rng.chance(60) {
            ("Role", rng.below(roles_here))
        } else {
            ("ClusterRole", rng.below(self.cluster_roles))
        };
        // In a namespace its own subjects take turns, cluster-wide all do.
        let turn = |all: usize, turn: usize| match of {
            None => turn % all,
            Some(namespace) => {
                let own = (all / self.namespaces).max(1);
                (namespace * own + turn % own) % all
            }
        };
        let place = i / of.map_or(1, |_| self.namespaces);
        let (kind, name, account_namespace) = match place % 4 {
            0 | 1 => (
                "User",
                user(turn(self.users, place / 4 * 2 + place % 4)),
                String::new(),
            ),
            2 => ("Group", group(turn(self.groups, place / 4)), String::new()),
            _ => {
                let account = format!("account-{}", place / 4 % self.service_accounts);
                let home = of.unwrap_or(place / 4 % self.namespaces);
                ("ServiceAccount", account, namespace(home))
            }
        };
        binding_of(
            &own,
            &format!("binding-{i}"),
            (role_kind, role),
            kind,
            name,
            account_namespace,
        )
    }

    /// One user with a RoleBinding in each of `namespaces` namespaces, and nobody else.
    pub fn one_user_everywhere(namespaces: usize, seed: u64) -> Snapshot {
        let mut rng = Rng::new(seed);
        let mut snapshot = empty(format!("one user in {namespaces} namespaces"));
        for i in 0..20 {
            let role = ordinary_role(&mut rng, "", i, false);
            put(&mut snapshot, Object::Role(role));
        }
        for i in 0..namespaces {
            let role = ("ClusterRole", rng.below(20));
            let own = namespace(i);
            let binding = binding_of(&own, "binding", role, "User", user(0), String::new());
            put(&mut snapshot, Object::Binding(binding));
        }
        snapshot
    }

    /// `bindings` RoleBindings of 40 namespaces, each to a user of its own, that all give one ClusterRole.
    pub fn one_role(bindings: usize, seed: u64) -> Snapshot {
        let mut rng = Rng::new(seed);
        let mut snapshot = empty(format!("{bindings} bindings of one role"));
        let mut role = ordinary_role(&mut rng, "", 0, false);
        role.rules = [PolicyRule {
            verbs: strs(&["get", "list"]),
            api_groups: strs(&[""]),
            resources: strs(&["secrets", "pods"]),
            ..PolicyRule::default()
        }]
        .into();
        put(&mut snapshot, Object::Role(role));
        for i in 0..bindings {
            let (own, name) = (namespace(i % 40), format!("binding-{i}"));
            let role = ("ClusterRole", 0);
            let binding = binding_of(&own, &name, role, "User", user(i), String::new());
            put(&mut snapshot, Object::Binding(binding));
        }
        snapshot
    }
}

fn binding_of(
    own: &str,
    name: &str,
    (role_kind, role): (&str, usize),
    kind: &str,
    subject: String,
    subject_namespace: String,
) -> Binding {
    let api_group = if kind == "ServiceAccount" {
        ""
    } else {
        RBAC_GROUP
    };
    Binding {
        metadata: ObjectMeta::named(own, name),
        role_ref: RoleRef {
            api_group: RBAC_GROUP.into(),
            kind: role_kind.into(),
            name: role_name(role).into(),
        },
        subjects: [BindingSubject {
            kind: kind.into(),
            api_group: api_group.into(),
            name: subject.into(),
            namespace: subject_namespace.into(),
        }]
        .into(),
    }
}

fn ordinary_role(rng: &mut Rng, namespace: &str, i: usize, all: bool) -> Role {
    let rules: Vec<PolicyRule> = (0..1 + rng.below(6))
        .map(|_| ordinary_rule(rng, all))
        .collect();
    Role {
        metadata: ObjectMeta::named(namespace, &role_name(i)),
        rules: rules.into(),
        aggregation: None,
    }
}

/// A rule of one group and a few resources; one in ten names objects, and `all` makes one in three for every
/// resource of its group.
fn ordinary_rule(rng: &mut Rng, all: bool) -> PolicyRule {
    let verbs: &[&str] = match rng.below(4) {
        0 => &["get", "list", "watch"],
        1 => &["get"],
        2 => &["create", "update", "patch", "delete"],
        _ => words::VERBS,
    };
    let resources = if all && rng.chance(33) {
        vec!["*"]
    } else {
        rng.some(words::RESOURCES, 1, 4)
    };
    let names = if rng.chance(10) {
        rng.some(words::NAMES, 1, 2)
    } else {
        Vec::new()
    };
    PolicyRule {
        verbs: strs(verbs),
        api_groups: strs(&[*rng.pick(words::GROUPS)]),
        resources: strs(&resources),
        resource_names: strs(&names),
        ..PolicyRule::default()
    }
}

fn namespace(i: usize) -> String {
    format!("namespace-{i}")
}

fn role_name(i: usize) -> String {
    format!("role-{i}")
}

fn user(i: usize) -> String {
    format!("user-{i}@shop.example")
}

fn group(i: usize) -> String {
    format!("shop:group-{i}")
}
