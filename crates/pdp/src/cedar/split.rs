//! The split of a policy that reads the object of a write: what can be decided before the object is known, and what is
//! left of the policy for later.
//!
//! The rule that everything here keeps: whatever the object is, the rest evaluated with it gives what the whole policy
//! gives. A policy that permits and fails counts as one that does not hold, and one that forbids and fails as one that
//! holds; where that makes two answers equal, the simpler rest is taken.

use cedar_policy_core::ast::{
    BinaryOp, Expr, ExprKind, Literal, SlotEnv, UnaryOp, Value, ValueKind,
};
use cedar_policy_core::evaluator::Evaluator;

use super::check::{is_context, touches_object};

/// What is known of an expression without the object.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Its value, or why it has none.
    Known(Result<Value, String>),
    /// An expression over the object alone.
    Left(Expr),
}

/// What a failure of the expression is the same as: `Some(false)` where it makes a `permit` not hold, `Some(true)`
/// where it makes a `forbid` hold, `None` where it is nothing but a failure.
type Failure = Option<bool>;

pub(crate) struct Splitter<'a> {
    pub(crate) evaluator: &'a Evaluator<'a>,
    pub(crate) slots: &'a SlotEnv,
}

impl Splitter<'_> {
    /// Splits an expression.
    pub(crate) fn split(&self, expression: &Expr, failure: Failure) -> Part {
        if !touches_object(expression) {
            let value = self.evaluator.interpret(expression, self.slots);
            return Part::Known(value.map_err(|error| error.to_string()));
        }
        match expression.expr_kind() {
            ExprKind::And { left, right } => self.and(left, right, failure),
            ExprKind::Or { left, right } => self.or(left, right, failure),
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => match self.truth(test_expr, None) {
                Truth::Known(true) => self.split(then_expr, failure),
                Truth::Known(false) => self.split(else_expr, failure),
                Truth::Failed(error) => Part::Known(Err(error)),
                Truth::Left(test) => {
                    let branch = |branch| rest(self.split(branch, failure));
                    Part::Left(Expr::ite(test, branch(then_expr), branch(else_expr)))
                }
            },
            ExprKind::UnaryApp {
                op: UnaryOp::Not,
                arg,
            } => match self.truth(arg, failure.map(|same| !same)) {
                Truth::Known(value) => known(!value),
                Truth::Failed(error) => Part::Known(Err(error)),
                Truth::Left(arg) => Part::Left(Expr::not(arg)),
            },
            _ => self.strict(expression),
        }
    }

    fn and(&self, left: &Expr, right: &Expr, failure: Failure) -> Part {
        // A failure of the left side is that of the whole; it is `false` where that is, but never `true`, after which
        // the right side would count.
        let left = match self.truth(left, failure.filter(|same| !same)) {
            Truth::Known(false) => return known(false),
            Truth::Known(true) => return self.split(right, failure),
            Truth::Failed(error) => return Part::Known(Err(error)),
            Truth::Left(left) => left,
        };
        match (self.truth(right, failure), failure) {
            (Truth::Known(true), _) | (Truth::Failed(_), Some(true)) => Part::Left(left),
            (Truth::Known(false) | Truth::Failed(_), Some(false)) => known(false),
            (Truth::Known(false), _) => Part::Left(Expr::and(left, Expr::val(false))),
            (Truth::Failed(_), None) => Part::Left(Expr::and(left, failing())),
            (Truth::Left(right), _) => Part::Left(Expr::and(left, right)),
        }
    }

    fn or(&self, left: &Expr, right: &Expr, failure: Failure) -> Part {
        let left = match self.truth(left, failure.filter(|same| *same)) {
            Truth::Known(true) => return known(true),
            Truth::Known(false) => return self.split(right, failure),
            Truth::Failed(error) => return Part::Known(Err(error)),
            Truth::Left(left) => left,
        };
        match (self.truth(right, failure), failure) {
            (Truth::Known(false), _) | (Truth::Failed(_), Some(false)) => Part::Left(left),
            (Truth::Known(true) | Truth::Failed(_), Some(true)) => known(true),
            (Truth::Known(true), _) => Part::Left(Expr::or(left, Expr::val(true))),
            (Truth::Failed(_), None) => Part::Left(Expr::or(left, failing())),
            (Truth::Left(right), _) => Part::Left(Expr::or(left, right)),
        }
    }

    /// An operator that evaluates everything that it is made of, and fails where any of it fails.
    fn strict(&self, expression: &Expr) -> Part {
        let part = |child: &Expr| match self.split(child, None) {
            Part::Known(Err(error)) => Err(error),
            part => Ok(rest(part)),
        };
        let rebuilt = match expression.expr_kind() {
            ExprKind::UnaryApp { op, arg } => part(arg).map(|arg| Expr::unary_app(*op, arg)),
            ExprKind::BinaryApp { op, arg1, arg2 } => self.binary(*op, arg1, arg2, part),
            ExprKind::ExtensionFunctionApp { fn_name, args } => args
                .iter()
                .map(part)
                .collect::<Result<Vec<_>, _>>()
                .map(|args| Expr::call_extension_fn(fn_name.clone(), args)),
            ExprKind::Like { expr, pattern } => {
                part(expr).map(|expr| Expr::like(expr, pattern.clone()))
            }
            ExprKind::Is { expr, entity_type } => {
                part(expr).map(|expr| Expr::is_entity_type(expr, entity_type.clone()))
            }
            ExprKind::Set(items) => items
                .iter()
                .map(part)
                .collect::<Result<Vec<_>, _>>()
                .map(Expr::set),
            ExprKind::Record(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), part(value)?)));
                fields
                    .collect::<Result<Vec<_>, String>>()
                    .and_then(|fields| Expr::record(fields).map_err(|error| error.to_string()))
            }
            ExprKind::GetAttr { expr, .. } if is_context(expr) => Ok(expression.clone()),
            ExprKind::GetAttr { expr, attr } => {
                part(expr).map(|expr| Expr::get_attr(expr, attr.clone()))
            }
            ExprKind::HasAttr { expr, attr } => {
                part(expr).map(|expr| Expr::has_attr(expr, attr.clone()))
            }
            ExprKind::ExtHasAttr { expr, attrs } => {
                part(expr).map(|expr| Expr::extended_has_attr(expr, attrs.clone()))
            }
            // The context as a whole: it is there when the rest is evaluated.
            _ => Ok(expression.clone()),
        };
        match rebuilt {
            Ok(expression) => Part::Left(expression),
            Err(error) => Part::Known(Err(error)),
        }
    }

    fn binary(
        &self,
        op: BinaryOp,
        arg1: &Expr,
        arg2: &Expr,
        part: impl Fn(&Expr) -> Result<Expr, String>,
    ) -> Result<Expr, String> {
        Ok(Expr::binary_app(op, part(arg1)?, part(arg2)?))
    }

    fn truth(&self, expression: &Expr, failure: Failure) -> Truth {
        match self.split(expression, failure) {
            Part::Known(Ok(value)) => match value.value_kind() {
                ValueKind::Lit(Literal::Bool(value)) => Truth::Known(*value),
                _ => Truth::Failed(format!("`{value}` is neither true nor false")),
            },
            Part::Known(Err(error)) => Truth::Failed(error),
            Part::Left(expression) => Truth::Left(expression),
        }
    }
}

enum Truth {
    Known(bool),
    Failed(String),
    Left(Expr),
}

fn known(value: bool) -> Part {
    Part::Known(Ok(Value::new(value, None)))
}

fn rest(part: Part) -> Expr {
    match part {
        Part::Known(Ok(value)) => Expr::from(value),
        Part::Known(Err(_)) => failing(),
        Part::Left(expression) => expression,
    }
}

/// An expression that fails whenever it is evaluated: Cedar's language has no literal for that.
fn failing() -> Expr {
    let sum = Expr::binary_app(BinaryOp::Add, Expr::val(i64::MAX), Expr::val(1));
    Expr::is_eq(sum, Expr::val(0))
}
