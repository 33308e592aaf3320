//! What this agent refuses by itself is told to the server, which has it in its log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick_audit::Door;
use tonic::{Code, Request, Status};

use super::held::RETRY;
use super::{AgentNews, Node};
use crate::limit::pushback;
use crate::refusals::{Often, Refusal, RefusedCaller, Topic, Untold};
use crate::server::MOST_AT_ONCE;
use crate::wire::issuer::{AgentDoor, RefusalReport, RefusedProcess, ReportRequest};

/// How long an answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The shortest time between two reports.
const PAUSE: Duration = Duration::from_secs(1);
/// A server that takes no reports may be a newer one after so long.
const LATER: Duration = Duration::from_secs(300);
/// How long the end of the agent waits for its last report.
const LAST: Duration = Duration::from_secs(1);

impl Node {
    /// Tells that somebody gets nothing, and gives what it hears.
    pub(crate) fn denied(&self, refusal: Refusal) -> Status {
        let status = Status::permission_denied(refusal.told.clone());
        self.refused(refusal);
        status
    }

    /// Tells that somebody gets nothing.
    pub(crate) fn refused(&self, refusal: Refusal) {
        (self.tell)(AgentNews::Denied(&refusal.to_string()));
        self.refusals.note(refusal.topic, refusal.process);
    }

    /// The same of what may come in a flood: it is told one time until that is reported.
    pub(crate) fn refused_often(&self, refusal: Refusal) {
        let said = refusal.to_string();
        if self.refusals.note(refusal.topic, refusal.process) {
            (self.tell)(AgentNews::Denied(&said));
        }
    }

    /// Reports refusals for ever; while the server is away they are kept, and counted where there is no room.
    pub(crate) async fn report(self: Arc<Self>) {
        let mut server = self.server.subscribe();
        let mut said = false;
        loop {
            self.refusals.wait().await;
            let is_there =
                |server: &super::Server| server.client.is_some() && server.away.is_none();
            if server.wait_for(is_there).await.is_err() {
                return;
            }
            let pause = match self.tell_server(self.refusals.due(MOST_AT_ONCE)).await {
                Ok(()) => PAUSE,
                Err(status) if status.code() == Code::Unimplemented => {
                    if !said {
                        let why = "the server is older than this agent and takes no reports of what it refuses: that is told here alone";
                        (self.tell)(AgentNews::Unreported(why));
                    }
                    said = true;
                    LATER
                }
                Err(status) if status.code() == Code::InvalidArgument => {
                    (self.tell)(AgentNews::Unreported(status.message()));
                    PAUSE
                }
                Err(status) => pushback(&status).unwrap_or(RETRY),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Reports what was not, before the agent ends.
    pub(crate) async fn report_rest(&self) {
        let told = async {
            loop {
                let rest = self.refusals.rest(MOST_AT_ONCE);
                if rest.list().is_empty() || self.tell_server(rest).await.is_err() {
                    return;
                }
            }
        };
        // Who is away hears nothing of it, and the agent has said it itself.
        let _ = tokio::time::timeout(LAST, told).await;
    }

    /// What is not taken is kept, but for what the server does not understand.
    async fn tell_server(&self, mut untold: Untold<'_>) -> Result<(), Status> {
        let mut request = Request::new(ReportRequest {
            refusals: untold.list().iter().map(wire).collect(),
        });
        request.set_timeout(PATIENCE);
        let answer = self.client()?.report(request).await;
        untold.told(match &answer {
            Ok(answer) => answer.get_ref().taken as usize,
            Err(status) if status.code() == Code::InvalidArgument => usize::MAX,
            Err(_) => 0,
        });
        answer.map(drop)
    }
}

fn wire((topic, often): &(Topic, Often)) -> RefusalReport {
    let ago = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    let door = match topic.door {
        Door::SecretDiscovery => AgentDoor::SecretDiscovery,
        _ => AgentDoor::WorkloadApi,
    };
    RefusalReport {
        door: door.into(),
        why: topic.why.clone(),
        pod_uid: topic.pod.clone().unwrap_or_default(),
        process: often.process.as_ref().map(|process| RefusedProcess {
            pid: process.pid,
            uid: process.uid,
            gid: process.gid,
        }),
        broker: match &topic.caller {
            RefusedCaller::Broker(broker) => broker.clone(),
            _ => String::new(),
        },
        count: often.count,
        first_ago: ago(often.first),
        last_ago: ago(often.last),
    }
}
