//! SARIF 2.1.0 (OASIS), as code scanning services read it.

use bailiwick_core::ObjectRef;
use bailiwick_diag::{Finding, Place, Severity, Span};
use serde_json::{Map, Value, json};

use crate::inert::{inert, inert_json};
use crate::report::{Report, Rule};

/// Places reported with a result; services refuse more than a thousand.
const PLACES: usize = 100;

/// How much a log holds.
struct Limits {
    results: usize,
    /// Steps of all flows. Results beyond have none.
    steps: usize,
}

/// GitHub shows the first 5,000 results by severity and refuses logs of more than 25,000, or of more than 10 MB compressed
/// (docs.github.com, "SARIF results exceed one or more limits").
const LIMITS: Limits = Limits {
    results: 5_000,
    steps: 50_000,
};

/// The findings as a SARIF log of one run.
///
/// `partialFingerprints` are those of [`Finding::fingerprint`], so that a finding keeps its identity when lines move.
/// `suppressions` name who answers for a finding. A severity is a `level` and, for
/// services that rank by it, `security-severity`. Of the results the first 5,000 are there, and flows as long as all of
/// them have no more than 50,000 steps together; a notification says how many were left out.
pub fn findings(report: &Report<'_>) -> Result<String, serde_json::Error> {
    within(&LIMITS, report)
}

fn within(limits: &Limits, report: &Report<'_>) -> Result<String, serde_json::Error> {
    let mut ids: Vec<&str> = report.rules.iter().map(|rule| rule.id).collect();
    let all = || {
        report
            .findings
            .iter()
            .chain(report.excepted)
            .chain(report.known)
    };
    let mut left_out = LeftOut {
        results: all().count().saturating_sub(limits.results),
        ..LeftOut::default()
    };
    for finding in all().take(limits.results) {
        if !ids.contains(&&*finding.id) {
            ids.push(&finding.id);
        }
    }
    let rules: Vec<Value> = ids.iter().map(|id| rule(id, report)).collect();
    let mut steps = limits.steps;
    let mut results = Vec::new();
    for finding in all().take(limits.results) {
        let own: usize = finding
            .flows
            .iter()
            .map(|flow| flow.len().min(PLACES))
            .sum();
        let flows: &[Vec<Place>] = match steps.checked_sub(own) {
            Some(rest) => {
                steps = rest;
                &finding.flows
            }
            None => {
                left_out.flows += 1;
                &[]
            }
        };
        let rule = ids.iter().position(|id| *id == finding.id);
        results.push(result(finding, rule, flows));
    }
    let gaps = report.gaps.iter().map(|gap| gap.message.clone());
    let notifications: Vec<Value> = gaps
        .chain(left_out.said(limits))
        .map(|text| json!({"level": "warning", "message": {"text": inert(&text)}}))
        .collect();
    let mut log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "bailiwick",
                "informationUri": "https://bailiwick.dev",
                "version": report.version,
                "semanticVersion": report.version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
                "properties": {"partial": report.partial()},
            }],
            "results": results,
        }],
    });
    // A feature of serde_json that any dependency may turn on keeps the order above instead.
    log.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&log)?;
    text.push('\n');
    Ok(inert_json(text))
}

fn rule(id: &str, report: &Report<'_>) -> Value {
    let Some(Rule {
        title,
        severity,
        page,
        ..
    }) = report.rule(id)
    else {
        return json!({"id": id});
    };
    json!({
        "id": id,
        "name": camel_case(id),
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": level(*severity)},
        "properties": {
            "security-severity": score(*severity),
            "tags": ["security", "kubernetes", "access-control"],
        },
    })
}

/// What did not fit into a log.
#[derive(Default)]
struct LeftOut {
    results: usize,
    /// Results without their flows.
    flows: usize,
}

