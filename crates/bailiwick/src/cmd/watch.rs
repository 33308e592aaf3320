//! `paths --watch`: the ways as they appear and vanish.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use bailiwick_core::Kind;
use bailiwick_graph::{Live, Node};
use bailiwick_kube::{Batch, Confirmed};
use bailiwick_report::{Format, Tone, inert};

use self::event::{Cause, Event, appeared, causes_in_words, now, vanished};
use self::way::{Way, keep, stands, ways};
use crate::cli::Global;
use crate::cluster::{Watched, cut_short};
use crate::cmd::missing::missing;
use crate::cmd::paths::{PathsArgs, order};
use crate::console::Console;
use crate::exit::Exit;

mod event;
mod way;

/// How long to wait for changes before looking whether the API server still answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// Changes that come at once and are looked at one by one; of more nobody could tell which of them it was.
const ONE_BY_ONE: usize = 32;

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
        let one_of_each = self.args.from.is_none();
        now.iter_mut()
            .for_each(|(from, ways)| keep(from, ways, before.get(from), one_of_each, live));
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
