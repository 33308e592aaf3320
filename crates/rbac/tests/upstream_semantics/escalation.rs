//! Who may write which role and binding: made-up clusters against upstream's code, and a table.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::{Request, ResourceRequest, UserInfo, names};
use bailiwick_model::{Binding, Delta, Object, Origin, Role};
use bailiwick_rbac::{Change, Compact, Engine, EscalationOutcome};
use bailiwick_testkit::generate::{Requests, Rng, Wild, manifest, seed};
use bailiwick_testkit::notation::{objects, snapshot, user};
use bailiwick_testkit::oracle::Oracle;
use serde_json::json;

use crate::support::{load, person};

const WRITES: usize = 10_000;

const EXEMPT: &str = "
    ClusterRole exempt
      escalate,bind on roles,clusterroles of rbac.authorization.k8s.io
    ClusterRoleBinding exempt gives ClusterRole/exempt to group:exempt";

/// Writes on one cluster.
const ON_ONE_CLUSTER: usize = 500;

#[test]
fn every_write_is_judged_as_upstream_judges_it() {
    let seed = seed(0xe5ca_1a7e);
    println!("BAILIWICK_SEED={seed}");
    let (mut rng, mut oracle) = (Rng::new(seed), Oracle::start().unwrap());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..WRITES / ON_ONE_CLUSTER {
        // By chance alone few may escalate or bind.
        let mut cluster = Wild::default().cluster(rng.bits());
        for object in objects(EXEMPT) {
            cluster.apply(Delta::Upsert(Box::new(object), Origin::Live));
        }
        let engine = load(cluster, &mut oracle);
        let mut requests = Requests::new(engine.snapshot(), rng.bits());
        let roles: Vec<&Role> = engine.snapshot().roles.iter().collect();
        let bindings: Vec<&Binding> = engine.snapshot().bindings.iter().collect();
        for _ in 0..ON_ONE_CLUSTER {
            let mut user = requests.question().user;
            if rng.chance(10) {
                user.groups.push("exempt".to_owned());
            }
            let (mut upstream, post) = (
                Upstream {
                    oracle: &mut oracle,
                    user: &user,
                },
                rng.chance(50),
            );
            let context = |object: &dyn std::fmt::Debug| {
                format!("BAILIWICK_SEED={seed} {user:?} {post} {object:#?}")
            };
            let (ours, theirs, context) = if rng.chance(50) {
                let role = *rng.pick(&roles);
                let change = if post {
                    Change::Post
                } else {
                    Change::Put(Some(role))
                };
                let ours = engine.may_write_role(&user, role, change).outcome;
                (shown(&ours), upstream.role(role, post), context(role))
            } else {
                let binding = *rng.pick(&bindings);
                let change = if post {
                    Change::Post
                } else {
                    Change::Put(None)
                };
                let ours = engine.may_write_binding(&user, binding, change).outcome;
                (
                    shown(&ours),
                    upstream.binding(&engine, binding),
                    context(binding),
                )
            };
            assert_eq!(ours, theirs, "{context}");
            *outcomes.entry(ours.0).or_default() += 1;
        }
    }
    println!("{WRITES} writes, 0 differences: {outcomes:?}");
    for outcome in ["covered", "exempt", "missing", "aggregates", "no role"] {
        assert!(
            outcomes.get(outcome).is_some_and(|&n| n >= WRITES / 500),
            "{outcome} is rare in {outcomes:?}"
        );
    }
}

