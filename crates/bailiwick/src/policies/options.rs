use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bailiwick_core::{Condition, Decision, Reason, Request, Timestamp, UserInfo};
use bailiwick_input::documents;
use bailiwick_model::Value;
use bailiwick_pdp::{Bundle, Objects, Question};
use bailiwick_rbac::Engine;

use crate::console::Console;

/// Policies beside RBAC, and the object that they may ask for.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct PolicyOptions {
    /// Decide with the policies, relations, delegations and revocations of these files and directories too
    #[arg(long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// The object of the request, as YAML or JSON (`-` is standard input): of a delete the stored one, else the new one
    #[arg(long, value_name = "FILE", requires = "policies")]
    object: Option<PathBuf>,
    /// The object that an update or patch replaces
    #[arg(long, value_name = "FILE", requires = "object")]
    stored: Option<PathBuf>,
}

/// What the files hold.
pub(crate) struct Given {
    bundle: Bundle,
    object: Option<Value>,
    stored: Option<Value>,
}

impl PolicyOptions {
    /// Reads the files; `None` where no policies are named.
    pub(crate) fn read(&self, console: &mut Console) -> Result<Option<Given>> {
        if self.policies.is_empty() {
            return Ok(None);
        }
        let (_, bundle) = super::load(&self.policies)?;
        let mut object = |path: &Option<PathBuf>| {
            path.as_deref()
                .map(|path| read_object(path, console))
                .transpose()
        };
        Ok(Some(Given {
            bundle,
            object: object(&self.object)?,
            stored: object(&self.stored)?,
        }))
    }
}

fn read_object(path: &Path, console: &mut Console) -> Result<Value> {
    let name = path.display().to_string();
    let (found, findings) = documents(&name, console.read(path)?);
    if let Some(finding) = findings.first() {
        bail!("{name}: {}", finding.message);
    }
    let mut found = found.into_iter().map(|document| document.value);
    match (found.next(), found.next()) {
        (Some(object @ Value::Object(_)), None) => Ok(object),
        (Some(_), None) => bail!("{name} holds no object: it is no mapping of fields"),
        (None, _) => bail!("{name} holds no object"),
        (Some(_), Some(_)) => bail!("{name} holds several objects: a request is about one"),
    }
}

impl Given {
    /// Decides a request with RBAC and all of these, now.
    pub(crate) fn decide(
        self,
        engine: &Engine,
        user: &UserInfo,
        request: &Request,
    ) -> Result<Decision> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock stands before 1970")?;
        let now = Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        let state = super::state(Arc::new(engine.clone()), self.bundle);
        let question = Question::Kubernetes { user, request };
        let Some(object) = &self.object else {
            return Ok(state.decide(question, now).to_decision());
        };
        let objects = match request.verb() {
            "create" | "update" | "patch" => Objects::new(Some(object), self.stored.as_ref())?,
            "delete" | "deletecollection" => Objects::new(None, Some(object))?,
            verb => bail!("a `{verb}` has no object: leave --object out"),
        };
        Ok(state
            .decide_with_objects(question, &objects, now)
            .to_decision())
    }
}

/// What policies say, a line each.
pub(crate) fn policy_lines(decision: &Decision) -> Vec<String> {
    let mut lines = Vec::new();
    match &decision.reason {
        Reason::Conditions(conditions) => {
            let lists = [
                ("denied if", &conditions.deny),
                ("allowed if", &conditions.allow),
            ];
            for (word, list) in lists {
                lines.extend(list.iter().map(|one| condition(word, one)));
            }
            lines.push(match conditions.deny.is_empty() {
                true => "where nobody evaluates the conditions: no".to_owned(),
                false => "where nobody evaluates the conditions: denied".to_owned(),
            });
        }
        Reason::Rbac(_) | Reason::NoGrant => {}
        reason => lines.push(reason.to_string()),
    }
    let notes = decision.problems.iter();
    lines.extend(notes.map(|problem| format!("note: {problem}")));
    lines
}

fn condition(word: &str, condition: &Condition) -> String {
    match condition.residual.as_str() {
        "" => format!("{word} nothing above denies it: {}", condition.reason),
        residual => format!("{word} {residual} ({})", condition.reason),
    }
}
