//! How far what is found leads.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use bailiwick_core::ObjectRef;
use bailiwick_diag::{Finding, Goal, Place, Reach};
use bailiwick_graph::{Area, Atom, AtomId, Causes, Graph, Index, Lead, Node, NodeId, Step, Toward};
use bailiwick_model::Snapshot;

use crate::check::Check;
use crate::mend::Mending;
use crate::scan::Scan;
use crate::words::{bounded, few, ticked};

/// Those who can use something are counted up to this number.
const MOST_USERS: usize = 10_000;

/// Of those who can use something so many are named at most.
const MOST_NAMES: usize = 12;

/// The graph of a cluster with what findings want to know of it.
pub(crate) struct Reaches<'a> {
    graph: &'a Graph,
    index: Index,
    /// What leads to each goal.
    goals: Vec<Toward<'a>>,
    /// By node where paths start, the position among the names; pods as the object that keeps their settings.
    starts: Vec<Option<usize>>,
    /// Where they start, in order.
    sources: Vec<NodeId>,
    /// Those who start, in order.
    names: Vec<Node>,
    /// Positions of everybody among them.
    everybody: Vec<usize>,
}

/// How far something leads, and by what path.
pub(crate) struct Led {
    pub(crate) reach: Reach,
    lead: Lead,
    from: Vec<String>,
}

impl Led {
    /// Those who get there, in few words.
    fn who(&self) -> String {
        match (&*self.from, self.reach.from) {
            ([first, second, ..], many @ 4..) => {
                format!("`{first}`, `{second}` and {} others", many - 2)
            }
            (some, _) => ticked(some),
        }
    }
}

impl<'a> Reaches<'a> {
    pub(crate) fn new(snapshot: &Snapshot, graph: &'a Graph) -> Self {
        let goals = Goal::ALL
            .iter()
            .map(|&goal| Toward::new(graph, &targets(graph, goal)));
        let whole = |id: NodeId| match graph.node(id)? {
            Node::Workload(object) => Some((id, Node::Workload(keeper(object, snapshot)))),
            other => Some((id, other.clone())),
        };
        let starts: Vec<(NodeId, Node)> = graph
            .starts(snapshot)
            .into_iter()
            .filter_map(whole)
            .collect();
        let names: BTreeSet<&Node> = starts.iter().map(|(_, node)| node).collect();
        let names: Vec<Node> = names.into_iter().cloned().collect();
        let rank = |node: &Node| names.binary_search(node).ok();
        let sources: Vec<NodeId> = starts.iter().map(|(id, _)| *id).collect();
        let end = sources.last().map_or(0, |last| last.position() + 1);
        let mut ranks = vec![None; end];
        for (id, node) in &starts {
            if let Some(slot) = ranks.get_mut(id.position()) {
                *slot = rank(node);
            }
        }
        let everybody = names
            .iter()
            .enumerate()
            .filter(|(_, node)| node.is_everybody());
        Self {
            graph,
            index: graph.index(),
            goals: goals.collect(),
            starts: ranks,
            sources,
            everybody: everybody.map(|(rank, _)| rank).collect(),
            names,
        }
    }

    /// What it comes down to that somebody gets to one of the goals. Of two causes that would do, the one in `known` is
    /// taken. Who gets further is not counted again.
    fn causes(&self, mending: &Mending<'_>, known: &HashMap<AtomId, usize>) -> Vec<Vec<AtomId>> {
        let cost = |atom: AtomId| {
            let cost = mending.cost(self.graph.atom_of(atom)?)?;
            Some(if known.contains_key(&atom) {
                cost / 2
            } else {
                cost
            })
        };
        let mut search = Causes::new(self.graph, &self.index, &cost);
        let mut sources = self.sources.clone();
        let mut causes = Vec::new();
        for goal in Goal::ALL {
            let targets = targets(self.graph, goal);
            causes.extend(search.of(&sources, &targets));
            // Whoever gets there by design gets to everything less as well.
            let by_design = search.reaching(&targets);
            sources.retain(|&source| by_design.effort(source).is_none());
        }
        causes
    }

    /// The findings that are about this cause: about the very atoms, or about all that they lead there with.
    fn told(&self, led: &Led, cause: &[AtomId], known: &HashMap<AtomId, usize>) -> Option<usize> {
        let told = |atom: AtomId| {
            let own = known.get(&atom).copied();
            own.or_else(|| {
                let mut causes = self.graph.causes_with(&led.lead, atom).peekable();
                causes.peek()?;
                let by_others =
                    causes.map(|cause| cause.iter().filter_map(|atom| known.get(atom)).min());
                by_others
                    .collect::<Option<BTreeSet<_>>>()?
                    .into_iter()
                    .next()
                    .copied()
            })
        };
        cause
            .iter()
            .map(|&atom| told(atom))
            .collect::<Option<BTreeSet<_>>>()?
            .into_iter()
            .next()
    }

