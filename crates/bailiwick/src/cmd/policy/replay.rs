use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bailiwick_audit::{DecisionRecord, Event, Input, Line, Record};
use bailiwick_core::{Decision, Effect, Reason, UserInfo};
use bailiwick_pdp::{ApplicationRequest, Entity, Question, State};
use bailiwick_server::{Callers, ExtAuthzDoor};
use serde::Serialize;

use super::diff::word;
use super::{OutputArgs, test};
use crate::cli::Global;
use crate::console::Console;
use crate::exit::Exit;
use crate::policies;
use crate::record;
use crate::serve::{Config, ExtAuthz};

const ABOUT: &str = "\
Decides every request in the log again, at the moment of its record, with the policies, relations, delegations and
revocations of the files. With -f the roles of manifests count; without it what RBAC granted is taken to be granted
again, and nothing is known of what it would have granted beside.

Of questions of applications and gateways the log does not say for which application they were, nor which route they
took: --config names the configuration of `bailiwick serve` that does. Without it they are counted as not replayed.

The log holds no attributes, properties, headers, tokens or objects: what could hang on them is counted as uncertain.

Exit codes: 0 every decision comes out as it did, 1 some do not, 2 there is none, 3 none is known to differ
but some are uncertain";

/// Arguments of `bailiwick policy replay`.
#[derive(clap::Args, Debug)]
#[command(after_help = ABOUT)]
pub(super) struct ReplayArgs {
    /// Directory of the log
    log: PathBuf,
    /// Files and directories of policies
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Configuration of `bailiwick serve`: the application of each caller, and the routes of gateways
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Changes shown at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    most: usize,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a replay found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    decisions: u64,
    same: u64,
    changed: u64,
    uncertain: u64,
    not_replayed: u64,
    unreadable: u64,
    /// The first of each kind of change.
    changes: Vec<Change>,
}

/// Decisions of one kind that would come out differently.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    subject: String,
    what: String,
    old: Effect,
    new: Effect,
    reason: Reason,
    count: u64,
    /// Id of the first of them.
    first: String,
}

pub(super) fn run(args: &ReplayArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let (_, bundle) = policies::load(&args.paths)?;
    let with_rbac = !global.filename.is_empty();
    let (engine, partial) = test::manifests(global, console)?;
    let doors = match &args.config {
        Some(path) => Some(Doors::of(&Config::read(path, console)?)?),
        None => None,
    };
    let replay = Replay {
        state: policies::state(Arc::new(engine), bundle),
        with_rbac,
        doors,
    };
    let mut replayed = Replayed::default();
    let mut changes: BTreeMap<(String, String, u8, u8), usize> = BTreeMap::new();
    for segment in bailiwick_store::segments(&args.log)? {
        let bytes = segment.read().with_context(|| segment.name())?;
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            match Line::parse(line).ok().and_then(|line| line.record()) {
                Some(found) => replay.take(&found, &mut replayed, &mut changes, args.most),
                None => replayed.unreadable += 1,
            }
        }
    }
    if replayed.decisions + replayed.unreadable == 0 {
        bail!("there is no decision in `{}`", args.log.display());
    }
    args.output
        .print("PolicyReplay", &replayed, text, console)?;
    let certain = replayed.uncertain + replayed.unreadable + replayed.not_replayed == 0;
    Ok(match replayed.changed {
        0 => Exit::answer(true, !certain || partial),
        _ => Exit::answer(false, partial),
    })
}

struct Replay {
    state: State,
    with_rbac: bool,
    doors: Option<Doors>,
}

/// What the log leaves to the configuration.
struct Doors {
    callers: Callers,
    gateway: ExtAuthzDoor,
}

impl Doors {
    fn of(config: &Config) -> Result<Self> {
        let gateway = config.ext_authz.as_ref().map(ExtAuthz::door).transpose()?;
        Ok(Self {
            callers: config.callers()?,
            gateway: gateway.unwrap_or_default(),
        })
    }

