//! ClusterRoles whose rules a controller gathers from others (`aggregationRule`), as the controller-manager writes
//! them (upstream `pkg/controller/clusterroleaggregation`).
//!
//! The authorizer reads `rules` alone. So a stored role is what it says; in manifests the rules of an aggregated role
//! are what the controller will write.

use std::collections::{HashMap, HashSet};

use bailiwick_core::Str;
use bailiwick_model::{Delta, Object, PolicyRule, Role, Snapshot};

/// What the controller would write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregation {
    /// The ClusterRoles whose rules would change, by name.
    pub roles: Vec<Aggregated>,
    /// ClusterRoles that gather from each other in a circle, by name: what the controller leaves there depends on
    /// the order in which it comes by, and what stands in `roles` for them is one possible outcome.
    pub circular: Vec<Str>,
}

/// The rules that the controller would write into one ClusterRole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregated {
    /// The ClusterRole.
    pub role: Str,
    /// Its rules then. What it held before is gone, unless a role that it selects holds the same.
    pub rules: Box<[PolicyRule]>,
}

/// What the controller would change in the cluster.
///
/// Each selector in order takes the rules of the ClusterRoles that it matches, sorted by name, the role itself
/// excepted; a rule that is there already is not taken again. A role for which nothing is found **keeps the rules
/// that it has**: the controller applies a list without rules then, and server-side apply leaves fields alone that
/// are not in it.
pub fn aggregate(snapshot: &Snapshot) -> Aggregation {
    let roles: Vec<&Role> = snapshot.roles.in_namespace("").collect();
    let targets = targets(&roles);
    let mut outcome = Outcome {
        roles: &roles,
        written: HashMap::new(),
    };
    let mut aggregation = Aggregation::default();
    for mut circle in Circles::find(&targets) {
        circle.sort_unstable();
        if let [alone] = circle.as_slice() {
            outcome.write(*alone, &targets);
            continue;
        }
        // Copies of copies go round at most once; what still moves then has no end.
        for _ in 0..=circle.len() {
            let changed = circle.iter().filter(|role| outcome.write(**role, &targets));
            if changed.count() == 0 {
                break;
            }
        }
        let names = circle.iter().filter_map(|role| roles.get(*role));
        aggregation
            .circular
            .extend(names.map(|role| role.metadata.name.clone()));
    }
    aggregation.circular.sort_unstable();
    aggregation.roles = outcome.changed();
    aggregation
}

/// For each role that gathers, by position, the roles that it gathers from in their order.
fn targets(roles: &[&Role]) -> HashMap<usize, Vec<usize>> {
    let mut targets = HashMap::new();
    for (own, role) in roles.iter().enumerate() {
        let Some(selectors) = &role.aggregation else {
            continue;
        };
        let mut sources = Vec::new();
        let mut seen = HashSet::from([own]);
        let mut sensible = true;
        for selector in selectors {
            for (other, candidate) in roles.iter().enumerate() {
                match selector.matches(&candidate.metadata) {
                    Some(true) if seen.insert(other) => sources.push(other),
                    Some(_) => {}
                    None => sensible = false,
                }
            }
        }
        // The controller gives up on a role with a selector that makes no sense.
        if sensible {
            targets.insert(own, sources);
        }
    }
    targets
}

struct Outcome<'r> {
    roles: &'r [&'r Role],
    /// What the controller wrote, by position of the role.
    written: HashMap<usize, Vec<&'r PolicyRule>>,
}

