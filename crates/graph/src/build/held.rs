use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Str;
use bailiwick_model::PolicyRule;
use bailiwick_rbac::{Names, Right};

use crate::condition::{AtomId, ByRoles, Cause, Clause, Condition};
use crate::graph::NodeId;
use crate::node::Node;
use crate::world::Bound;

/// One rule that gives a subject one leg of an edge.
#[derive(Clone)]
pub(crate) struct Holding<'a> {
    /// The rule of an edge of which this is a leg, by its position in the list of all rules.
    pub(crate) rule: usize,
    pub(crate) leg: usize,
    pub(crate) right: &'static Right,
    /// The rule of a role that gives it.
    pub(crate) given: &'a PolicyRule,
    /// Where it holds; empty is the whole cluster.
    pub(crate) scope: Str,
    pub(crate) names: Names<'a>,
    pub(crate) cause: Vec<AtomId>,
    /// The group by which the subject has it; `None` where the subject itself is bound.
    pub(crate) group: Option<Str>,
    /// Of the roles that the subject has bound to himself the one that gives it, counted from 1; 0 is what he has
    /// without them.
    pub(crate) part: u8,
}

/// Every leg of an edge, held by one subject in one scope.
pub(crate) struct Held<'a> {
    /// The subject.
    pub(crate) subject: &'a Node,
    /// The namespace; empty is the whole cluster.
    pub(crate) scope: Str,
    pub(crate) legs: Vec<LegHeld<'a>>,
    /// What says so, where the graph can look up what gives them.
    by_roles: Option<ByRoles>,
}

/// On which objects a step needs a leg.
#[derive(Clone, Copy)]
pub(crate) enum On<'n> {
    /// On all.
    All,
    /// On any.
    Any,
    /// On the one of this name.
    Name(&'n str),
}

/// One leg.
pub(crate) struct LegHeld<'a>(Vec<&'a Holding<'a>>);

impl<'a> Held<'a> {
    /// Each scope in which a subject holds all of so many legs.
    ///
    /// What a group of the subject holds alone is left to the group: the subject gets there by being in it. So is what
    /// it holds in the whole cluster, of each namespace.
    pub(crate) fn all(subject: &'a Node, legs: usize, holdings: &[&'a Holding<'a>]) -> Vec<Self> {
        let own: Vec<&Holding<'_>>;
        let holdings = if legs > 1 {
            holdings
        } else {
            let all = holdings.iter().copied();
            own = all.filter(|holding| holding.group.is_none()).collect();
            &own
        };
        let mut all = Self::together(subject, legs, holdings);
        all.retain(Self::is_new);
        all
    }

