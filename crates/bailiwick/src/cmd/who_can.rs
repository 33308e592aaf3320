use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use bailiwick_core::{Grant, Kind, Request, Subject};
use bailiwick_report::{COMMENT, Cell, Column, Format, Table, Tone};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::can::known_problems;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::target::{self, Target, TargetOptions};

const EXAMPLES: &str = "\
Examples:
  bailiwick who-can get secrets -A               everybody who can read secrets, in every namespace or in one
  bailiwick who-can create pods -n kube-system   who can create pods there
  bailiwick who-can delete nodes                 who can delete nodes
  bailiwick who-can get /metrics                 who can read a path
  bailiwick who-can bind clusterroles/admin -n shop

With -A the answer holds grants for the whole cluster and those for single namespaces, each with its scope. Groups are
listed as groups; --groups-file tells who is in them.";

/// Arguments of `bailiwick who-can`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WhoCanArgs {
    /// Verb, such as get, list, create, bind or `*`; an HTTP method in capitals goes with a request URL
    verb: String,
    /// `RESOURCE[.GROUP][/NAME]` or a URL that starts with `/`
    resource: String,
    #[command(flatten)]
    target: TargetOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::LISTS))]
    output: Format,
}

/// Everybody who can.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    request: Request,
    /// Whether grants that hold in single namespaces are listed too.
    all_namespaces: bool,
    subjects: Vec<Entry>,
    problems: Vec<String>,
    hints: Vec<String>,
    partial: bool,
}

/// Somebody who can.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    subject: Subject,
    /// Whether the grants hold in every namespace; those in one are listed under `grants` alone.
    cluster_wide: bool,
    /// Members, as the groups file knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<Subject>,
    grants: Vec<Grant>,
}

pub(crate) fn run(args: &WhoCanArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let format = args.output;
    let opened = Opened::open(global, Need::Rbac, console)?;
    opened.mention_problems(console);
    let target = target::read(
        &opened.api,
        &args.verb,
        &args.resource,
        &args.target,
        opened.scope(global),
    )?;
    let answer = answer(&opened, global, target, console);
    match format {
        Format::Json => console.answer(bailiwick_report::json("SubjectList", &answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("SubjectList", &answer)?)?,
        Format::Markdown => console.answer(table(&answer).markdown(true, COMMENT))?,
        Format::Name => {
            let names: BTreeSet<String> = answer
                .subjects
                .iter()
                .map(|entry| entry.subject.to_string())
                .collect();
            for name in names {
                console.answer(format_args!("{}\n", bailiwick_report::inert(&name)))?;
            }
        }
        format => {
            console.answer(table(&answer).text(&console.look(), format == Format::Wide))?;
            for problem in &answer.problems {
                console.note(problem);
            }
        }
    }
    // `system:masters` alone can everything and is no answer to anybody's question.
    let somebody = answer.subjects.iter().any(|entry| !entry.grants.is_empty());
    Ok(Exit::answer(somebody, answer.partial))
}

fn answer(opened: &Opened, global: &Global, target: Target, console: &Console) -> Answer {
    let everywhere = global.all_namespaces && spans_namespaces(opened, &target.request);
    let found = if everywhere {
        opened.engine.who_can_everywhere(&target.request)
    } else {
        opened.engine.who_can(&target.request)
    };
    for hint in &target.hints {
        console.note(hint);
    }
    let mut subjects: Vec<Entry> = found
        .subjects()
        .map(|who| {
            let mut grants: Vec<Grant> = who.grants().map(|grant| grant.to_grant()).collect();
            grants.sort_by(|a, b| a.binding.cmp(&b.binding).then(a.rule.cmp(&b.rule)));
            let subject = who.subject();
            Entry {
                cluster_wide: who.is_master()
                    || grants
                        .iter()
                        .any(|grant| grant.binding.kind == Kind::ClusterRoleBinding),
                members: match &subject {
                    Subject::Group { name } => opened.members.of(name).to_vec(),
                    _ => Vec::new(),
                },
                subject,
                grants,
            }
        })
        .collect();
    subjects.sort_by(|a, b| a.subject.cmp(&b.subject));
    let namespace = if everywhere {
        ""
    } else {
        target.request.namespace()
    };
    Answer {
        partial: opened.partial(&Kind::RBAC, namespace, console),
        problems: known_problems(&found.problems),
        request: target.request,
        all_namespaces: everywhere,
        subjects,
        hints: target.hints,
    }
}

/// Whether RoleBindings can allow the request in some namespace.
fn spans_namespaces(opened: &Opened, request: &Request) -> bool {
    match request {
        Request::NonResource(_) => false,
        Request::Resource(request) => opened
            .api
            .resource(&request.group, &request.resource)
            .is_none_or(|known| known.namespaced),
    }
}

/// A row for each subject, scope and binding.
fn table(answer: &Answer) -> Table {
    let columns = ["KIND", "SUBJECT", "SCOPE", "THROUGH", "ROLE"].map(Column::new);
    let mut table = Table::new(columns.into_iter().chain([
        Column::new("RULE").wide().number(),
        Column::new("MEMBERS").wide(),
    ]));
    for entry in &answer.subjects {
        let members: Vec<String> = entry.members.iter().map(ToString::to_string).collect();
        let (kind, name) = (entry.subject.kind(), name(&entry.subject));
        if entry.grants.is_empty() {
            table.row([
                Cell::new(kind),
                Cell::new(&name),
                Cell::new("cluster").tone(Tone::Warn),
                Cell::new("built into the API server").tone(Tone::Faint),
                Cell::default(),
                Cell::default(),
                Cell::new(&members.join(", ")),
            ]);
        }
        let mut rules: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for grant in &entry.grants {
            let key = (&grant.binding, &grant.role);
            rules
                .entry(key)
                .or_default()
                .push((grant.rule + 1).to_string());
        }
        for ((binding, role), mut rules) in rules {
            rules.dedup();
            let scope = match &*binding.namespace {
                "" => Cell::new("cluster").tone(Tone::Warn),
                namespace => Cell::new(namespace),
            };
            table.row([
                Cell::new(kind),
                Cell::new(&name),
                scope,
                Cell::new(&format!("{}/{}", binding.kind, binding.name)),
                Cell::new(&format!("{}/{}", role.kind, role.name)),
                Cell::new(&rules.join(",")),
                Cell::new(&members.join(", ")),
            ]);
        }
    }
    table
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::User { name } | Subject::Group { name } => name.clone(),
        Subject::ServiceAccount { namespace, name } => format!("{namespace}/{name}"),
    }
}
