use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use bailiwick_core::{Grant, Kind, Request, ResourceRequest, Subject, UserInfo};
use bailiwick_model::{ApiResource, PolicyRule, Snapshot};
use bailiwick_rbac::Engine;
use bailiwick_report::{COMMENT, Cell, Column, Format, Table, Tone};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::can::{grant_line, known_problems};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::subject::SubjectOptions;

const EXAMPLES: &str = "\
Examples:
  bailiwick access sa:ci/runner                    its rules, cluster-wide and in every namespace
  bailiwick access alice --group oidc:developers   with a group that her login brings along
  bailiwick access alice --matrix -n shop          verbs by resource in one namespace
  bailiwick access group:oncall --matrix -A        what holds in every namespace at once";

/// Arguments of `bailiwick access`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AccessArgs {
    /// `me`, `user:NAME`, `group:NAME`, `sa:NAMESPACE/NAME` or a bare user name
    subject: String,
    #[command(flatten)]
    who: SubjectOptions,
    /// Show which verbs are allowed on which resource of one namespace, or with -A cluster-wide
    #[arg(long)]
    matrix: bool,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::TABLES))]
    output: Format,
}

/// Everything that a subject can do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    subject: Subject,
    user: UserInfo,
    /// Whether it is in `system:masters`, so that it can do everything whatever the rules say.
    masters: bool,
    rules: Vec<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<Matrix>,
    problems: Vec<String>,
    partial: bool,
}

/// A rule that the subject holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    /// The namespace in which it holds; empty for the whole cluster.
    namespace: String,
    rule: PolicyRule,
    /// Every binding that gives it.
    through: Vec<Grant>,
}

/// Verbs by resource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Matrix {
    /// The namespace; empty is the whole cluster.
    namespace: String,
    resources: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    group: String,
    resource: String,
    /// Verbs allowed on every object.
    verbs: Vec<String>,
    /// Verbs allowed on objects of some names only.
    named: BTreeMap<String, Vec<String>>,
}

pub(crate) fn run(args: &AccessArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let format = args.output;
    let opened = Opened::open(global, Need::Rbac, console)?;
    opened.mention_problems(console);
    let who = args.who.resolve(&args.subject, &opened)?;
    let namespaces = if global.namespace.is_some() || args.matrix {
        vec![opened.namespace(global)]
    } else {
        bound_namespaces(opened.snapshot())
    };
    let (rules, problems) = held(&opened.engine, &who.user, &namespaces);
    let matrix = args.matrix.then(|| {
        let namespace = if global.all_namespaces {
            String::new()
        } else {
            opened.namespace(global)
        };
        matrix(&opened, &who.user, namespace)
    });
    let place = if global.namespace.is_some() {
        opened.namespace(global)
    } else {
        String::new()
    };
    let answer = Answer {
        masters: who.user.is_master(),
        subject: who.subject,
        user: who.user,
        rules,
        matrix,
        problems,
        partial: opened.partial(&Kind::RBAC, &place, console),
    };
    show(&answer, format, console)?;
    Ok(Exit::answer(
        answer.masters || !answer.rules.is_empty(),
        answer.partial,
    ))
}

