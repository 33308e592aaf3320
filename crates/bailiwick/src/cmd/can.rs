use std::path::PathBuf;

use anyhow::{Result, bail};
use bailiwick_core::{Decision, Effect, Grant, Kind, Reason, Request, Subject, UserInfo};
use bailiwick_rbac::Problem;
use bailiwick_report::{Format, Look, Tone};
use serde::Serialize;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::reviews;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;
use crate::policies::options::{PolicyOptions, policy_lines};
use crate::subject::{SubjectOptions, Who};
use crate::target::{self, Target, TargetOptions};

const EXAMPLES: &str = "\
Examples:
  bailiwick can me create pods                       may I create pods in my namespace
  bailiwick can alice delete deploy/web -n shop      may alice delete this one deployment
  bailiwick can sa:ci/runner get pods --subresource log
  bailiwick can group:dev list secrets -A            everywhere at once
  bailiwick can alice get /metrics                   may alice read this path
  bailiwick can alice GET '/api/v1/pods?watch=1'     may alice send this request
  bailiwick can --reviews reviews.yaml -f manifests/
  bailiwick can alice create pods -n shop --policies policies/ --object pod.yaml

`pods/log` is the pod named log: subresources are asked for with --subresource, as with
kubectl auth can-i.";

/// Arguments of `bailiwick can`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = EXAMPLES,
    override_usage = "bailiwick can [OPTIONS] SUBJECT VERB RESOURCE\n       bailiwick can [OPTIONS] --reviews FILE"
)]
pub(crate) struct CanArgs {
    /// `me`, `user:NAME`, `group:NAME`, `sa:NAMESPACE/NAME` or a bare user name
    #[arg(required_unless_present = "reviews")]
    subject: Option<String>,
    /// Verb, such as get, list, create, bind or `*`; an HTTP method in capitals goes with a request URL
    #[arg(required_unless_present = "reviews")]
    verb: Option<String>,
    /// `RESOURCE[.GROUP][/NAME]` or a URL that starts with `/`
    #[arg(required_unless_present = "reviews")]
    resource: Option<String>,
    #[command(flatten)]
    who: SubjectOptions,
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    policies: PolicyOptions,
    /// Answer the SubjectAccessReviews of this YAML, JSON or JSON-lines file (`-` is standard input); exit code 1
    /// where one that has a status expects another answer
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "verb", "resource", "policies", "object"])]
    reviews: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(Format::DECISIONS))]
    output: Option<Format>,
}

pub(crate) fn run(args: &CanArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    if let Some(path) = &args.reviews {
        return reviews::run(path, args.output, global, console);
    }
    let (Some(subject), Some(verb), Some(resource)) = (&args.subject, &args.verb, &args.resource)
    else {
        bail!("write SUBJECT VERB RESOURCE");
    };
    let Answered { answer, .. } = Answered::of(
        [subject, verb, resource],
        &args.who,
        &args.target,
        &args.policies,
        global,
        console,
    )?;
    match args.output.unwrap_or_default() {
        Format::Json => console.answer(bailiwick_report::json("Decision", &answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("Decision", &answer)?)?,
        _ => console.answer(answer.text(&console.look()))?,
    }
    Ok(answer.exit())
}

/// A question with its answer, and what the answer was found in.
pub(crate) struct Answered {
    pub(crate) opened: Opened,
    pub(crate) who: Who,
    pub(crate) target: Target,
    pub(crate) answer: Answer,
}

impl Answered {
    /// Reads the cluster and `SUBJECT VERB RESOURCE`, and decides.
    pub(crate) fn of(
        [subject, verb, resource]: [&str; 3],
        options: &SubjectOptions,
        target: &TargetOptions,
        policies: &PolicyOptions,
        global: &Global,
        console: &mut Console,
    ) -> Result<Self> {
        let policies = policies.read(console)?;
        let opened = Opened::open(global, Need::Rbac, console)?;
        opened.mention_problems(console);
        let who = options.resolve(subject, &opened)?;
        let target = target::read(&opened.api, verb, resource, target, opened.scope(global))?;
        let mut answer = Answer::of(&opened, who.subject.clone(), &who.user, &target, console);
        if let Some(policies) = policies {
            answer.with(&policies.decide(&opened.engine, &answer.user, &answer.request)?);
        }
        Ok(Self {
            opened,
            who,
            target,
            answer,
        })
    }
}

/// A decision for people and machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    subject: Subject,
    user: UserInfo,
    request: Request,
    /// Whether it is allowed.
    pub(crate) allowed: bool,
    effect: Effect,
    reason: String,
    /// Every grant that allows it.
    pub(crate) grants: Vec<Grant>,
    /// What keeps the answer from being the whole truth, apart from what could not be read.
    problems: Vec<String>,
    /// What policies say, where they were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    hints: Vec<String>,
    /// Whether part of what the answer rests on could not be read.
    pub(crate) partial: bool,
}

