use std::fmt;

use bailiwick_core::Span;
use cedar_policy_core::ast::{
    self, ActionConstraint, BinaryOp, EntityType, Expr, ExprKind, Literal,
    PrincipalOrResourceConstraint, UnaryOp, Var,
};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::Loc;
use cedar_policy_core::parser::err::{ParseError, ParseErrors};
use cedar_policy_core::validator::typecheck::{PolicyCheck, Typechecker};
use cedar_policy_core::validator::types::RequestEnv;
use cedar_policy_core::validator::{ValidationMode, ValidationWarning, Validator, ValidatorSchema};
use miette::Diagnostic;

/// The schema of requests to the Kubernetes API and of applications.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// What is wrong with a policy, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Id of the policy; empty where the text is no policy.
    pub id: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The bytes of the text that it is about.
    pub span: Option<Span>,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.as_str() {
            "" => f.write_str(&self.message),
            id => write!(f, "policy `{id}`: {}", self.message),
        }
    }
}

/// Strict validation against [`SCHEMA`], and what Bailiwick asks on top of it.
#[derive(Debug)]
pub(crate) struct Checker {
    validator: Validator,
}

impl Checker {
    pub(crate) fn new() -> Result<Self, String> {
        let (schema, _warnings) =
            ValidatorSchema::from_cedarschema_str(SCHEMA, Extensions::all_available())
                .map_err(|error| error.to_string())?;
        Ok(Self {
            validator: Validator::new(schema),
        })
    }

    /// What keeps a template, or a policy, which is one without slots, from being used.
    pub(crate) fn problems(&self, policies: &ast::PolicySet, id: &str) -> Vec<PolicyProblem> {
        let problem = |message, span| PolicyProblem {
            id: id.to_owned(),
            message,
            span,
        };
        let mut problems = Vec::new();
        if !policies.all_templates().all(|policy| self.is_typed(policy)) {
            let result = self.validator.validate(policies, ValidationMode::Strict);
            let errors = result.validation_errors();
            problems.extend(errors.map(|error| problem(with_help(error), label(error))));
        }
        let ours = policies.all_templates().flat_map(objections);
        problems.extend(ours.map(|(message, location)| problem(message, location.map(span))));
        // Cedar tells those of several request types in any order.
        let place = |problem: &PolicyProblem| problem.span.map(|span| span.start);
        problems.sort_by(|a, b| (place(a), &a.message).cmp(&(place(b), &b.message)));
        problems
    }
}

impl Checker {
    /// Whether Cedar's own check is known to find no error in a policy. It looks at every kind of request that the
    /// schema has; this looks at those alone that the scope of the policy lets through, a few among 85: the scope is
    /// checked first, has no error where its types and actions are there, and nothing behind it is checked once it is
    /// false. `false` where that does not tell.
    fn is_typed(&self, policy: &ast::Template) -> bool {
        let schema = self.validator.schema();
        let unknown = || Validator::validate_entity_types_and_literals(schema, policy).next();
        if !policy.is_static() || unknown().is_some() {
            return false;
        }
        let checker = Typechecker::new(schema, ValidationMode::Strict);
        let mut kinds = schema.unlinked_request_envs(ValidationMode::Strict);
        kinds.all(|kind| {
            if !may_pass(policy, &kind, schema) {
                return true;
            }
            match checker.typecheck_by_single_request_env(policy, &kind) {
                PolicyCheck::Success(_) => true,
                PolicyCheck::Irrelevant(errors, _) => errors.is_empty(),
                PolicyCheck::Fail(_) => false,
            }
        })
    }

    /// What Cedar's own check finds odd about policies.
    pub(crate) fn warnings(&self, policies: &ast::PolicySet) -> Vec<ValidationWarning> {
        let result = self.validator.validate(policies, ValidationMode::Strict);
        result.validation_warnings().cloned().collect()
    }
}

