//! The decision point with everything loaded: policies, bindings and relations, beside Cedar without an index.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use bailiwick_core::{Effect, Request, Str, Timestamp, UserInfo};
use bailiwick_pdp::{
    ApplicationRequest, Entity, Policies, PolicyDocument, Question, RelationSchema, Relations,
    Revocation, RevocationTarget, State, TemplateLink, Tuple,
};
use bailiwick_rbac::Engine;
use bailiwick_testkit::generate::Requests;
use cedar_policy::{
    Authorizer, Context as CedarContext, Decision, Entities, EntityUid, PolicySet,
    RestrictedExpression,
};

use super::figures::Bar::AtMost;
use super::figures::{Bar, Figures, Times, memory};
use super::full_set::{Asks, POLICIES, SEED, TYPES, cluster, of_team, policy, tuples};

const LINKS: usize = 10_000;
/// Different questions of one measurement, and how often each is asked.
const QUESTIONS: usize = 10_000;
const ROUNDS: usize = 3;

pub(super) fn run() -> Result<Figures> {
    let mut figures = Figures::default();
    // First, and held to the end: what others have given back would hide what these take.
    let links = links(&mut figures)?;
    let policies = policies(&mut figures)?;
    let mut state = State::new(Arc::new(Engine::new(cluster())));
    state.policies = Arc::new(policies);
    state.relations = Arc::new(relations(&mut figures)?);
    no_candidate(&state, &mut figures);
    candidates(&state, &mut figures)?;
    changes(&state, &mut figures)?;
    threads(&state, &mut figures);
    black_box(links.len());
    Ok(figures)
}

fn document(number: usize, asks: Asks) -> PolicyDocument {
    PolicyDocument {
        name: format!("policy-{number}").into(),
        cedar: policy(number, asks),
        ..PolicyDocument::default()
    }
}

fn policies(figures: &mut Figures) -> Result<Policies> {
    let documents: Vec<PolicyDocument> = (0..POLICIES)
        .map(|number| document(number, Asks::More))
        .collect();
    let length = documents
        .iter()
        .map(|document| document.cedar.len())
        .sum::<usize>()
        / POLICIES;
    figures.add("bytes of a policy's text, mean", length as f64, "B", None);
    let (start, before) = (Instant::now(), resident()?);
    let mut policies = Policies::default();
    for document in &documents {
        put(&mut policies, document)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    figures.add(
        "10,000 policies parsed and checked",
        seconds,
        "s",
        Some(AtMost(5.0)),
    );
    let each = (resident()? - before) / POLICIES as f64;
    figures.add(
        "memory of a policy",
        each / 1024.0,
        "KiB",
        Some(AtMost(10.0)),
    );
    Ok(policies)
}

fn put(policies: &mut Policies, document: &PolicyDocument) -> Result<()> {
    policies
        .put(document)
        .map_err(|problems| anyhow!("{problems:?}"))
}

fn relations(figures: &mut Figures) -> Result<Relations> {
    let schema = RelationSchema::new(
        TYPES.map(|(name, relations, actions)| (name, relations.to_vec(), actions.to_vec())),
    )?;
    let tuples: Vec<Tuple> = tuples()
        .map(|text| text.parse().context("a tuple"))
        .collect::<Result<_>>()?;
    let start = Instant::now();
    let mut relations = Relations::new(schema);
    relations.extend(&Str::default(), &tuples)?;
    figures.add(
        "1,000,000 tuples sorted",
        start.elapsed().as_secs_f64(),
        "s",
        None,
    );
    let size = relations.size();
    figures.add("tuples, each once", size.tuples as f64, "", None);
    let each = |bytes: usize| bytes as f64 / size.tuples as f64;
    figures.add(
        "memory of a tuple, from both ends",
        each(size.tuple_bytes),
        "B",
        None,
    );
    let whole = each(size.tuple_bytes + size.id_bytes);
    figures.add(
        "memory of a tuple with its share of the ids",
        whole,
        "B",
        Some(AtMost(64.0)),
    );
    Ok(relations)
}

/// RBAC and relations decide; no policy is compared.
fn no_candidate(state: &State, figures: &mut Figures) {
    let mut made = Requests::new(state.rbac.snapshot(), SEED).plain();
    let asked: Vec<_> = (0..QUESTIONS).map(|_| made.question()).collect();
    let (mut verdicts, mut decisions) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        for question in &asked {
            // A copy, because a request arrives in memory that was just written.
            let question = question.clone();
            let (user, request) = (&question.user, &question.request);
            let question = Question::Kubernetes { user, request };
            verdicts.measure(|| state.decide(question, Timestamp::default()).effect());
            decisions.measure(|| state.decide(question, Timestamp::default()).to_decision());
        }
    }
    add(
        figures,
        "no candidate, RBAC",
        &mut verdicts,
        Some((1_000.0, 10_000.0)),
    );
    add(
        figures,
        "no candidate, RBAC, evidence as strings",
        &mut decisions,
        None,
    );

    let mut times = Times::default();
    for _ in 0..ROUNDS {
        for number in 0..QUESTIONS {
            let number = number.wrapping_mul(104_729);
            let user = format!("user-{}", number % 100_000);
            let request = ApplicationRequest {
                subject: Entity::new("user", &user),
                action: "read".to_owned(),
                resource: Entity::new("record", &(number % 200_000).to_string()),
                groups: vec![format!("team-{}", number % 3_333)],
                ..ApplicationRequest::default()
            };
            times.measure(|| {
                state
                    .decide(Question::Application(&request), Timestamp::default())
                    .effect()
            });
        }
    }
    add(
        figures,
        "no candidate, relations",
        &mut times,
        Some((1_000.0, 10_000.0)),
    );
}