/// The kind of outcome, and what is missing.
pub(crate) type Shown = (&'static str, BTreeSet<String>);

pub(crate) fn shown(outcome: &EscalationOutcome) -> Shown {
    match outcome {
        EscalationOutcome::Masters => ("masters", BTreeSet::new()),
        EscalationOutcome::Bookkeeping => ("bookkeeping", BTreeSet::new()),
        EscalationOutcome::Exempt(_) => ("exempt", BTreeSet::new()),
        EscalationOutcome::Covered => ("covered", BTreeSet::new()),
        EscalationOutcome::Missing { rules, .. } => (
            "missing",
            rules
                .iter()
                .map(|rule| plain(&Compact(rule).to_string()))
                .collect(),
        ),
        EscalationOutcome::Aggregates { .. } => ("aggregates", BTreeSet::new()),
        EscalationOutcome::NoRole { .. } => ("no role", BTreeSet::new()),
        other => panic!("{other:?} is new"),
    }
}

/// The rules that a refusal of upstream names, one a line behind the first.
pub(crate) fn missing_in(message: &str) -> BTreeSet<String> {
    let message = message.split("; resolution errors: ").next().unwrap();
    message.lines().skip(1).map(plain).collect()
}

/// A rule in upstream's words with each verb once, in order: upstream repeats those that several rules hold.
fn plain(rule: &str) -> String {
    let Some((start, verbs)) = rule.split_once("Verbs:[") else {
        return rule.to_owned();
    };
    let verbs: BTreeSet<&str> = verbs.trim_end_matches("]}").split(' ').collect();
    format!("{start}Verbs:{verbs:?}")
}

/// The steps of upstream's storage, each answered by upstream's code.
struct Upstream<'a> {
    oracle: &'a mut Oracle,
    user: &'a UserInfo,
}

impl Upstream<'_> {
    fn role(&mut self, role: &Role, post: bool) -> Shown {
        let (namespace, name) = (&role.metadata.namespace, &role.metadata.name);
        let escalate = ResourceRequest::new("escalate", names::RBAC_GROUP, role.kind().resource());
        let escalate = escalate
            .in_namespace(namespace)
            .named(if post { "" } else { name });
        if let Some(exempt) = self.exempt(escalate) {
            return exempt;
        }
        let covered = self.covered(namespace, role);
        if covered.0 != "covered" || role.aggregation.is_none() {
            return covered;
        }
        let all = snapshot("ClusterRole all\n * on * of *\n * at *");
        match self.covered("", all.roles.get("", "all").unwrap()) {
            (kind @ "covered", missing) => (kind, missing),
            _ => ("aggregates", BTreeSet::new()),
        }
    }

    fn binding(&mut self, engine: &Engine, binding: &Binding) -> Shown {
        let (namespace, role) = (&*binding.metadata.namespace, &binding.role_ref);
        let resource = match &*role.kind {
            "Role" => Some("roles"),
            "ClusterRole" => Some("clusterroles"),
            _ => None,
        };
        let bind = |resource| {
            let bind = ResourceRequest::new("bind", names::RBAC_GROUP, resource);
            bind.in_namespace(namespace).named(&role.name)
        };
        if let Some(exempt) = resource.and_then(|resource| self.exempt(bind(resource))) {
            return exempt;
        }
        let own = if resource == Some("clusterroles") {
            ""
        } else {
            namespace
        };
        let usable =
            resource == Some("clusterroles") || resource.is_some() && !namespace.is_empty();
        match engine
            .snapshot()
            .roles
            .get(own, &role.name)
            .filter(|_| usable)
        {
            Some(role) => self.covered(namespace, role),
            None if self.user.is_master() => ("masters", BTreeSet::new()),
            None => ("no role", BTreeSet::new()),
        }
    }

    fn exempt(&mut self, request: ResourceRequest) -> Option<Shown> {
        if self.user.is_master() {
            return Some(("masters", BTreeSet::new()));
        }
        let spec = manifest::review_spec(self.user, &Request::from(request));
        let allowed = self.oracle.authorize(&spec).unwrap().allowed;
        allowed.then(|| ("exempt", BTreeSet::new()))
    }

    fn covered(&mut self, namespace: &str, role: &Role) -> Shown {
        let rules = json!(role.rules.iter().map(manifest::rule).collect::<Vec<_>>());
        let answer = self
            .oracle
            .escalation(&person(self.user), namespace, &rules)
            .unwrap();
        if answer.allowed {
            ("covered", BTreeSet::new())
        } else {
            ("missing", missing_in(&answer.message))
        }
    }
}