    /// The same with what a group holds alone.
    pub(crate) fn together(
        subject: &'a Node,
        legs: usize,
        holdings: &[&'a Holding<'a>],
    ) -> Vec<Self> {
        let mut by_scope: BTreeMap<&Str, Vec<&Holding<'_>>> = BTreeMap::new();
        for holding in holdings {
            by_scope.entry(&holding.scope).or_default().push(holding);
        }
        // One leg that holds in the whole cluster is an edge of its own; several may have to come together.
        let everywhere: Vec<&Holding<'_>> = match by_scope.get(&Str::default()) {
            Some(holdings) if legs > 1 => holdings.clone(),
            _ => Vec::new(),
        };
        let in_scope = |(scope, mut here): (&Str, Vec<&'a Holding<'a>>)| {
            if !scope.is_empty() {
                here.extend(&everywhere);
            }
            Self::in_scope(subject, legs, &here, scope.clone())
        };
        by_scope
            .into_iter()
            .map(in_scope)
            .filter(Self::is_complete)
            .filter(Self::is_of_scope)
            .collect()
    }

    fn in_scope(subject: &'a Node, legs: usize, here: &[&'a Holding<'a>], scope: Str) -> Self {
        let of_leg = |leg: usize| {
            let of_leg = here.iter().filter(|held| held.leg == leg);
            LegHeld(of_leg.copied().collect())
        };
        Self {
            subject,
            scope,
            legs: (0..legs).map(of_leg).collect(),
            by_roles: None,
        }
    }

    fn is_complete(&self) -> bool {
        self.legs.iter().all(|leg| !leg.0.is_empty())
    }

    /// Whether it holds in this scope by more than what holds everywhere.
    fn is_of_scope(&self) -> bool {
        let mut all = self.legs.iter().flat_map(|leg| &leg.0);
        self.scope.is_empty() || all.any(|held| !held.scope.is_empty())
    }

    /// Whether it takes more than one group, or something of the subject's own.
    fn is_new(&self) -> bool {
        let all = || self.legs.iter().flat_map(|leg| &leg.0);
        let alone = |group: &Str| {
            let of_group = |held: &&Holding<'_>| held.group.as_ref() == Some(group);
            self.legs.iter().all(|leg| leg.0.iter().any(&of_group))
        };
        all().any(|held| held.group.is_none())
            || !all().filter_map(|held| held.group.as_ref()).any(alone)
    }

    /// Whether the newest of the roles that the subject has bound to himself has a part in it, and not the only one.
    pub(crate) fn is_of_parts(&self, newest: u8) -> bool {
        let all = || self.legs.iter().flat_map(|leg| &leg.0);
        all().any(|held| held.part == newest) && all().any(|held| held.part != newest)
    }

    /// Whether a group of the subject is bound to this role and holds the legs on these objects by itself, so that the
    /// subject gets there by being in it.
    pub(crate) fn is_left_to_group(&self, bound: &Bound, on: &[On<'_>]) -> bool {
        let Some(group) = &bound.group else {
            return false;
        };
        self.legs.iter().zip(on).all(|(leg, &on)| {
            let mut of_group = leg
                .0
                .iter()
                .filter(|held| held.group.as_ref() == Some(group));
            of_group.any(|held| held.is_on(on))
        })
    }

    /// Whether the first leg is held on all objects.
    pub(crate) fn on_all(&self) -> bool {
        self.legs.first().is_some_and(LegHeld::on_all)
    }

    /// The resource that a leg is about, for rules whose legs are about one each.
    pub(crate) fn resource(&self, leg: usize) -> Option<&'static str> {
        let holding = self.legs.get(leg)?.0.first()?;
        Some(holding.right.resource)
    }

    /// The names of the objects on which a leg is held, besides those on which it is held without names.
    pub(crate) fn names(&self, leg: usize) -> BTreeSet<&'a Str> {
        self.legs.get(leg).map(LegHeld::names).unwrap_or_default()
    }

    /// What a step rests on that needs the first leg on the object called `name` (on all of them where it is `None`)
    /// and each other leg on anything.
    pub(crate) fn condition(&self, name: Option<&str>) -> Condition {
        self.condition_on(&[name.map_or(On::All, On::Name)])
    }

    /// What a step rests on that needs each leg on these objects; legs beyond the list on any.
    pub(crate) fn condition_on(&self, on: &[On<'_>]) -> Condition {
        match &self.by_roles {
            // On all objects is on any.
            Some(by_roles) => Condition {
                by_roles: Some(Box::new(by_roles.clone())),
                clauses: Vec::new(),
            },
            None => self.evidence_on(on),
        }
    }

    /// The same, to be looked at: a clause for each leg.
    pub(crate) fn evidence_on(&self, on: &[On<'_>]) -> Condition {
        let on = on.iter().copied().chain(std::iter::repeat(On::Any));
        let clauses = self
            .examined()
            .iter()
            .zip(on)
            .map(|(leg, on)| leg.clause(on));
        clauses.collect::<Vec<Clause>>().into()
    }

    /// Leaves it to the graph to look up what gives the legs, where those are roles of the subject on all objects: by
    /// `holder`, who is the subject, and this rule of an edge.
    pub(crate) fn look_up(&mut self, holder: NodeId, rule: u16) {
        let mut all = self.legs.iter().flat_map(|leg| &leg.0);
        if all.all(|held| held.group.is_none() && held.names == Names::All) {
            let scope = self.scope.clone();
            self.by_roles = Some(ByRoles {
                holder,
                rule,
                scope,
            });
        }
    }

    /// What gives the legs, of those for whom nobody looks it up: no rule of an edge may ask for it otherwise.
    fn examined(&self) -> &[LegHeld<'a>] {
        debug_assert!(
            self.by_roles.is_none(),
            "a rule that looks at what gives its legs is of its own"
        );
        &self.legs
    }

    /// The same of those rights alone for which `wanted` says so; `None` where a leg has none of them.
    pub(crate) fn only(&self, wanted: impl Fn(&Holding<'_>) -> bool) -> Option<Self> {
        let legs = self.examined().iter().map(|leg| {
            let kept = leg.0.iter().filter(|holding| wanted(holding));
            LegHeld(kept.copied().collect())
        });
        let only = Self {
            subject: self.subject,
            scope: self.scope.clone(),
            legs: legs.collect(),
            by_roles: None,
        };
        Some(only).filter(Self::is_complete)
    }

    /// Settings that give the first leg by one of the rights for which `wanted` says so: of the subject, then of the role.
    pub(crate) fn first_by(
        &self,
        mut wanted: impl FnMut(&Holding<'_>) -> bool,
    ) -> Option<&[AtomId]> {
        let mut first = self.examined().first()?.0.iter();
        Some(&first.find(|holding| wanted(holding))?.cause)
    }

    /// Whether every leg is held on these objects; legs beyond the list on any.
    pub(crate) fn is_on(&self, on: &[On<'_>]) -> bool {
        self.legs
            .iter()
            .zip(on)
            .all(|(leg, &on)| leg.0.iter().any(|holding| holding.is_on(on)))
    }

    /// What a step rests on that needs the first leg by one of the rights for which `wanted` says so, on any object,
    /// and each other leg on anything; `None` where no such right is held.
    pub(crate) fn condition_by(&self, wanted: impl Fn(&Holding<'_>) -> bool) -> Option<Condition> {
        let mut condition = self.evidence_on(&[On::Any]);
        let first = self.legs.first()?.causes(wanted);
        (!first.is_empty()).then(|| {
            if let Some(clause) = condition.clauses.first_mut() {
                *clause = first;
            }
            condition
        })
    }
}

impl Holding<'_> {
    /// Whether it lets somebody make an object, or change one of those that are there, by their names.
    pub(crate) fn writes<'n>(&self, there: impl IntoIterator<Item = &'n Str>) -> bool {
        self.gives("create") || self.changes(there)
    }

    /// Whether it lets somebody change one of the objects that are there, by their names.
    pub(crate) fn changes<'n>(&self, there: impl IntoIterator<Item = &'n Str>) -> bool {
        let is_held = |name: &Str| self.is_on(On::Name(name));
        ["patch", "update"].iter().any(|verb| self.gives(verb)) && there.into_iter().any(is_held)
    }

    /// Whether it is by this verb, be it with others.
    pub(crate) fn gives(&self, verb: &str) -> bool {
        self.right.names_by(self.given, verb, verb).is_some()
    }

    /// Whether this gives the right on these objects.
    pub(crate) fn is_on(&self, on: On<'_>) -> bool {
        match (self.names, on) {
            (Names::All, _) | (_, On::Any) => true,
            (Names::Only(names), On::Name(name)) => names.iter().any(|own| **own == *name),
            (Names::Only(_), On::All) => false,
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

    fn clause(&self, on: On<'_>) -> Clause {
        self.causes(|holding| holding.is_on(on))
    }

    fn causes(&self, wanted: impl Fn(&Holding<'_>) -> bool) -> Clause {
        let mut causes: Vec<Cause> = self
            .0
            .iter()
            .filter(|holding| wanted(holding))
            .map(|holding| holding.cause.clone())
            .collect();
        causes.sort();
        causes.dedup();
        causes
    }
}
