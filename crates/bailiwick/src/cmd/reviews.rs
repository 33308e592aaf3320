//! `can --reviews`: SubjectAccessReviews in, the same documents with `status` filled out.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bailiwick_core::{Kind, NonResourceRequest, Request, ResourceRequest, UserInfo};
use bailiwick_model::{Map, Value};
use bailiwick_report::Format;

use crate::cli::Global;
use crate::cluster::{Need, Opened};
use crate::cmd::can;
use crate::console::Console;
use crate::exit::Exit;

/// Answers every review of `path`, in order.
///
/// Exit code 1 where an answer is not the one that the review's own `status` expects; where no review has a status,
/// where one is not allowed. A document that is no review gets an error in its place and exit code 2; the others are
/// answered.
pub(crate) fn run(
    path: &Path,
    output: Option<Format>,
    global: &Global,
    console: &mut Console,
) -> Result<Exit> {
    let name = path.display().to_string();
    let bytes = console.read(path)?;
    let json = bytes.trim_ascii_start().starts_with(b"{");
    let (documents, unreadable) = bailiwick_input::documents(&name, bytes);
    let format = match output {
        Some(format) => format.among(Format::DOCUMENTS)?,
        None if json => Format::Json,
        None => Format::Yaml,
    };
    let mut tally = Tally::default();
    for finding in &unreadable {
        console.finding(finding);
        tally.broken |= finding.input_lost;
    }
    if documents.is_empty() {
        bail!("`{name}` holds no SubjectAccessReview");
    }
    let opened = Opened::open(global, Need::Rbac, console)?;
    opened.mention_problems(console);
    let reviews = documents.into_iter().flat_map(|document| {
        let line = document.start.line;
        items(document.value)
            .into_iter()
            .map(move |value| (line, value))
    });
    let mut first = true;
    for (line, value) in reviews {
        let place = format!("{name}:{line}");
        match answer(value, &opened, console).with_context(|| place.clone()) {
            Ok(answered) => {
                tally.count(&answered, &place, console);
                console.answer(document_text(&answered.document, format, first)?)?;
                first = false;
            }
            Err(error) => {
                tally.broken = true;
                console.error(&error);
            }
        }
    }
    Ok(tally.exit())
}

/// The reviews of a document: itself, or the items of a List.
fn items(document: Value) -> Vec<Value> {
    match document {
        Value::Object(mut map) if map.get("kind").and_then(Value::as_str) == Some("List") => {
            match map.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        document => vec![document],
    }
}

/// An answered review.
struct Answered {
    document: Value,
    request: Request,
    allowed: bool,
    expected: Option<bool>,
    partial: bool,
}

fn answer(value: Value, opened: &Opened, console: &Console) -> Result<Answered> {
    let review = Review::from_value(value)?;
    let user = match &review.user {
        Some(user) => user.clone(),
        None => opened.who_am_i()?,
    };
    let verdict = opened.engine.decide(&user, &review.request);
    let decision = verdict.to_decision();
    let allowed = verdict.is_allowed();
    let partial = opened.partial(&Kind::RBAC, review.request.namespace(), console);
    let status = Status {
        allowed,
        reason: can::reason(&decision),
        evaluation_error: (!decision.problems.is_empty() && !allowed)
            .then(|| decision.problems.join("; ")),
    };
    let (request, expected) = (review.request.clone(), review.expected);
    Ok(Answered {
        document: review.answered(status),
        request,
        allowed,
        expected,
        partial,
    })
}

/// JSON documents one a line, YAML documents with separators.
fn document_text(document: &Value, format: Format, first: bool) -> Result<String> {
    Ok(match format {
        Format::Json => format!("{document}\n"),
        _ => {
            let separator = if first { "" } else { "---\n" };
            format!("{separator}{}", bailiwick_report::to_yaml(document)?)
        }
    })
}

/// What the answers amount to.
#[derive(Default)]
struct Tally {
    expectations: usize,
    missed: usize,
    refused: usize,
    partial: bool,
    broken: bool,
}

impl Tally {
    fn count(&mut self, answered: &Answered, place: &str, console: &Console) {
        self.partial |= answered.partial;
        self.refused += usize::from(!answered.allowed);
        let Some(expected) = answered.expected else {
            return;
        };
        self.expectations += 1;
        if expected != answered.allowed {
            self.missed += 1;
            let word = |allowed| if allowed { "allowed" } else { "not allowed" };
            console.warn(format_args!(
                "{place}: {} is {}, expected {}",
                answered.request,
                word(answered.allowed),
                word(expected)
            ));
        }
    }

    fn exit(&self) -> Exit {
        if self.broken {
            return Exit::Unusable;
        }
        let yes = if self.expectations > 0 {
            self.missed == 0
        } else {
            self.refused == 0
        };
        Exit::answer(yes, self.partial)
    }
}

/// One review of the input.
pub(crate) struct Review {
    /// The document as it came, to be given back with its status.
    document: Map,
    /// Who asks; `None` for a SelfSubjectAccessReview: whoever runs the program.
    pub(crate) user: Option<UserInfo>,
    /// What is asked.
    pub(crate) request: Request,
    /// What the input expects `status.allowed` to be.
    pub(crate) expected: Option<bool>,
}

/// The part of `status` that Bailiwick fills in.
pub(crate) struct Status {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
    pub(crate) evaluation_error: Option<String>,
}

impl Review {
    /// Reads a document. What the API server would refuse with 422 is refused here, in its terms.
    pub(crate) fn from_value(value: Value) -> Result<Self> {
        let Value::Object(document) = value else {
            bail!(
                "a SubjectAccessReview is a mapping, this is {}",
                value.kind()
            );
        };
        let kind = text(&document, "kind")?;
        let version = text(&document, "apiVersion")?;
        if !matches!(
            version,
            "authorization.k8s.io/v1" | "authorization.k8s.io/v1beta1"
        ) {
            bail!("apiVersion `{version}` is not `authorization.k8s.io/v1`");
        }
        let spec = mapping(&document, "spec")?.unwrap_or(&EMPTY);
        let user = match kind {
            "SelfSubjectAccessReview" => None,
            "SubjectAccessReview" | "LocalSubjectAccessReview" => Some(user(spec, version)?),
            other => bail!(
                "kind `{other}` is not SubjectAccessReview, LocalSubjectAccessReview or SelfSubjectAccessReview"
            ),
        };
        let request = request(spec)?;
        if kind == "LocalSubjectAccessReview" {
            same_namespace(&document, &request)?;
        }
        let expected = match mapping(&document, "status")?.and_then(|status| status.get("allowed"))
        {
            None | Some(Value::Null) => None,
            Some(Value::Bool(allowed)) => Some(*allowed),
            Some(other) => bail!(
                "`status.allowed` has to be true or false, it is {}",
                other.kind()
            ),
        };
        Ok(Self {
            document,
            user,
            request,
            expected,
        })
    }

    /// The document with its status, as the API server would answer it.
    pub(crate) fn answered(mut self, status: Status) -> Value {
        let mut fields = vec![("allowed".to_owned(), Value::Bool(status.allowed))];
        let texts = [
            ("reason", Some(status.reason)),
            ("evaluationError", status.evaluation_error),
        ];
        for (key, text) in texts {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                fields.push((key.to_owned(), Value::String(text)));
            }
        }
        self.document
            .insert("status".to_owned(), Value::Object(Map::from_unique(fields)));
        Value::Object(self.document)
    }
}