/// Whether the scope of a policy may let requests of a kind through.
fn may_pass(policy: &ast::Template, kind: &RequestEnv<'_>, schema: &ValidatorSchema) -> bool {
    let side = |constraint: &PrincipalOrResourceConstraint, own: Option<&EntityType>| {
        let wanted = match constraint {
            PrincipalOrResourceConstraint::Is(wanted)
            | PrincipalOrResourceConstraint::IsIn(wanted, _) => Some(&**wanted),
            PrincipalOrResourceConstraint::Eq(_) => {
                constraint.get_euid().map(|uid| uid.entity_type())
            }
            PrincipalOrResourceConstraint::In(_) | PrincipalOrResourceConstraint::Any => None,
        };
        wanted.is_none() || wanted == own
    };
    let action = match (policy.action_constraint(), kind.action_entity_uid()) {
        (ActionConstraint::Any, _) | (_, None) => true,
        (ActionConstraint::Eq(wanted), Some(own)) => **wanted == *own,
        // Cedar takes a list of none for an error.
        (ActionConstraint::In(wanted), Some(own)) => {
            let known = |wanted| schema.get_action_id(wanted);
            let within =
                |wanted| known(wanted).is_none_or(|it| it.descendants().any(|it| it == own));
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|wanted| **wanted == *own || within(wanted))
        }
    };
    let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
    action
        && side(principal.as_inner(), kind.principal_entity_type())
        && side(resource.as_inner(), kind.resource_entity_type())
}

/// What strict validation lets pass and we do not.
fn objections(template: &ast::Template) -> impl Iterator<Item = (String, Option<&Loc>)> {
    let forbids = template.effect() == ast::Effect::Forbid;
    let conditions = template.non_scope_constraints();
    let nodes = conditions.into_iter().flat_map(Expr::subexpressions);
    let scoped = template
        .resource_constraint()
        .as_inner()
        .get_euid()
        .filter(|uid| is_resource(uid))
        .map(|_| (RESOURCE_BY_ID.to_owned(), template.loc()));
    let inside = nodes.filter_map(move |node| {
        let message = match literal_resource(node) {
            true => RESOURCE_BY_ID.to_owned(),
            false if forbids => fallible(node)?,
            false => return None,
        };
        Some((message, node.source_loc()))
    });
    scoped.into_iter().chain(inside)
}

const RESOURCE_BY_ID: &str = "a `k8s::Resource` has no id that a policy could name: compare its attributes, as in \
     `resource.resource == \"pods\"`";

fn is_resource(uid: &ast::EntityUID) -> bool {
    uid.entity_type().to_string() == "k8s::Resource"
}

fn literal_resource(node: &Expr) -> bool {
    matches!(node.expr_kind(), ExprKind::Lit(Literal::EntityUID(uid)) if is_resource(uid))
}

