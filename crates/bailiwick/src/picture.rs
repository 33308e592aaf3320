//! From the access graph to what the renderers draw.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::Result;
use bailiwick_core::UserInfo;
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_graph::{
    Admission, Area, Atom, AtomId, Causes, EDGES, EdgeId, Graph, Guard, Node, NodeId, Path, Reach,
    Review, Step,
};
use bailiwick_posture::Mending;
use bailiwick_report::{
    COMMENT, Closed, Fact, Format, Picture, PictureCause, PictureNode, PicturePath, PictureStep,
    Report, Rule,
};

use crate::cluster::Opened;

/// Nodes of one picture, and paths. A browser draws as many without stuttering.
const NODES: usize = 20_000;

/// Steps of one picture.
const STEPS: usize = 60_000;

/// A picture about something that nothing leads to or from.
pub(crate) fn empty(subject: &Node, partial: bool) -> Picture {
    Picture {
        subject: subject.to_string(),
        partial,
        ..Picture::default()
    }
}

/// A picture in the making.
pub(crate) struct Canvas<'a> {
    opened: &'a Opened,
    graph: &'a Graph,
    admission: Admission<'a>,
    picture: Picture,
    nodes: HashMap<NodeId, usize>,
    steps: HashMap<EdgeId, usize>,
    facts: HashMap<(String, usize), usize>,
}

impl<'a> Canvas<'a> {
    /// An empty picture about a node that all paths lead to, or start from where they are `outward`.
    pub(crate) fn new(opened: &'a Opened, graph: &'a Graph, hub: NodeId, outward: bool) -> Self {
        let mut canvas = Self {
            opened,
            graph,
            admission: Admission::new(opened.snapshot()),
            picture: Picture {
                outward,
                ..Picture::default()
            },
            nodes: HashMap::new(),
            steps: HashMap::new(),
            facts: HashMap::new(),
        };
        if let Some((hub, node)) = canvas.node(hub).zip(graph.node(hub)) {
            canvas.picture.hub = hub;
            canvas.picture.subject = node.to_string();
        }
        canvas
    }

    /// Adds paths, with their nodes and steps.
    pub(crate) fn paths(mut self, paths: &[Path]) -> Self {
        self.picture.left_out += paths.len().saturating_sub(NODES);
        for path in paths.iter().take(NODES) {
            let Some(from) = self.node(path.from) else {
                continue;
            };
            let edges = path.edges.iter();
            let steps: Vec<usize> = edges.filter_map(|&edge| self.step(edge)).collect();
            let last = path.edges.last().and_then(|&edge| self.graph.ends(edge));
            let end = last.map_or(path.from, |(_, to)| to);
            self.picture.paths.push(PicturePath {
                from,
                effort: path.effort,
                severity: severity(self.graph.node(end), path.effort),
                steps,
                closed: None,
            });
        }
        self
    }

    /// Adds to each of these paths, which are in the picture, what it comes down to that somebody gets to the target by
    /// one of them: as `scan` has it.
    pub(crate) fn causes(mut self, paths: &[Path], target: NodeId) -> Self {
        let mending = Mending::new(self.opened.snapshot());
        let graph = self.graph;
        let cost = |atom: AtomId| graph.atom_of(atom).and_then(|atom| mending.cost(atom));
        let index = graph.index();
        let mut sources: Vec<NodeId> = paths.iter().map(|path| path.from).collect();
        sources.sort_unstable();
        sources.dedup();
        let found = Causes::new(graph, &index, &cost).of(&sources, &[target]);
        let mut by_atom: HashMap<AtomId, usize> = HashMap::new();
        for (position, cause) in found.iter().enumerate() {
            for &atom in cause {
                by_atom.entry(atom).or_insert(position);
            }
        }
        // Only those that close a path of the picture are told, in the order of the paths.
        let mut told: HashMap<usize, usize> = HashMap::new();
        for (position, path) in paths.iter().take(self.picture.paths.len()).enumerate() {
            let closing = path.edges.iter().flat_map(|&edge| {
                let atoms = graph.closing(edge, &|atom| by_atom.contains_key(&atom));
                let causes = atoms.into_iter().filter_map(|atom| by_atom.get(&atom));
                causes.map(move |&cause| (cause, edge)).collect::<Vec<_>>()
            });
            let Some((cause, edge)) = closing.min_by_key(|(cause, _)| *cause) else {
                continue;
            };
            let atoms = found.get(cause).into_iter().flatten();
            let atoms: Vec<&Atom> = atoms.filter_map(|&atom| graph.atom_of(atom)).collect();
            let cause = *told.entry(cause).or_insert_with(|| {
                let (help, fix) = mending.fix(&atoms);
                let facts = atoms.iter().map(|atom| self.fact(atom, 0)).collect();
                self.picture.causes.push(PictureCause { facts, help, fix });
                self.picture.causes.len() - 1
            });
            if let Some((path, &step)) = self
                .picture
                .paths
                .get_mut(position)
                .zip(self.steps.get(&edge))
            {
                path.closed = Some(Closed { cause, step });
            }
        }
        self
    }

