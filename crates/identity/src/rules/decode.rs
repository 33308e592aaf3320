use std::collections::BTreeMap;

use bailiwick_core::dns::{is_dns_label, is_dns_subdomain};
use bailiwick_model::{LabelSelector, Requirement, Value};
use thiserror::Error;

use super::reader::{Fields, Problem};
use super::{
    DEFAULT_JWT_LIFETIME, DEFAULT_LIFETIME, MAX_HINT_BYTES, Rule, RuleName, Selector, Template,
    UnixSelector, import,
};
use crate::jwt::RESERVED_CLAIMS;
use crate::{KeyType, TrustDomain};

/// The version of the documents.
pub const API_VERSION: &str = "bailiwick.dev/v1alpha1";
/// The kind of rules of the cluster.
pub(super) const KIND: &str = "WorkloadIdentity";
/// The kind of rules of a namespace.
pub(super) const NAMESPACE_KIND: &str = "NamespaceWorkloadIdentity";

/// Shortest and longest life of a certificate, in seconds.
const LIFETIMES: (u64, u64) = (60, 24 * 3600);
/// Shortest and longest life of a token, in seconds.
const JWT_LIFETIMES: (u64, u64) = (30, 24 * 3600);
/// No list in a rule is longer.
pub(super) const MAX_LIST: usize = 1000;

/// Why a document gives no rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Another kind of document.
    #[error(
        "{0} is no rule: write `apiVersion: {API_VERSION}` and `kind: {KIND}` or `kind: {NAMESPACE_KIND}`"
    )]
    Kind(String),
    /// The rule has something wrong.
    #[error("the rule `{name}` has {problem}")]
    Rule {
        /// Its name, as far as it has one.
        name: String,
        /// What is wrong.
        #[source]
        problem: Problem,
    },
}

/// Reads a rule: a `WorkloadIdentity`, a `NamespaceWorkloadIdentity`, or a `ClusterSPIFFEID` of the SPIRE Controller Manager.
///
/// # Errors
/// When the document is neither, or has anything that cannot be followed to the letter. A field that is not known is
/// an error, since what it was meant to limit would be open.
pub fn decode(document: &Value) -> Result<Rule, DecodeError> {
    let text = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let name = || {
        let meta = document.get("metadata");
        let name = meta.and_then(|meta| meta.get("name"));
        let name = name.and_then(Value::as_str).unwrap_or("without a name");
        name.chars().take(80).collect()
    };
    let rule = match (text("apiVersion"), text("kind")) {
        (API_VERSION, kind @ (KIND | NAMESPACE_KIND)) => workload_identity(document, kind),
        (version, import::IMPORTED_KIND) if version.starts_with("spire.spiffe.io/") => {
            import::cluster_spiffe_id(document)
        }
        (version, kind) => {
            let what: String = format!("`{version}` `{kind}`").chars().take(120).collect();
            return Err(DecodeError::Kind(what));
        }
    };
    rule.map_err(|problem| DecodeError::Rule {
        name: name(),
        problem,
    })
}

fn workload_identity(document: &Value, kind: &str) -> Result<Rule, Problem> {
    let root = Fields::of(
        document,
        "",
        &["apiVersion", "kind", "metadata", "spec", "status"],
    )?;
    let name = metadata(&root)?;
    if name.namespace.is_some() != (kind == NAMESPACE_KIND) {
        let message = if name.namespace.is_some() {
            "a WorkloadIdentity lies in no namespace: for a rule of one write `kind: NamespaceWorkloadIdentity`"
        } else {
            "is missing: a NamespaceWorkloadIdentity lies in the namespace that it is for"
        };
        return Err(root.problem("metadata.namespace", message));
    }
    let spec = root.mapping(
        "spec",
        &[
            "selector",
            "id",
            "dnsNames",
            "lifetime",
            "jwtLifetime",
            "hint",
            "claims",
            "keyType",
            "federatesWith",
            "priority",
            "fallback",
        ],
    )?;
    let rule = Rule {
        selector: selector(&spec)?,
        id: path(&spec, "id", spec.required("id")?)?,
        dns_names: templates(&spec, "dnsNames")?,
        lifetime: lifetime(&spec, "lifetime", DEFAULT_LIFETIME, LIFETIMES)?,
        jwt_lifetime: lifetime(&spec, "jwtLifetime", DEFAULT_JWT_LIFETIME, JWT_LIFETIMES)?,
        hint: hint(&spec)?,
        claims: claims(&spec)?,
        key_type: key_type(&spec)?,
        federates_with: domains(&spec, "federatesWith")?,
        priority: priority(&spec)?,
        fallback: spec.flag("fallback")?,
        name,
    };
    if let Some(namespace) = rule.name.namespace.clone() {
        narrow(&spec, &rule, &namespace)?;
    }
    Ok(rule)
}

