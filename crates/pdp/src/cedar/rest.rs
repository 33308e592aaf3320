use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::{Context, EntityUIDEntry, Literal, Request, Value, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::parse_policy;
use smol_str::SmolStr;

use super::evaluate::Input;
use super::kubernetes::objects_of;
use super::object::Objects;
use super::types::{Type, Types};

/// Evaluates what is left of policies: expressions over the objects alone.
pub(crate) struct Rest(Input);

impl Rest {
    /// `verb` says which objects there are.
    pub(crate) fn new(objects: &Objects, verb: &str) -> Result<Self, String> {
        let types = Types::new()?;
        let mut context = BTreeMap::new();
        let mut entities = Vec::new();
        for &name in objects_of(verb) {
            let uid = types.uid(Type::Object, name);
            context.insert(SmolStr::new_static(name), Value::new(uid.clone(), None));
            entities.push(objects.entity(name, uid));
        }
        // Nobody reads who asks for what: that is decided already.
        let nobody = || EntityUIDEntry::known(types.uid(Type::User, ""), None);
        let context = Some(Context::Value(Arc::new(context)));
        let request = Request::new_unchecked(nobody(), nobody(), nobody(), context);
        Ok(Self(Input::new(request, entities)))
    }

    /// The value of one expression.
    pub(crate) fn evaluate(&self, expression: &str) -> Result<bool, String> {
        let text = format!("permit(principal, action, resource) when {{ {expression} }};");
        let policy = parse_policy(None, &text).map_err(|error| error.to_string())?;
        let Some(expression) = policy.non_scope_constraints() else {
            return Err(format!("`{expression}` is no condition"));
        };
        let Input { request, entities } = &self.0;
        let evaluator = Evaluator::new(request.clone(), entities, Extensions::all_available());
        let value = evaluator.interpret(expression, &Default::default());
        let value = value.map_err(|error| error.to_string())?;
        match value.value_kind() {
            ValueKind::Lit(Literal::Bool(value)) => Ok(*value),
            _ => Err(format!("`{value}` is neither true nor false")),
        }
    }
}
