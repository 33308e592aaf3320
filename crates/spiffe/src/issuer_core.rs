use std::sync::Arc;

use bailiwick_audit::{DenialRecord, Door, IssueRecord, Proof};
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::{Denial, Outcome, Plan, RuleSet};
use bailiwick_identity::{PublicKey, SpiffeId};
use tokio::sync::watch;
use tonic::Status;

use crate::authority::{Authority, IssuedJwt, IssuedX509};
use crate::evidence::{Evidence, certificate_record, token_record, wit_record};

/// What all doors have in common: rules say what a proven workload gets, the authority makes it, and the log holds it
/// before it leaves.
#[derive(Clone)]
pub(crate) struct IssuerCore {
    pub(crate) authority: Arc<Authority>,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    pub(crate) evidence: Evidence,
}

/// Who asks, and through which door.
pub(crate) struct Asker {
    pub(crate) door: Door,
    pub(crate) facts: Facts,
    pub(crate) proof: Proof,
}

impl IssuerCore {
    /// Everything that the rules give.
    pub(crate) async fn plans(&self, asker: &Asker) -> Result<Vec<Plan>, Status> {
        match self.entitled(&asker.facts) {
            Ok(plans) => Ok(plans),
            Err(why) => {
                let why = format!("no identity for {}: {why}", asker.facts);
                Err(self.denied(asker, why).await)
            }
        }
    }

    /// The same, or why it is nothing, in words that name nobody.
    pub(crate) fn entitled(&self, facts: &Facts) -> Result<Vec<Plan>, String> {
        let rules = Arc::clone(&self.rules.borrow());
        entitled(&rules, facts)
    }

    /// This identity, if the rules give it, or the first one.
    pub(crate) async fn plan(
        &self,
        asker: &Asker,
        wanted: Option<&SpiffeId>,
    ) -> Result<Plan, Status> {
        let plans = self.plans(asker).await?;
        let fits = |plan: &Plan| wanted.is_none_or(|wanted| plan.id == *wanted);
        match plans.into_iter().find(fits) {
            Some(plan) => Ok(plan),
            None => Err(self.not_given(asker, wanted).await),
        }
    }

    /// Denies one identity.
    pub(crate) async fn not_given(&self, asker: &Asker, wanted: Option<&SpiffeId>) -> Status {
        let facts = &asker.facts;
        let why = match wanted {
            Some(wanted) => format!("no rule gives {facts} `{wanted}`"),
            None => format!("no identity for {facts}"),
        };
        self.denied(asker, why).await
    }

    /// A certificate for a key.
    pub(crate) async fn certificate(
        &self,
        asker: &Asker,
        plan: &Plan,
        key: &PublicKey,
    ) -> Result<IssuedX509, Status> {
        let issued = self.authority.issue_x509(plan, key);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let (workload, proof) = ((&asker.facts).into(), asker.proof.clone());
        let record = certificate_record(asker.door, plan, &issued, workload, proof);
        self.written(record).await?;
        Ok(issued)
    }

    /// A token for these receivers.
    pub(crate) async fn token(
        &self,
        asker: &Asker,
        plan: &Plan,
        audience: &[String],
    ) -> Result<IssuedJwt, Status> {
        let issued = self.authority.issue_jwt(plan, audience);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let (workload, proof) = ((&asker.facts).into(), asker.proof.clone());
        let record = token_record(asker.door, plan, &issued, audience, workload, proof);
        self.written(record).await?;
        Ok(issued)
    }

    /// A WIT-SVID for a key.
    pub(crate) async fn wit(
        &self,
        asker: &Asker,
        plan: &Plan,
        key: &PublicKey,
    ) -> Result<IssuedJwt, Status> {
        let issued = self.authority.issue_wit(plan, key);
        let issued = issued.map_err(|error| unavailable(&error))?;
        let (workload, proof) = ((&asker.facts).into(), asker.proof.clone());
        let record = wit_record(asker.door, plan, &issued, workload, proof);
        self.written(record).await?;
        Ok(issued)
    }

    /// What the log does not hold does not leave.
    async fn written(&self, record: IssueRecord) -> Result<(), Status> {
        let written = self.evidence.issued(record).await;
        written.map_err(|error| unavailable(&error))
    }

    /// Writes that somebody gets nothing, and gives what it hears.
    pub(crate) async fn denied(&self, asker: &Asker, why: String) -> Status {
        let (workload, proof) = ((&asker.facts).into(), asker.proof.clone());
        let record = DenialRecord::new(asker.door, why.clone(), workload, proof);
        self.evidence.denied(record).await;
        Status::permission_denied(why)
    }
}

/// Everything that rules give, or why they give nothing, in words that do not name the workload.
pub(crate) fn entitled(rules: &RuleSet, facts: &Facts) -> Result<Vec<Plan>, String> {
    let explanation = rules.explain(facts);
    let denial = match explanation.result {
        Ok(plans) => return Ok(plans),
        Err(denial) => denial,
    };
    let mut why = denial.to_string();
    if denial == Denial::NoRule {
        for verdict in &explanation.verdicts {
            if let Outcome::Fails(reason) = &verdict.outcome {
                why.push_str(&format!("; rule `{}` fits, but {reason}", verdict.rule));
            }
        }
        why.push_str("; `bailiwick identity why` shows each rule");
    }
    Err(why)
}

/// Something in us failed: the caller may come again (E-3).
pub(crate) fn unavailable(error: &dyn std::error::Error) -> Status {
    Status::unavailable(error.to_string())
}
