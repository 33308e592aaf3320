use anyhow::{Result, bail};
use bailiwick_core::{Grant, Request, UserInfo};
use bailiwick_diag::{Finding, Place, Severity};
use bailiwick_graph::EDGES;
use bailiwick_model::{BindingSubject, spelling};
use bailiwick_report::{Format, Look, Tone};

use crate::cli::Global;
use crate::cluster::Opened;
use crate::cmd::can::{Answer, Answered, grant_line};
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::policies::options::PolicyOptions;
use crate::subject::SubjectOptions;
use crate::target::TargetOptions;

const EXAMPLES: &str = "\
Examples:
  bailiwick explain alice delete pods -n shop    why, or why not and the nearest grants that would allow it
  bailiwick explain sa:ci/runner create pods/exec -n shop
  bailiwick explain wildcard-verbs               the page of a check
  bailiwick explain token-request                the page of an edge
  bailiwick explain duplicate-key                what a finding about the input means
  bailiwick explain                              all of them";

/// Arguments of `bailiwick explain`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "bailiwick explain [OPTIONS] SUBJECT VERB RESOURCE\n       bailiwick explain [ID]"
)]
pub(crate) struct ExplainArgs {
    /// The id of a check, an edge or a problem of the input, or SUBJECT of a decision
    #[arg(value_name = "ID|SUBJECT")]
    first: Option<String>,
    /// Verb
    #[arg(requires = "resource")]
    verb: Option<String>,
    /// `RESOURCE[.GROUP][/NAME]` or a URL
    resource: Option<String>,
    #[command(flatten)]
    who: SubjectOptions,
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    policies: PolicyOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_parser = Formats(Format::DECISIONS))]
    output: Format,
}

pub(crate) fn run(args: &ExplainArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    match (&args.first, &args.verb, &args.resource) {
        (None, ..) => list(console),
        (Some(id), None, _) => page(id, console),
        (Some(subject), Some(verb), Some(resource)) => {
            decision(args, subject, verb, resource, global, console)
        }
        _ => bail!("write the ID of a check or edge, or SUBJECT VERB RESOURCE"),
    }
}

fn list(console: &mut Console) -> Result<Exit> {
    let mut table = bailiwick_report::Table::new(["CHECK", "SEVERITY", "FINDS"]);
    for check in bailiwick_posture::CHECKS {
        table.row([check.id, check.severity.as_str(), check.title]);
    }
    console.answer(table.text(&console.look(), false))?;
    let mut table = bailiwick_report::Table::new(["EDGE", "EFFORT", "AN ATTACKER CAN"]);
    for edge in EDGES {
        table.row([edge.id, &edge.effort.to_string(), edge.title]);
    }
    console.answer(format_args!("\n{}", table.text(&console.look(), false)))?;
    let mut table = bailiwick_report::Table::new(["PROBLEM", "OF THE INPUT", "LOST"]);
    for problem in bailiwick_model::PROBLEMS {
        table.row([problem.id, problem.title, problem.lost]);
    }
    console.answer(format_args!("\n{}", table.text(&console.look(), false)))?;
    Ok(Exit::Yes)
}

fn page(id: &str, console: &mut Console) -> Result<Exit> {
    let edge = EDGES.iter().find(|edge| edge.id == id);
    let mut problems = bailiwick_model::PROBLEMS.iter();
    let page = match (edge, problems.find(|problem| problem.id == id)) {
        (Some(edge), _) => edge.page(),
        (None, Some(problem)) => problem.page(),
        (None, None) => known_check(id)?.page(),
    };
    console.answer(bailiwick_report::page(&page, &console.look()))?;
    Ok(Exit::Yes)
}

/// The check with this id. One that does not exist is a mistake worth a word.
pub(crate) fn known_check(id: &str) -> Result<&'static bailiwick_posture::Check> {
    match bailiwick_posture::CHECKS
        .iter()
        .find(|check| check.id == id)
    {
        Some(check) => Ok(check),
        None => bail!(
            "no check, edge or problem is called `{id}`; {}`bailiwick explain` lists them (for a decision write SUBJECT VERB \
             RESOURCE)",
            alike(
                id,
                EDGES.iter().map(|edge| edge.id).chain(ids_of_findings())
            )
        ),
    }
}

/// The ids that findings have.
fn ids_of_findings() -> impl Iterator<Item = &'static str> {
    let checks = bailiwick_posture::CHECKS.iter().map(|check| check.id);
    checks.chain(bailiwick_model::PROBLEMS.iter().map(|problem| problem.id))
}