    /// Where these lead that matters the most.
    pub(crate) fn led(&self, atoms: &[AtomId]) -> Option<Led> {
        let ways = Goal::ALL
            .into_iter()
            .zip(&self.goals)
            .filter_map(|(goal, toward)| {
                let lead = toward.lead(&self.index, atoms)?;
                let reach = Reach {
                    goal,
                    effort: lead.path.effort,
                    from: 0,
                    everybody: false,
                };
                Some((reach, lead, toward))
            });
        let (mut reach, lead, toward) =
            ways.min_by_key(|(reach, ..)| (Reverse(reach.severity()), reach.goal))?;
        let rank = |node: &NodeId| self.starts.get(node.position()).copied().flatten();
        let holders: BTreeSet<usize> = lead
            .holders
            .iter()
            .filter_map(|(node, _)| rank(node))
            .collect();
        let users = toward.users(&lead, MOST_USERS);
        let mut users: Vec<usize> = users.iter().filter_map(rank).collect();
        users.sort_unstable();
        users.dedup();
        reach.from = users.len();
        let uses = |rank: &usize| users.binary_search(rank).is_ok();
        reach.everybody = self.everybody.iter().any(uses);
        let others = users.iter().filter(|rank| !holders.contains(rank));
        let shown = holders.iter().chain(others).take(MOST_NAMES);
        let from = shown
            .filter_map(|&rank| self.names.get(rank))
            .map(ToString::to_string)
            .collect();
        Some(Led { reach, lead, from })
    }

    /// The atoms of what stands at a place.
    fn atoms_at(&self, place: &Place, snapshot: &Snapshot) -> Vec<AtomId> {
        let Some(object) = &place.object else {
            return Vec::new();
        };
        let position = |list: &str| {
            let rest = place.pointer.strip_prefix(list)?;
            rest.split('/').next()?.parse::<u32>().ok()
        };
        let subject = |position| Atom::Subject {
            binding: object.clone(),
            position,
        };
        let atoms: Vec<Atom> = if let Some(position) = position("/rules/") {
            vec![Atom::Rule {
                role: object.clone(),
                position,
            }]
        } else if let Some(position) = position("/subjects/") {
            vec![subject(position)]
        } else if place.pointer.starts_with("/roleRef") {
            let binding = snapshot.bindings.get(&object.namespace, &object.name);
            let subjects = binding.map_or(0, |binding| binding.subjects.len());
            (0..).take(subjects).map(subject).collect()
        } else {
            // Of an object that is an atom as a whole no field matters.
            let whole = ["", &*place.pointer].map(str::to_owned);
            whole
                .map(|pointer| Atom::Field {
                    object: object.clone(),
                    pointer,
                })
                .into()
        };
        atoms
            .iter()
            .filter_map(|atom| self.graph.find_atom(atom))
            .collect()
    }
}

impl Scan<'_> {
    /// Adds to a finding about something that somebody can use how far it leads. It matters as much at least.
    pub(crate) fn weigh(&self, finding: Finding) -> Finding {
        let Some(place) = finding.places.first() else {
            return finding;
        };
        let atoms = self.reaches.atoms_at(place, self.snapshot);
        match self.reaches.led(&atoms) {
            Some(led) => self.led(finding, &led),
            None => finding,
        }
    }

    fn led(&self, mut finding: Finding, led: &Led) -> Finding {
        finding.severity = finding.severity.max(led.reach.severity());
        finding.reach = Some(led.reach);
        finding.evidence.extend(self.reaches.steps(led));
        finding.flows.push(self.reaches.flow(led));
        finding
    }

    /// Adds a finding for each cause by which somebody gets to a goal, if `checks` are asked for what leads there. Where
    /// one of the findings is about that very cause, it gets the fix instead.
    pub(crate) fn add_causes(&self, findings: &mut Vec<Finding>, checks: &[Check]) {
        let mut known: HashMap<AtomId, usize> = HashMap::new();
        for (position, finding) in findings.iter().enumerate() {
            let places = finding
                .places
                .iter()
                .take(1)
                .filter(|_| finding.reach.is_some());
            for atom in places.flat_map(|place| self.reaches.atoms_at(place, self.snapshot)) {
                known.entry(atom).or_insert(position);
            }
        }
        for cause in self.reaches.causes(&self.mending, &known) {
            let Some(led) = self.reaches.led(&cause) else {
                continue;
            };
            let told = self.reaches.told(&led, &cause, &known);
            if let Some(finding) = told.and_then(|position| findings.get_mut(position)) {
                if finding.fix.is_none() {
                    finding.fix = self.mending.fix(&self.atoms(&cause)).1;
                }
                continue;
            }
            let mut checks = checks.iter();
            if let Some(check) = checks.find(|check| check.goal == Some(led.reach.goal)) {
                findings.push(self.way(&cause, &led, check));
            }
        }
    }

    fn way(&self, cause: &[AtomId], led: &Led, check: &Check) -> Finding {
        let atoms = self.atoms(cause);
        let names: Vec<String> = atoms.iter().map(|atom| named(atom)).collect();
        let message = format!(
            "{} {} {} to {}",
            few(&names),
            if names.len() == 1 { "takes" } else { "take" },
            led.who(),
            led.reach.goal,
        );
        let mut finding = Finding::new(check.id, led.reach.severity(), message);
        for atom in &atoms {
            finding = finding.at(Place::field(atom.object().clone(), atom.pointer()));
        }
        let (help, fix) = self.mending.fix(&atoms);
        finding = finding.help(help);
        finding.fix = fix;
        self.led(finding, led)
    }

    /// What a cause is.
    fn atoms(&self, cause: &[AtomId]) -> Vec<&Atom> {
        let graph = self.reaches.graph;
        cause
            .iter()
            .filter_map(|&atom| graph.atom_of(atom))
            .collect()
    }
}