/// Why a node of a well-typed policy could fail for some request. A `forbid` that fails denies: so it must not be able
/// to.
fn fallible(node: &Expr) -> Option<String> {
    let what = match node.expr_kind() {
        ExprKind::BinaryApp {
            op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul,
            ..
        }
        | ExprKind::UnaryApp {
            op: UnaryOp::Neg, ..
        } => "arithmetic can overflow".to_owned(),
        ExprKind::ExtensionFunctionApp { fn_name, .. } => match fn_name.to_string().as_str() {
            name @ ("offset" | "durationSince" | "toDate" | "toTime") => {
                format!("`{name}` can overflow")
            }
            _ => return None,
        },
        ExprKind::GetAttr { expr, .. } => match expr.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => {
                format!("nothing is known of `{uid}` unless the request is about it")
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(format!(
        "this `forbid` can fail, and would then deny: {what}. Write it without"
    ))
}

/// Whether a policy reads the object of a write, which is known only after authorization.
pub(crate) fn reads_object(policy: &ast::Policy) -> bool {
    policy.non_scope_constraints().is_some_and(touches_object)
}

/// Whether an expression reads the object.
pub(crate) fn touches_object(expression: &Expr) -> bool {
    match expression.expr_kind() {
        ExprKind::Var(variable) => *variable == Var::Context,
        ExprKind::GetAttr { expr, attr } if is_context(expr) => {
            matches!(attr.as_str(), "request" | "stored")
        }
        ExprKind::HasAttr { expr, .. } if is_context(expr) => false,
        _ => children(expression).into_iter().any(touches_object),
    }
}

/// Whether an expression reads what a log of decisions leaves out: `extra` of a user, properties of an application.
pub(crate) fn reads_unlogged(expression: &Expr) -> bool {
    let own = match expression.expr_kind() {
        ExprKind::GetAttr { attr, .. } | ExprKind::HasAttr { attr, .. } => {
            matches!(attr.as_str(), "extra" | "properties" | "about")
        }
        // Tags of the principal and the resource themselves are an application's properties.
        ExprKind::BinaryApp {
            op: BinaryOp::GetTag | BinaryOp::HasTag,
            arg1,
            ..
        } => matches!(arg1.expr_kind(), ExprKind::Var(_)),
        _ => false,
    };
    own || children(expression).into_iter().any(reads_unlogged)
}

/// Whether an expression is the context as a whole.
pub(crate) fn is_context(expression: &Expr) -> bool {
    matches!(expression.expr_kind(), ExprKind::Var(Var::Context))
}

/// The expressions that one is made of, in the order of evaluation.
pub(crate) fn children(expression: &Expr) -> Vec<&Expr> {
    match expression.expr_kind() {
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {
            Vec::new()
        }
        ExprKind::If {
            test_expr,
            then_expr,
            else_expr,
        } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(items) => items.iter().collect(),
        ExprKind::Record(fields) => fields.values().collect(),
    }
}

/// The problems of a text that Cedar could not parse.
pub(crate) fn parse_problems(errors: &ParseErrors) -> Vec<PolicyProblem> {
    errors
        .iter()
        .map(|error| PolicyProblem {
            id: String::new(),
            message: with_help(error),
            span: match error {
                ParseError::ToCST(error) => error.primary_source_span(),
                ParseError::ToAST(error) => label_span(error),
            }
            .map(|found| bytes(found.offset(), found.len())),
        })
        .collect()
}

fn label_span(error: &dyn Diagnostic) -> Option<miette::SourceSpan> {
    Some(*error.labels()?.next()?.inner())
}

fn with_help(error: &dyn Diagnostic) -> String {
    let text = error.to_string();
    // Cedar names the policy in front; we do so by ourselves.
    let text = match text
        .strip_prefix("for policy `")
        .and_then(|rest| rest.split_once("`, "))
    {
        Some((_, message)) => message,
        None => &text,
    };
    match error.help() {
        Some(help) => format!("{text}; {help}"),
        None => text.to_owned(),
    }
}

fn label(error: &dyn Diagnostic) -> Option<Span> {
    label_span(error).map(|found| bytes(found.offset(), found.len()))
}

/// The bytes of a place in a policy's text.
pub(crate) fn span(location: &Loc) -> Span {
    bytes(location.start(), location.end() - location.start())
}

fn bytes(start: usize, length: usize) -> Span {
    let number = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    Span {
        start: number(start),
        end: number(start + length),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy_core::parser::parse_policy;

    use super::*;

    /// Kinds of requests that a scope does not let through are left out of the check: nothing wrong may pass for it.
    #[test]
    fn kinds_that_the_scope_keeps_out_hide_no_error() {
        let checker = Checker::new().unwrap();
        let principals = [
            "principal",
            "principal == k8s::User::\"a\"",
            "principal == k8s::Group::\"a\"",
            "principal is k8s::ServiceAccount in k8s::Group::\"a\"",
            "principal is x::Y",
        ];
        let actions = [
            "action",
            "action == k8s::Action::\"impersonate\"",
            "action == app::Action::\"request\"",
            "action in k8s::Action::\"read\"",
            "action in [k8s::Action::\"get\", k8s::Action::\"create\"]",
            "action in []",
            "action == k8s::Action::\"none\"",
        ];
        let resources = [
            "resource",
            "resource in k8s::Namespace::\"a\"",
            "resource is k8s::Resource",
            "resource == k8s::NonResourceURL::\"/a\"",
        ];
        let conditions = [
            "true",
            "resource.resource == \"a\"",
            "resource has name && resource.name == \"a\"",
            "context.request.hasTag(\"a\")",
            "principal.namespace == \"a\"",
            "principal.name == 1",
        ];
        let (mut right, mut wrong) = (0, 0);
        for (principal, action) in principals.iter().flat_map(|p| actions.map(|a| (p, a))) {
            for (resource, condition) in resources.iter().flat_map(|r| conditions.map(|c| (r, c))) {
                let cedar =
                    format!("permit ({principal}, {action}, {resource}) when {{ {condition} }};");
                let mut set = ast::PolicySet::new();
                set.add_static(parse_policy(None, &cedar).unwrap()).unwrap();
                let whole = checker.validator.validate(&set, ValidationMode::Strict);
                let passes = whole.validation_errors().next().is_none();
                let short = set.all_templates().all(|policy| checker.is_typed(policy));
                assert_eq!(short, passes, "{cedar}");
                *if passes { &mut right } else { &mut wrong } += 1;
            }
        }
        assert!(right > 100 && wrong > 100, "{right} right, {wrong} wrong");
    }
}