/// A cluster for the table. Whoever is in `writers` may write all roles and bindings, as far as the authorizers go.
pub(crate) const CLUSTER: &str = "
    ClusterRole writer
      create,update,patch on roles,rolebindings,clusterroles,clusterrolebindings of rbac.authorization.k8s.io
    ClusterRoleBinding writers gives ClusterRole/writer to group:writers
    ClusterRole reader
      get,list on pods of ''
    Role shop/reader
      get,list on pods of ''
    Role shop/secret
      get on secrets of '' named tls
    RoleBinding shop/readers gives Role/reader to user:pam
    ClusterRoleBinding readers gives ClusterRole/reader to user:cara
    ClusterRole escalate
      escalate on roles,clusterroles of rbac.authorization.k8s.io
    ClusterRoleBinding escalate gives ClusterRole/escalate to user:esc
    ClusterRole escalate-named
      escalate on roles,clusterroles of rbac.authorization.k8s.io named reader,fresh
    ClusterRoleBinding escalate-named gives ClusterRole/escalate-named to user:ned
    ClusterRole bind
      bind on roles,clusterroles of rbac.authorization.k8s.io named reader,ghost
    RoleBinding shop/bind gives ClusterRole/bind to user:bea
    ClusterRoleBinding bind gives ClusterRole/bind to user:bob
    ClusterRole everything
      * on * of *
      * at *
    ClusterRoleBinding everything gives ClusterRole/everything to user:root
    ClusterRole resources
      * on * of *
    ClusterRoleBinding resources gives ClusterRole/resources to user:half
    ClusterRole gathered aggregates team=shop";

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A new object by POST.
    Post,
    /// A new object by PUT or apply.
    PutNew,
    /// What is there with a label more, or with the rules or subjects given.
    Put,
    /// What is there with a finalizer more.
    Finalizer,
    /// A patch that changes nothing.
    Nothing,
}

/// Who writes, how, and what; and the outcome, with the verbs that are missing.
pub(crate) const TABLE: &str = "
    # One's own rights may be given away, in the namespace where they hold.
    pam | post | Role shop/new; get on pods of '' | covered
    pam | post | Role shop/new; get,watch on pods of '' | missing watch
    pam | post | Role shop/new; get on pods of '' named a | covered
    pam | post | Role shop/new; get on pods/log of '' | missing get
    pam | post | Role other/new; get on pods of '' | missing get
    pam | post | ClusterRole new; get on pods of '' | missing get
    cara | post | Role shop/new; get on pods of '' | covered
    cara | post | ClusterRole new; get on pods of '' | covered
    pam | post | Role shop/new | covered
    root | post | ClusterRole new; get,use on pods of ''; get at /x | exempt
    half | post | ClusterRole new; get at /x | exempt
    # escalate: without a name by POST, so that a name does not count there.
    esc | post | ClusterRole new; * on * of * | exempt
    ned | post | ClusterRole fresh; get on pods of '' | missing get
    ned | put new | ClusterRole fresh; get on pods of '' | exempt
    ned | put | ClusterRole reader; * on * of * | exempt
    ned | put | Role shop/secret; get on secrets of '' named tls | missing get
    pam | put new | Role shop/new; get on secrets of '' | missing get
    # A label is enough to be asked for all rules again; owners and finalizers are not.
    pam | put | Role shop/secret; get on secrets of '' named tls | missing get
    pam | put | Role shop/reader; get,list on pods of '' | covered
    pam | finalizer | Role shop/secret; get on secrets of '' named tls | bookkeeping
    pam | nothing | Role shop/secret; get on secrets of '' named tls | bookkeeping
    pam | nothing | RoleBinding shop/bind gives ClusterRole/bind to user:bea | bookkeeping
    # Whoever sets a selector needs everything, URLs included, before and after.
    cara | post | ClusterRole new aggregates team=x | aggregates
    half | post | ClusterRole new aggregates team=x | exempt
    root | post | ClusterRole new aggregates team=x | exempt
    esc | post | ClusterRole new aggregates team=x | exempt
    cara | put | ClusterRole gathered aggregates team=shop | aggregates
    cara | put | ClusterRole gathered | aggregates
    cara | finalizer | ClusterRole gathered aggregates team=shop | bookkeeping
    cara | put | ClusterRole gathered aggregates team=shop; get on secrets of '' | missing get
    # Bindings: bind on the role's name where the binding is, or the rules of the role.
    pam | post | RoleBinding shop/new gives Role/reader to user:x | covered
    pam | post | RoleBinding shop/new gives ClusterRole/reader to user:x | covered
    pam | post | RoleBinding shop/new gives Role/secret to user:x | missing get
    pam | post | RoleBinding other/new gives ClusterRole/reader to user:x | missing get list
    pam | post | ClusterRoleBinding new gives ClusterRole/reader to user:x | missing get list
    pam | post | RoleBinding shop/new gives Role/ghost to user:x | no role
    root | post | ClusterRoleBinding new gives ClusterRole/nowhere to user:x | exempt
    half | post | RoleBinding shop/new gives ClusterRole/nowhere to user:x | exempt
    bea | post | RoleBinding shop/new gives ClusterRole/reader to user:x | exempt
    bea | post | RoleBinding shop/new gives Role/ghost to user:x | exempt
    bea | post | RoleBinding other/new gives ClusterRole/reader to user:x | missing get list
    bea | post | ClusterRoleBinding new gives ClusterRole/reader to user:x | missing get list
    bob | post | ClusterRoleBinding new gives ClusterRole/reader to user:x | exempt
    bob | post | RoleBinding other/new gives ClusterRole/reader to user:x | exempt
    bob | post | RoleBinding shop/new gives Role/secret to user:x | missing get
    esc | post | RoleBinding shop/new gives Role/secret to user:x | missing get
    pam | put | RoleBinding shop/readers gives Role/reader to user:pam user:x | covered
    cara | put | RoleBinding shop/bind gives ClusterRole/bind to user:bea user:cara | missing bind
    cara | finalizer | RoleBinding shop/bind gives ClusterRole/bind to user:bea | bookkeeping
    cara | put new | RoleBinding shop/new gives ClusterRole/reader to user:x | covered
    king+system:masters | post | ClusterRole new; * on * of * | masters
    king+system:masters | post | RoleBinding shop/new gives Role/ghost to user:x | masters";