fn add(figures: &mut Figures, name: &str, times: &mut Times, bars: Option<(f64, f64)>) {
    let bar = |limit: f64| -> Option<Bar> { Some(AtMost(limit)) };
    let (p50, p99) = (times.percentile(50.0), times.percentile(99.0));
    figures.add(
        &format!("{name}, p50"),
        p50,
        "ns",
        bars.and_then(|(p50, _)| bar(p50)),
    );
    figures.add(
        &format!("{name}, p99"),
        p99,
        "ns",
        bars.and_then(|(_, p99)| bar(p99)),
    );
}

fn candidates(state: &State, figures: &mut Figures) -> Result<()> {
    let asked: Vec<_> = (0..QUESTIONS).map(of_team).collect();
    of_members(state, &asked, figures, "3 candidates, evaluated by Cedar")?;
    let mut settled = Policies::default();
    for number in 0..POLICIES {
        put(&mut settled, &document(number, Asks::NothingMore))?;
    }
    let settled = State {
        policies: Arc::new(settled),
        ..state.clone()
    };
    of_members(
        &settled,
        &asked,
        figures,
        "3 candidates, settled by the index",
    )?;
    alone(&asked, figures)
}

/// Members of teams ask.
fn of_members(
    state: &State,
    asked: &[(UserInfo, Request)],
    figures: &mut Figures,
    name: &str,
) -> Result<()> {
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        for question in asked {
            let (user, request) = question.clone();
            let question = Question::Kubernetes {
                user: &user,
                request: &request,
            };
            let effect = times.measure(|| state.decide(question, Timestamp::default()).effect());
            ensure!(
                effect == Effect::Allow,
                "a member of a team was not allowed"
            );
        }
    }
    add(figures, name, &mut times, Some((10_000.0, 30_000.0)));
    Ok(())
}

/// The same by Cedar as its documentation has it asked.
fn alone(asked: &[(UserInfo, Request)], figures: &mut Figures) -> Result<()> {
    let texts: String = (0..POLICIES)
        .map(|number| policy(number, Asks::More))
        .collect();
    let set: PolicySet = texts.parse()?;
    let authorizer = Authorizer::new();
    let mut stock = Times::default();
    for (user, request) in asked.iter().take(50) {
        let decision = stock.measure(|| unindexed(&authorizer, &set, user, request))?;
        ensure!(
            decision == Decision::Allow,
            "Cedar did not allow a member of a team"
        );
    }
    add(
        figures,
        "3 candidates among 10,000, Cedar alone, without an index",
        &mut stock,
        None,
    );
    Ok(())
}

