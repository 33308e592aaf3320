use bailiwick_core::{Decision, Effect, Reason, Timestamp};
use bailiwick_rbac as rbac;

use crate::question::Question;
use crate::revocations::Revocation;
use crate::state::State;

/// The answer to one question, with its evidence, borrowed from the state.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    outcome: Outcome<'a>,
    rbac: Option<rbac::Verdict<'a>>,
}

/// The answer and what it rests on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// Allowed by the static floor.
    Floor(rbac::Outcome<'a>),
    /// Denied: the subject or its credential is revoked.
    Revoked(&'a Revocation),
    /// Allowed by RBAC.
    Rbac(rbac::Outcome<'a>),
    /// Nothing speaks for it or against it.
    NoOpinion,
}

impl State {
    /// Decides one question.
    pub fn decide<'a>(&'a self, question: Question<'a>, now: Timestamp) -> Verdict<'a> {
        if let Some(floor) = self.floor_allows(question) {
            return Verdict::of(Outcome::Floor(floor));
        }
        if let Some(revocation) = self.revocations.applying(question, now) {
            return Verdict::of(Outcome::Revoked(revocation));
        }
        self.granted(question)
    }

    fn floor_allows<'a>(&'a self, question: Question<'a>) -> Option<rbac::Outcome<'a>> {
        let Question::Kubernetes { user, request } = question else {
            return None;
        };
        let verdict = self.floor.decide(user, request);
        verdict.is_allowed().then(|| verdict.outcome())
    }

    fn granted<'a>(&'a self, question: Question<'a>) -> Verdict<'a> {
        let Question::Kubernetes { user, request } = question else {
            return Verdict::of(Outcome::NoOpinion);
        };
        let verdict = self.rbac.decide(user, request);
        let outcome = if verdict.is_allowed() {
            Outcome::Rbac(verdict.outcome())
        } else {
            Outcome::NoOpinion
        };
        Verdict {
            outcome,
            rbac: Some(verdict),
        }
    }
}

impl<'a> Verdict<'a> {
    fn of(outcome: Outcome<'a>) -> Self {
        Self {
            outcome,
            rbac: None,
        }
    }

    /// The answer and what it rests on.
    pub fn outcome(&self) -> &Outcome<'a> {
        &self.outcome
    }

    /// The answer.
    pub fn effect(&self) -> Effect {
        match self.outcome {
            Outcome::Floor(_) | Outcome::Rbac(_) => Effect::Allow,
            Outcome::Revoked(_) => Effect::Deny,
            Outcome::NoOpinion => Effect::NoOpinion,
        }
    }

    /// The same with strings of its own, to be logged and sent.
    pub fn to_decision(&self) -> Decision {
        Decision {
            effect: self.effect(),
            reason: match self.outcome {
                Outcome::Floor(outcome) => rbac_reason(outcome, Reason::Floor),
                Outcome::Rbac(outcome) => rbac_reason(outcome, Reason::Rbac),
                Outcome::Revoked(revocation) => Reason::Revoked(revocation.to_evidence()),
                Outcome::NoOpinion => Reason::NoGrant,
            },
            problems: self.problems(),
        }
    }

    /// What kept us from seeing everything. An answer of "allowed" or "denied" stands in spite of it, and is spared
    /// the search.
    fn problems(&self) -> Vec<String> {
        let rbac = match (&self.outcome, &self.rbac) {
            (Outcome::NoOpinion, Some(verdict)) => verdict.problems(),
            _ => Vec::new(),
        };
        rbac.iter().map(ToString::to_string).collect()
    }
}

fn rbac_reason(outcome: rbac::Outcome<'_>, grant: fn(bailiwick_core::Grant) -> Reason) -> Reason {
    match outcome {
        rbac::Outcome::Masters => Reason::Masters,
        rbac::Outcome::Granted(found) => grant(found.to_grant()),
        rbac::Outcome::NoOpinion => Reason::NoGrant,
    }
}