/// What a rule of one namespace may not do: who can write rules there must not reach beyond it.
fn narrow(spec: &Fields<'_>, rule: &Rule, namespace: &str) -> Result<(), Problem> {
    let known = |text: &str| text.replace("{namespace}", namespace);
    let root = format!("/ns/{namespace}/");
    if !known(rule.id.as_str()).starts_with(&root) {
        return Err(spec.problem(
            "id",
            format!("a rule of a namespace gives paths below {root}"),
        ));
    }
    let suffixes = [
        format!(".{namespace}.svc"),
        format!(".{namespace}.svc.cluster.local"),
    ];
    for name in &rule.dns_names {
        let name = known(name.as_str());
        if !suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            let message = format!(
                "a rule of a namespace gives names that end in {}",
                suffixes[0]
            );
            return Err(spec.problem("dnsNames", message));
        }
    }
    if !rule.federates_with.is_empty() {
        let message = "a rule of a namespace federates with nobody: write one for the cluster";
        return Err(spec.problem("federatesWith", message));
    }
    let others = |names: &[String]| names.iter().any(|name| name != namespace);
    if rule.selector.namespaces.as_deref().is_some_and(others) {
        let message = "a rule of a namespace selects nothing outside of it";
        return Err(spec.problem("selector.namespaces", message));
    }
    if !rule.selector.wants_pod() {
        let message = "a rule of a namespace selects pods: write `pods: {}` for all of them";
        return Err(spec.problem("selector", message));
    }
    Ok(())
}

/// Name and namespace; other metadata belongs to the API server.
pub(crate) fn metadata(root: &Fields<'_>) -> Result<RuleName, Problem> {
    let value = root.value("metadata").unwrap_or(&Value::Null);
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (text("name"), text("namespace"));
    if !is_dns_subdomain(name) {
        let message = "is missing or no name: lower-case letters, digits, `-` and `.`";
        return Err(root.problem("metadata.name", message));
    }
    if !namespace.is_empty() && !is_dns_label(namespace) {
        return Err(root.problem("metadata.namespace", "no name of a namespace"));
    }
    Ok(RuleName {
        namespace: (!namespace.is_empty()).then(|| namespace.into()),
        name: name.into(),
    })
}

fn selector(spec: &Fields<'_>) -> Result<Selector, Problem> {
    let fields = spec.mapping(
        "selector",
        &[
            "pods",
            "namespaces",
            "namespaceLabels",
            "serviceAccounts",
            "images",
            "nodes",
            "nodeLabels",
            "unix",
        ],
    )?;
    let selector = Selector {
        pods: labels(&fields, "pods")?,
        namespaces: names(&fields, "namespaces")?,
        namespace_labels: labels(&fields, "namespaceLabels")?,
        service_accounts: names(&fields, "serviceAccounts")?,
        images: patterns(&fields, "images")?,
        nodes: names(&fields, "nodes")?,
        node_labels: labels(&fields, "nodeLabels")?,
        unix: unix(&fields)?,
    };
    if selector == Selector::default() {
        let message = "selects nobody: name what it is for, or `pods: {}` for every pod";
        return Err(spec.problem("selector", message));
    }
    Ok(selector)
}