impl Reaches<'_> {
    /// The path by the places that its steps rest on; of several the first.
    fn flow(&self, led: &Led) -> Vec<Place> {
        let steps = led.lead.path.edges.iter();
        let steps = steps.filter_map(|&edge| self.graph.step(edge));
        let place = |step: Step<'_>| {
            let mut atoms = step.evidence.iter().flatten().flatten();
            let place = atoms
                .next()
                .map(|atom| Place::field(atom.object().clone(), atom.pointer()));
            let label = format!("{} → {}", step.kind.title, step.to);
            place.unwrap_or_default().label(label)
        };
        steps.map(place).collect()
    }

    /// The path in lines, and who else can use it.
    fn steps(&self, led: &Led) -> Vec<String> {
        let path = &led.lead.path;
        let from = self
            .graph
            .node(path.from)
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut lines = vec![format!(
            "{from} gets to {}, effort {}:",
            led.reach.goal, path.effort
        )];
        let steps = path.edges.iter().filter_map(|&edge| self.graph.step(edge));
        let steps: Vec<String> = steps
            .map(|step| format!("{}: {} → {}", step.kind.id, step.kind.title, step.to))
            .collect();
        lines.extend(bounded(steps.into_iter()));
        let others = led.from.iter().filter(|name| **name != from);
        let others: Vec<String> = others.take(MOST_NAMES - 2).cloned().collect();
        if !others.is_empty() {
            let hidden = led.reach.from.saturating_sub(others.len() + 1);
            let more = if hidden > 0 {
                format!(" and {hidden} more")
            } else {
                String::new()
            };
            lines.push(format!(
                "so do, with this or by becoming it: {}{more}",
                others.join(", ")
            ));
        }
        lines
    }
}

/// What an atom is, in words.
fn named(atom: &Atom) -> String {
    match atom {
        Atom::Subject { binding, position } => format!("{binding}, subject {},", position + 1),
        Atom::Rule { role, position } => format!("{role}, rule {},", position + 1),
        Atom::Field { object, pointer } if pointer.is_empty() => object.to_string(),
        Atom::Field { object, pointer } => {
            let mut fields = pointer.rsplit('/');
            let field = fields.find(|part| part.parse::<u32>().is_err());
            format!("`{}` of {object}", field.unwrap_or_default())
        }
    }
}

/// The object that keeps the settings of a pod.
fn keeper(object: &ObjectRef, snapshot: &Snapshot) -> ObjectRef {
    let store = snapshot.workloads.get(&object.kind);
    let workload = store.and_then(|store| store.get(&object.namespace, &object.name));
    workload.map_or_else(
        || object.clone(),
        |workload| snapshot.keeper(workload).object_ref(),
    )
}

fn targets(graph: &Graph, goal: Goal) -> Vec<NodeId> {
    let is_target = |node: &Node| match goal {
        Goal::Cluster => *node == Node::Cluster,
        Goal::Node => matches!(
            node,
            Node::Machine { .. }
                | Node::Area {
                    area: Area::Machines,
                    ..
                }
        ),
    };
    graph
        .nodes()
        .filter(|(_, node)| is_target(node))
        .map(|(id, _)| id)
        .collect()
}
