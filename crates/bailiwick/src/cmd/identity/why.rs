use anyhow::{Result, anyhow, bail};
use bailiwick_identity::facts::Facts;
use bailiwick_identity::pods::{Object, ObjectKind, View};
use bailiwick_identity::rules::{Explanation, Outcome, Plan};
use bailiwick_kube::Cluster;
use bailiwick_report::{Format, Table, Tone};
use bailiwick_spiffe::PeerError;
use serde::Serialize;

use super::authority::FORMATS;
use super::live_rules::LiveRules;
use super::place::{PlaceOptions, namespaced};
use super::rules::RuleOptions;
use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

/// Arguments of `bailiwick identity why`.
#[derive(clap::Args, Debug)]
pub(super) struct WhyArgs {
    /// Number of the process; this one itself where neither it nor a pod is given
    #[arg(value_parser = pid)]
    pid: Option<u32>,
    /// A pod of the cluster that kubectl would talk to
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "pid", value_parser = namespaced)]
    pod: Option<(String, String)>,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

fn pid(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|pid| *pid > 0);
    number.ok_or_else(|| "write the number of a process, or --pod NAMESPACE/NAME".to_owned())
}

/// The explanation, as machines read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    facts: String,
    identities: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<String>,
    rules: Vec<RuleAnswer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleAnswer {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gives: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<String>,
}

pub(super) fn run(args: &WhyArgs, global: &Global, console: &mut Console) -> Result<Exit> {
    let rules = args.rules.load(args.place.trust_domain(), console)?;
    let shared = args.place.cluster(global, console)?;
    let bans = args.place.embedded(shared.as_ref())?.bans()?.load()?;
    let rules = LiveRules::new(rules.banning(bans));
    let facts = match &args.pod {
        Some(pod) => {
            let cluster = Cluster::connect(&connect_options(global, console))?;
            let _read = rules.follow(&cluster, None)?;
            for trouble in rules.troubles() {
                console.warn(bailiwick_report::inert(&trouble));
            }
            facts_of_pod(pod, &cluster)?
        }
        None => {
            let pid = args.pid.unwrap_or(std::process::id());
            bailiwick_spiffe::facts_of(pid).map_err(|error| match error {
                PeerError::Gone(pid) => anyhow!("there is no process {pid}"),
                error => error.into(),
            })?
        }
    };
    let rules = rules.now();
    let explanation = rules.explain(&facts);
    let given = explanation.result.is_ok();
    let answer = Answer::of(facts.to_string(), explanation);
    match args.output.unwrap_or_default() {
        Format::Json => console.answer(bailiwick_report::json("IdentityExplanation", &answer)?)?,
        Format::Yaml => console.answer(bailiwick_report::yaml("IdentityExplanation", &answer)?)?,
        _ => console.answer(answer.text(console))?,
    }
    Ok(Exit::answer(given, false))
}

/// What is proven about a pod at this moment.
fn facts_of_pod((namespace, name): &(String, String), cluster: &Cluster) -> Result<Facts> {
    let pod = format!("{namespace}/{name}");
    let seen = cluster.object_now(ObjectKind::Pod, namespace, name)?;
    let Some(Object::Pod(seen)) = seen else {
        bail!("there is no pod `{pod}` in {}", cluster.name());
    };
    let mut view = View::default();
    for (kind, name) in [
        (ObjectKind::Node, seen.node.as_str()),
        (ObjectKind::Namespace, namespace.as_str()),
    ] {
        if !name.is_empty() {
            let object = cluster.object_now(kind, "", name)?;
            object.into_iter().for_each(|object| view.put(object));
        }
    }
    if seen.node.is_empty() {
        bail!("the pod `{pod}` is on no node yet");
    }
    Ok(view.facts(&seen)?)
}

impl Answer {
    fn of(facts: String, explanation: Explanation) -> Self {
        let rules = explanation.verdicts.into_iter().map(|verdict| {
            let (gives, because) = match verdict.outcome {
                Outcome::Gives(plan) => (Some(plan.id.to_string()), Vec::new()),
                Outcome::Differs(reasons) => (None, reasons),
                Outcome::Fails(reason) => (None, vec![reason]),
                Outcome::StandsBack => (None, vec!["another rule gives an identity".to_owned()]),
            };
            RuleAnswer {
                rule: verdict.rule.to_string(),
                gives,
                because,
            }
        });
        let denied = explanation.result.as_ref().err().map(ToString::to_string);
        let plans = explanation.result.unwrap_or_default();
        Self {
            facts,
            identities: plans
                .iter()
                .map(|plan: &Plan| plan.id.to_string())
                .collect(),
            denied,
            rules: rules.collect(),
        }
    }

    fn text(&self, console: &Console) -> String {
        let look = console.look();
        let mut text = match &self.denied {
            None => look.paint(Tone::Good, &self.identities.join("\n")) + "\n",
            Some(why) => format!("{}: {why}\n", look.paint(Tone::Bad, "no identity")),
        };
        text += &format!("  {}\n\n", bailiwick_report::inert(&self.facts));
        let mut table = Table::new(["RULE", "GIVES", "BECAUSE"]);
        for rule in &self.rules {
            table.row([
                rule.rule.as_str(),
                rule.gives.as_deref().unwrap_or("nothing"),
                &rule.because.join("; "),
            ]);
        }
        text + &table.text(&look, false)
    }
}