/// The request as Cedar's documentation has one asked.
fn unindexed(
    authorizer: &Authorizer,
    set: &PolicySet,
    user: &UserInfo,
    request: &Request,
) -> Result<Decision> {
    let Request::Resource(request) = request else {
        return Err(anyhow!("a request on a resource"));
    };
    let uid =
        |kind: &str, id: &str| -> Result<EntityUid> { Ok(format!("k8s::{kind}::{id:?}").parse()?) };
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let groups: HashSet<EntityUid> = user
        .groups
        .iter()
        .map(|group| uid("Group", group))
        .collect::<Result<_>>()?;
    let principal = cedar_policy::Entity::new(
        uid("User", &user.name)?,
        [("name".to_owned(), text(&user.name))].into(),
        groups,
    )?;
    let attributes = [
        ("apiGroup", &request.group),
        ("resource", &request.resource),
        ("namespace", &request.namespace),
        ("name", &request.name),
    ];
    let resource = cedar_policy::Entity::new(
        uid("Resource", "resource")?,
        attributes
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into(),
        HashSet::new(),
    )?;
    let asked = cedar_policy::Request::new(
        principal.uid(),
        uid("Action", &request.verb)?,
        resource.uid(),
        CedarContext::empty(),
        None,
    )?;
    let entities = Entities::from_entities([principal, resource], None)?;
    Ok(authorizer.is_authorized(&asked, set, &entities).decision())
}

/// What one change costs until a state that holds it is there to be swapped in.
fn changes(state: &State, figures: &mut Figures) -> Result<()> {
    let mut state = state.clone();
    let (mut policy, mut tuple, mut revocation) =
        (Times::default(), Times::default(), Times::default());
    for number in 0..200 {
        let changed = document(number * 37 % POLICIES, Asks::More);
        policy.measure(|| -> Result<()> {
            let mut next = state.clone();
            put(Arc::make_mut(&mut next.policies), &changed)?;
            state = next;
            Ok(())
        })?;
        let added: Tuple = format!("record:{number}#viewer@user:new-{number}").parse()?;
        tuple.measure(|| -> Result<()> {
            let mut next = state.clone();
            Arc::make_mut(&mut next.relations)
                .extend(&Str::default(), std::slice::from_ref(&added))?;
            state = next;
            Ok(())
        })?;
        revocation.measure(|| {
            let mut next = state.clone();
            Arc::make_mut(&mut next.revocations).put(Revocation {
                name: format!("revocation-{number}").into(),
                target: RevocationTarget::User(format!("gone-{number}").into()),
                reason: Str::default(),
                expires: None,
            });
            state = next;
        });
    }
    for (name, mut times) in [
        ("policy", policy),
        ("tuple", tuple),
        ("revocation", revocation),
    ] {
        let p99 = times.percentile(99.0) / 1e6;
        figures.add(
            &format!("one changed {name}, p99"),
            p99,
            "ms",
            Some(AtMost(50.0)),
        );
    }
    Ok(())
}

fn threads(state: &State, figures: &mut Figures) {
    let asked: Vec<_> = (0..QUESTIONS).map(of_team).collect();
    let rate = |count: usize| {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    for (user, request) in asked.iter().cycle().take(5 * QUESTIONS) {
                        let question = Question::Kubernetes { user, request };
                        black_box(state.decide(question, Timestamp::default()).effect());
                    }
                });
            }
        });
        (count * 5 * QUESTIONS) as f64 / start.elapsed().as_secs_f64()
    };
    let (one, two) = (rate(1), rate(2));
    figures.add("3 candidates, one thread", one, "/s", None);
    figures.add("3 candidates, two threads", two, "/s", None);
}

fn links(figures: &mut Figures) -> Result<Policies> {
    let link = |number: usize| TemplateLink {
        name: number.to_string(),
        template: "reader".to_owned(),
        principal: Some(format!("k8s::Group::\"team-{number}\"")),
        resource: Some(format!("k8s::Namespace::\"team-{number}\"")),
    };
    let document = PolicyDocument {
        name: "readers".into(),
        cedar: "@id(\"reader\") permit(principal in ?principal, action in k8s::Action::\"read\", resource in ?resource);"
            .to_owned(),
        links: (0..LINKS).map(link).collect(),
        ..PolicyDocument::default()
    };
    let before = resident()?;
    let mut policies = Policies::default();
    put(&mut policies, &document)?;
    let each = (resident()? - before) / LINKS as f64;
    figures.add(
        "memory of a template link",
        each / 1024.0,
        "KiB",
        Some(AtMost(4.0)),
    );
    Ok(policies)
}

/// Bytes of this process in memory.
fn resident() -> Result<f64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("cannot read the memory in use")?;
    memory(&status, "VmRSS:")
}