    /// The question of an application or a gateway; `None` where its caller speaks for no application any more.
    fn asked(&self, old: &DecisionRecord) -> Option<ApplicationRequest> {
        let application = self.callers.application(&old.caller)?.to_owned();
        let (action, resource) = match &old.input {
            Input::Application {
                action,
                resource_type,
                resource_id,
            } => (action.clone(), Entity::new(resource_type, resource_id)),
            Input::Http { method, host, path } => self.gateway.asks(method, host, path)?,
            _ => return None,
        };
        Some(ApplicationRequest {
            application,
            subject: Entity::new(&old.subject.kind, &old.subject.name),
            groups: old.subject.groups.clone(),
            action,
            resource,
            ..ApplicationRequest::default()
        })
    }
}

impl Replay {
    fn take(
        &self,
        found: &Record,
        replayed: &mut Replayed,
        known: &mut BTreeMap<(String, String, u8, u8), usize>,
        most: usize,
    ) {
        let Event::Decision(old) = &found.event else {
            return;
        };
        replayed.decisions += 1;
        let user = UserInfo {
            name: old.subject.name.clone(),
            groups: old.subject.groups.clone(),
            ..UserInfo::default()
        };
        let asked = self.doors.as_ref().and_then(|doors| doors.asked(old));
        let question = match (&old.input, &asked) {
            (Input::Kubernetes { request }, _) => Question::Kubernetes {
                user: &user,
                request,
            },
            (_, Some(asked)) => Question::Application(asked),
            _ => {
                replayed.not_replayed += 1;
                return;
            }
        };
        let new = self.state.decide(question, found.at).to_decision();
        let Some(effect) = self.effect(old, &new, question) else {
            replayed.uncertain += 1;
            return;
        };
        if effect == old.effect {
            replayed.same += 1;
            return;
        }
        replayed.changed += 1;
        let (subject, what) = (old.subject.name.clone(), record::asked(&old.input));
        let key = (
            subject.clone(),
            what.clone(),
            old.effect as u8,
            effect as u8,
        );
        if let Some(change) = known
            .get(&key)
            .and_then(|place| replayed.changes.get_mut(*place))
        {
            change.count += 1;
        } else if replayed.changes.len() < most {
            known.insert(key, replayed.changes.len());
            replayed.changes.push(Change {
                subject,
                what,
                old: old.effect,
                new: effect,
                reason: new.reason,
                count: 1,
                first: old.id.to_string(),
            });
        }
    }

    /// What the answer would be; `None` where the log does not tell.
    fn effect(
        &self,
        old: &DecisionRecord,
        new: &Decision,
        question: Question<'_>,
    ) -> Option<Effect> {
        if self.state.reads_unlogged(question) || matches!(old.reason, Reason::Refused { .. }) {
            return None;
        }
        // A credential that was revoked is named by nothing that the log holds.
        if matches!(&old.reason, Reason::Revoked(revoked) if revoked.target.starts_with("credential:"))
        {
            return None;
        }
        // RBAC has no say in applications.
        let alone = matches!(question, Question::Application(_));
        if self.with_rbac || alone || new.effect == Effect::Deny {
            return Some(new.effect);
        }
        match (&old.reason, new.effect) {
            (Reason::Rbac(_) | Reason::Floor(_) | Reason::Masters, Effect::Conditional) => None,
            (Reason::Rbac(_) | Reason::Floor(_) | Reason::Masters, _) | (_, Effect::Allow) => {
                Some(Effect::Allow)
            }
            (Reason::NoGrant, effect) => Some(effect),
            // Whether RBAC granted it as well, nobody asked.
            (_, effect) if effect == old.effect => Some(effect),
            _ => None,
        }
    }
}

fn text(replayed: &Replayed) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", bailiwick_report::inert(text));
    };
    for change in &replayed.changes {
        line(&format!(
            "{} times: {}: {}: {}, would be {}: {} (first {})",
            change.count,
            change.subject,
            change.what,
            word(change.old),
            word(change.new),
            change.reason,
            change.first
        ));
    }
    let Replayed {
        decisions,
        same,
        changed,
        uncertain,
        not_replayed,
        unreadable,
        ..
    } = replayed;
    line(&format!(
        "decisions {decisions}: same {same}, changed {changed}, uncertain {uncertain}, not replayed {not_replayed}"
    ));
    if *unreadable > 0 {
        line(&format!(
            "{unreadable} lines are no records; `bailiwick audit verify` says more"
        ));
    }
    out
}
