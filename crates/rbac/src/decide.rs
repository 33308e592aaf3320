use bailiwick_core::{Decision, Effect, Reason, Request, UserInfo};
use smallvec::SmallVec;

use crate::engine::Engine;
use crate::evidence::{Applies, GrantRef};
use crate::index::{BindingSlot, Given, Index, SubjectKey, Wanted};
use crate::problem::{Problem, node_problem};

/// What RBAC says to one request, with its evidence, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    engine: &'a Engine,
    user: &'a UserInfo,
    namespace: &'a str,
    outcome: Outcome<'a>,
    met_dangling: bool,
}

/// The answer and what it rests on.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// Allowed before any authorizer is asked: the user is in `system:masters`.
    Masters,
    /// Allowed by this grant.
    Granted(GrantRef<'a>),
    /// Allowed by nothing here; RBAC refuses nothing either.
    NoOpinion,
}

/// Work that a decision took, to see what it depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Bindings looked at.
    pub bindings: usize,
    /// Rules compared with the request.
    pub rules: usize,
}

/// Counts work, or compiles to nothing.
trait Probe {
    fn binding(&mut self) {}
    fn rule(&mut self) {}
}

impl Probe for () {}

impl Probe for Touched {
    fn binding(&mut self) {
        self.bindings += 1;
    }

    fn rule(&mut self) {
        self.rules += 1;
    }
}

/// A user name and the groups of most users fit into one.
const BATCH: usize = 8;

impl Engine {
    /// Decides a request. Allocates nothing and takes no lock.
    ///
    /// `system:masters` comes first, as in the API server; then the bindings of the user and of each of its groups,
    /// cluster-wide and in the request's namespace. Like upstream's authorizer it stops at the first grant
    /// (`plugin/pkg/auth/authorizer/rbac/rbac.go`); which one that is depends on the objects alone.
    pub fn decide<'a>(&'a self, user: &'a UserInfo, request: &'a Request) -> Verdict<'a> {
        self.decide_with(user, request, &mut ())
    }

    /// Decides a request and counts the work.
    pub fn decide_counted<'a>(
        &'a self,
        user: &'a UserInfo,
        request: &'a Request,
    ) -> (Verdict<'a>, Touched) {
        let mut touched = Touched::default();
        let verdict = self.decide_with(user, request, &mut touched);
        (verdict, touched)
    }

    fn decide_with<'a>(
        &'a self,
        user: &'a UserInfo,
        request: &'a Request,
        probe: &mut impl Probe,
    ) -> Verdict<'a> {
        let mut verdict = Verdict {
            engine: self,
            user,
            namespace: request.namespace(),
            outcome: Outcome::NoOpinion,
            met_dangling: false,
        };
        if user.is_master() {
            verdict.outcome = Outcome::Masters;
            return verdict;
        }
        let index = &self.index;
        if index.is_empty() {
            return verdict;
        }
        let wanted = Wanted::new(request, &index.symbols);
        let namespace = index.symbols.find(request.namespace());
        let mut subjects = subject_keys(index, user);
        loop {
            // In batches, because the processor overlaps lookups that do not wait for each other.
            let mut keys = [SubjectKey::NOBODY; BATCH];
            let mut found = 0;
            for (place, subject) in keys.iter_mut().zip(subjects.by_ref()) {
                *place = subject;
                found += 1;
            }
            let mut lists: [[&[Given]; 2]; BATCH] = [[&[]; 2]; BATCH];
            for (place, subject) in lists.iter_mut().zip(keys).take(found) {
                *place = index.lists(subject, namespace);
            }
            for given in lists.iter().take(found).flatten().copied().flatten() {
                probe.binding();
                if !index.may_allow(given.role, &wanted) {
                    continue;
                }
                let Some(rules) = index.rules(given.role) else {
                    verdict.met_dangling = true;
                    continue;
                };
                let mut allowing = rules.allowing(&wanted, &index.symbols, || probe.rule());
                if let Some(rule) = allowing.next() {
                    drop(allowing);
                    let grant = GrantRef::new(self, *given, rule, Applies::First(user));
                    verdict.outcome = grant.map_or(Outcome::NoOpinion, Outcome::Granted);
                    return verdict;
                }
            }
            if found < BATCH {
                return verdict;
            }
        }
    }

    /// Every grant that allows the request, in the order of their bindings: each rule that matches, for each subject
    /// of the binding that applies. `system:masters` needs none and gets those that there are.
    pub fn grants(&self, user: &UserInfo, request: &Request) -> Vec<GrantRef<'_>> {
        let index = &self.index;
        let wanted = Wanted::new(request, &index.symbols);
        let keys = all_keys(index, user);
        let mut grants = Vec::new();
        for given in self.bindings_of(user, request.namespace()) {
            let (Some(slot), Some(rules)) = (index.binding(given.binding), index.rules(given.role))
            else {
                continue;
            };
            for rule in rules.allowing(&wanted, &index.symbols, || {}) {
                let subjects = applying(index, slot, &keys).map(Applies::At);
                grants.extend(subjects.filter_map(|s| GrantRef::new(self, given, rule, s)));
            }
        }
        grants
    }

    /// The bindings that apply to a user in a namespace, each once, in order: the cluster-wide ones, then those of
    /// the namespace.
    pub(crate) fn bindings_of(&self, user: &UserInfo, namespace: &str) -> Vec<Given> {
        self.bindings_where(user, namespace, |_| true)
    }

    /// Those of [`Engine::bindings_of`] that are wanted.
    fn bindings_where(
        &self,
        user: &UserInfo,
        namespace: &str,
        wanted: impl Fn(&Given) -> bool,
    ) -> Vec<Given> {
        let index = &self.index;
        let namespace = index.symbols.find(namespace);
        let mut bindings: Vec<Given> = subject_keys(index, user)
            .flat_map(|subject| index.lists(subject, namespace))
            .flatten()
            .copied()
            .filter(wanted)
            .collect();
        bindings.sort_unstable_by(|a, b| index.order(a.binding, b.binding));
        bindings.dedup();
        bindings
    }

    /// A binding that applies to the user, with the subject that upstream names.
    pub(crate) fn first_subject<'a>(
        &'a self,
        given: Given,
        user: &'a UserInfo,
    ) -> Option<GrantRef<'a>> {
        GrantRef::new(self, given, 0, Applies::First(user))
    }

    /// What keeps the answers about a user in a namespace from being the whole truth.
    pub fn problems<'a>(&'a self, user: &'a UserInfo, namespace: &str) -> Vec<Problem<'a>> {
        let dangling = |given: &Given| self.index.rules(given.role).is_none();
        self.bindings_where(user, namespace, dangling)
            .into_iter()
            .filter_map(|given| self.role_problem(self.index.binding(given.binding)?))
            .chain(self.gap_problems(namespace, false))
            .chain(node_problem(user))
            .collect()
    }
}