    /// Marks the steps that are gone once all of these changes, each with its words, are made.
    pub(crate) fn cut(mut self, changes: &[(AtomId, String)]) -> Self {
        let of = |atom: AtomId| changes.iter().position(|(own, _)| *own == atom);
        let mut steps: Vec<(usize, EdgeId)> =
            self.steps.iter().map(|(&id, &at)| (at, id)).collect();
        steps.sort_unstable();
        // Of several that take a step away together the one with the fewest steps, so that each has its own.
        let mut used = vec![0_usize; changes.len()];
        for (step, edge) in steps {
            let atoms = self.graph.closing(edge, &|atom| of(atom).is_some());
            let closing = atoms.into_iter().filter_map(of);
            let cut = closing.min_by_key(|&change| (used.get(change).copied(), change));
            if let Some(used) = cut.and_then(|change| used.get_mut(change)) {
                *used += 1;
            }
            if let Some(step) = self.picture.steps.get_mut(step) {
                step.cut = cut;
            }
        }
        self.picture.cuts = (1..)
            .zip(changes)
            .map(|(number, (_, what))| format!("{number}. {what}"))
            .collect();
        self
    }

    /// Adds everything else that lies on a way, the nearest first: the nodes of `reach` for which `wanted` says so, and
    /// the steps between all that is there.
    pub(crate) fn surroundings(mut self, reach: &Reach, wanted: impl Fn(NodeId) -> bool) -> Self {
        let mut near: Vec<(u32, NodeId)> = reach
            .nodes()
            .filter(|&(node, _)| wanted(node) && !self.nodes.contains_key(&node))
            .map(|(node, effort)| (effort, node))
            .collect();
        near.sort_unstable();
        let room = NODES.saturating_sub(self.picture.nodes.len());
        self.picture.left_out += near.len().saturating_sub(room);
        for (_, node) in near.into_iter().take(room) {
            self.node(node);
        }
        let mut drawn: Vec<NodeId> = self.nodes.keys().copied().collect();
        drawn.sort_unstable();
        for node in drawn {
            for edge in self.graph.edges_from(node) {
                let ends = self.graph.ends(edge);
                let inside = ends.is_some_and(|(_, to)| self.nodes.contains_key(&to));
                if inside && self.steps.len() < STEPS {
                    self.step(edge);
                }
            }
        }
        self
    }

    /// The picture, with files and lines.
    pub(crate) fn finish(mut self, partial: bool) -> Picture {
        self.picture.partial = partial;
        let facts = &mut self.picture.facts;
        let mut places = Finding::new("places", Severity::Info, "");
        places.places = facts.iter().map(|fact| fact.place.clone()).collect();
        let mut places = [places];
        self.opened.locate(&mut places);
        let [places] = places;
        for (fact, place) in facts.iter_mut().zip(places.places) {
            fact.place = place;
        }
        self.picture
    }

    fn node(&mut self, id: NodeId) -> Option<usize> {
        if let Some(&known) = self.nodes.get(&id) {
            return Some(known);
        }
        let node = self.graph.node(id)?;
        self.picture.nodes.push(PictureNode {
            kind: kind(node),
            label: node.to_string(),
        });
        let position = self.picture.nodes.len() - 1;
        self.nodes.insert(id, position);
        Some(position)
    }

    fn step(&mut self, id: EdgeId) -> Option<usize> {
        if let Some(&known) = self.steps.get(&id) {
            return Some(known);
        }
        let (from, to) = self.graph.ends(id)?;
        let (from, to) = (self.node(from)?, self.node(to)?);
        let step = self.graph.step(id)?;
        let reviews = step.proof(self.opened.snapshot());
        let texts = |guards: &[Guard]| guards.iter().map(Guard::to_string).collect();
        let step = PictureStep {
            from,
            to,
            edge: step.kind.id,
            title: step.kind.title,
            effort: step.kind.effort,
            facts: self.facts_of(&step),
            reviews: reviews.iter().map(review).collect(),
            guards: texts(&self.admission.guards(&step)),
            cut: None,
        };
        self.picture.steps.push(step);
        let position = self.picture.steps.len() - 1;
        self.steps.insert(id, position);
        Some(position)
    }