impl LeftOut {
    /// In words.
    fn said(&self, limits: &Limits) -> impl Iterator<Item = String> {
        let rest = "the other formats have all";
        let results = (self.results > 0).then(|| {
            let (left, shown) = (self.results, limits.results);
            format!("{left} results beyond the first {shown} are left out; {rest}")
        });
        let flows = (self.flows > 0).then(|| {
            let left = self.flows;
            format!("{left} results are without their code flows, which would be too many; {rest}")
        });
        results.into_iter().chain(flows)
    }
}

fn result(finding: &Finding, rule: Option<usize>, flows: &[Vec<Place>]) -> Value {
    let mut text = inert(&finding.message).into_owned();
    for line in finding.evidence.iter().take(PLACES).chain(&finding.help) {
        text.push('\n');
        text += &inert(line);
    }
    let mut places = finding.places.iter();
    let first: Vec<Value> = places.next().map(location).into_iter().collect();
    let related: Vec<Value> = places.take(PLACES).map(location).collect();
    let fingerprint = finding.fingerprint();
    let mut properties = Map::new();
    properties.insert("severity".to_owned(), json!(finding.severity));
    properties.insert(
        "security-severity".to_owned(),
        json!(score(finding.severity)),
    );
    if let Some(fix) = &finding.fix {
        properties.insert("fix".to_owned(), json!(fix));
    }
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": rule,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": first,
        "relatedLocations": related,
        "partialFingerprints": {
            "bailiwick/v1": fingerprint,
            // The key that GitHub matches alerts by; without it, it hashes the line.
            "primaryLocationLineHash": format!("{fingerprint}:1"),
        },
        "properties": properties,
    });
    let Some(fields) = result.as_object_mut() else {
        return result;
    };
    if !flows.is_empty() {
        let flows: Vec<Value> = flows.iter().map(|flow| code_flow(flow)).collect();
        fields.insert("codeFlows".to_owned(), json!(flows));
    }
    if let Some(state) = finding.baseline {
        fields.insert("baselineState".to_owned(), json!(state));
    }
    if let Some(answer) = &finding.exception {
        let words = answer.to_string();
        let suppression =
            json!({"kind": "external", "status": "accepted", "justification": inert(&words)});
        fields.insert("suppressions".to_owned(), json!([suppression]));
    }
    result
}

/// One way through the places of a finding.
fn code_flow(places: &[Place]) -> Value {
    let locations: Vec<Value> = places
        .iter()
        .take(PLACES)
        .map(|place| json!({"location": location(place)}))
        .collect();
    json!({"threadFlows": [{"locations": locations}]})
}

fn location(place: &Place) -> Value {
    let mut location = Map::new();
    if let Some(span) = place.span.as_ref().filter(|span| &*span.file != "-") {
        location.insert("physicalLocation".to_owned(), physical(span));
    }
    if let Some(object) = &place.object {
        location.insert(
            "logicalLocations".to_owned(),
            json!([logical(object, &place.pointer)]),
        );
    }
    let label = if place.label.is_empty() {
        place.to_string()
    } else {
        place.label.clone()
    };
    location.insert("message".to_owned(), json!({"text": inert(&label)}));
    Value::Object(location)
}

fn physical(span: &Span) -> Value {
    let mut artifact = Map::new();
    let uri = uri(&span.file);
    if !uri.starts_with("file:") {
        artifact.insert("uriBaseId".to_owned(), json!("%SRCROOT%"));
    }
    artifact.insert("uri".to_owned(), json!(uri));
    json!({
        "artifactLocation": artifact,
        "region": {
            "startLine": span.start.line.max(1),
            "startColumn": span.start.column.max(1),
            "endLine": span.end.line.max(span.start.line).max(1),
            "endColumn": span.end.column.max(1),
        },
    })
}

fn logical(object: &ObjectRef, pointer: &str) -> Value {
    let mut qualified = format!("{}/{}", object.kind.resource(), object.name);
    if !object.namespace.is_empty() {
        qualified = format!("namespaces/{}/{qualified}", object.namespace);
    }
    json!({
        "name": inert(&object.name),
        "fullyQualifiedName": inert(&format!("{qualified}{pointer}")),
        "kind": "resource",
    })
}

