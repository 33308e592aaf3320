//! Proofs about policies: whether one set of them allows or forbids something that another does not, for every request
//! that there can be.
//!
//! Cedar's symbolic compiler makes a formula of each set and each type of request; a solver (cvc5, a program of its own)
//! says whether the formulas imply one another. What it proves holds for all requests and all entities of the schema.
//! Where it finds a request that the formulas tell apart, that request may be one that cannot come, so that this is
//! a difference that was not excluded, not one that was found.
//!
//! Policies are compared as a decision point uses them: what is forbidden apart from what is permitted, since a
//! `forbid` also takes away what others than policies allow.

mod example;
mod question;
mod solver;

use std::collections::BTreeSet;

use bailiwick_pdp::Statement;
use cedar_policy::{RequestEnv, Schema};

pub use example::Example;
use question::{Formulas, Parts, Question};
pub use solver::Solver;
use solver::{Answer, Session};

/// One way in which the second set may differ from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The second allows more, or forbids less.
    More,
    /// The second allows less, or forbids more.
    Less,
}

/// A type of request for which a difference was not excluded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Open {
    /// The tier.
    pub tier: String,
    /// The type of request, such as `k8s::User k8s::Action::"get" k8s::Resource`.
    pub request: String,
    /// What kept it from being excluded.
    pub why: Why,
    /// A request that the formulas tell apart.
    pub example: Option<Example>,
}

/// What keeps a difference from being excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The formulas tell a request apart.
    Differs,
    /// A policy reads what requests of this type do not have, so that there is no formula of it.
    NoFormula,
    /// The solver gave up, or its time was over.
    Unknown,
}

/// What was proven, of all types of requests and all tiers that differ.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// How many there are.
    pub types: usize,
    /// Those where the second set may allow more.
    pub more: BTreeSet<Open>,
    /// Those where the second set may allow less.
    pub less: BTreeSet<Open>,
}

/// Why there is no proof at all.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The solver cannot be started.
    #[error("the solver `{program}` cannot be started: {source}")]
    Start {
        /// What was started.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The solver ended, or says what no solver says.
    #[error("the solver `{program}` failed: {message}")]
    Solver {
        /// What was started.
        program: String,
        /// What it said.
        message: String,
    },
    /// The schema or a policy is none.
    #[error("{0}")]
    Input(String),
}

/// Compares two sets of policies for every type of request of the schemas, which are Cedar's, as JSON. `progress`: how
/// many types are done, of how many.
pub async fn compare(
    schemas: &[serde_json::Value],
    old: &[Statement],
    new: &[Statement],
    solver: &Solver,
    mut progress: impl FnMut(usize, usize),
) -> Result<Proof, ProveError> {
    let mut requests: Vec<(Schema, Vec<RequestEnv>)> = Vec::new();
    for schema in schemas {
        let schema = Schema::from_json_value(schema.clone())
            .map_err(|error| ProveError::Input(error.to_string()))?;
        let types = schema.request_envs().collect();
        requests.push((schema, types));
    }
    let parts = Parts::by_tier(old, new)?;
    let each_tier: usize = requests.iter().map(|(_, types)| types.len()).sum();
    let mut proof = Proof {
        types: parts.len() * each_tier,
        ..Proof::default()
    };
    let mut session = Session::new(solver)?;
    let mut done = 0;
    for (tier, parts) in &parts {
        for (schema, types) in &requests {
            for request in types {
                progress(done, proof.types);
                done += 1;
                let mut formulas = Formulas::new(request, schema);
                for direction in [Direction::More, Direction::Less] {
                    let answer = open(&mut session, parts, direction, &mut formulas).await?;
                    let (why, example) = match answer {
                        Answer::Implied => continue,
                        Answer::Differs(example) => (Why::Differs, example),
                        Answer::Open(why) => (why, None),
                    };
                    let open = Open {
                        tier: tier.clone(),
                        request: name(request),
                        why,
                        example,
                    };
                    match direction {
                        Direction::More => proof.more.insert(open),
                        Direction::Less => proof.less.insert(open),
                    };
                }
            }
        }
    }
    progress(done, proof.types);
    Ok(proof)
}

/// Whether a difference is excluded.
async fn open(
    session: &mut Session<'_>,
    parts: &Parts,
    direction: Direction,
    formulas: &mut Formulas<'_>,
) -> Result<Answer, ProveError> {
    for Question { claims, attempts } in parts.questions(direction) {
        if claims.is_empty() {
            continue;
        }
        let mut answer = Answer::Open(Why::NoFormula);
        for attempt in attempts {
            let Some((weaker, stronger)) = attempt.formulas(claims, formulas) else {
                break;
            };
            answer = session.implies(&weaker, &stronger).await?;
            if matches!(answer, Answer::Implied) {
                break;
            }
        }
        if !matches!(answer, Answer::Implied) {
            return Ok(answer);
        }
    }
    Ok(Answer::Implied)
}

fn name(request: &RequestEnv) -> String {
    let (principal, action, resource) = (request.principal(), request.action(), request.resource());
    format!("{principal} {action} {resource}")
}
