use bailiwick_model::Value;

use super::decode::{domains, labels, metadata, path};
use super::reader::{Fields, Problem};
use super::{DEFAULT_JWT_LIFETIME, DEFAULT_LIFETIME, Rule, Selector, Template};
use crate::KeyType;

/// The kind of the documents of the SPIRE Controller Manager that can be read as rules.
pub const IMPORTED_KIND: &str = "ClusterSPIFFEID";

/// Whether a document is of that kind.
pub fn is_importable(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some(IMPORTED_KIND)
}

/// What stands in a template of the SPIRE Controller Manager, and what stands for it here.
const FACTS: [(&str, &str); 7] = [
    (".PodMeta.Namespace", "{namespace}"),
    (".PodMeta.Name", "{pod}"),
    (".PodMeta.UID", "{podUID}"),
    (".PodSpec.ServiceAccountName", "{serviceAccount}"),
    (".PodSpec.NodeName", "{node}"),
    (".NodeMeta.Name", "{node}"),
    (".NodeSpec.Name", "{node}"),
];

/// Fields that change who gets an identity, or what it may do, in ways that rules here do not have.
const UNSUPPORTED: [&str; 4] = [
    "workloadSelectorTemplates",
    "admin",
    "downstream",
    "autoPopulateDNSNames",
];

/// Reads a `ClusterSPIFFEID` as a rule of the cluster. What cannot be said here is refused, never left out.
pub(super) fn cluster_spiffe_id(document: &Value) -> Result<Rule, Problem> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let root = Fields::of(document, "", &known)?;
    let mut name = metadata(&root)?;
    name.namespace = None;
    let mut known = vec![
        "spiffeIDTemplate",
        "podSelector",
        "namespaceSelector",
        "ttl",
        "jwtTtl",
        "dnsNameTemplates",
        "federatesWith",
        "hint",
        "className",
        "fallback",
    ];
    known.extend(UNSUPPORTED);
    let spec = root.mapping("spec", &known)?;
    for field in UNSUPPORTED {
        let off = [
            None,
            Some(&Value::Bool(false)),
            Some(&Value::Array(Vec::new())),
        ];
        if !off.contains(&spec.value(field)) {
            return Err(spec.problem(field, "has no counterpart in a WorkloadIdentity"));
        }
    }
    let mut dns_names = Vec::new();
    for text in spec.texts("dnsNameTemplates")? {
        let text = translate(&spec, "dnsNameTemplates", text)?;
        let template = Template::parse(&text);
        dns_names.push(template.map_err(|error| spec.problem("dnsNameTemplates", error))?);
    }
    Ok(Rule {
        name,
        selector: Selector {
            // Without a selector upstream takes every pod.
            pods: Some(labels(&spec, "podSelector")?.unwrap_or_default()),
            namespace_labels: labels(&spec, "namespaceSelector")?,
            ..Selector::default()
        },
        id: id(&spec)?,
        dns_names,
        lifetime: positive(&spec, "ttl", DEFAULT_LIFETIME)?,
        jwt_lifetime: positive(&spec, "jwtTtl", DEFAULT_JWT_LIFETIME)?,
        hint: spec
            .text("hint")?
            .filter(|hint| !hint.is_empty())
            .map(str::to_owned),
        claims: Default::default(),
        key_type: KeyType::EcP256,
        federates_with: domains(&spec, "federatesWith")?,
        priority: 0,
        fallback: spec.flag("fallback")?,
    })
}

fn id(spec: &Fields<'_>) -> Result<Template, Problem> {
    let text = spec.required("spiffeIDTemplate")?;
    let own = "spiffe://{{.TrustDomain}}";
    let squeezed = text.replacen("{{ .TrustDomain }}", "{{.TrustDomain}}", 1);
    let Some(rest) = squeezed.strip_prefix(own) else {
        let message = "has to start with `spiffe://{{ .TrustDomain }}/`";
        return Err(spec.problem("spiffeIDTemplate", message));
    };
    let text = translate(spec, "spiffeIDTemplate", rest)?;
    path(spec, "spiffeIDTemplate", &text)
}

/// A template of text/template as one of ours.
fn translate(spec: &Fields<'_>, field: &str, text: &str) -> Result<String, Problem> {
    if text
        .replace("{{", "")
        .replace("}}", "")
        .contains(['{', '}'])
    {
        return Err(spec.problem(field, "a single brace"));
    }
    let mut translated = String::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return Err(spec.problem(field, "`{{` without `}}`"));
        };
        translated.push_str(literal);
        let action = action.trim().trim_matches('-').trim();
        let fact = fact(action).ok_or_else(|| {
            let action: String = action.chars().take(60).collect();
            spec.problem(field, format!("`{action}` cannot be translated: use a pod's namespace, name, uid, service account, node or a label of it"))
        })?;
        translated.push_str(&fact);
        rest = after;
    }
    translated.push_str(rest);
    Ok(translated)
}

fn fact(action: &str) -> Option<String> {
    if let Some((_, ours)) = FACTS.iter().find(|(theirs, _)| *theirs == action) {
        return Some((*ours).to_owned());
    }
    // `index .PodMeta.Labels "app.kubernetes.io/name"` and `.PodMeta.Labels.app`.
    let key = match action.strip_prefix("index .PodMeta.Labels ") {
        Some(quoted) => quoted.trim().strip_prefix('"')?.strip_suffix('"')?,
        None => action.strip_prefix(".PodMeta.Labels.")?,
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    (!key.is_empty() && key.chars().all(plain)).then(|| format!("{{label:{key}}}"))
}

/// A time span; upstream takes nothing and 0 for its default.
fn positive(spec: &Fields<'_>, field: &str, default: u64) -> Result<u64, Problem> {
    Ok(spec
        .seconds(field)?
        .filter(|seconds| *seconds > 0)
        .unwrap_or(default))
}
