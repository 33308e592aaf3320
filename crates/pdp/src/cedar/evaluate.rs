use std::collections::HashSet;

use cedar_policy_core::ast::{
    ActionConstraint, Entity, EntityReference, EntityUID, EntityUIDEntry, Literal,
    PrincipalOrResourceConstraint, Request, Value, ValueKind,
};
use cedar_policy_core::entities::{Dereference, Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use smallvec::SmallVec;

use super::index::Candidate;
use super::policy::Policy;
use super::scope::Met;
use super::split::{Part, Splitter};

/// A request as Cedar has it.
pub(crate) struct Input {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// What became of the candidates.
#[derive(Debug, Default)]
pub(crate) struct Evaluation<'a> {
    /// Policies whose conditions hold.
    pub(crate) satisfied: SmallVec<[&'a Policy; 4]>,
    /// Policies that could not be evaluated.
    pub(crate) failed: Vec<(&'a Policy, String)>,
    /// Policies that wait for the object, and what is left of them.
    pub(crate) left: Vec<(&'a Policy, String)>,
}

impl Input {
    /// Entities of a request; they are as deep as they will be, so that nothing is left to be derived.
    pub(crate) fn new(request: Request, entities: Vec<Entity>) -> Self {
        let mut known = HashSet::with_capacity(entities.len());
        let mut entities = entities;
        // Cedar refuses the same entity twice; here the first stands.
        entities.retain(|entity| known.insert(entity.uid().clone()));
        let entities = Entities::from_entities(
            entities,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::none(),
        );
        Self {
            request,
            // It can only complain of a repetition.
            entities: entities.unwrap_or_default(),
        }
    }

    /// The scope is compared here, since Cedar would build an expression of it each time; the conditions, which alone
    /// can fail, are Cedar's.
    fn satisfies(
        &self,
        candidate: Candidate<'_>,
        evaluator: &Evaluator<'_>,
        split: bool,
    ) -> Result<Answer, String> {
        let policy = candidate.policy;
        let ast = policy.ast();
        if candidate.met == Met::SoFar && !split {
            for condition in policy.scope().rest() {
                let value = evaluator.interpret(condition, ast.env());
                if !boolean(&value.map_err(|error| error.to_string())?)? {
                    return Ok(Answer::Is(false));
                }
            }
            return Ok(Answer::Is(true));
        }
        let in_scope = candidate.met != Met::Unknown
            || self.meets(
                self.request.principal(),
                ast.principal_constraint().as_inner(),
            ) && self.is_action(ast.action_constraint())
                && self.meets(
                    self.request.resource(),
                    ast.resource_constraint().as_inner(),
                );
        if !in_scope {
            return Ok(Answer::Is(false));
        }
        let Some(conditions) = ast.non_scope_constraints() else {
            return Ok(Answer::Is(true));
        };
        if !split {
            let value = evaluator.interpret(conditions, ast.env());
            return boolean(&value.map_err(|error| error.to_string())?).map(Answer::Is);
        }
        let splitter = Splitter {
            evaluator,
            slots: ast.env(),
        };
        match splitter.split(conditions, Some(policy.forbids())) {
            Part::Known(value) => boolean(&value?).map(Answer::Is),
            Part::Left(rest) => Ok(Answer::DependsOn(rest.to_string())),
        }
    }

    fn meets(&self, entry: &EntityUIDEntry, constraint: &PrincipalOrResourceConstraint) -> bool {
        use PrincipalOrResourceConstraint as Is;
        let Some(uid) = entry.uid() else {
            return false;
        };
        let within = |place: &EntityReference| match place {
            EntityReference::EUID(place) => self.within(uid, place),
            EntityReference::Slot(_) => false,
        };
        match constraint {
            Is::Any => true,
            Is::Eq(EntityReference::EUID(other)) => uid == &**other,
            Is::Eq(EntityReference::Slot(_)) => false,
            Is::In(place) => within(place),
            Is::Is(kind) => uid.entity_type() == &**kind,
            Is::IsIn(kind, place) => uid.entity_type() == &**kind && within(place),
        }
    }

    fn is_action(&self, constraint: &ActionConstraint) -> bool {
        let Some(uid) = self.request.action().uid() else {
            return false;
        };
        match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(other) => uid == &**other,
            ActionConstraint::In(places) => places.iter().any(|place| self.within(uid, place)),
        }
    }

    fn within(&self, uid: &EntityUID, place: &EntityUID) -> bool {
        uid == place
            || match self.entities.entity(uid) {
                Dereference::Data(entity) => entity.is_descendant_of(place),
                Dereference::NoSuchEntity | Dereference::Residual(_) => false,
            }
    }
}

/// Evaluates candidates: those that the index has settled by that, the others with Cedar's evaluator over an input that
/// is made for the first of them. Those that read the object are split where it is not known.
pub(crate) fn evaluate<'a, 'i>(
    candidates: impl IntoIterator<Item = Candidate<'a>>,
    input: impl Fn() -> &'i Input,
    object_known: bool,
) -> Evaluation<'a> {
    let mut evaluation = Evaluation::default();
    let mut evaluator = None;
    for candidate in candidates {
        let policy = candidate.policy;
        if candidate.met == Met::Wholly {
            evaluation.satisfied.push(policy);
            continue;
        }
        let input = input();
        let evaluator = evaluator.get_or_insert_with(|| {
            let request = input.request.clone();
            Evaluator::new(request, &input.entities, Extensions::all_available())
        });
        let split = !object_known && policy.reads_object();
        match input.satisfies(candidate, evaluator, split) {
            Ok(Answer::Is(true)) => evaluation.satisfied.push(policy),
            Ok(Answer::Is(false)) => {}
            Ok(Answer::DependsOn(rest)) => evaluation.left.push((policy, rest)),
            Err(error) => evaluation.failed.push((policy, error)),
        }
    }
    evaluation
}

enum Answer {
    Is(bool),
    DependsOn(String),
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value.value_kind() {
        ValueKind::Lit(Literal::Bool(value)) => Ok(*value),
        _ => Err(format!(
            "its conditions are neither true nor false, but `{value}`"
        )),
    }
}
