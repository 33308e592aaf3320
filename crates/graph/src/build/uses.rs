//! What the rules of a role are good for.

use bailiwick_core::Str;
use bailiwick_model::{PolicyRule, Role};
use bailiwick_rbac::{Names, Right, Scope};
use hashbrown::HashMap;

use crate::edge::{EdgeKind, Rule};
use crate::edges::EDGES;

/// A kind of edge and one of its rules with its position there.
pub(crate) type KindRule = (&'static EdgeKind, u8, &'static Rule);

/// What a rule of a role is good for: a leg of an edge.
#[derive(Clone, Copy)]
pub(crate) struct Use<'a> {
    /// Position of the edge's rule in the list of all.
    pub(crate) rule: usize,
    pub(crate) leg: usize,
    pub(crate) right: &'static Right,
    /// The rule of the role.
    pub(crate) given: &'a PolicyRule,
    /// Its position there.
    pub(crate) position: u32,
    pub(crate) names: Names<'a>,
}

/// What a rule of a role is good for, in short, as it is kept for each role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UseOf {
    /// As in [`Use`].
    pub(crate) rule: u16,
    leg: u16,
    /// Position among the rights of the leg.
    at: u16,
    /// Whether it is limited to names.
    pub(crate) is_limited: bool,
    position: u32,
}

/// Rules of edges, as bits. Several share one: whether any is in both of two sets is answered without missing one, but at
/// times for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleSet(u64);

impl RuleSet {
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<u16> for RuleSet {
    fn from_iter<T: IntoIterator<Item = u16>>(rules: T) -> Self {
        let rules = rules.into_iter();
        Self(rules.fold(0, |all, rule| all | 1 << (rule % 64)))
    }
}

/// The rules of all edges that work in this version.
pub(crate) fn kind_rules(minor: Option<u16>) -> Vec<KindRule> {
    let kinds = EDGES.iter().filter(|kind| kind.versions.hold(minor));
    let rules = kinds.flat_map(|kind| {
        (0..)
            .zip(kind.rules)
            .map(|(number, rule)| (*kind, number, rule))
    });
    rules.collect()
}

/// The rights that edges ask for, by their API groups: of most rules of roles only few are worth a look.
#[derive(Debug)]
pub(crate) struct Wanted(HashMap<&'static str, OfGroup>);

/// Those of one group.
#[derive(Debug, Default)]
struct OfGroup {
    all: Vec<Leg>,
    /// Those of one resource each.
    by_resource: HashMap<&'static str, Vec<Leg>>,
    /// Those of any subresource of something.
    of_subresources: Vec<Leg>,
}

/// A right that is asked for, and where.
#[derive(Clone, Copy, Debug)]
struct Leg {
    /// Position of the edge's rule in the list of all.
    rule: usize,
    leg: usize,
    /// Position among the rights of the leg.
    at: usize,
    right: &'static Right,
}

impl Wanted {
    /// What these rules ask for.
    pub(crate) fn new(rules: &[KindRule]) -> Self {
        let mut wanted: HashMap<&'static str, OfGroup> = HashMap::new();
        for (rule, (_, _, of_kind)) in rules.iter().enumerate() {
            for (leg, rights) in of_kind.legs().iter().enumerate() {
                for (at, right) in rights.iter().enumerate() {
                    let of_group = wanted.entry(right.group).or_default();
                    of_group.push(Leg {
                        rule,
                        leg,
                        at,
                        right,
                    });
                }
            }
        }
        Self(wanted)
    }

    /// Those that a rule of a role may give, as far as groups and resources go.
    fn of<'s>(&'s self, given: &'s PolicyRule) -> impl Iterator<Item = &'s Leg> + 's {
        let star = given.api_groups.iter().any(|group| &**group == "*");
        let every = self.0.values().filter(move |_| star);
        let named = distinct(&given.api_groups).filter(move |_| !star);
        let named = named.filter_map(|group| self.0.get(&**group));
        every.chain(named).flat_map(|legs| legs.of(given))
    }
}

impl OfGroup {
    fn push(&mut self, leg: Leg) {
        self.all.push(leg);
        let resource = leg.right.resource;
        match resource.ends_with('/') {
            true => self.of_subresources.push(leg),
            false => self.by_resource.entry(resource).or_default().push(leg),
        }
    }

    /// Those that a rule of a role may give, as far as resources go.
    fn of<'s>(&'s self, given: &'s PolicyRule) -> impl Iterator<Item = &'s Leg> + 's {
        let star = given.resources.iter().any(|own| own.starts_with('*'));
        let every = self.all.iter().filter(move |_| star);
        let named = distinct(&given.resources).filter(move |_| !star);
        let named = named.filter_map(|own| self.by_resource.get(&**own));
        let rest = self.of_subresources.iter().filter(move |_| !star);
        every.chain(named.flatten()).chain(rest)
    }
}

