//! What an agent refused by itself, for the log: nobody else would know of it.

use std::time::{Duration, Instant};

use bailiwick_audit::{DenialRecord, Door, Event, PodRef, ProcessRef, WorkloadRef};
use tonic::Status;

use super::{DOOR, MOST_AT_ONCE, Service};
use crate::issuer_core::unavailable;
use crate::limit::Rate;
use crate::refusals::{MOST_LETTERS, RefusedCaller, times};
use crate::server::clients::AgentId;
use crate::wire::issuer::{AgentDoor, Brokered, RefusalReport, ReportRequest, ReportResponse};

/// Records of one agent: what an honest one has at most, whoever asks it.
pub(crate) const REPORTS: Rate = Rate::per_second(20);
/// No UID is longer, in bytes.
const MAX_UID: usize = 253;
/// What an agent says of a time before this is not believed.
const LONGEST_AGO: Duration = Duration::from_secs(24 * 3600);

impl Service {
    /// Writes what an agent refused. Which node it is on is proven, and which pods run there is looked up; the rest is its
    /// word, and the record names it.
    pub(super) async fn reported(
        &self,
        agent: &AgentId,
        report: ReportRequest,
    ) -> Result<ReportResponse, Status> {
        let count = report.refusals.len();
        if count > MOST_AT_ONCE {
            return Err(Status::invalid_argument(format!(
                "{count} refusals at once: report {MOST_AT_ONCE} at most"
            )));
        }
        let node = agent.node.clone();
        if let Err(early) = self
            .reports
            .admits(node.clone(), count.max(1), Instant::now())
        {
            let caller = RefusedCaller::Agent(node);
            return Err(self.too_many.refuse(DOOR, caller, early));
        }
        let records = report.refusals.into_iter();
        let records = records.map(|refusal| self.record(agent, refusal));
        let records: Vec<DenialRecord> = records.collect::<Result<_, _>>()?;
        let mut taken = 0;
        for record in records {
            let event = Event::Denial(Box::new(record));
            match self.core.evidence.write(&event).await {
                Ok(()) => taken += 1,
                Err(error) if taken == 0 => return Err(unavailable(&error)),
                Err(_) => break,
            }
        }
        Ok(ReportResponse { taken })
    }

    fn record(&self, agent: &AgentId, refusal: RefusalReport) -> Result<DenialRecord, Status> {
        let door = match refusal.door() {
            AgentDoor::WorkloadApi => Door::WorkloadApi,
            AgentDoor::SecretDiscovery => Door::SecretDiscovery,
        };
        if refusal.pod_uid.len() > MAX_UID {
            return Err(Status::invalid_argument("no UID of a pod is so long"));
        }
        let brokered = (!refusal.broker.is_empty()).then(|| Brokered {
            broker: refusal.broker.clone(),
            ..Brokered::default()
        });
        let ago = |millis| Duration::from_millis(millis).min(LONGEST_AGO);
        // By our clock, whatever that of the node says.
        let (first, last) = (ago(refusal.first_ago), ago(refusal.last_ago));
        let times = times(refusal.count, first, last);
        let pod = self.pod_here(agent, &refusal.pod_uid);
        let process = refusal.process.map(|process| ProcessRef {
            pid: process.pid,
            uid: process.uid,
            gid: process.gid,
            program: None,
        });
        Ok(DenialRecord {
            claimed_pod: match pod {
                Some(_) => String::new(),
                None => refusal.pod_uid,
            },
            times: Some(times),
            ..DenialRecord::new(
                door,
                refusal.why.chars().take(MOST_LETTERS).collect(),
                WorkloadRef {
                    process,
                    pod,
                    node: agent.node.clone(),
                },
                self.proof(agent, brokered.as_ref())?,
            )
        })
    }

    /// The pod with this UID in its cgroup, if it runs on the node of the agent.
    fn pod_here(&self, agent: &AgentId, uid: &str) -> Option<PodRef> {
        let view = self.pods.view();
        let pod = view.on_node(uid, &agent.node).ok()?;
        Some(PodRef {
            namespace: pod.meta.namespace.to_string(),
            name: pod.meta.name.to_string(),
            uid: pod.meta.uid.to_string(),
            service_account: pod.service_account.clone(),
        })
    }
}
