//! `paths --watch`: the ways as they appear and vanish.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use bailiwick_core::{Kind, ObjectRef, Timestamp};
use bailiwick_graph::{Admission, Graph, Guard, Live, Node, Path, Step};
use bailiwick_kube::{Batch, Confirmed};
use bailiwick_report::{Format, Tone, inert};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Watched, cut_short};
use crate::cmd::missing::missing;
use crate::cmd::paths::{PathsArgs, facts, order};
use crate::console::Console;
use crate::exit::Exit;
use crate::picture::review;

/// How long to wait for changes before looking whether the API server still answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// Changes that come at once and are looked at one by one; of more nobody could tell which of them it was.
const ONE_BY_ONE: usize = 32;

/// A way, in the words of which it consists: the graph it was in may have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    effort: u32,
    steps: Vec<(&'static str, Node)>,
}

/// What is printed, as JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Event<'e> {
    /// What stands at the start.
    #[serde(rename_all = "camelCase")]
    Start {
        time: String,
        target: &'e Node,
        ways: usize,
        partial: bool,
    },
    /// A way that was not there.
    Appeared(Told<'e>),
    /// A way that is gone.
    Vanished(Told<'e>),
    /// Nothing is heard of these kinds: what changes there comes later or never.
    #[serde(rename_all = "camelCase")]
    Stale {
        time: String,
        kinds: Vec<Kind>,
        why: &'e str,
    },
    /// The API server is heard again, and nothing was missed.
    Current { time: String },
    /// Somebody can bind so many roles that not every combination was looked at: there may be more ways.
    CutShort { time: String, why: &'e str },
    /// Every combination is looked at again.
    Complete { time: String },
}

/// A way and why it is told of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'e> {
    time: String,
    from: &'e Node,
    to: &'e Node,
    effort: u32,
    steps: Vec<ToldStep>,
    /// The objects whose change it comes from.
    causes: &'e [Cause],
    /// The effort of the way that is left, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldStep {
    edge: &'static str,
    title: &'static str,
    to: Node,
    rests_on: Vec<String>,
    /// What may stop it all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guards: Vec<String>,
    /// What to ask the API server.
    proof: Vec<String>,
}

/// An object that has changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause {
    #[serde(flatten)]
    object: ObjectRef,
    /// Empty where the API server had forgotten the change, so that only its result is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    resource_version: String,
}

pub(super) fn run(args: &PathsArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if !matches!(args.output, Format::Table | Format::Json) {
        bail!(
            "--watch prints text, or with `-o json` one object a line; it has no `-o {}`",
            args.output.as_str()
        );
    }
    if let Some(Node::Container { pod, .. }) = args.from.iter().chain([&args.to]).find(is_container)
    {
        let pod = Node::Workload(pod.clone());
        let key = pod.key().unwrap_or_default();
        bail!("--watch follows pods as a whole, not one container; write {key}");
    }
    let Watched { live, watch, .. } = &mut Watched::open(global, console)?;
    watch.stop_on_interrupt()?;
    let mut watcher = Watcher {
        ways: ways(args, live),
        args,
        console,
        stale: false,
        cut_short: None,
    };
    watcher.start(live)?;
    while let Some(batch) = watch.next(PATIENCE) {
        watcher.take(batch, live)?;
    }
    Ok(Exit::Yes)
}

fn is_container(node: &&Node) -> bool {
    matches!(node, Node::Container { .. })
}

struct Watcher<'a> {
    args: &'a PathsArgs,
    console: &'a mut Console,
    /// What was told to stand.
    ways: BTreeMap<Node, Vec<Way>>,
    /// Whether it was told that nothing is heard.
    stale: bool,
    /// What was told of ways that may be missing.
    cut_short: Option<String>,
}

