use crate::cedar::{Candidate, Candidates, Evaluation, Objects, Policy};
use crate::conditions::{conditional, settle_with};
use crate::policies::Asked;
use crate::question::Question;
use crate::related::Related;
use crate::relations::{Answer, Path};
use crate::revocations::Revocation;
use crate::state::State;
use bailiwick_core::{
    Condition, Conditions, Decision, Effect, PolicyEvidence, Reason, ResourceRequest, Timestamp,
};
use bailiwick_rbac as rbac;

/// The answer to one question, with its evidence, borrowed from the state.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    outcome: Outcome<'a>,
    rbac: Option<rbac::Verdict<'a>>,
    /// Policies that permit and could not be evaluated. They permit nothing.
    void: Vec<PolicyEvidence>,
    /// Why relations could not be followed to their end.
    unclear: Option<&'static str>,
}

/// The answer and what it rests on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// Allowed by the static floor.
    Floor(rbac::Outcome<'a>),
    /// Denied: the subject or its credential is revoked.
    Revoked(&'a Revocation),
    /// Denied by policies, some of which may have failed.
    Forbidden(Vec<PolicyEvidence>),
    /// Allowed by RBAC.
    Rbac(rbac::Outcome<'a>),
    /// Allowed by a chain of relations, the object first.
    Related(Box<Path<'a>>),
    /// Allowed by policies.
    Permitted(Vec<PolicyEvidence>),
    /// It depends on the object.
    Conditional(Box<Decision>),
    /// Nothing speaks for it or against it.
    NoOpinion,
}

/// What permits a request, before anybody knows the object.
#[derive(Default)]
struct Permits<'a> {
    policies: Vec<PolicyEvidence>,
    left: Vec<(&'a Policy, String)>,
    void: Vec<PolicyEvidence>,
}

impl State {
    /// Decides one question. Where a policy reads the object of a write, the answer can be conditional.
    pub fn decide<'a>(&'a self, question: Question<'a>, now: Timestamp) -> Verdict<'a> {
        self.decide_about(question, None, now)
    }

    /// Decides one question about a write whose objects are known: the answer is never conditional.
    pub fn decide_with_objects<'a>(
        &'a self,
        question: Question<'a>,
        objects: &'a Objects,
        now: Timestamp,
    ) -> Verdict<'a> {
        self.decide_about(question, Some(objects), now)
    }

    fn decide_about<'a>(
        &'a self,
        question: Question<'a>,
        objects: Option<&'a Objects>,
        now: Timestamp,
    ) -> Verdict<'a> {
        if let Some(floor) = self.floor_allows(question) {
            return Verdict::of(Outcome::Floor(floor));
        }
        if let Some(revocation) = self.revocations.applying(question, now) {
            return Verdict::of(Outcome::Revoked(revocation));
        }
        let asked = self.policies.ask(question, self.rbac.snapshot(), objects);
        let forbids = asked
            .as_ref()
            .map(|asked| asked.evaluate(asked.forbidding()));
        let forbids = forbids.unwrap_or_default();
        if !forbids.satisfied.is_empty() || !forbids.failed.is_empty() {
            return Verdict::of(Outcome::Forbidden(forbidding(&forbids)));
        }
        let mut verdict = self.granted(question, asked.as_ref());
        verdict.on_conditions(&forbids);
        verdict
    }

    /// Whether a policy that may apply to a question reads what no log of decisions holds: attributes and properties
    /// that came with the request.
    pub fn reads_unlogged(&self, question: Question<'_>) -> bool {
        let asked = self.policies.ask(question, self.rbac.snapshot(), None);
        asked.is_some_and(|asked| {
            let mut all = asked.cluster.iter().chain(&asked.namespace);
            all.any(|candidate| candidate.policy.reads_unlogged())
        })
    }

    fn floor_allows<'a>(&'a self, question: Question<'a>) -> Option<rbac::Outcome<'a>> {
        let Question::Kubernetes { user, request } = question else {
            return None;
        };
        let verdict = self.floor.decide(user, request);
        verdict.is_allowed().then(|| verdict.outcome())
    }

    /// The union of everything that allows.
    fn granted<'a>(&'a self, question: Question<'a>, asked: Option<&Asked<'a>>) -> Verdict<'a> {
        let rbac = match question {
            Question::Kubernetes { user, request } => Some(self.rbac.decide(user, request)),
            Question::Application(_) => None,
        };
        if let Some(verdict) = rbac.filter(rbac::Verdict::is_allowed) {
            return Verdict::of(Outcome::Rbac(verdict.outcome()));
        }
        let unclear = match self.related(question) {
            Answer::Yes(path) => return Verdict::of(Outcome::Related(path)),
            Answer::No => None,
            Answer::Unclear(why) => Some(why),
        };
        let permits = self.permits(question, asked);
        let outcome = if !permits.policies.is_empty() {
            Outcome::Permitted(permits.policies)
        } else if !permits.left.is_empty() {
            Outcome::Conditional(Box::new(conditional(allowing(permits.left)).decision))
        } else {
            Outcome::NoOpinion
        };
        Verdict {
            outcome,
            rbac,
            void: permits.void,
            unclear,
        }
    }

    fn permits<'a>(&self, question: Question<'a>, asked: Option<&Asked<'a>>) -> Permits<'a> {
        let Some(asked) = asked else {
            return Permits::default();
        };
        let mut found = asked.evaluate(Asked::permitting(&asked.cluster));
        if self.delegates(question) {
            let Evaluation {
                satisfied,
                failed,
                left,
            } = asked.evaluate(Asked::permitting(&asked.namespace));
            found.satisfied.extend(satisfied);
            found.failed.extend(failed);
            found.left.extend(left);
        }
        let mut policies = evidence(found.satisfied.iter().copied().map(|policy| (policy, None)));
        policies.dedup();
        Permits {
            policies,
            void: failed(&found.failed),
            left: found.left,
        }
    }

    /// What relations allow: those of the cluster, and where that is delegated, those of the namespace too.
    fn related<'a>(&'a self, question: Question<'a>) -> Answer<'a> {
        let Some(asked) = Related::of(question, &self.relations) else {
            return Answer::No;
        };
        let namespace = question
            .namespaced()
            .map(|request| request.namespace.as_str())
            .filter(|namespace| self.relations.speaks(namespace));
        let snapshot = self.rbac.snapshot();
        let Some(namespace) = namespace else {
            return asked.check(&self.relations, snapshot, None);
        };
        match asked.clone().check(&self.relations, snapshot, None) {
            Answer::No if self.delegates(question) => {
                asked.check(&self.relations, snapshot, Some(namespace))
            }
            answer => answer,
        }
    }

    /// Whether the namespace's tier may grant what is asked for.
    fn delegates(&self, question: Question<'_>) -> bool {
        match question {
            Question::Kubernetes { request, .. } => {
                question.namespaced().is_some() && self.delegations.allow(request)
            }
            Question::Application(_) => false,
        }
    }

    /// Settles a conditional answer once the objects of the write are known.
    pub fn settle(decision: &Decision, request: &ResourceRequest, objects: &Objects) -> Decision {
        match (decision.effect, &decision.reason) {
            (Effect::Conditional, Reason::Conditions(conditions)) => {
                settle_with(conditions, objects, &request.verb).decision
            }
            _ => decision.clone(),
        }
    }
}

