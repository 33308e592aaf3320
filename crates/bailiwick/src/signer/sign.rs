//! What is written about a request: first into the log, then into its status.

use std::time::Duration;

use bailiwick_audit::{DenialRecord, Document, Door, Event, IssueRecord, Proof};
use bailiwick_identity::PublicKey;
use bailiwick_identity::facts::Facts;
use bailiwick_identity::rules::Plan;
use bailiwick_identity::x509::Validity;
use bailiwick_kube::{Condition, Issued, PodRequest, RequestError};
use bailiwick_spiffe::pem;

use super::decide::Verdict;
use super::{Pending, Signer};

/// The shortest life that the API server takes, in seconds (upstream `ValidatePodCertificateRequestStatusUpdate`).
const SHORTEST: u64 = 3600;
/// Certificates count from so long before they were made, in seconds, for whoever checks them by a clock that is late. The
/// API server takes what begins less than 5 minutes from its own time (upstream `ValidatePodCertificateRequestStatusUpdate`),
/// and its clock may be four minutes ahead of ours: this leaves a quarter of a minute for the way there.
const BACKDATE: u64 = 45;
/// How soon the watches are looked at again for what they have not shown.
const EARLY: Duration = Duration::from_millis(100);
/// How soon something is tried again that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// How soon something is looked at again that waits for people. What they do is heard of at once.
pub(super) const HOLD: Duration = Duration::from_secs(30);

/// What was done about a request.
pub(super) enum Outcome {
    /// It has its answer, or is gone.
    Settled,
    /// Not its time yet.
    Wait(Duration),
    /// Something failed.
    Again(Duration, String),
    /// It waits for a rule, or for the end of a ban.
    Held(String, Box<DenialRecord>),
    /// The API server says that one of the clocks is wrong.
    Skewed(String),
}

impl Signer {
    pub(super) fn settle(&self, pending: &Pending) -> Outcome {
        let request = &pending.request;
        match self.decide(pending) {
            Verdict::Early => Outcome::Wait(EARLY),
            Verdict::Blind(error) => Outcome::Again(AGAIN, error.to_string()),
            Verdict::Hold(facts, why) => {
                let record = denial(request, Some(&facts), &why);
                Outcome::Held(why, Box::new(record))
            }
            Verdict::Deny { facts, reason, why } => {
                let record = denial(request, facts.as_deref(), &why);
                // What is final needs its record, other than a request that merely waits.
                if let Err(error) = self
                    .parts
                    .evidence
                    .write_blocking(&Event::Denial(Box::new(record)))
                {
                    return Outcome::Again(AGAIN, error.to_string());
                }
                let message = why;
                self.write(request, &Condition::Denied { reason, message })
            }
            Verdict::Sign(facts, plan, key) => match self.certificate(request, &facts, *plan, &key)
            {
                Ok(issued) => self.write(request, &Condition::Issued(issued)),
                Err(why) => Outcome::Again(AGAIN, why),
            },
        }
    }

    /// Makes the certificate and writes its record.
    fn certificate(
        &self,
        request: &PodRequest,
        facts: &Facts,
        mut plan: Plan,
        key: &PublicKey,
    ) -> Result<Issued, String> {
        // What the rule says, within what the API server takes.
        let life = plan.lifetime.max(SHORTEST).min(request.longest_life);
        plan.lifetime = life.saturating_sub(BACKDATE);
        let authority = &self.parts.authority;
        let issued = authority.issue_x509_dated_back(BACKDATE, &plan, key);
        let issued = issued.map_err(|error| error.to_string())?;
        let Validity {
            not_before,
            not_after,
        } = issued.validity;
        if not_after.since(not_before) < SHORTEST {
            return Err("the authority itself ends too soon".to_owned());
        }
        let record = IssueRecord {
            door: Door::PodCertificate,
            document: Document::X509,
            number: issued.serial.to_string(),
            id: plan.id.to_string(),
            rule: plan.rule.to_string(),
            until: not_after.into(),
            audience: Vec::new(),
            workload: facts.into(),
            proof: proof(request),
        };
        let written = self
            .parts
            .evidence
            .write_blocking(&Event::Issue(Box::new(record)));
        written.map_err(|error| error.to_string())?;
        Ok(Issued {
            chain: pem::certificates(&issued.chain),
            not_before,
            not_after,
            begin_refresh_at: not_before.plus(not_after.since(not_before) / 2),
        })
    }

    fn write(&self, request: &PodRequest, condition: &Condition) -> Outcome {
        let now = self.parts.clock.now();
        match self
            .parts
            .cluster
            .settle(self.parts.api, request, condition, now)
        {
            Ok(()) => Outcome::Settled,
            // Somebody settled it, or it is gone; the watch tells what is left to do.
            Err(RequestError::NotFound { .. }) => Outcome::Settled,
            Err(RequestError::Status { code: 409, .. }) => Outcome::Wait(AGAIN),
            Err(RequestError::Status { code: 422, message }) if is_skew(&message) => {
                Outcome::Skewed(message)
            }
            Err(RequestError::Status { code: 422, message }) if is_settled(&message) => {
                Outcome::Wait(AGAIN)
            }
            Err(error) => Outcome::Again(AGAIN, error.to_string()),
        }
    }
}

/// What upstream says where `notBefore` is 5 minutes or more from its own clock.
fn is_skew(message: &str) -> bool {
    message.contains("within 5 minutes of kube-apiserver's current time")
}

/// What upstream says where another replica was first.
fn is_settled(message: &str) -> bool {
    message.contains("immutable after PodCertificateRequest is")
}

fn proof(request: &PodRequest) -> Proof {
    Proof {
        request: request.uid.clone(),
        ..Proof::default()
    }
}

fn denial(request: &PodRequest, facts: Option<&Facts>, why: &str) -> DenialRecord {
    let workload = facts.map(Into::into).unwrap_or_default();
    DenialRecord::new(
        Door::PodCertificate,
        why.to_owned(),
        workload,
        proof(request),
    )
}
