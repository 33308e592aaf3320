//! The solver: a program that reads formulas.

use std::path::PathBuf;
use std::time::Duration;

use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet};
use tokio::process::Command;

use crate::{Example, ProveError, Why};

/// How to start a solver.
#[derive(Clone, Debug)]
pub struct Solver {
    /// The program: cvc5, or one that takes its arguments and reads SMT-LIB.
    pub program: PathBuf,
    /// How long it may think about one question.
    pub patience: Duration,
}

/// What the solver may take beyond its own limit before it is ended.
const GRACE: Duration = Duration::from_secs(5);

impl Solver {
    fn name(&self) -> String {
        self.program.display().to_string()
    }

    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, ProveError> {
        let mut command = Command::new(&self.program);
        let limit = format!("--tlimit-per={}", self.patience.as_millis());
        command.args(["--lang", "smt", &limit]).kill_on_drop(true);
        let started = LocalSolver::from_command(&mut command);
        let solver = started.map_err(|error| match error {
            cedar_policy_symcc::err::SolverError::Io(source) => ProveError::Start {
                program: self.name(),
                source,
            },
            other => self.failed(&other),
        })?;
        CedarSymCompiler::new(solver).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::error::Error) -> ProveError {
        ProveError::Solver {
            program: self.name(),
            message: error.to_string(),
        }
    }
}

/// What the solver says.
pub(crate) enum Answer {
    /// It is implied.
    Implied,
    /// It is not; with a request that shows it, where one could be read.
    Differs(Option<Example>),
    /// Not known.
    Open(Why),
}

/// A solver that is running.
pub(crate) struct Session<'a> {
    solver: &'a Solver,
    compiler: CedarSymCompiler<LocalSolver>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(solver: &'a Solver) -> Result<Self, ProveError> {
        Ok(Self {
            compiler: solver.start()?,
            solver,
        })
    }

    /// Whether all that the one allows is allowed by the other.
    pub(crate) async fn implies(
        &mut self,
        one: &CompiledPolicySet,
        other: &CompiledPolicySet,
    ) -> Result<Answer, ProveError> {
        let asked = self
            .compiler
            .check_implies_with_counterexample_opt(one, other);
        match tokio::time::timeout(self.solver.patience + GRACE, asked).await {
            Ok(Ok(None)) => Ok(Answer::Implied),
            Ok(Ok(Some(found))) => Ok(Answer::Differs(Example::of(&found))),
            // The solver found one that cannot be read.
            Ok(Err(
                Error::DecodeModel(_) | Error::ConcretizeError(_) | Error::ModelInvalid { .. },
            )) => Ok(Answer::Differs(None)),
            Ok(Err(Error::SolverUnknown)) => Ok(Answer::Open(Why::Unknown)),
            Ok(Err(Error::SolverError(error))) => Err(self.solver.failed(&error)),
            Ok(Err(_)) => Ok(Answer::Open(Why::NoFormula)),
            Err(_) => {
                // Dropping the old one ends it.
                self.compiler = self.solver.start()?;
                Ok(Answer::Open(Why::Unknown))
            }
        }
    }
}