static EMPTY: Map = Map::new();

fn user(spec: &Map, version: &str) -> Result<UserInfo> {
    // v1beta1 spelt the list `group`.
    let groups = if version.ends_with("v1beta1") {
        "group"
    } else {
        "groups"
    };
    let mut user = UserInfo {
        name: text(spec, "user")?.to_owned(),
        uid: text(spec, "uid")?.to_owned(),
        groups: texts(spec, groups)?,
        ..UserInfo::default()
    };
    if let Some(extra) = mapping(spec, "extra")? {
        for (key, _) in extra.iter() {
            user.extra.insert(key.to_owned(), texts(extra, key)?);
        }
    }
    if user.name.is_empty() && user.groups.is_empty() {
        bail!("`spec` names nobody; set `user` or `{groups}`");
    }
    Ok(user)
}

fn request(spec: &Map) -> Result<Request> {
    match (
        mapping(spec, "resourceAttributes")?,
        mapping(spec, "nonResourceAttributes")?,
    ) {
        (Some(resource), None) => {
            let field = |key| text(resource, key).map(str::to_owned);
            Ok(Request::Resource(ResourceRequest {
                verb: field("verb")?,
                group: field("group")?,
                version: field("version")?,
                resource: field("resource")?,
                subresource: field("subresource")?,
                namespace: field("namespace")?,
                name: field("name")?,
                ..ResourceRequest::default()
            }))
        }
        (None, Some(path)) => Ok(Request::NonResource(NonResourceRequest {
            verb: text(path, "verb")?.to_owned(),
            path: text(path, "path")?.to_owned(),
        })),
        _ => bail!("`spec` needs exactly one of `resourceAttributes` and `nonResourceAttributes`"),
    }
}

fn same_namespace(document: &Map, request: &Request) -> Result<()> {
    let own = match mapping(document, "metadata")? {
        Some(metadata) => text(metadata, "namespace")?,
        None => "",
    };
    if matches!(request, Request::NonResource(_)) {
        bail!("a LocalSubjectAccessReview cannot ask about a path; use a SubjectAccessReview");
    }
    if own != request.namespace() {
        bail!(
            "`metadata.namespace` is `{own}` and `spec.resourceAttributes.namespace` is `{}`; \
             a LocalSubjectAccessReview needs them equal",
            request.namespace()
        );
    }
    Ok(())
}

fn text<'a>(map: &'a Map, key: &str) -> Result<&'a str> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => bail!(
            "`{key}` has to be a text, it is {}; put it in quotes",
            other.kind()
        ),
    }
}

fn texts(map: &Map, key: &str) -> Result<Vec<String>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                other => bail!(
                    "`{key}` lists {}, not a text; put it in quotes",
                    other.kind()
                ),
            })
            .collect(),
        Some(other) => bail!("`{key}` has to be a list of texts, it is {}", other.kind()),
    }
}

fn mapping<'a>(map: &'a Map, key: &str) -> Result<Option<&'a Map>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => bail!("`{key}` has to be a mapping, it is {}", other.kind()),
    }
}