impl<'r> Outcome<'r> {
    fn rules(&self, role: usize) -> Vec<&'r PolicyRule> {
        match (self.written.get(&role), self.roles.get(role)) {
            (Some(written), _) => written.clone(),
            (None, Some(role)) => role.rules.iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// One visit of the controller; whether it changes the role.
    fn write(&mut self, role: usize, targets: &HashMap<usize, Vec<usize>>) -> bool {
        let Some(sources) = targets.get(&role) else {
            return false;
        };
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for source in sources {
            rules.extend(
                self.rules(*source)
                    .into_iter()
                    .filter(|rule| seen.insert(*rule)),
            );
        }
        if rules.is_empty() || rules == self.rules(role) {
            return false;
        }
        self.written.insert(role, rules);
        true
    }

    fn changed(self) -> Vec<Aggregated> {
        let mut changed: Vec<Aggregated> = self
            .written
            .into_iter()
            .filter_map(|(position, rules)| {
                let role = self.roles.get(position)?;
                let same = role.rules.iter().eq(rules.iter().copied());
                (!same).then(|| Aggregated {
                    role: role.metadata.name.clone(),
                    rules: rules.into_iter().cloned().collect(),
                })
            })
            .collect();
        changed.sort_by(|a, b| a.role.cmp(&b.role));
        changed
    }
}

/// Strongly connected parts of "gathers from" (Tarjan's algorithm, with a stack of its own), sources first.
#[derive(Default)]
struct Circles {
    index: HashMap<usize, usize>,
    low: HashMap<usize, usize>,
    open: Vec<usize>,
    on_stack: HashSet<usize>,
    found: Vec<Vec<usize>>,
}

impl Circles {
    fn find(targets: &HashMap<usize, Vec<usize>>) -> Vec<Vec<usize>> {
        // Only roles that gather themselves can be part of a circle.
        let edges: HashMap<usize, Vec<usize>> = targets
            .iter()
            .map(|(role, sources)| {
                let gathering = sources.iter().copied().filter(|s| targets.contains_key(s));
                (*role, gathering.collect())
            })
            .collect();
        let mut starts: Vec<usize> = edges.keys().copied().collect();
        starts.sort_unstable();
        let mut circles = Self::default();
        for start in starts {
            if !circles.index.contains_key(&start) {
                circles.visit(start, &edges);
            }
        }
        circles.found
    }

    fn visit(&mut self, start: usize, edges: &HashMap<usize, Vec<usize>>) {
        let sources = |role: usize| edges.get(&role).map(Vec::as_slice).unwrap_or_default();
        self.enter(start);
        let mut path = vec![(start, sources(start).iter())];
        while let Some((role, rest)) = path.last_mut() {
            let role = *role;
            match rest.next() {
                Some(&next) if !self.index.contains_key(&next) => {
                    self.enter(next);
                    path.push((next, sources(next).iter()));
                }
                Some(next) => {
                    let open = self.on_stack.contains(next);
                    self.lower(role, self.index.get(next).copied().filter(|_| open));
                }
                None => {
                    path.pop();
                    self.leave(role);
                    let open = self.on_stack.contains(&role);
                    if let Some((parent, _)) = path.last() {
                        self.lower(*parent, self.low.get(&role).copied().filter(|_| open));
                    }
                }
            }
        }
    }

    fn enter(&mut self, role: usize) {
        let index = self.index.len();
        self.index.insert(role, index);
        self.low.insert(role, index);
        self.open.push(role);
        self.on_stack.insert(role);
    }

    fn lower(&mut self, role: usize, to: Option<usize>) {
        if let (Some(low), Some(to)) = (self.low.get_mut(&role), to) {
            *low = (*low).min(to);
        }
    }

    /// Closes the circle that `role` is the first of, if it is.
    fn leave(&mut self, role: usize) {
        if self.low.get(&role) != self.index.get(&role) {
            return;
        }
        let mut circle = Vec::new();
        while let Some(member) = self.open.pop() {
            self.on_stack.remove(&member);
            circle.push(member);
            if member == role {
                break;
            }
        }
        self.found.push(circle);
    }
}

impl Aggregation {
    /// The changes that make the snapshot hold what the controller would write; origins stay.
    pub fn deltas(&self, snapshot: &Snapshot) -> Vec<Delta> {
        self.roles
            .iter()
            .filter_map(|change| {
                let entry = snapshot.roles.entry("", &change.role)?;
                let role = Role {
                    rules: change.rules.clone(),
                    ..entry.object.clone()
                };
                Some(Delta::Upsert(Box::new(Object::Role(role)), entry.origin))
            })
            .collect()
    }
}