fn show(answer: &Answer, format: Format, console: &mut Console) -> Result<()> {
    let table = match &answer.matrix {
        Some(matrix) => matrix_table(matrix),
        None => rules_table(&answer.rules),
    };
    match format {
        Format::Json => console.answer(bailiwick_report::json("Access", answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("Access", answer)?)?,
        Format::Markdown => console.answer(table.markdown(true, COMMENT))?,
        format => {
            if answer.masters {
                console.note("system:masters: the API server allows this subject everything, whatever the rules say");
            }
            if table.is_empty() {
                console.note("RBAC allows this subject nothing here");
            } else {
                console.answer(table.text(&console.look(), format == Format::Wide))?;
            }
            for problem in &answer.problems {
                console.note(problem);
            }
        }
    }
    Ok(())
}

/// The namespaces that have a RoleBinding; elsewhere only cluster-wide rules hold.
fn bound_namespaces(snapshot: &Snapshot) -> Vec<String> {
    let namespaces: BTreeSet<&str> = snapshot
        .bindings
        .iter()
        .map(|binding| &*binding.metadata.namespace)
        .collect();
    namespaces
        .into_iter()
        .filter(|namespace| !namespace.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The rules of the user: cluster-wide, then namespace by namespace, equal ones of one scope together.
fn held(engine: &Engine, user: &UserInfo, namespaces: &[String]) -> (Vec<Held>, Vec<String>) {
    let mut found: BTreeMap<(String, PolicyRule), Vec<Grant>> = BTreeMap::new();
    let mut problems = BTreeSet::new();
    let mut add = |namespace: &str| {
        let resolved = engine.rules_for(user, namespace);
        problems.extend(known_problems(&resolved.problems));
        for rule in resolved.rules {
            if *rule.binding.metadata.namespace != *namespace {
                continue;
            }
            let Some(subject) = rule.subject.subject(namespace) else {
                continue;
            };
            let grant = Grant {
                binding: rule.binding.object_ref(),
                role: rule.role.object_ref(),
                rule: rule.position,
                subject,
            };
            found
                .entry((namespace.to_owned(), rule.rule.clone()))
                .or_default()
                .push(grant);
        }
    };
    add("");
    for namespace in namespaces.iter().filter(|namespace| !namespace.is_empty()) {
        add(namespace);
    }
    let rules = found
        .into_iter()
        .map(|((namespace, rule), through)| Held {
            namespace,
            rule,
            through,
        })
        .collect();
    (rules, problems.into_iter().collect())
}

fn rules_table(rules: &[Held]) -> Table {
    let mut table = Table::new([
        Column::new("SCOPE"),
        Column::new("VERBS"),
        Column::new("RESOURCES"),
        Column::new("NAMES"),
        Column::new("THROUGH"),
        Column::new("GRANTS").wide(),
    ]);
    for held in rules {
        let mut through: Vec<String> = held
            .through
            .iter()
            .map(|grant| format!("{}/{}", grant.binding.kind, grant.binding.name))
            .collect();
        through.dedup();
        let grants: Vec<String> = held.through.iter().map(grant_line).collect();
        let scope = match held.namespace.as_str() {
            "" => Cell::new("cluster").tone(Tone::Warn),
            namespace => Cell::new(namespace),
        };
        let star = |text: String| {
            let tone = if text.split(", ").any(|word| matches!(word, "*" | EVERY_URL)) {
                Tone::Bad
            } else {
                Tone::Plain
            };
            Cell::new(&text).tone(tone)
        };
        table.row([
            scope,
            star(held.rule.verbs.join(", ")),
            star(targets(&held.rule)),
            Cell::new(&names(&held.rule)),
            Cell::new(&through.join(", ")),
            Cell::new(&grants.join("; ")),
        ]);
    }
    table
}

/// How `nonResourceURLs: ["*"]` is told.
const EVERY_URL: &str = "every URL";

/// Resources with their groups, or paths.
pub(crate) fn targets(rule: &PolicyRule) -> String {
    let mut targets: Vec<String> = Vec::new();
    for resource in &rule.resources {
        for group in &rule.api_groups {
            targets.push(match (&**group, &**resource) {
                ("", resource) => resource.to_owned(),
                ("*", "*") => "*".to_owned(),
                (group, resource) => format!("{resource}.{group}"),
            });
        }
    }
    targets.extend(rule.non_resource_urls.iter().map(|url| match &**url {
        // A second `*` beside that of the resources would look like the same right twice.
        "*" => EVERY_URL.to_owned(),
        url => url.to_owned(),
    }));
    targets.join(", ")
}

/// The names that a rule is limited to.
pub(crate) fn names(rule: &PolicyRule) -> String {
    // An empty name is a name: it matches the requests that name nothing.
    let shown = rule.resource_names.iter().map(|name| match &**name {
        "" => "\"\"".to_owned(),
        name => name.to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Verbs with a column of their own; the others share one.
const COLUMNS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// What is allowed on every resource that the API serves, decided request by request.
fn matrix(opened: &Opened, user: &UserInfo, namespace: String) -> Matrix {
    let names = opened.engine.rules_for(user, &namespace);
    let names: BTreeSet<&str> = names
        .rules
        .iter()
        .flat_map(|rule| rule.rule.resource_names.iter())
        .map(|name| &**name)
        .filter(|name| !name.is_empty())
        .collect();
    let mut resources = Vec::new();
    for known in opened.api.resources() {
        let whole = (known.resource.to_string(), known.verbs.as_slice());
        let subresources = known.subresources.iter().map(|sub| {
            (
                format!("{}/{}", known.resource, sub.name),
                sub.verbs.as_slice(),
            )
        });
        for (resource, verbs) in std::iter::once(whole).chain(subresources) {
            let row = row(opened, user, &namespace, known, &resource, verbs, &names);
            if !row.verbs.is_empty() || !row.named.is_empty() {
                resources.push(row);
            }
        }
    }
    Matrix {
        namespace,
        resources,
    }
}

fn row(
    opened: &Opened,
    user: &UserInfo,
    namespace: &str,
    known: &ApiResource,
    resource: &str,
    verbs: &[bailiwick_core::Str],
    names: &BTreeSet<&str>,
) -> Row {
    let mut row = Row {
        group: known.group.to_string(),
        resource: resource.to_owned(),
        verbs: Vec::new(),
        named: BTreeMap::new(),
    };
    let namespace = if known.namespaced { namespace } else { "" };
    for verb in verbs {
        let request = ResourceRequest::new(verb, &known.group, resource).in_namespace(namespace);
        let allowed = |request: ResourceRequest| {
            opened
                .engine
                .decide(user, &Request::Resource(request))
                .is_allowed()
        };
        // A rule without names allows every name, one with names never allows a request that names none.
        if allowed(request.clone().named(ANY_NAME)) || allowed(request.clone()) {
            row.verbs.push(verb.to_string());
            continue;
        }
        let some: Vec<String> = names
            .iter()
            .filter(|name| allowed(request.clone().named(name)))
            .map(|&name| name.to_owned())
            .collect();
        if !some.is_empty() {
            row.named.insert(verb.to_string(), some);
        }
    }
    row
}

/// A name that no rule lists: names of objects hold no slash.
const ANY_NAME: &str = "/";

fn matrix_table(matrix: &Matrix) -> Table {
    let columns = std::iter::once(Column::new("RESOURCE"))
        .chain(
            [
                "GET",
                "LIST",
                "WATCH",
                "CREATE",
                "UPDATE",
                "PATCH",
                "DELETE",
                "DELETECOLL",
            ]
            .map(Column::new),
        )
        .chain([Column::new("OTHER"), Column::new("NAMES")]);
    let mut table = Table::new(columns);
    for row in &matrix.resources {
        let qualified = match row.group.as_str() {
            "" => row.resource.clone(),
            group => format!("{}.{group}", row.resource),
        };
        let mut cells = vec![Cell::new(&qualified)];
        for verb in COLUMNS {
            cells.push(if row.verbs.iter().any(|allowed| allowed == verb) {
                Cell::new("✓").tone(Tone::Good)
            } else if row.named.contains_key(verb) {
                Cell::new("named").tone(Tone::Warn)
            } else {
                Cell::default()
            });
        }
        let other: Vec<&str> = row
            .verbs
            .iter()
            .chain(row.named.keys())
            .map(String::as_str)
            .filter(|verb| !COLUMNS.contains(verb))
            .collect();
        cells.push(Cell::new(&other.join(", ")));
        let names: BTreeSet<&str> = row.named.values().flatten().map(String::as_str).collect();
        cells.push(Cell::new(&names.into_iter().collect::<Vec<_>>().join(", ")));
        table.row(cells);
    }
    table
}