impl Watcher<'_> {
    fn start(&mut self, live: &Live) -> Result<()> {
        let target = &self.args.to;
        self.name_missing(live);
        let ways = self.ways.values().map(Vec::len).sum();
        let gaps = &live.snapshot().gaps;
        if self.is_json() {
            let cut_short = cut_short(live.graph()).is_some();
            self.line(&Event::Start {
                time: now(),
                target,
                ways,
                partial: cut_short || !gaps.is_empty(),
            })?;
            return self.tell_limits(live);
        }
        let (number, verb) = match ways {
            1 => ("1 way".to_owned(), "leads"),
            many => (format!("{many} ways"), "lead"),
        };
        let text = format!("{number} {verb} to {target}; watching, Ctrl-C ends");
        self.console.answer(inert(&text).to_string() + "\n")?;
        self.tell_limits(live)
    }

    /// Who or what is asked about may come later; a slip of the pen never does.
    fn name_missing(&self, live: &Live) {
        let graph = live.graph();
        let named = self.args.from.iter().chain([&self.args.to]);
        let missing_ones = named.filter(|node| graph.find(node).is_none());
        for node in missing_ones.filter(|node| !matches!(node, Node::Cluster | Node::Outside)) {
            let partial = !live.snapshot().gaps.is_empty();
            self.console
                .note(inert(&missing(graph, node, partial).to_string()));
        }
    }

    /// Tells when the graph comes to leave out ways, and when it leaves out none any more.
    fn tell_limits(&mut self, live: &Live) -> Result<()> {
        let why = cut_short(live.graph()).map(|gap| gap.message);
        if why == self.cut_short {
            return Ok(());
        }
        match (&why, self.is_json()) {
            (Some(why), true) => self.line(&Event::CutShort { time: now(), why })?,
            (Some(why), false) => self.console.warn(inert(why)),
            (None, true) => self.line(&Event::Complete { time: now() })?,
            (None, false) => self
                .console
                .note("every combination of roles is looked at again"),
        }
        self.cut_short = why;
        Ok(())
    }

    fn take(&mut self, batch: Batch, live: &mut Live) -> Result<()> {
        for notice in &batch.notices {
            // Connections that are lost are told below, once for all kinds.
            let lost = batch.confirmed.get(&notice.kind);
            if lost.is_none_or(|lost| lost.trouble.is_none()) {
                self.console.warn(inert(&notice.message));
            }
        }
        let mut changed = batch.gaps.is_some();
        if let Some(gaps) = batch.gaps {
            live.replace_gaps(gaps);
        }
        let one_by_one = batch.changes.len() <= ONE_BY_ONE;
        let mut causes = Vec::new();
        for change in batch.changes {
            let object = change.delta.object_ref();
            if live.apply(change.delta) {
                changed = true;
                causes.push(Cause {
                    object,
                    resource_version: change.version,
                });
            }
            if one_by_one && !causes.is_empty() {
                self.compare(live, &causes)?;
                causes.clear();
                changed = false;
            }
        }
        if changed {
            self.compare(live, &causes)?;
        }
        self.hear(&batch.confirmed)
    }

    /// Tells what appeared and what vanished.
    fn compare(&mut self, live: &Live, causes: &[Cause]) -> Result<()> {
        let mut now = ways(self.args, live);
        let before = std::mem::take(&mut self.ways);
        let mut gone = Vec::new();
        for (from, old) in &before {
            let left = now
                .get(from)
                .and_then(|ways| ways.first())
                .map(|way| way.effort);
            let left = left.filter(|_| self.args.from.is_none());
            let old = old.iter().filter(|way| !stands(live.graph(), from, way));
            gone.extend(old.map(|way| (from, way, left)));
        }
        gone.sort_by_key(|(from, way, _)| order(way.effort, way.steps.len(), Some(from)));
        for (from, way, left) in gone {
            let told = vanished(from, &self.args.to, way, causes, left);
            self.tell(&Event::Vanished(told))?;
        }
        if self.args.from.is_none() {
            now.iter_mut()
                .for_each(|(from, ways)| keep(from, ways, before.get(from), live));
        }
        let is_new = |from: &Node, way: &Way| before.get(from).is_none_or(|old| !old.contains(way));
        let all = now
            .iter()
            .flat_map(|(from, ways)| ways.iter().map(move |way| (from, way)));
        let mut new: Vec<(&Node, &Way)> = all.filter(|(from, way)| is_new(from, way)).collect();
        new.sort_by_key(|(from, way)| order(way.effort, way.steps.len(), Some(from)));
        for (from, way) in new {
            let told = appeared(from, way, live, causes);
            self.tell(&Event::Appeared(told))?;
        }
        self.ways = now;
        self.tell_limits(live)
    }

    /// Tells when nothing is heard any more, and when it is again.
    fn hear(&mut self, confirmed: &BTreeMap<Kind, Confirmed>) -> Result<()> {
        let silent = confirmed.iter().filter_map(|(kind, confirmed)| {
            Some((*kind, confirmed.trouble.as_deref()?, confirmed.at.elapsed()))
        });
        let silent: Vec<(Kind, &str, Duration)> = silent.collect();
        if silent.is_empty() != self.stale {
            return Ok(());
        }
        self.stale = !silent.is_empty();
        let Some((_, why, since)) = silent.iter().max_by_key(|(_, _, since)| *since) else {
            if self.is_json() {
                return self.line(&Event::Current { time: now() });
            }
            self.console
                .note("the API server is heard again; nothing was missed");
            return Ok(());
        };
        if self.is_json() {
            let kinds = silent.iter().map(|(kind, _, _)| *kind).collect();
            return self.line(&Event::Stale {
                time: now(),
                kinds,
                why,
            });
        }
        let what = match silent.as_slice() {
            [(kind, ..)] => format!("{kind} objects"),
            all => format!("{} kinds", all.len()),
        };
        self.console.warn(inert(&format!(
            "{why}; nothing is heard of {what} for {} s, and what changes there is told later",
            since.as_secs()
        )));
        Ok(())
    }

    fn is_json(&self) -> bool {
        self.args.output == Format::Json
    }

    fn line(&mut self, event: &Event<'_>) -> Result<()> {
        self.console.answer(serde_json::to_string(event)? + "\n")
    }

    fn tell(&mut self, event: &Event<'_>) -> Result<()> {
        if self.is_json() {
            return self.line(event);
        }
        let (sign, tone, told) = match event {
            Event::Appeared(told) => ("+", Tone::Bad, told),
            Event::Vanished(told) => ("−", Tone::Good, told),
            _ => return Ok(()),
        };
        let look = self.console.look();
        let head = format!("{sign} {} → {}, effort {}", told.from, told.to, told.effort);
        let mut text = format!(
            "{}  {}\n",
            look.paint(Tone::Faint, &told.time),
            look.paint(tone, &inert(&head))
        );
        for cause in causes_in_words(told.causes) {
            text += &format!("   {}\n", look.paint(Tone::Faint, &inert(&cause)));
        }
        for step in &told.steps {
            let line = format!("{} → {}", step.title, step.to);
            text += &format!(
                "   {}  {}\n",
                inert(&line),
                look.paint(Tone::Faint, step.edge)
            );
            for line in step.rests_on.iter().chain(&step.guards).chain(&step.proof) {
                text += &format!("      {}\n", inert(line));
            }
        }
        if let Some(left) = told.left {
            let (from, to) = (told.from, told.to);
            let line = format!("{from} still gets to {to}, effort {left}");
            text += &format!("   {}\n", inert(&line));
        }
        self.console.answer(text)
    }
}

