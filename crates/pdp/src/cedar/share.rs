//! What policies have in common, kept once.
//!
//! Policies of one cluster are most often written after few patterns: they differ in a name or two, and everything else
//! that the parser makes of them is the same over and over.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy_core::ast::{
    self, ActionConstraint, EntityReference, EntityType, EntityUID, Expr, ExprBuilder, ExprKind,
    Literal, PrincipalConstraint, PrincipalOrResourceConstraint, ResourceConstraint,
};
use cedar_policy_core::expr_builder::ExprBuilder as _;
use hashbrown::HashSet;

/// Parts of policies that were parsed, to be used again by those that come.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    expressions: Kept<Expr>,
    entities: Kept<EntityUID>,
    types: Kept<EntityType>,
}

/// Equal values, each once. Places in the source are no part of what is compared.
#[derive(Debug)]
struct Kept<T> {
    values: HashSet<Arc<T>>,
    /// From this many on, those that nobody uses are looked for.
    full: usize,
}

/// An expression of more nodes than this is not looked for: comparing all of it for each of its parts would take long,
/// and it is not likely to come again.
const LARGEST: usize = 24;
/// Unused values are not looked for among fewer than these.
const FEW: usize = 1024;

impl Shared {
    /// The same policy to whoever evaluates it, without annotations, which take nearly a kilobyte however few they are,
    /// and without the places in its source, which keep the whole of its text.
    pub(crate) fn bare(&self, policy: ast::Policy) -> ast::Policy {
        if !policy.is_static() {
            return policy;
        }
        // Whoever died with the lock has left values that are whole.
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let template = policy.template();
        let conditions = template.non_scope_constraints();
        let bare = ast::Template::new_shared(
            template.id().clone(),
            None,
            Arc::new(ast::Annotations::new()),
            template.effect(),
            PrincipalConstraint::new(parts.constraint(template.principal_constraint().as_inner())),
            parts.action(template.action_constraint()),
            ResourceConstraint::new(parts.constraint(template.resource_constraint().as_inner())),
            conditions.map(|conditions| parts.expression(conditions).0),
        );
        ast::StaticPolicy::try_from(bare).map_or(policy, ast::Policy::from)
    }
}

impl Parts {
    fn kind(&mut self, kind: &EntityType) -> EntityType {
        EntityType::clone(&self.types.keep(kind.with_loc(None)))
    }

    fn entity(&mut self, uid: &EntityUID) -> Arc<EntityUID> {
        if let Some(known) = self.entities.find(uid) {
            return known;
        }
        let kind = self.kind(uid.entity_type());
        let bare = EntityUID::from_components(kind, uid.eid().clone(), None);
        self.entities.keep(bare)
    }

    fn reference(&mut self, entity: &EntityReference) -> EntityReference {
        match entity {
            EntityReference::EUID(uid) => EntityReference::EUID(self.entity(uid)),
            EntityReference::Slot(_) => entity.clone(),
        }
    }

    fn constraint(
        &mut self,
        constraint: &PrincipalOrResourceConstraint,
    ) -> PrincipalOrResourceConstraint {
        use PrincipalOrResourceConstraint as Is;
        match constraint {
            Is::Any => Is::Any,
            Is::In(entity) => Is::In(self.reference(entity)),
            Is::Eq(entity) => Is::Eq(self.reference(entity)),
            Is::Is(kind) => Is::Is(self.types.keep(kind.with_loc(None))),
            Is::IsIn(kind, entity) => {
                Is::IsIn(self.types.keep(kind.with_loc(None)), self.reference(entity))
            }
        }
    }

    fn action(&mut self, constraint: &ActionConstraint) -> ActionConstraint {
        match constraint {
            ActionConstraint::In(uids) => {
                ActionConstraint::In(uids.iter().map(|uid| self.entity(uid)).collect())
            }
            ActionConstraint::Eq(uid) => ActionConstraint::Eq(self.entity(uid)),
            other => other.clone(),
        }
    }

    /// The expression, and of how many nodes it is.
    fn expression(&mut self, expression: &Expr) -> (Arc<Expr>, usize) {
        let mut size = 1;
        let mut part = |part: &Expr| {
            let (shared, nodes) = self.expression(part);
            size += nodes;
            shared
        };
        let kind = match expression.expr_kind() {
            ExprKind::And { left, right } => ExprKind::And {
                left: part(left),
                right: part(right),
            },
            ExprKind::Or { left, right } => ExprKind::Or {
                left: part(left),
                right: part(right),
            },
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => ExprKind::If {
                test_expr: part(test_expr),
                then_expr: part(then_expr),
                else_expr: part(else_expr),
            },
            ExprKind::UnaryApp { op, arg } => ExprKind::UnaryApp {
                op: *op,
                arg: part(arg),
            },
            ExprKind::BinaryApp { op, arg1, arg2 } => ExprKind::BinaryApp {
                op: *op,
                arg1: part(arg1),
                arg2: part(arg2),
            },
            ExprKind::GetAttr { expr, attr } => ExprKind::GetAttr {
                expr: part(expr),
                attr: attr.clone(),
            },
            ExprKind::HasAttr { expr, attr } => ExprKind::HasAttr {
                expr: part(expr),
                attr: attr.clone(),
            },
            ExprKind::Like { expr, pattern } => ExprKind::Like {
                expr: part(expr),
                pattern: pattern.clone(),
            },
            ExprKind::Is { expr, entity_type } => ExprKind::Is {
                expr: part(expr),
                entity_type: self.kind(entity_type),
            },
            ExprKind::Set(elements) => {
                let elements = elements.iter().map(|one| Expr::clone(&part(one)));
                ExprKind::Set(Arc::new(elements.collect()))
            }
            ExprKind::Lit(Literal::EntityUID(uid)) => {
                ExprKind::Lit(Literal::EntityUID(self.entity(uid)))
            }
            other => {
                size = expression.subexpressions().count();
                other.clone()
            }
        };
        let bare = ExprBuilder::with_data(()).with_expr_kind(kind);
        let shared = match size {
            ..=LARGEST => self.expressions.keep(bare),
            _ => Arc::new(bare),
        };
        (shared, size)
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            values: HashSet::new(),
            full: FEW,
        }
    }
}