    /// Of alternatives the first is told and the others are counted.
    fn facts_of(&mut self, step: &Step<'_>) -> Vec<usize> {
        let mut facts = Vec::new();
        for clause in &step.evidence {
            let others = clause.len().saturating_sub(1);
            for atom in clause.first().into_iter().flatten() {
                let fact = self.fact(atom, others);
                if !facts.contains(&fact) {
                    facts.push(fact);
                }
            }
        }
        facts
    }

    fn fact(&mut self, atom: &Atom, others: usize) -> usize {
        let text = crate::cmd::paths::atom_line(atom);
        let facts = &mut self.picture.facts;
        *self.facts.entry((text.clone(), others)).or_insert_with(|| {
            facts.push(Fact {
                text,
                place: Place::field(atom.object().clone(), atom.pointer()),
                others,
            });
            facts.len() - 1
        })
    }
}

/// The picture in a form that is made for it.
pub(crate) fn render(opened: &Opened, picture: &Picture, format: Format) -> Result<String> {
    let findings = match format {
        Format::Junit => picture.each(),
        _ => picture.causes(),
    };
    let rules: Vec<Rule<'_>> = EDGES
        .iter()
        .filter(|edge| findings.iter().any(|finding| finding.id == edge.id))
        .map(|edge| Rule {
            id: edge.id,
            title: edge.title,
            severity: Severity::High,
            page: Cow::Owned(edge.page()),
        })
        .collect();
    let report = Report {
        excepted: &[],
        known: &[],
        findings: &findings,
        rules: &rules,
        gaps: &opened.snapshot().gaps,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(match format {
        Format::Sarif => bailiwick_report::sarif_findings(&report)?,
        Format::Junit => bailiwick_report::junit_findings(&report, &picture.title()),
        Format::Mermaid => bailiwick_report::mermaid(picture),
        Format::Dot => bailiwick_report::dot(picture),
        Format::Html => bailiwick_report::html(picture, env!("CARGO_PKG_VERSION"))?,
        _ => bailiwick_report::markdown_paths(picture, &report, COMMENT),
    })
}

/// A question to the API server in words.
pub(crate) fn review(review: &Review) -> String {
    let who = |user: &UserInfo| match (user.name.as_str(), user.groups.first()) {
        ("", Some(group)) => format!("a member of {group}"),
        (name, _) => name.to_owned(),
    };
    let who = review
        .user
        .as_ref()
        .map_or_else(|| "whoever is bound".to_owned(), who);
    format!("{who} may {}", review.request)
}

/// How much a path matters: by where it leads, and how hard it is.
fn severity(end: Option<&Node>, effort: u32) -> Severity {
    let sovereign = matches!(
        end,
        Some(
            Node::Cluster
                | Node::Area {
                    area: Area::Namespace,
                    ..
                }
        )
    );
    match end {
        _ if sovereign && effort <= 1 => Severity::Critical,
        _ if sovereign => Severity::High,
        Some(Node::Machine { .. }) => Severity::High,
        _ => Severity::Medium,
    }
}

/// What a node is, as it is coloured and filtered.
fn kind(node: &Node) -> &'static str {
    match node {
        Node::User { .. } | Node::UserName { .. } => "user",
        Node::Group { .. } => "group",
        Node::ServiceAccount { .. } => "serviceAccount",
        Node::Workload(_) | Node::Container { .. } => "workload",
        Node::Machine { .. }
        | Node::PodFiles { .. }
        | Node::Network { .. }
        | Node::Memory { .. } => "node",
        Node::Secret { .. } => "secret",
        Node::Role { .. } => "role",
        Node::Area { .. } | Node::Driver { .. } | Node::Requests { .. } | Node::Trust(_) => "area",
        Node::Acting { .. } | Node::Bound { .. } | Node::Deputy { .. } => "acting",
        Node::Outside | Node::Entry(_) => "outside",
        Node::Cloud { .. } => "cloud",
        Node::Cluster => "cluster",
    }
}