/// Each word once.
fn distinct(words: &[Str]) -> impl Iterator<Item = &Str> {
    let new = words.iter().enumerate().filter(|(at, word)| {
        let before = words.get(..*at).unwrap_or_default();
        !before.contains(word)
    });
    new.map(|(_, word)| word)
}

/// What the rules of a role are good for, in the order of what asks for it.
pub(crate) fn uses<'a>(role: &'a Role, wanted: &Wanted) -> Vec<Use<'a>> {
    let uses = found(role, wanted).into_iter();
    uses.map(|(_, found)| found).collect()
}

/// The same in short.
pub(crate) fn uses_in_short(role: &Role, wanted: &Wanted) -> Box<[UseOf]> {
    let uses = found(role, wanted).into_iter();
    uses.map(|(at, found)| UseOf {
        rule: short(found.rule),
        leg: short(found.leg),
        at: short(at),
        is_limited: found.is_limited(),
        position: found.position,
    })
    .collect()
}

/// A position among the rules of edges, their legs or rights: there are not so many of any.
pub(crate) fn short(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}

/// Each use with its position among the rights of its leg.
fn found<'a>(role: &'a Role, wanted: &Wanted) -> Vec<(usize, Use<'a>)> {
    let mut uses = Vec::new();
    for (position, given) in (0..).zip(role.rules.iter()) {
        uses.extend(wanted.of(given).filter_map(|leg| {
            let found = Use {
                rule: leg.rule,
                leg: leg.leg,
                right: leg.right,
                given,
                position,
                names: leg.right.names(given)?,
            };
            Some((leg.at, found))
        }));
    }
    uses.sort_unstable_by_key(|(at, found)| (found.rule, found.leg, found.position, *at));
    uses
}

impl UseOf {
    /// The use, of the role that it is of.
    pub(crate) fn of<'a>(self, role: &'a Role, rules: &[KindRule]) -> Option<Use<'a>> {
        let (rule, leg) = (usize::from(self.rule), usize::from(self.leg));
        let rights = rules.get(rule)?.2.legs().get(leg)?;
        let given = role.rules.get(self.position as usize)?;
        Some(Use {
            rule,
            leg,
            right: rights.get(usize::from(self.at))?,
            given,
            position: self.position,
            names: match self.is_limited {
                true => Names::Only(&given.resource_names),
                false => Names::All,
            },
        })
    }

    /// The leg, as a bit.
    pub(crate) fn bit(self) -> u32 {
        bit(usize::from(self.leg))
    }

    /// Whether it counts where the role is bound; empty is the whole cluster.
    pub(crate) fn counts_in(self, scope: &str, rules: &[KindRule]) -> bool {
        let rule = rules.get(usize::from(self.rule));
        let rights = rule.and_then(|rule| rule.2.legs().get(usize::from(self.leg)));
        let right = rights.and_then(|rights| rights.get(usize::from(self.at)));
        scope.is_empty() || right.is_some_and(|right| right.scope == Scope::Namespace)
    }

    /// Whether it leads somewhere by itself, whoever has the role.
    pub(crate) fn is_of_role(self, rules: &[KindRule]) -> bool {
        let rule = rules.get(usize::from(self.rule));
        rule.is_some_and(|(_, _, rule)| rule.is_of_role())
    }
}

impl Use<'_> {
    /// Whether it counts for those who have it by a group, too: steps with several legs may take some of each.
    pub(crate) fn is_shared(&self, rules: &[KindRule]) -> bool {
        rules
            .get(self.rule)
            .is_some_and(|(_, _, rule)| rule.is_shared())
    }

    /// The leg, as a bit.
    pub(crate) fn bit(&self) -> u32 {
        bit(self.leg)
    }

    /// Whether it counts where the role is bound; empty is the whole cluster.
    pub(crate) fn counts_in(&self, scope: &str) -> bool {
        self.right.scope == Scope::Namespace || scope.is_empty()
    }

    /// Whether it is limited to names.
    pub(crate) fn is_limited(&self) -> bool {
        self.names != Names::All
    }

    /// Whether it leads somewhere by itself, whoever has the role.
    pub(crate) fn is_of_role(&self, rules: &[KindRule]) -> bool {
        let rule = rules.get(self.rule);
        rule.is_some_and(|(_, _, rule)| rule.is_of_role())
    }
}

/// A leg as a bit.
pub(crate) fn bit(leg: usize) -> u32 {
    let bit = 1_u32.checked_shl(u32::try_from(leg).unwrap_or(u32::MAX));
    bit.unwrap_or_default()
}

impl PartialEq for Use<'_> {
    /// Whether edges see no difference.
    fn eq(&self, other: &Self) -> bool {
        let place = |found: &Self| (found.rule, found.leg, found.position);
        place(self) == place(other)
            && std::ptr::eq(self.right, other.right)
            && self.names == other.names
            && self
                .right
                .verbs_of(self.given)
                .eq(other.right.verbs_of(other.given))
    }
}