impl<'a> Asked<'a> {
    fn forbidding(&self) -> impl Iterator<Item = Candidate<'a>> {
        let all = self.cluster.iter().chain(&self.namespace).copied();
        all.filter(|candidate| candidate.policy.forbids())
    }

    fn permitting(candidates: &Candidates<'a>) -> impl Iterator<Item = Candidate<'a>> {
        let all = candidates.iter().copied();
        all.filter(|candidate| !candidate.policy.forbids())
    }
}

fn evidence<'a>(
    policies: impl Iterator<Item = (&'a Policy, Option<String>)>,
) -> Vec<PolicyEvidence> {
    let mut found: Vec<PolicyEvidence> = policies
        .map(|(policy, error)| policy.to_evidence(error))
        .collect();
    found.sort_by(|a, b| (&a.namespace, &a.id).cmp(&(&b.namespace, &b.id)));
    found
}

fn failed(policies: &[(&Policy, String)]) -> Vec<PolicyEvidence> {
    evidence(
        policies
            .iter()
            .map(|(policy, error)| (*policy, Some(error.clone()))),
    )
}

fn forbidding(found: &Evaluation<'_>) -> Vec<PolicyEvidence> {
    let satisfied = found.satisfied.iter().map(|policy| (*policy, None));
    let failed = found
        .failed
        .iter()
        .map(|(policy, error)| (*policy, Some(error.clone())));
    evidence(satisfied.chain(failed))
}