/// The ways of which is told: of one start several, else of each the one of least effort.
fn ways(args: &PathsArgs, live: &Live) -> BTreeMap<Node, Vec<Way>> {
    let graph = live.graph();
    let Some(target) = graph.find(&args.to) else {
        return BTreeMap::new();
    };
    let paths: Vec<Path> = match &args.from {
        Some(from) => {
            let source = graph.find(from).into_iter();
            let count = usize::from(args.count);
            source
                .flat_map(|source| graph.paths(source, target, count))
                .collect()
        }
        None => {
            let reaching = graph.reaching(target);
            let starts = graph.starts(live.snapshot()).into_iter();
            // Those who have full control as it is count, too: that somebody gets it is what people watch for.
            let starts = starts.filter(|&node| node != target);
            starts
                .filter_map(|node| graph.path(node, &reaching))
                .collect()
        }
    };
    let mut ways: BTreeMap<Node, Vec<Way>> = BTreeMap::new();
    for path in paths {
        let steps = path.edges.iter().filter_map(|&edge| graph.step(edge));
        let steps = steps.map(|step| (step.kind.id, step.to.clone()));
        let way = Way {
            effort: path.effort,
            steps: steps.collect(),
        };
        if let Some(from) = graph.node(path.from) {
            let of_start = ways.entry(from.clone()).or_default();
            if !of_start.contains(&way) {
                of_start.push(way);
            }
        }
    }
    ways
}

