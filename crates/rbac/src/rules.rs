use bailiwick_core::UserInfo;
use bailiwick_model::{Binding, BindingSubject, PolicyRule, Role};

use crate::engine::Engine;
use crate::problem::Problem;

/// The rules that reach a user in a namespace, apart from any request.
#[derive(Clone, Debug, Default)]
pub struct ResolvedRules<'a> {
    /// Each rule of each role that a binding gives to the user: cluster-wide bindings first, then those of the
    /// namespace. Rules of a role that several bindings give are here several times.
    pub rules: Vec<ResolvedRule<'a>>,
    /// What kept the engine from seeing all of them.
    pub problems: Vec<Problem<'a>>,
}

/// A rule and through what it reaches the user.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedRule<'a> {
    /// The rule.
    pub rule: &'a PolicyRule,
    /// Its position in the role's `rules`.
    pub position: usize,
    /// The role that holds it.
    pub role: &'a Role,
    /// The binding that gives the role.
    pub binding: &'a Binding,
    /// The first subject of the binding that applies to the user.
    pub subject: &'a BindingSubject,
}

impl Engine {
    /// The rules that reach `user` in `namespace`; with an empty namespace those of ClusterRoleBindings alone.
    ///
    /// As `pkg/registry/rbac/validation/rule.go` visits them. Rules that can allow nothing where they are bound, such
    /// as one on nodes in a RoleBinding, are among them: escalation checks count them.
    pub fn rules_for<'a>(&'a self, user: &'a UserInfo, namespace: &str) -> ResolvedRules<'a> {
        let mut resolved = ResolvedRules::default();
        for given in self.bindings_of(user, namespace) {
            let Some(grant) = self.first_subject(given, user) else {
                continue;
            };
            let (Some(binding), Some(subject)) = (grant.binding(), grant.binding_subject()) else {
                continue;
            };
            let Some(role) = grant.role() else {
                continue;
            };
            let rules = role.rules.iter().enumerate();
            resolved
                .rules
                .extend(rules.map(|(position, rule)| ResolvedRule {
                    rule,
                    position,
                    role,
                    binding,
                    subject,
                }));
        }
        resolved.problems = self.problems(user, namespace);
        resolved
    }
}
