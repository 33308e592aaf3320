//! Batches as the OpenTelemetry protocol has them, in its JSON form (opentelemetry-proto 1.x, OTLP/HTTP).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::Told;

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
/// `SEVERITY_NUMBER_INFO`.
const INFO: u8 = 9;

/// An ExportTraceServiceRequest of what has a span. A span names the decision and no person.
pub(super) fn traces(batch: &[Told]) -> Value {
    let spans: Vec<Value> = batch.iter().filter_map(span).collect();
    json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"scope": scope(), "spans": spans}]}]})
}

/// An ExportLogsServiceRequest: each record as the log of decisions has it.
pub(super) fn logs(batch: &[Told]) -> Value {
    let records: Vec<Value> = batch.iter().map(record).collect();
    json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"scope": scope(), "logRecords": records}]}]})
}

fn resource() -> Value {
    json!({"attributes": [
        attribute("service.name", "bailiwick"),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
    ]})
}

fn scope() -> Value {
    json!({"name": "bailiwick.decisions", "version": env!("CARGO_PKG_VERSION")})
}

fn span(told: &Told) -> Option<Value> {
    let span = told.span?;
    let mut out = json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.span),
        "name": format!("decide {}", told.record.door.name()),
        "kind": SERVER,
        "startTimeUnixNano": nanos(told.ended, told.took),
        "endTimeUnixNano": nanos(told.ended, Duration::ZERO),
        "attributes": attributes(told),
        "status": match told.recorded {
            true => json!({}),
            false => json!({"code": ERROR, "message": "no record of the decision in time"}),
        },
    });
    if let (Some(parent), Some(fields)) = (span.parent, out.as_object_mut()) {
        fields.insert("parentSpanId".to_owned(), hex(&parent).into());
    }
    Some(out)
}

fn record(told: &Told) -> Value {
    // Records have no map with keys that are no texts.
    let text = serde_json::to_string(&*told.record).unwrap_or_default();
    let time = nanos(told.ended, Duration::ZERO);
    let mut out = json!({
        "timeUnixNano": time,
        "observedTimeUnixNano": time,
        "severityNumber": INFO,
        "severityText": "INFO",
        "eventName": "bailiwick.decision",
        "body": {"stringValue": text},
        "attributes": attributes(told),
    });
    if let (Some(span), Some(fields)) = (told.span, out.as_object_mut()) {
        fields.insert("traceId".to_owned(), hex(&span.trace).into());
        fields.insert("spanId".to_owned(), hex(&span.span).into());
    }
    out
}

fn attributes(told: &Told) -> Vec<Value> {
    let record = &told.record;
    // An effect is written as a text.
    let text = |value: serde_json::Result<Value>| {
        value
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    let effect = text(serde_json::to_value(record.effect)).unwrap_or_default();
    let answered = record
        .answered
        .and_then(|answered| text(serde_json::to_value(answered)));
    vec![
        attribute("bailiwick.decision.id", &record.id.to_string()),
        attribute("bailiwick.decision.effect", &effect),
        attribute(
            "bailiwick.decision.answered",
            answered.as_deref().unwrap_or(&effect),
        ),
        attribute("bailiwick.decision.revision", &record.revision),
        attribute("bailiwick.caller", &record.caller),
        attribute("bailiwick.door", record.door.name()),
    ]
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Nanoseconds since 1970, as text: JSON's numbers do not hold them.
fn nanos(ended: SystemTime, before: Duration) -> String {
    let since = ended
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    since.saturating_sub(before).as_nanos().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
