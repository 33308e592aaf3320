use std::sync::Arc;

use bailiwick_core::{PolicyEvidence, Span, Str};
use cedar_policy_core::ast;
use cedar_policy_core::ast::AnyId;

use super::check::{reads_object, reads_unlogged, span};
use super::facts::Hashes;
use super::lint::{Oddity, PolicyLint};
use super::scope::Scope;
use super::share::Shared;

/// One policy, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    id: Str,
    /// Empty in the cluster's tier.
    namespace: Str,
    says: Str,
    clause: Span,
    reads_object: bool,
    ast: ast::Policy,
    scope: Scope,
}

impl Policy {
    /// `trusted`: the policy has passed strict validation.
    pub(crate) fn new(
        namespace: &Str,
        id: Str,
        ast: ast::Policy,
        hashes: &Hashes,
        shared: &Shared,
        trusted: bool,
    ) -> Self {
        let (says, clause) = (annotation(&ast, "reason"), clause(&ast));
        let ast = shared.bare(ast);
        Self {
            scope: Scope::of(&ast, hashes, trusted),
            says,
            clause,
            reads_object: reads_object(&ast),
            namespace: namespace.clone(),
            id,
            ast,
        }
    }

    /// Unique in its tier.
    pub(crate) fn id(&self) -> &Str {
        &self.id
    }

    /// Namespace and id, by which policies are ordered.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }

    pub(crate) fn ast(&self) -> &ast::Policy {
        &self.ast
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn forbids(&self) -> bool {
        self.ast.effect() == ast::Effect::Forbid
    }

    /// Whether it waits for the object of a write.
    pub(crate) fn reads_object(&self) -> bool {
        self.reads_object
    }

    /// Whether it reads attributes or properties that come with a request and are not logged.
    pub(crate) fn reads_unlogged(&self) -> bool {
        self.ast.non_scope_constraints().is_some_and(reads_unlogged)
    }

    /// What is odd about it.
    pub(crate) fn lint(&self, what: Oddity) -> PolicyLint {
        PolicyLint {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            what,
            clause: self.clause,
        }
    }

    /// The policy as evidence.
    pub(crate) fn to_evidence(&self, error: Option<String>) -> PolicyEvidence {
        PolicyEvidence {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            says: self.says.clone(),
            clause: self.clause,
            error,
        }
    }
}

fn annotation(policy: &ast::Policy, name: &str) -> Str {
    name.parse::<AnyId>()
        .ok()
        .and_then(|name| policy.annotation(&name))
        .map_or_else(Str::default, |text| Arc::from(text.val.as_str()))
}

/// The bytes of the conditions, or of the whole policy where it has none.
fn clause(policy: &ast::Policy) -> Span {
    let location = policy
        .non_scope_constraints()
        .and_then(|conditions| conditions.source_loc())
        .or_else(|| policy.loc());
    location.map_or_else(Span::default, span)
}
