//! Cedar's own integration tests: for every request the index and our evaluation give the decision, the reasons and
//! the errors that Cedar's authors recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bailiwick_core::Str;
use cedar_policy::Schema;
use cedar_policy_core::ast::{
    Context, Eid, EntityUID, EntityUIDEntry, Literal, PartialValue, PolicySet, Request, Value,
    ValueKind,
};
use cedar_policy_core::entities::{Dereference, Entities};
use cedar_policy_core::parser::parse_policyset;

use crate::cedar::facts::Side;
use crate::cedar::{Facts, Hashes, Index, Input, Policy};

/// cedar-policy/cedar-integration-tests, commit f161e9f.
const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/conformance/cedar"
);

type Files = BTreeMap<String, String>;

fn archive(name: &str) -> Option<Files> {
    let file = File::open(Path::new(FOLDER).join(name)).ok()?;
    let mut files = Files::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        if entry.header().entry_type().is_file() && entry.read_to_string(&mut text).is_ok() {
            files.insert(path, text);
        }
    }
    Some(files)
}

#[derive(serde::Deserialize)]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    requests: Vec<Asked>,
}

#[derive(serde::Deserialize)]
struct Asked {
    description: String,
    principal: Uid,
    action: Uid,
    resource: Uid,
    #[serde(default)]
    context: serde_json::Value,
    decision: String,
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
}

#[derive(serde::Deserialize)]
struct Uid {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Uid {
    fn uid(&self) -> EntityUID {
        let kind = self.kind.parse().unwrap();
        EntityUID::from_components(kind, Eid::new(self.id.as_str()), None)
    }
}

/// Which part of the corpus a test takes, so that several run at once.
fn check_part(archive_name: &str, part: usize, parts: usize) {
    let Some(files) = archive(archive_name) else {
        println!(
            "skipped: conformance data not present in {FOLDER} (see cedar-policy/cedar-integration-tests)"
        );
        return;
    };
    let cases = files
        .iter()
        .filter(|(path, text)| path.ends_with(".json") && text.contains("\"requests\""));
    let (mut sets, mut requests, mut evaluated, mut policies) = (0, 0, 0, 0);
    for (path, text) in cases.skip(part).step_by(parts) {
        let case: Case =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let counted = check_case(&files, path, &case);
        sets += 1;
        requests += counted.0;
        evaluated += counted.1;
        policies += counted.2;
    }
    println!(
        "{sets} policy sets, {requests} requests; {evaluated} of {policies} policies evaluated"
    );
    assert!(sets > 0);
}

fn check_case(files: &Files, path: &str, case: &Case) -> (usize, usize, usize) {
    let (schema, _) = Schema::from_cedarschema_str(&files[&case.schema]).unwrap();
    let policies = parse_policyset(&files[&case.policies]).unwrap();
    let hashes = Hashes::default();
    let index = index(&policies, &hashes);
    let entities = cedar_policy::Entities::from_json_str(&files[&case.entities], Some(&schema));
    let mut entities: Entities = entities.unwrap().as_ref().clone();
    let mut evaluated = 0;
    for asked in &case.requests {
        let (principal, action, resource) = (
            asked.principal.uid(),
            asked.action.uid(),
            asked.resource.uid(),
        );
        let context = match &asked.context {
            serde_json::Value::Null => Context::empty(),
            context => {
                let shape = Some((&schema, &cedar_policy::EntityUid::from(action.clone())));
                cedar_policy::Context::from_json_value(context.clone(), shape)
                    .unwrap()
                    .as_ref()
                    .clone()
            }
        };
        let request = Request::new_unchecked(
            EntityUIDEntry::known(principal, None),
            EntityUIDEntry::known(action, None),
            EntityUIDEntry::known(resource, None),
            Some(context),
        );
        let facts = facts(&request, &entities, &hashes);
        let input = Input { request, entities };
        let candidates = index.candidates(&facts);
        evaluated += candidates.len();
        let evaluation = input.evaluate(candidates, true);
        let (forbids, permits): (Vec<_>, Vec<_>) = evaluation
            .satisfied
            .iter()
            .copied()
            .partition(|policy: &&Policy| policy.forbids());
        let (decision, reason) = match (forbids.is_empty(), permits.is_empty()) {
            (true, false) => ("allow", permits),
            _ => ("deny", forbids),
        };
        let ids = |policies: Vec<&Policy>| -> BTreeSet<String> {
            policies
                .iter()
                .map(|policy| policy.id().to_string())
                .collect()
        };
        let at = format!("{path}: {}", asked.description);
        assert_eq!(decision, asked.decision, "{at}");
        assert_eq!(ids(reason), asked.reason, "{at}");
        let failed = evaluation
            .failed
            .iter()
            .map(|(policy, _)| *policy)
            .collect();
        assert_eq!(ids(failed), asked.errors, "{at}");
        entities = input.entities;
    }
    let count = case.requests.len();
    (count, evaluated, index.len() * count)
}

fn index(policies: &PolicySet, hashes: &Hashes) -> Index {
    let mut index = Index::default();
    for policy in policies.policies() {
        let id: Str = policy.id().to_string().into();
        index.put(Policy::new(
            &Str::default(),
            id,
            policy.clone(),
            hashes,
            false,
        ));
    }
    index
}

/// What the index reads of a request with entities of its own.
fn facts(request: &Request, entities: &Entities, hashes: &Hashes) -> Facts {
    let side = |entry: &EntityUIDEntry| {
        let uid = entry.uid().unwrap();
        let hash = |uid: &EntityUID| {
            let kind = hashes.text(&uid.entity_type().to_string());
            (kind, hashes.entity(kind, uid.eid().as_ref()))
        };
        let (kind, own) = hash(uid);
        let mut side = Side {
            kind,
            uid: own,
            ..Side::default()
        };
        if let Dereference::Data(entity) = entities.entity(uid) {
            side.ancestors
                .extend(entity.ancestors().map(|uid| hash(uid).1));
            for (name, value) in entity.attrs() {
                if let PartialValue::Value(value) = value
                    && let Some(text) = text(value)
                {
                    side.texts.push((hashes.text(name), hashes.text(text)));
                }
            }
        }
        side
    };
    let mut context = Side::default();
    if let Some(Context::Value(pairs)) = request.context() {
        for (name, value) in &**pairs {
            if let Some(text) = text(value) {
                context.texts.push((hashes.text(name), hashes.text(text)));
            }
        }
    }
    Facts {
        principal: side(request.principal()),
        action: side(request.action()),
        resource: side(request.resource()),
        context,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value.value_kind() {
        ValueKind::Lit(Literal::String(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn corpus_first_half() {
    check_part("corpus-tests.tar.gz", 0, 2);
}

#[test]
fn corpus_second_half() {
    check_part("corpus-tests.tar.gz", 1, 2);
}

#[test]
fn written_tests() {
    check_part("tests.tar.gz", 0, 1);
}