/// The step from a node that a way takes, where it is there.
fn step_of<'g>(graph: &'g Graph, from: &Node, (edge, to): &(&str, Node)) -> Option<Step<'g>> {
    let (from, to) = (graph.find(from)?, graph.find(to)?);
    let mut edges = graph.edges_from(from);
    let id = edges.find(|&id| {
        let leads = graph.ends(id).is_some_and(|(_, end)| end == to);
        leads && graph.step(id).is_some_and(|step| step.kind.id == *edge)
    });
    graph.step(id?)
}

/// Whether every step of a way is there.
fn stands(graph: &Graph, from: &Node, way: &Way) -> bool {
    let mut at = from;
    way.steps.iter().all(|step| {
        let there = step_of(graph, at, step).is_some();
        at = &step.1;
        there
    })
}

/// Of several ways that are as short the one that was told of stays.
fn keep(from: &Node, ways: &mut [Way], told: Option<&Vec<Way>>, live: &Live) {
    if let [way] = ways
        && let Some(known) = told
            .into_iter()
            .flatten()
            .find(|old| old.effort <= way.effort)
        && stands(live.graph(), from, known)
    {
        *way = known.clone();
    }
}

fn appeared<'e>(from: &'e Node, way: &'e Way, live: &Live, causes: &'e [Cause]) -> Told<'e> {
    let mut at = from;
    let mut steps = Vec::new();
    let admission = Admission::new(live.snapshot());
    for step in &way.steps {
        let found = step_of(live.graph(), at, step);
        at = &step.1;
        let Some(found) = found else { continue };
        let reviews = found.proof(live.snapshot());
        steps.push(ToldStep {
            edge: found.kind.id,
            title: found.kind.title,
            to: found.to.clone(),
            rests_on: facts(&found.evidence),
            guards: admission
                .guards(&found)
                .iter()
                .map(Guard::to_string)
                .collect(),
            proof: reviews.iter().map(review).collect(),
        });
    }
    Told {
        time: now(),
        from,
        to: at,
        effort: way.effort,
        steps,
        causes,
        left: None,
    }
}

fn vanished<'e>(
    from: &'e Node,
    to: &'e Node,
    way: &Way,
    causes: &'e [Cause],
    left: Option<u32>,
) -> Told<'e> {
    let title = |edge: &str| {
        let mut kinds = bailiwick_graph::EDGES.iter();
        kinds
            .find(|kind| kind.id == edge)
            .map_or("", |kind| kind.title)
    };
    let step = |(edge, to): &(&'static str, Node)| ToldStep {
        edge,
        title: title(edge),
        to: to.clone(),
        rests_on: Vec::new(),
        guards: Vec::new(),
        proof: Vec::new(),
    };
    Told {
        time: now(),
        from,
        to,
        effort: way.effort,
        steps: way.steps.iter().map(step).collect(),
        causes,
        left,
    }
}

/// What the change was, in a line or a few.
fn causes_in_words(causes: &[Cause]) -> Vec<String> {
    const SHOWN: usize = 3;
    let line = |cause: &Cause| match &*cause.resource_version {
        "" => format!("{} has changed meanwhile", cause.object),
        version => format!("{} has changed, resourceVersion {version}", cause.object),
    };
    let mut lines: Vec<String> = causes.iter().take(SHOWN).map(line).collect();
    match causes.len() {
        0 => lines.push("what can be read has changed".to_owned()),
        many if many > SHOWN => {
            lines.push(format!(
                "and {} more that changed at the same time",
                many - SHOWN
            ));
        }
        _ => {}
    }
    lines
}

fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_seconds(seconds).to_string()
}