impl Answer {
    /// Decides, and says on standard error what the reader has to know besides.
    fn of(
        opened: &Opened,
        subject: Subject,
        user: &UserInfo,
        target: &Target,
        console: &Console,
    ) -> Self {
        let engine = &opened.engine;
        let mut hints = target.hints.clone();
        let mut request = &target.request;
        let second = bailiwick_rbac::second_check(request, opened.snapshot().cluster.minor);
        if let Some(second) = &second {
            let answer = if engine.decide(user, second).is_allowed() {
                "yes"
            } else {
                "no"
            };
            hints.push(format!(
                "since Kubernetes 1.35 the API server asks for `{second}` as well, where the answer is {answer}"
            ));
            // Of a whole request the check that refuses it decides; one that SubjectAccessReview knows is one question.
            if target.is_http && engine.decide(user, request).is_allowed() {
                request = second;
            }
        }
        let verdict = engine.decide(user, request);
        let decision = verdict.to_decision();
        let grants = engine.grants(user, request);
        let partial = opened.partial(&Kind::RBAC, request.namespace(), console);
        for hint in &hints {
            console.note(hint);
        }
        Self {
            subject,
            user: user.clone(),
            request: request.clone(),
            allowed: verdict.is_allowed(),
            effect: decision.effect,
            reason: reason(&decision),
            grants: grants
                .iter()
                .map(bailiwick_rbac::GrantRef::to_grant)
                .collect(),
            problems: known_problems(&verdict.problems()),
            decision: None,
            hints,
            partial,
        }
    }

    /// Takes the answer of policies together with RBAC, in place of RBAC's own.
    fn with(&mut self, decision: &Decision) {
        self.allowed = decision.effect == Effect::Allow;
        self.effect = decision.effect;
        self.reason = decision.reason.to_string();
        if !matches!(decision.reason, Reason::Rbac(_) | Reason::Masters) {
            // What RBAC grants is not what decides.
            self.grants.clear();
        }
        self.decision = Some(decision.clone());
    }

    /// Whether policies, revocations or relations decide, and not RBAC.
    pub(crate) fn is_of_policies(&self) -> bool {
        self.decision
            .as_ref()
            .is_some_and(|decision| decision.reason != Reason::NoGrant)
    }

    /// The exit code that says it.
    pub(crate) fn exit(&self) -> Exit {
        match self.effect {
            Effect::Conditional if !self.partial => Exit::Depends,
            _ => Exit::answer(self.allowed, self.partial),
        }
    }

    /// `yes` or `no` on the first line, as kubectl has it, and below it why.
    pub(crate) fn text(&self, look: &Look) -> String {
        let (word, tone) = match (self.allowed, self.effect) {
            (true, _) => ("yes", Tone::Good),
            (false, Effect::Conditional) => ("it depends", Tone::Warn),
            (false, _) => ("no", Tone::Bad),
        };
        let mut out = look.paint(tone, word) + "\n";
        for line in self.decision.iter().flat_map(policy_lines) {
            out += &format!("  {}\n", bailiwick_report::inert(&line));
        }
        for grant in &self.grants {
            out += &format!("  {}\n", grant_line(grant));
        }
        if self.allowed && self.grants.is_empty() && self.decision.is_none() {
            out += "  group system:masters: the API server allows it everything\n";
        }
        for problem in &self.problems {
            out += &format!(
                "  {} {}\n",
                look.paint(Tone::Warn, "note:"),
                bailiwick_report::inert(problem)
            );
        }
        out
    }
}

/// Problems without those of the input, which are said once for the whole answer.
pub(crate) fn known_problems(problems: &[Problem<'_>]) -> Vec<String> {
    let known = problems
        .iter()
        .filter(|problem| !matches!(problem, Problem::Gap(_)));
    known.map(ToString::to_string).collect()
}

/// One grant on one line: who gets what through which binding.
pub(crate) fn grant_line(grant: &Grant) -> String {
    let line = format!(
        "{} gives {}, rule {}, to {}",
        grant.binding,
        grant.role,
        grant.rule + 1,
        grant.subject
    );
    bailiwick_report::inert(&line).into_owned()
}

/// A decision's reason as the API server words it.
pub(crate) fn reason(decision: &Decision) -> String {
    match &decision.reason {
        Reason::Rbac(grant) => grant.to_string(),
        _ => String::new(),
    }
}