impl<T: Eq + Hash> Kept<T> {
    fn find(&self, value: &T) -> Option<Arc<T>> {
        self.values.get(value).cloned()
    }

    fn keep(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.find(&value) {
            return known;
        }
        if self.values.len() >= self.full {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.full = FEW.max(2 * self.values.len());
        }
        let value = Arc::new(value);
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy_core::parser::parse_policy;

    use super::*;

    fn policy(cedar: &str) -> ast::Policy {
        parse_policy(None, cedar).unwrap().into()
    }

    /// Every kind of expression, and every form of a scope.
    const POLICIES: [&str; 5] = [
        "@reason(\"x\") permit (principal in k8s::Group::\"a\", action in [k8s::Action::\"get\", k8s::Action::\"list\"],
            resource is k8s::Resource) when { resource.a == \"b\" && [1, 2].contains(resource.c) && resource has d };",
        "forbid (principal == k8s::User::\"a\", action == k8s::Action::\"get\", resource is k8s::Resource in x::Y::\"z\")
            unless { if context.a then -resource.b < 3 else resource.c like \"x*\\*\" || principal is k8s::User };",
        "permit (principal, action, resource) when { {a: 1, b: [x::Y::\"z\"]}.b.containsAny([x::Y::\"z\"]) };",
        "permit (principal is k8s::User, action, resource) when { ip(\"10.0.0.1\").isInRange(ip(\"10.0.0.0/8\")) };",
        "forbid (principal, action, resource) when { principal.getTag(\"a\") == 1 + 2 * 3 && context.a.b has c.d };",
    ];

    #[test]
    fn a_policy_stays_what_it_is() {
        let shared = Shared::default();
        for cedar in POLICIES {
            let whole = policy(cedar);
            let bare = shared.bare(whole.clone());
            let parts = |policy: &ast::Policy| {
                let scope = (
                    policy.principal_constraint(),
                    policy.action_constraint().clone(),
                    policy.resource_constraint(),
                );
                let conditions = policy.non_scope_constraints().cloned();
                (policy.effect(), scope, conditions)
            };
            assert_eq!(parts(&bare), parts(&whole), "{cedar}");
            assert_eq!(bare.condition(), whole.condition(), "{cedar}");
            assert!(bare.loc().is_none() && bare.annotations().next().is_none());
        }
    }

    #[test]
    fn equal_parts_are_one() {
        let shared = Shared::default();
        let [one, two] = ["a", "b"].map(|name| {
            let cedar = format!(
                "permit (principal in k8s::Group::\"{name}\", action == k8s::Action::\"get\", resource)
                 when {{ resource.x == \"y\" && resource.n == \"{name}\" }};"
            );
            shared.bare(policy(&cedar))
        });
        let front = |policy: &ast::Policy| match policy.non_scope_constraints().unwrap().expr_kind()
        {
            ExprKind::And { left, right } => (Arc::as_ptr(left), Arc::as_ptr(right)),
            other => panic!("{other:?}"),
        };
        assert_eq!(front(&one).0, front(&two).0);
        assert_ne!(front(&one).1, front(&two).1);
        let action = |policy: &ast::Policy| match policy.action_constraint() {
            ActionConstraint::Eq(uid) => Arc::as_ptr(uid),
            other => panic!("{other:?}"),
        };
        assert_eq!(action(&one), action(&two));
    }

    /// What comes and goes is not kept for ever.
    #[test]
    fn what_nobody_uses_is_given_up() {
        let shared = Shared::default();
        for number in 0..4 * FEW {
            let cedar = format!(
                "permit (principal == k8s::User::\"{number}\", action, resource) when {{ resource.n == {number} }};"
            );
            drop(shared.bare(policy(&cedar)));
        }
        let parts = shared.0.lock().unwrap();
        assert!(parts.entities.values.len() <= FEW);
        assert!(parts.expressions.values.len() <= 2 * FEW);
        assert!(parts.types.values.len() == 1);
    }

    /// A long condition is not compared with others over and over.
    #[test]
    fn what_is_large_is_not_looked_for() {
        let shared = Shared::default();
        let condition = vec!["resource.a == 1"; 500].join(" && ");
        let cedar = format!("permit (principal, action, resource) when {{ {condition} }};");
        let whole = policy(&cedar);
        let bare = shared.bare(whole.clone());
        assert_eq!(bare.condition(), whole.condition());
        assert!(shared.0.lock().unwrap().expressions.values.len() < LARGEST);
    }
}