/// The path as a URI reference (RFC 3986): relative to the root of the sources, or `file:` where it is absolute.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut out = String::with_capacity(path.len());
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// On the scale of CVSS, as code scanning ranks: above 9 critical, from 7 high, from 4 medium, below low.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

fn camel_case(id: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    id.split('-').filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn log(sample: &Sample) -> Value {
        serde_json::from_str(&findings(&sample.report()).unwrap()).unwrap()
    }

    #[test]
    fn as_a_whole() {
        insta::assert_snapshot!(findings(&Sample::new().report()).unwrap());
    }

    #[test]
    fn reads_as_sarif_and_back() {
        for sample in [
            Sample::new(),
            Sample::many(3),
            Sample::paths(),
            Sample::clean(),
        ] {
            let log = log(&sample);
            let typed: serde_sarif::sarif::Sarif = serde_json::from_value(log.clone()).unwrap();
            assert_eq!(typed.runs.len(), 1);
            // Every field that we write is one that the types know: none gets lost.
            assert_eq!(serde_json::to_value(&typed).unwrap(), log);
        }
    }

    #[test]
    fn a_path_is_a_flow_of_its_steps() {
        let log = log(&Sample::paths());
        let result = &log["runs"][0]["results"][0];
        let flows = result["codeFlows"].as_array().unwrap();
        let steps = |flow: &Value| {
            flow["threadFlows"][0]["locations"]
                .as_array()
                .unwrap()
                .clone()
        };
        let lines: Vec<Value> = steps(&flows[1])
            .iter()
            .map(|step| step["location"]["physicalLocation"]["region"]["startLine"].clone())
            .collect();
        assert_eq!(lines, [Value::Null, json!(5), Value::Null]);
        assert_eq!(
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
            5
        );
    }

    #[test]
    fn a_log_is_bounded_and_says_what_it_leaves_out() {
        let check = |sample: &Sample, results: usize, with_flows: usize, said: &[&str]| {
            let limits = Limits {
                results: 6,
                steps: 50,
            };
            let log: Value =
                serde_json::from_str(&within(&limits, &sample.report()).unwrap()).unwrap();
            let run = &log["runs"][0];
            let all = run["results"].as_array().unwrap();
            let flows = all.iter().filter(|result| result["codeFlows"].is_array());
            assert_eq!((all.len(), flows.count()), (results, with_flows));
            let notes = run["invocations"][0]["toolExecutionNotifications"]
                .as_array()
                .unwrap();
            let notes = notes.iter().skip(sample.report().gaps.len());
            let notes: Vec<&str> = notes
                .map(|note| note["message"]["text"].as_str().unwrap())
                .collect();
            assert_eq!(notes, said);
        };
        // Two more findings than those that are repeated, and one that is excepted.
        check(&Sample::many(3), 6, 0, &[]);
        check(
            &Sample::many(10),
            6,
            0,
            &["7 results beyond the first 6 are left out; the other formats have all"],
        );
        check(&Sample::paths_of(2, 25), 2, 2, &[]);
        check(
            &Sample::paths_of(4, 20),
            4,
            2,
            &[
                "2 results are without their code flows, which would be too many; the other formats have all",
            ],
        );
    }

    #[test]
    fn fingerprints_stay_when_lines_move() {
        let prints = |sample: &Sample| {
            let log = log(sample);
            let results = log["runs"][0]["results"].as_array().unwrap().clone();
            results
                .iter()
                .map(|r| r["partialFingerprints"].clone())
                .collect::<Vec<_>>()
        };
        let before = prints(&Sample::new());
        let mut moved = Sample::new();
        moved.move_down(7);
        assert_eq!(prints(&moved), before);
        assert_ne!(before[0], before[1]);
    }

    #[test]
    fn uris() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a.yaml", "a.yaml"),
            ("a b#c?.yaml", "a%20b%23c%3F.yaml"),
            ("/srv/ö.yaml", "file:///srv/%C3%B6.yaml"),
            ("c:d.yaml", "c%3Ad.yaml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
