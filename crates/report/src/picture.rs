//! Part of the access graph, as every renderer takes it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bailiwick_diag::{Finding, Fix, Place, Severity};

use crate::inert::inert;

/// Part of the access graph: nodes, the steps between them, and paths over those steps, most urgent first.
///
/// Positions are those in the lists here. One that is beyond its list is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// What is asked about, such as `full control of the cluster`.
    pub subject: String,
    /// Position of the node that all paths lead to, or start from.
    pub hub: usize,
    /// Whether the paths start from the hub.
    pub outward: bool,
    /// Everything that is drawn.
    pub nodes: Vec<PictureNode>,
    /// The steps between the nodes.
    pub steps: Vec<PictureStep>,
    /// What steps rest on, each once.
    pub facts: Vec<Fact>,
    /// Paths, in the order in which they are shown.
    pub paths: Vec<PicturePath>,
    /// What paths come down to, each once.
    pub causes: Vec<PictureCause>,
    /// Changes that close paths, each as an order, with its number.
    pub cuts: Vec<String>,
    /// Nodes and paths that belong here and are left out because there are too many.
    pub left_out: usize,
    /// Whether part of the cluster could not be read.
    pub partial: bool,
}

/// Somebody or something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureNode {
    /// What it is, in one word of camel case.
    pub kind: &'static str,
    /// Its name for people.
    pub label: String,
}

/// A step from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureStep {
    /// Position of the node where it starts.
    pub from: usize,
    /// Position of the node where it ends.
    pub to: usize,
    /// Id of its kind.
    pub edge: &'static str,
    /// What is done, in words that follow "can".
    pub title: &'static str,
    /// How hard it is.
    pub effort: u32,
    /// Positions of what it rests on.
    pub facts: Vec<usize>,
    /// The questions to the API server that replay it.
    pub reviews: Vec<String>,
    /// What may stop it all the same, each in a sentence without its end.
    pub guards: Vec<String>,
    /// Position of the change after which it is gone; `None` where none takes it away.
    pub cut: Option<usize>,
}

/// Something that a step rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// In words.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// How many other things give the same.
    pub others: usize,
}

/// Steps, each starting where the one before ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturePath {
    /// Position of the node where it starts.
    pub from: usize,
    /// The effort of all steps together.
    pub effort: u32,
    /// How much it matters that it is there.
    pub severity: Severity,
    /// Positions of the steps.
    pub steps: Vec<usize>,
    /// What closes it; `None` where nothing may, or nobody asked.
    pub closed: Option<Closed>,
}

/// What closes a path, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Position of the cause.
    pub cause: usize,
    /// Position of the step that is gone without it.
    pub step: usize,
}

/// Something without which paths are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureCause {
    /// Positions of what it is.
    pub facts: Vec<usize>,
    /// The change that takes it away, as an order.
    pub help: String,
    /// How, where commands can.
    pub fix: Option<Fix>,
}

/// What paths are told together by.
#[derive(PartialEq, Eq, Hash)]
enum Group<'a> {
    Cause(usize),
    /// Nothing may close them: the step, and what it rests on.
    Step(&'a str, &'a [usize]),
}

/// Ways told with a finding; more are counted.
const FLOWS: usize = 10;

impl Picture {
    /// A finding for each cause of paths. Paths that nothing may close are told by the first step that takes effort.
    pub fn causes(&self) -> Vec<Finding> {
        let mut by_group: HashMap<Group<'_>, usize> = HashMap::new();
        let mut groups: Vec<Vec<&PicturePath>> = Vec::new();
        for path in &self.paths {
            let Some(step) = self.cause(path) else {
                continue;
            };
            let group = path
                .closed
                .map_or(Group::Step(step.edge, &step.facts), |closed| {
                    Group::Cause(closed.cause)
                });
            match by_group.entry(group) {
                Entry::Vacant(entry) => {
                    entry.insert(groups.len());
                    groups.push(vec![path]);
                }
                Entry::Occupied(entry) => {
                    if let Some(paths) = groups.get_mut(*entry.get()) {
                        paths.push(path);
                    }
                }
            }
        }
        let finding = |paths: &Vec<&PicturePath>| self.finding(paths);
        groups.iter().filter_map(finding).collect()
    }

    /// A finding for each path, with the questions to the API server that replay it.
    pub fn each(&self) -> Vec<Finding> {
        let finding = |path: &PicturePath| {
            let mut finding = self.finding(&[path])?;
            let reviews = self.steps_of(path).flat_map(|step| &step.reviews);
            let replayed = reviews.map(|review| format!("replayed by: {review}"));
            finding.evidence.extend(replayed);
            Some(finding)
        };
        self.paths.iter().filter_map(finding).collect()
    }

    /// The step that its cause closes; of what nothing may close the first step that takes effort, or else the first
    /// that rests on something.
    fn cause<'a>(&'a self, path: &'a PicturePath) -> Option<&'a PictureStep> {
        if let Some(closed) = path.closed {
            return self.steps.get(closed.step);
        }
        let mut steps = self.steps_of(path);
        let costly = steps.find(|step| step.effort > 0 && !step.facts.is_empty());
        costly.or_else(|| self.steps_of(path).find(|step| !step.facts.is_empty()))
    }