/// That no finding has this id, as a sentence.
pub(crate) fn unknown_check(id: &str) -> Option<String> {
    let known = ids_of_findings().any(|known| known == id);
    (!known).then(|| {
        let alike = alike(id, ids_of_findings());
        format!("no check is called `{id}`; {alike}`bailiwick explain` lists them")
    })
}

/// The ids that begin or end with these words, or else the one that is written nearly so, as part of a sentence.
fn alike(words: &str, ids: impl Iterator<Item = &'static str>) -> String {
    let is_alike = |id: &&str| {
        let rest = id.strip_prefix(words).map(|rest| rest.starts_with('-'));
        let start = id.strip_suffix(words).map(|start| start.ends_with('-'));
        !words.is_empty() && (rest == Some(true) || start == Some(true))
    };
    let all: Vec<&str> = ids.collect();
    let mut found: Vec<&str> = all.iter().copied().filter(is_alike).collect();
    if found.is_empty() {
        found.extend(spelling::nearest(words, all));
    }
    match found.as_slice() {
        [] => String::new(),
        found => format!("did you mean {}? ", found.join(", ")),
    }
}

fn decision(
    args: &ExplainArgs,
    subject: &str,
    verb: &str,
    resource: &str,
    global: &Global,
    console: &mut Console,
) -> Result<Exit> {
    let Answered {
        opened,
        who,
        target,
        answer,
    } = Answered::of(
        [subject, verb, resource],
        &args.who,
        &args.target,
        &args.policies,
        global,
        console,
    )?;
    match args.output {
        Format::Json => console.answer(bailiwick_report::json("Explanation", &answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("Explanation", &answer)?)?,
        _ => {
            console.answer(answer.text(&console.look()))?;
            if answer.allowed || answer.is_of_policies() {
                console.answer(why(&opened, &answer, &console.look()))?;
            } else {
                console.answer(why_not(
                    &opened,
                    &who.user,
                    &target.request,
                    &console.look(),
                ))?;
            }
        }
    }
    Ok(answer.exit())
}

/// Where each grant stands: the subject's line in the binding and the rule's in the role.
fn why(opened: &Opened, answer: &Answer, look: &Look) -> String {
    let mut evidence: Vec<Finding> = answer
        .grants
        .iter()
        .map(|grant| {
            let subject = subject_pointer(opened, grant);
            Finding::new("grant", Severity::Info, grant_line(grant))
                .at(Place::field(grant.binding.clone(), subject).label("the subject"))
                .at(
                    Place::field(grant.role.clone(), format!("/rules/{}", grant.rule))
                        .label("the rule"),
                )
        })
        .collect();
    opened.locate(&mut evidence);
    bailiwick_report::text_evidence(&evidence, look)
}

fn subject_pointer(opened: &Opened, grant: &Grant) -> String {
    let binding = opened
        .snapshot()
        .bindings
        .get(&grant.binding.namespace, &grant.binding.name);
    let position = binding.and_then(|binding| {
        let namespace = &binding.metadata.namespace;
        let is_it =
            |subject: &BindingSubject| subject.subject(namespace).as_ref() == Some(&grant.subject);
        binding.subjects.iter().position(is_it)
    });
    position.map_or_else(String::new, |position| format!("/subjects/{position}"))
}

/// What comes close, and what would allow it.
fn why_not(opened: &Opened, user: &UserInfo, request: &Request, look: &Look) -> String {
    let nearest = opened.engine.nearest(user, request);
    let mut out = String::new();
    let mut section = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        out += &format!("\n{}\n", look.paint(Tone::Strong, title));
        for line in lines {
            out += &format!("  {}\n", bailiwick_report::inert(&line));
        }
    };
    section(
        "Close, but not it:",
        nearest.misses.iter().map(ToString::to_string).collect(),
    );
    let elsewhere = nearest
        .elsewhere
        .iter()
        .map(|grant| grant_line(&grant.to_grant()));
    let title = format!("Allowed in {} other namespaces:", nearest.namespaces);
    section(&title, elsewhere.collect());
    let roles = nearest
        .roles
        .iter()
        .map(|offer| offer.role.object_ref().to_string());
    section(
        "Roles that would allow it, the narrowest first:",
        roles.collect(),
    );
    let manifest = match nearest.roles.first() {
        Some(offer) if offer.surplus == 0 => offer.manifest(),
        _ => nearest.new_role.manifest(),
    };
    section(
        "The least that would allow it:",
        manifest.lines().map(str::to_owned).collect(),
    );
    out
}