/// Conditions of what is left of policies, numbered in the order of their ids, so that every replica gives the same.
fn numbered(mut left: Vec<(&Policy, String)>, prefix: &str) -> Vec<Condition> {
    left.sort_by(|(a, _), (b, _)| a.key().cmp(&b.key()));
    left.into_iter()
        .zip(1..)
        .map(|((policy, residual), number)| Condition {
            id: format!("bailiwick.dev/{prefix}-{number}"),
            residual,
            reason: Box::new(Reason::Policies {
                policies: vec![policy.to_evidence(None)],
            }),
        })
        .collect()
}

fn allowing(left: Vec<(&Policy, String)>) -> Conditions {
    Conditions {
        allow: numbered(left, "permit"),
        ..Conditions::default()
    }
}

impl<'a> Verdict<'a> {
    fn of(outcome: Outcome<'a>) -> Self {
        Self {
            outcome,
            rbac: None,
            void: Vec::new(),
            unclear: None,
        }
    }

    /// Puts policies that may forbid before what was granted. They count where nothing was granted too: others may
    /// grant.
    fn on_conditions(&mut self, forbids: &Evaluation<'_>) {
        if forbids.left.is_empty() {
            return;
        }
        let mut conditions = Conditions {
            deny: numbered(forbids.left.clone(), "forbid"),
            ..Conditions::default()
        };
        match &self.outcome {
            Outcome::NoOpinion => {}
            Outcome::Conditional(decision) => {
                if let Reason::Conditions(found) = &decision.reason {
                    conditions.allow.clone_from(&found.allow);
                }
            }
            // It holds whatever the object is.
            _ => conditions.allow.push(Condition {
                id: "bailiwick.dev/granted".to_owned(),
                residual: String::new(),
                reason: Box::new(self.to_decision().reason),
            }),
        }
        self.outcome = Outcome::Conditional(Box::new(conditional(conditions).decision));
    }

    /// The answer and what it rests on.
    pub fn outcome(&self) -> &Outcome<'a> {
        &self.outcome
    }

    /// The answer.
    pub fn effect(&self) -> Effect {
        match &self.outcome {
            Outcome::Floor(_) | Outcome::Rbac(_) | Outcome::Related(_) | Outcome::Permitted(_) => {
                Effect::Allow
            }
            Outcome::Revoked(_) | Outcome::Forbidden(_) => Effect::Deny,
            Outcome::Conditional(decision) => decision.effect,
            Outcome::NoOpinion => Effect::NoOpinion,
        }
    }

    /// The same with strings of its own, to be logged and sent.
    pub fn to_decision(&self) -> Decision {
        let policies = |policies: &[PolicyEvidence]| Reason::Policies {
            policies: policies.to_vec(),
        };
        Decision {
            effect: self.effect(),
            reason: match &self.outcome {
                Outcome::Floor(outcome) => rbac_reason(*outcome, Reason::Floor),
                Outcome::Rbac(outcome) => rbac_reason(*outcome, Reason::Rbac),
                Outcome::Revoked(revocation) => Reason::Revoked(revocation.to_evidence()),
                Outcome::Forbidden(found) | Outcome::Permitted(found) => policies(found),
                Outcome::Related(path) => Reason::Relation {
                    path: path.to_steps(),
                },
                Outcome::Conditional(decision) => decision.reason.clone(),
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
        let void = self.void.iter().map(|policy| {
            let error = policy.error.as_deref().unwrap_or_default();
            format!(
                "policy `{}` cannot be evaluated and permits nothing: {error}",
                policy.id
            )
        });
        let unclear = self.unclear.map(str::to_owned);
        rbac.iter()
            .map(ToString::to_string)
            .chain(void)
            .chain(unclear)
            .collect()
    }
}

fn rbac_reason(outcome: rbac::Outcome<'_>, grant: fn(bailiwick_core::Grant) -> Reason) -> Reason {
    match outcome {
        rbac::Outcome::Masters => Reason::Masters,
        rbac::Outcome::Granted(found) => grant(found.to_grant()),
        rbac::Outcome::NoOpinion => Reason::NoGrant,
    }
}