/// A row of the table.
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) who: &'static str,
    pub(crate) how: How,
    pub(crate) object: Object,
    pub(crate) expected: &'static str,
}

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    let lines = TABLE.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|text| {
            let parts: Vec<&str> = text.split(" | ").collect();
            let [who, how, object, expected] = parts.as_slice() else {
                panic!("{text:?} is no row");
            };
            let how = match *how {
                "post" => How::Post,
                "put new" => How::PutNew,
                "put" => How::Put,
                "finalizer" => How::Finalizer,
                "nothing" => How::Nothing,
                other => panic!("unknown way to write {other:?}"),
            };
            let object = objects(&object.replace(';', "\n")).pop().unwrap();
            Row {
                text,
                who,
                how,
                object,
                expected,
            }
        })
}

#[test]
fn p16_who_may_write_which_role_and_binding() {
    let engine = Engine::new(snapshot(CLUSTER));
    for row in rows() {
        let outcome = judged(&engine, &user(row.who), row.how, &row.object);
        assert_eq!(words(&outcome), row.expected, "{}: {outcome}", row.text);
        assert_eq!(outcome.is_allowed(), outcome.caveat().is_none());
    }
}

/// What the engine says to a row of the table; writers besides their own groups.
pub(crate) fn judged(
    engine: &Engine,
    user: &UserInfo,
    how: How,
    object: &Object,
) -> EscalationOutcome {
    let mut user = user.clone();
    user.groups.push("writers".to_owned());
    let old = engine
        .snapshot()
        .roles
        .get(&object.metadata().namespace, &object.metadata().name);
    let change = match how {
        How::Post => Change::Post,
        How::PutNew => Change::Put(None),
        How::Put => Change::Put(old),
        How::Finalizer | How::Nothing => Change::Bookkeeping,
    };
    match object {
        Object::Role(role) => engine.may_write_role(&user, role, change).outcome,
        Object::Binding(binding) => engine.may_write_binding(&user, binding, change).outcome,
        other => panic!("{other:?} is neither role nor binding"),
    }
}

/// The kind of outcome and the verbs that are missing.
fn words(outcome: &EscalationOutcome) -> String {
    let missing: BTreeSet<&str> = match outcome {
        EscalationOutcome::Missing { rules, .. } => rules
            .iter()
            .flat_map(|rule| rule.verbs.iter().map(|verb| &**verb))
            .collect(),
        _ => BTreeSet::new(),
    };
    std::iter::once(shown(outcome).0)
        .chain(missing)
        .collect::<Vec<_>>()
        .join(" ")
}
