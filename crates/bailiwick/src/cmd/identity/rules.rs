use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bailiwick_identity::TrustDomain;
use bailiwick_identity::rules::{Rule, RuleSet, decode};
use bailiwick_model::Value;
use bailiwick_report::{Format, Table};
use serde::Serialize;

use super::List;
use super::authority::FORMATS;
use crate::console::Console;
use crate::exit::Exit;
use crate::formats::Formats;

/// No folder of rules holds more files.
const MAX_FILES: usize = 10_000;

/// Where the rules are.
#[derive(clap::Args, Debug)]
pub(crate) struct RuleOptions {
    /// File or folder with WorkloadIdentity or ClusterSPIFFEID documents. May be repeated
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Give your own programs nothing but what a written rule gives
    #[arg(long)]
    no_default_rule: bool,
}

impl RuleOptions {
    /// All rules, or why one of them cannot be followed: rules that are half read could give what the other half was
    /// to prevent.
    pub(crate) fn load(&self, domain: &TrustDomain, console: &mut Console) -> Result<RuleSet> {
        let mut rules = Vec::new();
        if !self.no_default_rule {
            rules.push(Rule::of_user(uid())?);
        }
        for path in &self.rules {
            each_document(path, console, |item, place| {
                let rule = decode(item).with_context(|| place.to_owned())?;
                if rules.iter().any(|known: &Rule| known.name == rule.name) {
                    bail!("{place}: there are two rules `{}`", rule.name);
                }
                rules.push(rule);
                Ok(())
            })?;
        }
        Ok(RuleSet::new(domain.clone(), rules))
    }
}

fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own entry in /proc is the effective user.
    std::fs::metadata("/proc/self").map_or(u32::MAX, |meta| meta.uid())
}

/// The file itself, or the YAML and JSON files of a folder in order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    if !std::fs::metadata(path).with_context(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)
        .with_context(unreadable)?
        .take(MAX_FILES)
    {
        let file = entry.with_context(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Hands over every document of a file or folder with its place; items of lists one by one. A file that cannot be read
/// as a whole is an error.
pub(super) fn each_document(
    path: &Path,
    console: &mut Console,
    mut take: impl FnMut(&Value, &str) -> Result<()>,
) -> Result<()> {
    for file in files(path)? {
        let name = file.display().to_string();
        let (documents, findings) = bailiwick_input::documents(&name, console.read(&file)?);
        for finding in &findings {
            console.finding(finding);
        }
        if !findings.is_empty() {
            bail!("`{name}` cannot be followed as it is");
        }
        for document in documents {
            let place = format!("{name}:{}", document.start.line);
            let items = document.value.get("items");
            let items = items.and_then(|items| items.as_array());
            let items = items.unwrap_or(std::slice::from_ref(&document.value));
            items.iter().try_for_each(|item| take(item, &place))?;
        }
    }
    Ok(())
}

/// Arguments of `bailiwick identity rules`.
#[derive(clap::Args, Debug)]
pub(super) struct RulesArgs {
    #[command(flatten)]
    rules: RuleOptions,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", value_parser = Formats(FORMATS))]
    output: Option<Format>,
}

/// A rule, as machines read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    rule: String,
    id: String,
    lifetime_seconds: u64,
    jwt_lifetime_seconds: u64,
    key_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    federates_with: Vec<TrustDomain>,
    priority: i64,
    fallback: bool,
}

pub(super) fn run(args: &RulesArgs, console: &mut Console) -> Result<Exit> {
    // The domain stands in no rule.
    let set = args
        .rules
        .load(&TrustDomain::parse("localhost")?, console)?;
    for contradiction in set.contradictions() {
        console.warn(contradiction);
    }
    let row = |rule: &Rule| Row {
        rule: rule.name.to_string(),
        id: rule.id.as_str().to_owned(),
        lifetime_seconds: rule.lifetime,
        jwt_lifetime_seconds: rule.jwt_lifetime,
        key_type: rule.key_type.as_str(),
        hint: rule.hint.clone(),
        federates_with: rule.federates_with.clone(),
        priority: rule.priority,
        fallback: rule.fallback,
    };
    let rows: Vec<Row> = set.rules().iter().map(row).collect();
    match args.output.unwrap_or_default() {
        Format::Json => {
            console.answer(bailiwick_report::json("IdentityRules", &List::of(&rows))?)?;
        }
        Format::Yaml => {
            console.answer(bailiwick_report::yaml("IdentityRules", &List::of(&rows))?)?;
        }
        _ => {
            let mut table = Table::new(["RULE", "GIVES", "LIFETIME", "HINT", "COUNTS"]);
            for row in &rows {
                let counts = if row.fallback {
                    "if no other does"
                } else {
                    "always"
                };
                table.row([
                    row.rule.as_str(),
                    &row.id,
                    &format!("{}s", row.lifetime_seconds),
                    row.hint.as_deref().unwrap_or_default(),
                    counts,
                ]);
            }
            console.answer(table.text(&console.look(), false))?;
        }
    }
    Ok(Exit::Yes)
}
