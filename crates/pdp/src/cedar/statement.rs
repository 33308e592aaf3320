//! Policies and requests as others than the decision point read them: those who prove something about policies.

use bailiwick_core::Str;
use cedar_policy_core::ast::{self, Expr, ExprKind, Literal};
use cedar_policy_core::est;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::json_schema;
use serde_json::{Value, json};

use super::check::SCHEMA;
use super::policy::Policy;

/// A policy as Cedar's JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The namespace whose tier it belongs to; empty for the cluster's.
    pub namespace: Str,
    /// Unique in its tier.
    pub id: Str,
    /// Whether it forbids.
    pub forbids: bool,
    /// Without annotations, and with what stands for the slots of a template.
    pub policy: Value,
    /// Whether it waits for the object of a write, so that its answer at authorization is not yet the last one.
    pub reads_object: bool,
    /// Whether it reads attributes of an entity that it names, of which nothing is known unless a request is about it.
    pub reads_named: bool,
}

impl Statement {
    pub(crate) fn of(policy: &Policy) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::to_value(est::Policy::from(policy.ast().clone()))?;
        if let Some(json) = json.as_object_mut() {
            json.remove("annotations");
        }
        let (namespace, id) = policy.key();
        Ok(Self {
            namespace: namespace.into(),
            id: id.into(),
            forbids: policy.forbids(),
            policy: json,
            reads_object: policy.reads_object(),
            reads_named: reads_named(policy.ast()),
        })
    }

    /// Its tier and what it says: the same for policies that are equal.
    pub fn text(&self) -> String {
        format!("{} {}", self.namespace, self.policy)
    }
}

fn reads_named(policy: &ast::Policy) -> bool {
    let conditions = policy.non_scope_constraints();
    let mut nodes = conditions.into_iter().flat_map(Expr::subexpressions);
    nodes.any(|node| match node.expr_kind() {
        ExprKind::GetAttr { expr, .. } => {
            matches!(expr.expr_kind(), ExprKind::Lit(Literal::EntityUID(_)))
        }
        _ => false,
    })
}

/// What can be asked of the Kubernetes API, as Cedar's JSON schemas: the requests of [`SCHEMA`], and those that it has no
/// place for and that come all the same. These are verbs that it knows, of what they are not meant for, such as `patch`
/// of a path; and all other verbs, for which one stands that no policy can name.
pub fn request_schemas() -> Result<[Value; 2], String> {
    let (fragment, _warnings) =
        json_schema::Fragment::from_cedarschema_str(SCHEMA, Extensions::all_available())
            .map_err(|error| error.to_string())?;
    let within = serde_json::to_value(fragment).map_err(|error| error.to_string())?;
    let mut beyond = within.clone();
    let namespaces = beyond.as_object_mut().into_iter().flatten();
    for (name, namespace) in namespaces {
        let Some(actions) = namespace.get_mut("actions").and_then(Value::as_object_mut) else {
            continue;
        };
        for action in actions.values_mut() {
            turn(action, name == "k8s");
        }
        if name == "k8s" {
            actions.insert(OTHER_VERB.to_owned(), json!({ "appliesTo": to(&ANYTHING) }));
        }
    }
    Ok([within, beyond])
}

/// Stands for verbs that the schema does not know: a policy that names one is refused.
const OTHER_VERB: &str = "any other verb";
/// What every verb may come with.
const ANYTHING: [&str; 2] = ["Resource", "NonResourceURL"];
const PRINCIPALS: [&str; 3] = ["User", "ServiceAccount", "Node"];

fn to(resources: &[&str]) -> Value {
    json!({
        "principalTypes": PRINCIPALS,
        "resourceTypes": resources,
        "context": { "type": "Record", "attributes": {} },
    })
}

/// Makes an action apply to what it did not.
fn turn(action: &mut Value, kubernetes: bool) {
    let Some(action) = action.as_object_mut() else {
        return;
    };
    let Some(applies) = action.remove("appliesTo") else {
        return;
    };
    let has = |kind: &str| {
        let kinds = applies.get("resourceTypes").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|known| known == kind))
    };
    let others: Vec<&str> = ANYTHING.into_iter().filter(|kind| !has(kind)).collect();
    if kubernetes && !others.is_empty() {
        action.insert("appliesTo".to_owned(), to(&others));
    }
}
