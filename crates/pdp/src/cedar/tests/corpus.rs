//! Cedar's own integration tests: for every request the index and our evaluation give the decision, the reasons and
//! the errors that Cedar's authors recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bailiwick_core::Str;
use cedar_policy::Schema;
use cedar_policy_core::ast::{
    Context, Eid, EntityType, EntityUID, EntityUIDEntry, Literal, PartialValue, PolicySet, Request,
    Value, ValueKind,
};
use cedar_policy_core::entities::{Dereference, Entities};
use cedar_policy_core::parser::parse_policyset;

use crate::cedar::facts;
use crate::cedar::facts::Side;
use crate::cedar::scope::Met;
use crate::cedar::{
    Candidate, Candidates, Evaluation, Facts, Hashes, Index, Input, Policy, Shared, evaluate,
};

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
        "{sets} policy sets, {requests} requests; {evaluated} of {policies} policies evaluated by Cedar"
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
        let input = Input { request, entities };
        let names = Names::of(&input);
        let facts = facts_of(&input, &names, &hashes);
        let candidates = index.candidates(&index.principals(facts.principal.keys()), &facts);
        let by_cedar = |candidate: &&Candidate<'_>| candidate.met != Met::Wholly;
        evaluated += candidates.iter().filter(by_cedar).count();
        let evaluation = evaluate(candidates.iter().copied(), || &input, true);
        check_split(&candidates, &input, &evaluation);
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
        drop(facts);
        entities = input.entities;
    }
    let count = case.requests.len();
    (count, evaluated, index.len() * count)
}

/// Policies that read the whole context are split as if an object were missing: what the split settles, it settles as
/// the whole does.
fn check_split(candidates: &Candidates<'_>, input: &Input, whole: &Evaluation<'_>) {
    let reading = |candidate: &&Candidate<'_>| candidate.policy.reads_object();
    let split = evaluate(candidates.iter().filter(reading).copied(), || input, false);
    let has = |policies: &[&Policy], policy: &Policy| {
        policies.iter().any(|other| std::ptr::eq(*other, policy))
    };
    let failed: Vec<&Policy> = whole.failed.iter().map(|(policy, _)| *policy).collect();
    for policy in &split.satisfied {
        let failed = policy.forbids() && has(&failed, policy);
        assert!(failed || has(&whole.satisfied, policy), "{}", policy.id());
    }
    for (policy, error) in &split.failed {
        assert!(has(&failed, policy), "{}: {error}", policy.id());
    }
}

fn index(policies: &PolicySet, hashes: &Hashes) -> Index {
    let (mut index, shared) = (Index::default(), Shared::default());
    let cluster = Str::default();
    for policy in policies.policies() {
        let id: Str = policy.id().to_string().into();
        let policy = Policy::new(&cluster, id, policy.clone(), hashes, &shared, false);
        index.put(policy);
    }
    index
}

/// The names of the types of a request's entities, as texts.
#[derive(Default)]
struct Names(BTreeMap<EntityType, String>);

impl Names {
    fn of(input: &Input) -> Self {
        let request = &input.request;
        let mut names = Self::default();
        for entry in [request.principal(), request.action(), request.resource()] {
            let uid = entry.uid().unwrap();
            names.add(uid);
            if let Dereference::Data(entity) = input.entities.entity(uid) {
                entity.ancestors().for_each(|uid| names.add(uid));
            }
        }
        names
    }

    fn add(&mut self, uid: &EntityUID) {
        let kind = uid.entity_type();
        self.0.insert(kind.clone(), kind.to_string());
    }

    fn uid<'a>(&'a self, uid: &'a EntityUID, hashes: &Hashes) -> facts::Uid<'a> {
        let (kind, id) = (self.0[uid.entity_type()].as_str(), uid.eid().as_ref());
        facts::Uid {
            hash: hashes.entity(kind, id),
            kind,
            id,
        }
    }
}

/// What the index reads of a request with entities of its own.
fn facts_of<'a>(input: &'a Input, names: &'a Names, hashes: &Hashes) -> Facts<'a> {
    let word = |name: &str, value: &'a Value| {
        let text = text(value)?;
        Some((hashes.text(name), hashes.word(text)))
    };
    let side = |entry: &'a EntityUIDEntry| {
        let uid = entry.uid().unwrap();
        let mut side = Side::new(names.uid(uid, hashes));
        if let Dereference::Data(entity) = input.entities.entity(uid) {
            let ancestors = entity.ancestors();
            side.ancestors
                .extend(ancestors.map(|uid| names.uid(uid, hashes)));
            side.texts
                .extend(entity.attrs().filter_map(|(name, value)| match value {
                    PartialValue::Value(value) => word(name, value),
                    PartialValue::Residual(_) => None,
                }));
        }
        side
    };
    let mut context = Side::default();
    if let Some(Context::Value(pairs)) = input.request.context() {
        let words = pairs.iter().filter_map(|(name, value)| word(name, value));
        context.texts.extend(words);
    }
    Facts {
        principal: side(input.request.principal()),
        action: side(input.request.action()),
        resource: side(input.request.resource()),
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