impl<'a> Verdict<'a> {
    /// The answer and what it rests on.
    pub fn outcome(&self) -> Outcome<'a> {
        self.outcome
    }

    /// Whether the request is allowed.
    pub fn is_allowed(&self) -> bool {
        !matches!(self.outcome, Outcome::NoOpinion)
    }

    /// `Allow` or `NoOpinion`; RBAC never denies.
    pub fn effect(&self) -> Effect {
        if self.is_allowed() {
            Effect::Allow
        } else {
            Effect::NoOpinion
        }
    }

    /// The grant, where there is one.
    pub fn grant(&self) -> Option<GrantRef<'a>> {
        match self.outcome {
            Outcome::Granted(grant) => Some(grant),
            _ => None,
        }
    }

    /// Whether a binding of the user without a role was met on the way.
    pub fn met_dangling(&self) -> bool {
        self.met_dangling
    }

    /// What keeps this answer from being the whole truth; an answer of "allowed" stands in spite of it.
    pub fn problems(&self) -> Vec<Problem<'a>> {
        self.engine.problems(self.user, self.namespace)
    }

    /// The same with strings of its own.
    pub fn to_decision(&self) -> Decision {
        Decision {
            effect: self.effect(),
            reason: match self.outcome {
                Outcome::Masters => Reason::Masters,
                Outcome::Granted(grant) => Reason::Rbac(grant.to_grant()),
                Outcome::NoOpinion => Reason::NoGrant,
            },
            problems: self.problems().iter().map(ToString::to_string).collect(),
        }
    }
}

/// The names by which bindings can know a user, those that no binding uses left out.
fn subject_keys<'a>(index: &'a Index, user: &'a UserInfo) -> impl Iterator<Item = SubjectKey> + 'a {
    let user_name = SubjectKey::user(index.symbols.find(&user.name));
    let groups = user.groups.iter();
    std::iter::once(user_name)
        .chain(groups.map(|group| SubjectKey::group(index.symbols.find(group))))
        .filter(|&key| key != SubjectKey::NOBODY)
}

fn all_keys(index: &Index, user: &UserInfo) -> SmallVec<[SubjectKey; BATCH]> {
    subject_keys(index, user).collect()
}

/// Positions of the subjects of a binding that are among these names.
fn applying<'a>(
    index: &'a Index,
    binding: &'a BindingSlot,
    keys: &'a [SubjectKey],
) -> impl Iterator<Item = u32> + 'a {
    (0..)
        .zip(index.subjects(binding))
        .filter(|(_, key)| keys.contains(key))
        .map(|(position, _)| position)
}

/// The position of the subject that upstream names: the first that applies to the user.
pub(crate) fn first_applying(index: &Index, binding: &BindingSlot, user: &UserInfo) -> u32 {
    match index.subjects(binding) {
        [_] => 0,
        _ => {
            let keys = all_keys(index, user);
            applying(index, binding, &keys).next().unwrap_or_default()
        }
    }
}
