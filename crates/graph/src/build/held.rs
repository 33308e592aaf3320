use std::collections::BTreeSet;

use bailiwick_core::Str;

use crate::condition::{AtomId, Cause, Clause, Condition};
use crate::edge::EdgeKind;
use crate::node::Node;
use crate::right::Names;

/// One rule that gives a subject one leg of an edge.
pub(crate) struct Holding<'a> {
    pub(crate) kind: &'static EdgeKind,
    pub(crate) leg: usize,
    /// Where it holds; empty is the whole cluster.
    pub(crate) scope: Str,
    pub(crate) names: Names<'a>,
    pub(crate) cause: Vec<AtomId>,
    /// The group by which the subject has it; `None` where the subject itself is bound.
    pub(crate) group: Option<Str>,
}

/// Every leg of an edge, held by one subject in one scope.
pub(crate) struct Held<'a> {
    /// The subject.
    pub(crate) subject: &'a Node,
    /// The namespace; empty is the whole cluster.
    pub(crate) scope: Str,
    pub(crate) legs: Vec<LegHeld<'a>>,
}

/// One leg.
pub(crate) struct LegHeld<'a>(Vec<&'a Holding<'a>>);

impl<'a> Held<'a> {
    /// Each scope in which a subject holds all of so many legs.
    ///
    /// What a group of the subject holds alone is left to the group: the subject gets there by being in it. So is what
    /// it holds in the whole cluster, of each namespace.
    pub(crate) fn all(subject: &'a Node, legs: usize, holdings: &[&'a Holding<'a>]) -> Vec<Self> {
        let own = |holding: &&&Holding<'_>| legs > 1 || holding.group.is_none();
        let holdings: Vec<&Holding<'_>> = holdings.iter().filter(own).copied().collect();
        let mut scopes: BTreeSet<Str> = holdings.iter().map(|held| held.scope.clone()).collect();
        if !holdings.is_empty() {
            scopes.insert(Str::default());
        }
        scopes
            .into_iter()
            .map(|scope| Self::in_scope(subject, legs, &holdings, scope))
            .filter(|held| held.is_complete() && held.is_new())
            .collect()
    }

    fn in_scope(subject: &'a Node, legs: usize, holdings: &[&'a Holding<'a>], scope: Str) -> Self {
        // One leg that holds in the whole cluster is an edge of its own; several may have to come together.
        let here =
            |held: &&&Holding<'_>| held.scope == scope || (legs > 1 && held.scope.is_empty());
        let of_leg = |leg: usize| {
            let of_leg = holdings.iter().filter(here).filter(|held| held.leg == leg);
            LegHeld(of_leg.copied().collect())
        };
        let legs = (0..legs).map(of_leg).collect();
        Self {
            subject,
            scope,
            legs,
        }
    }

    fn is_complete(&self) -> bool {
        self.legs.iter().all(|leg| !leg.0.is_empty())
    }

    fn is_new(&self) -> bool {
        let all = || self.legs.iter().flat_map(|leg| &leg.0);
        if !self.scope.is_empty() && all().all(|held| held.scope.is_empty()) {
            return false;
        }
        let alone = |group: &Str| {
            let of_group = |held: &&Holding<'_>| held.group.as_ref() == Some(group);
            self.legs.iter().all(|leg| leg.0.iter().any(&of_group))
        };
        all().any(|held| held.group.is_none())
            || !all().filter_map(|held| held.group.as_ref()).any(alone)
    }

    /// Whether the first leg is held on all objects.
    pub(crate) fn on_all(&self) -> bool {
        self.legs.first().is_some_and(LegHeld::on_all)
    }

    /// The names of the objects on which the first leg is held, besides those on which it is held without names.
    pub(crate) fn names(&self) -> BTreeSet<&'a Str> {
        self.legs.first().map(LegHeld::names).unwrap_or_default()
    }

    /// What a step rests on that needs the first leg on the object called `name` (on all of them where it is `None`)
    /// and each other leg on anything.
    pub(crate) fn condition(&self, name: Option<&str>) -> Condition {
        let clauses = self
            .legs
            .iter()
            .enumerate()
            .map(|(position, leg)| match position {
                0 => leg.clause(name),
                _ => leg.any(),
            });
        Condition {
            clauses: clauses.collect(),
        }
    }
}

impl<'a> LegHeld<'a> {
    /// Whether it is held on all objects.
    fn on_all(&self) -> bool {
        self.0.iter().any(|holding| holding.names == Names::All)
    }

    /// The names of the objects on which rules with names give it.
    fn names(&self) -> BTreeSet<&'a Str> {
        let names = self.0.iter().filter_map(|holding| match holding.names {
            Names::All => None,
            Names::Only(names) => Some(names),
        });
        names.flatten().filter(|name| !name.is_empty()).collect()
    }

    /// What gives it on the object called `name`, or on all where it is `None`.
    fn clause(&self, name: Option<&str>) -> Clause {
        let gives = |names: Names<'_>| match (names, name) {
            (Names::All, _) => true,
            (Names::Only(names), Some(name)) => names.iter().any(|own| **own == *name),
            (Names::Only(_), None) => false,
        };
        self.causes(gives)
    }

    /// What gives it on anything.
    fn any(&self) -> Clause {
        self.causes(|_| true)
    }

    fn causes(&self, wanted: impl Fn(Names<'_>) -> bool) -> Clause {
        let mut causes: Vec<Cause> = self
            .0
            .iter()
            .filter(|holding| wanted(holding.names))
            .map(|holding| holding.cause.clone())
            .collect();
        causes.sort();
        causes.dedup();
        causes
    }
}