fn unix(selector: &Fields<'_>) -> Result<Option<UnixSelector>, Problem> {
    if selector.value("unix").is_none() {
        return Ok(None);
    }
    let fields = selector.mapping("unix", &["uids", "gids", "paths"])?;
    let numbers = |key: &str| -> Result<Option<Vec<u32>>, Problem> {
        let numbers = fields.numbers(key)?;
        bounded(&fields, key, fields.value(key).map(|_| numbers))
    };
    let unix = UnixSelector {
        uids: numbers("uids")?,
        gids: numbers("gids")?,
        paths: patterns(&fields, "paths")?,
    };
    if unix == UnixSelector::default() {
        return Err(selector.problem("unix", "selects nobody: name uids, gids or paths"));
    }
    if let Some(path) = unix
        .paths
        .iter()
        .flatten()
        .find(|path| !path.starts_with('/'))
    {
        return Err(fields.problem("paths", format!("`{path}` is not absolute: start with /")));
    }
    Ok(Some(unix))
}

/// A list that, where it is there, names somebody.
fn bounded<T>(
    fields: &Fields<'_>,
    key: &str,
    list: Option<Vec<T>>,
) -> Result<Option<Vec<T>>, Problem> {
    match &list {
        Some(list) if list.is_empty() => Err(fields.problem(
            key,
            "is empty and would select nobody: leave it out or name some",
        )),
        Some(list) if list.len() > MAX_LIST => {
            Err(fields.problem(key, format!("has more than {MAX_LIST} entries")))
        }
        _ => Ok(list),
    }
}

fn names(fields: &Fields<'_>, key: &str) -> Result<Option<Vec<String>>, Problem> {
    let texts = fields.texts(key)?;
    if let Some(name) = texts.iter().find(|name| !is_dns_subdomain(name)) {
        let name: String = name.chars().take(80).collect();
        return Err(fields.problem(
            key,
            format!("`{name}` is no name; there are no patterns here"),
        ));
    }
    let owned = texts.into_iter().map(str::to_owned).collect();
    bounded(fields, key, fields.value(key).map(|_| owned))
}

/// Texts that may end in `*`.
fn patterns(fields: &Fields<'_>, key: &str) -> Result<Option<Vec<String>>, Problem> {
    let texts = fields.texts(key)?;
    let inner_star =
        |text: &&&str| text.trim_end_matches('*').contains('*') || text.ends_with("**");
    if let Some(text) = texts.iter().find(inner_star) {
        let text: String = text.chars().take(80).collect();
        return Err(fields.problem(key, format!("`{text}`: one `*` may stand at the end")));
    }
    if texts.iter().any(|text| text.is_empty() || *text == "*") {
        return Err(fields.problem(
            key,
            "an empty text or a single `*` limits nothing: leave it out",
        ));
    }
    let owned = texts.into_iter().map(str::to_owned).collect();
    bounded(fields, key, fields.value(key).map(|_| owned))
}

/// A Kubernetes label selector; one without content selects everything.
pub(super) fn labels(fields: &Fields<'_>, key: &str) -> Result<Option<LabelSelector>, Problem> {
    if fields.value(key).is_none() {
        return Ok(None);
    }
    let inner = fields.mapping(key, &["matchLabels", "matchExpressions"])?;
    let match_labels = inner.text_map("matchLabels")?.into_iter();
    let mut match_labels: Vec<_> = match_labels
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    match_labels.sort();
    let mut match_expressions = Vec::new();
    for item in inner.list("matchExpressions")? {
        let path = inner.path("matchExpressions");
        let item = Fields::of(item, &path, &["key", "operator", "values"])?;
        let requirement = Requirement {
            key: item.required("key")?.into(),
            operator: item.required("operator")?.into(),
            values: item.texts("values")?.into_iter().map(Into::into).collect(),
        };
        let alone = LabelSelector {
            match_expressions: [requirement.clone()].into(),
            ..LabelSelector::default()
        };
        if alone.matches(&Default::default()).is_none() {
            let message = "`In` and `NotIn` take values, `Exists` and `DoesNotExist` take none";
            return Err(inner.problem("matchExpressions", message));
        }
        match_expressions.push(requirement);
    }
    Ok(Some(LabelSelector {
        match_labels: match_labels.into(),
        match_expressions: match_expressions.into(),
    }))
}

