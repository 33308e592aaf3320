//! A record of the log as a sentence, for terminals.

use bailiwick_audit::{
    DecisionRecord, DenialRecord, Event, FederatedKeys, Input, IssueRecord, RotationRecord,
};
use bailiwick_identity::agents::Admissions;
use bailiwick_identity::revoked::{Listed, Revoked};
use bailiwick_identity::rules::Bans;
use bailiwick_spiffe::{Evidence, Unrecorded};

/// What happened, on one line. Names in it are as the caller wrote them: make it inert before it is printed.
pub(crate) fn sentence(event: &Event) -> String {
    match event {
        Event::Decision(decision) => about(decision),
        Event::Opened(opening) => format!("segment {} opened", opening.segment),
        Event::Closed { reason } => format!("segment ended: {reason:?}").to_lowercase(),
        Event::Gap(gap) => format!(
            "gap: {} answers without a record, {} with a late one: {}",
            gap.unwritten, gap.late, gap.cause
        ),
        Event::Search(search) => format!(
            "search for {} of {} ({}): {} found",
            search.wanted, search.resource_type, search.caller, search.found
        ),
        Event::Issue(issue) => issued(issue),
        Event::Denial(denial) => denied(denial),
        Event::Rotation(rotation) => rotated(rotation),
        Event::Ban(ban) if ban.lifted => format!("ban lifted of {}", ban.who),
        Event::Ban(ban) => format!("ban of {}: {}", ban.who, ban.why),
        Event::Federation(federation) => {
            let side = |keys: &Option<FederatedKeys>| match keys {
                None => "no keys".to_owned(),
                Some(keys) => {
                    let sequence = keys.sequence.map(|number| format!("bundle {number}, "));
                    let sequence = sequence.unwrap_or_default();
                    let FederatedKeys {
                        root_count,
                        token_key_count,
                        ..
                    } = keys;
                    format!("{sequence}{root_count} X.509 and {token_key_count} JWT keys")
                }
            };
            let (from, to) = (side(&federation.from), side(&federation.to));
            format!("domain {}: {to}; was {from}", federation.domain)
        }
        Event::Agent(agent) => {
            let by = match agent.by.as_str() {
                "" => String::new(),
                by => format!(" by {by}"),
            };
            format!("agent of node {} {}{by}", agent.node, agent.step.name())
        }
        _ => "a record of another kind; --json prints it".to_owned(),
    }
}

/// Tells standard error what the log was to hold, and whether it does. What is given all the time, and is in the log, is
/// told to those alone who look for everything.
pub(crate) fn trace(event: &Event, outcome: Result<(), &Unrecorded>) {
    let everyday = outcome.is_ok() && matches!(event, Event::Issue(_));
    if everyday && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let line = sentence(event);
    let line = bailiwick_report::inert(&line);
    match outcome {
        Ok(()) if everyday => tracing::debug!("{line}"),
        Ok(()) => tracing::info!("{line}"),
        Err(error) => tracing::error!(%error, "not written: {line}"),
    }
}

/// What people say, and the log holds.
pub(crate) trait Said {
    /// What is other in what was said later.
    fn events(&self, later: &Self) -> Vec<Event>;
}

impl Said for Bans {
    fn events(&self, later: &Self) -> Vec<Event> {
        let changes = self.changes(later).into_iter();
        changes.map(|record| Event::Ban(Box::new(record))).collect()
    }
}

impl Said for Revoked {
    fn events(&self, later: &Self) -> Vec<Event> {
        let changes = self.changes(later).into_iter();
        changes.map(|record| Event::Ban(Box::new(record))).collect()
    }
}

impl Said for Listed {
    fn events(&self, later: &Self) -> Vec<Event> {
        self.revoked().events(later.revoked())
    }
}

impl Said for Admissions {
    fn events(&self, later: &Self) -> Vec<Event> {
        let changes = self.changes(later).into_iter();
        changes
            .map(|record| Event::Agent(Box::new(record)))
            .collect()
    }
}

/// Writes what people said between two states. It holds with or without a record.
pub(crate) async fn said<T: Said>(evidence: &Evidence, before: &T, after: &T) {
    for event in before.events(after) {
        let _ = evidence.write(&event).await;
    }
}

fn issued(issue: &IssueRecord) -> String {
    let IssueRecord {
        door,
        document,
        number,
        id,
        rule,
        until,
        audience,
        workload,
        ..
    } = issue;
    let audience = match audience.as_slice() {
        [] => String::new(),
        receivers => format!(" for {}", receivers.join(", ")),
    };
    format!(
        "issue {} {number} of {id}{audience} until {until} by rule {rule} to {workload} ({})",
        document.name(),
        door.name()
    )
}

fn denied(denial: &DenialRecord) -> String {
    let DenialRecord {
        door,
        why,
        workload,
        claimed_pod,
        times,
        ..
    } = denial;
    let claimed = match claimed_pod.as_str() {
        "" => String::new(),
        uid => format!(", said to be in a pod {uid},"),
    };
    let often = match times {
        Some(times) if times.count > 1 => {
            format!(
                " ({} times from {} to {})",
                times.count, times.first, times.last
            )
        }
        _ => String::new(),
    };
    format!("denied {workload}{claimed} ({}): {why}{often}", door.name())
}

fn rotated(rotation: &RotationRecord) -> String {
    let RotationRecord {
        key,
        purpose,
        from,
        to,
        ..
    } = rotation;
    let from = match from {
        Some(from) => format!("was {from}, is now "),
        None => "is ".to_owned(),
    };
    let to = to.as_deref().unwrap_or("gone");
    format!("key {key} for {purpose} {from}{to}")
}

/// What was asked for.
pub(crate) fn asked(input: &Input) -> String {
    match input {
        Input::Kubernetes { request } => request.to_string(),
        Input::Application {
            action,
            resource_type,
            resource_id,
        } => format!("{action} {resource_type}:{resource_id}"),
        Input::Http { method, host, path } => format!("{method} {host}{path}"),
        _ => "something of another kind".to_owned(),
    }
}

fn about(decision: &DecisionRecord) -> String {
    let what = asked(&decision.input);
    let effect = format!("{:?}", decision.effect).to_lowercase();
    format!(
        "{effect} {} {what} ({}, {}, {} µs) {}",
        decision.subject.name, decision.reason, decision.caller, decision.micros, decision.id
    )
}