    fn finding(&self, paths: &[&PicturePath]) -> Option<Finding> {
        let first = paths.first()?;
        let cause = self.cause(first)?;
        let (from, end) = (self.nodes.get(first.from)?, self.end(first)?);
        let mut message = format!(
            "{} can {} and so gets to {} with effort {}",
            from.label, cause.title, end.label, first.effort
        );
        match paths.len() - 1 {
            0 => {}
            1 => message += "; 1 more path rests on the same",
            more => message += &format!("; {more} more paths rest on the same"),
        }
        let severity = paths.iter().map(|path| path.severity).max()?;
        let mut finding = Finding::new(cause.edge, severity, message);
        let known = first
            .closed
            .and_then(|closed| self.causes.get(closed.cause));
        let facts = known.map_or(&cause.facts, |known| &known.facts);
        finding.help = known.map(|known| known.help.clone());
        finding.fix = known.and_then(|known| known.fix.clone());
        finding.places = facts
            .iter()
            .filter_map(|&fact| self.facts.get(fact))
            .map(|fact| fact.place.clone().label(&fact.text))
            .collect();
        finding.evidence = self.steps_of(first).map(|step| self.line(step)).collect();
        let others = paths.iter().skip(1);
        let others = others.filter_map(|path| self.nodes.get(path.from));
        let also: Vec<&str> = others.map(|node| &*node.label).take(FLOWS).collect();
        if !also.is_empty() {
            finding.evidence.push(format!("also {}", also.join(", ")));
        }
        finding.flows = paths
            .iter()
            .take(FLOWS)
            .map(|path| self.flow(path))
            .collect();
        Some(finding)
    }

    /// A step on one line, with what it rests on.
    pub(crate) fn line(&self, step: &PictureStep) -> String {
        let to = self.nodes.get(step.to).map_or("", |node| &node.label);
        let facts: Vec<String> = self
            .facts_of(step)
            .map(|fact| match fact.place.span {
                Some(_) => format!("{} ({})", fact.text, fact.place),
                None => fact.text.clone(),
            })
            .collect();
        let mut line = format!("{} → {to}", step.title);
        if !facts.is_empty() {
            line += &format!(": {}", facts.join(", "));
        }
        for guard in &step.guards {
            line += &format!("; {guard}");
        }
        line
    }

    fn flow(&self, path: &PicturePath) -> Vec<Place> {
        let place = |step: &PictureStep| {
            let place = self.facts_of(step).next().map(|fact| fact.place.clone());
            place.unwrap_or_default().label(self.line(step))
        };
        self.steps_of(path).map(place).collect()
    }

    pub(crate) fn steps_of<'a>(
        &'a self,
        path: &'a PicturePath,
    ) -> impl Iterator<Item = &'a PictureStep> {
        path.steps.iter().filter_map(|&step| self.steps.get(step))
    }

    /// Whether a step needs nothing and costs nothing: a whole has parts, a group has members.
    pub(crate) fn is_free(step: &PictureStep) -> bool {
        step.facts.is_empty() && step.effort == 0
    }

    pub(crate) fn facts_of<'a>(&'a self, step: &'a PictureStep) -> impl Iterator<Item = &'a Fact> {
        step.facts.iter().filter_map(|&fact| self.facts.get(fact))
    }

    /// The node where a path ends.
    pub(crate) fn end<'a>(&'a self, path: &'a PicturePath) -> Option<&'a PictureNode> {
        let last = self.steps_of(path).last();
        self.nodes.get(last.map_or(path.from, |step| step.to))
    }

    /// What it shows, in a few words.
    pub fn title(&self) -> String {
        let word = if self.outward { "from" } else { "to" };
        inert(&format!("Paths {word} {}", self.subject)).into_owned()
    }

    /// As many of the first paths as have at most so many steps together: positions of their nodes and steps, and how
    /// many paths are left.
    pub(crate) fn excerpt(&self, most: usize) -> Excerpt {
        let mut excerpt = Excerpt::default();
        for (shown, path) in self.paths.iter().enumerate() {
            let new = |step: &&usize| !excerpt.steps.contains(step);
            let new: Vec<usize> = path.steps.iter().filter(new).copied().collect();
            if excerpt.steps.len() + new.len() > most {
                excerpt.left = self.paths.len() - shown;
                break;
            }
            excerpt.steps.extend(new);
        }
        excerpt.steps.sort_unstable();
        let ends = |&step: &usize| self.steps.get(step).map(|step| [step.from, step.to]);
        excerpt.nodes = excerpt.steps.iter().filter_map(ends).flatten().collect();
        excerpt.nodes.sort_unstable();
        excerpt.nodes.dedup();
        excerpt
    }
}

/// The part of a picture that a renderer has room for.
#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    pub(crate) nodes: Vec<usize>,
    pub(crate) steps: Vec<usize>,
    /// Paths that are not shown in full.
    pub(crate) left: usize,
}

#[cfg(test)]
mod tests {
    use crate::sample::picture;

    #[test]
    fn paths_of_one_cause_are_one_finding() {
        let picture = picture();
        let causes = picture.causes();
        assert_eq!(picture.paths.len(), 3);
        assert_eq!(causes.len(), 2);
        assert_eq!(picture.each().len(), 3);
        let messages: Vec<&str> = causes.iter().map(|cause| &*cause.message).collect();
        assert_eq!(
            messages,
            [
                "service account ci/runner can start a pod and so gets to full control of the cluster with effort 1; \
                 1 more path rests on the same",
                "user x\u{1b}[31m\"</script><b>`|#;@all can act as a user and so gets to full control of the cluster \
                 with effort 2",
            ]
        );
        assert_eq!(causes[0].flows.len(), 2);
        assert_eq!(causes[0].flows[1].len(), 3);
        assert_eq!(causes[0].places[0].to_string(), "rbac/ops role.yaml:5:11");
    }

    #[test]
    fn an_excerpt_holds_whole_paths_and_counts_the_others() {
        let picture = picture();
        for (most, steps, left) in [(0, 0, 3), (2, 2, 2), (3, 3, 1), (4, 4, 0), (100, 4, 0)] {
            let excerpt = picture.excerpt(most);
            assert_eq!((excerpt.steps.len(), excerpt.left), (steps, left), "{most}");
        }
    }
}