pub(super) fn path(fields: &Fields<'_>, key: &str, text: &str) -> Result<Template, Problem> {
    if !text.starts_with('/') {
        let message = "the path of an identity starts with /; the trust domain is not part of it";
        return Err(fields.problem(key, message));
    }
    let template = Template::path(text).map_err(|error| fields.problem(key, error))?;
    // The literal parts can be judged already: facts stand for letters of a segment.
    let mut example = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '{' => inside = true,
            '}' => {
                inside = false;
                example.push('x');
            }
            _ if inside => {}
            _ => example.push(letter),
        }
    }
    let segments = example.split('/').skip(1);
    for segment in segments {
        crate::id::check_segment(segment).map_err(|error| fields.problem(key, error))?;
    }
    Ok(template)
}

pub(super) fn templates(fields: &Fields<'_>, key: &str) -> Result<Vec<Template>, Problem> {
    let texts = fields.texts(key)?;
    if texts.len() > MAX_LIST {
        return Err(fields.problem(key, format!("has more than {MAX_LIST} entries")));
    }
    let template = |text| Template::parse(text).map_err(|error| fields.problem(key, error));
    texts.into_iter().map(template).collect()
}

fn lifetime(
    fields: &Fields<'_>,
    key: &str,
    default: u64,
    (shortest, longest): (u64, u64),
) -> Result<u64, Problem> {
    let seconds = fields.seconds(key)?.unwrap_or(default);
    if (shortest..=longest).contains(&seconds) {
        return Ok(seconds);
    }
    Err(fields.problem(
        key,
        format!("{seconds}s: between {shortest}s and {}h", longest / 3600),
    ))
}

fn hint(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    let hint = fields.text("hint")?.filter(|hint| !hint.is_empty());
    if hint.is_some_and(|hint| hint.len() > MAX_HINT_BYTES) {
        return Err(fields.problem("hint", format!("has more than {MAX_HINT_BYTES} bytes")));
    }
    Ok(hint.map(str::to_owned))
}

fn claims(fields: &Fields<'_>) -> Result<BTreeMap<String, Template>, Problem> {
    let mut claims = BTreeMap::new();
    for (name, value) in fields.text_map("claims")? {
        if RESERVED_CLAIMS.contains(&name) {
            let message = format!("`{name}` is set by the authority: take another name");
            return Err(fields.problem("claims", message));
        }
        let value = Template::parse(value).map_err(|error| fields.problem("claims", error))?;
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}

fn key_type(fields: &Fields<'_>) -> Result<KeyType, Problem> {
    let Some(text) = fields.text("keyType")? else {
        return Ok(KeyType::EcP256);
    };
    let mut all = KeyType::ALL.into_iter();
    all.find(|key_type| key_type.as_str() == text)
        .ok_or_else(|| fields.problem("keyType", "write ec-p256, ec-p384, rsa-2048 or rsa-4096"))
}

pub(super) fn domains(fields: &Fields<'_>, key: &str) -> Result<Vec<TrustDomain>, Problem> {
    let domain = |text| TrustDomain::parse(text).map_err(|error| fields.problem(key, error));
    let mut domains: Vec<_> = fields
        .texts(key)?
        .into_iter()
        .map(domain)
        .collect::<Result<_, _>>()?;
    domains.sort();
    domains.dedup();
    Ok(domains)
}

fn priority(fields: &Fields<'_>) -> Result<i64, Problem> {
    match fields.value("priority") {
        None => Ok(0),
        Some(Value::Int(number)) => Ok(*number),
        Some(Value::UInt(number)) if i64::try_from(*number).is_ok() => {
            Ok(i64::try_from(*number).unwrap_or_default())
        }
        Some(_) => Err(fields.problem("priority", "a whole number belongs here")),
    }
}
