//! Which resources a server has: aggregated discovery (one document for `/api`, one for `/apis`, Kubernetes 1.26 and
//! newer), or the classic documents, one for each group and version, brought into the same form.

use bailiwick_diag::{Finding, Severity};
use bailiwick_model::{ApiTable, Value};
use serde::Deserialize;
use serde_json::json;

use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::transport::Transport;

/// `apidiscovery.k8s.io/v2` since 1.30, `v2beta1` before, and what every server understands.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";

/// The most groups and versions that are asked for one by one.
const CLASSIC_LIMIT: usize = 1_000;

/// The resources of a server.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The resources.
    pub table: ApiTable,
    /// A finding for every group that could not be asked, such as one whose extension server is down.
    pub findings: Vec<Finding>,
}

impl Cluster {
    /// The resources that the server has. Groups whose extension server does not answer are findings.
    ///
    /// # Errors
    /// When the server does not show its resources at all.
    pub fn api_table(&self) -> Result<Discovered, RequestError> {
        self.threads.block_on(async {
            let (core, groups) = tokio::join!(
                documents(&self.transport, "/api"),
                documents(&self.transport, "/apis")
            );
            let (core, groups) = (core?, groups?);
            let documents: Vec<Value> =
                core.documents.into_iter().chain(groups.documents).collect();
            let table = ApiTable::from_discovery(&documents)
                .map_err(|error| self.transport.malformed(error.to_string()))?;
            let missing = core.missing.into_iter().chain(groups.missing);
            Ok(Discovered {
                table,
                findings: missing.map(finding).collect(),
            })
        })
    }
}

/// What one of the two roots lists, as documents of aggregated discovery.
#[derive(Default)]
struct Root {
    documents: Vec<Value>,
    /// Group and version, and why its resources are not known for sure.
    missing: Vec<(String, String)>,
}

fn finding((version, reason): (String, String)) -> Finding {
    let message = format!("the resources of API {version} are not known: {reason}");
    Finding::new("api-not-discovered", Severity::Low, message).help(
        "names of its resources are not recognized; `kubectl get apiservices` shows the state of extension servers",
    )
}

async fn documents(transport: &Transport, path: &str) -> Result<Root, RequestError> {
    let answer = transport.get(path, ACCEPT).await?;
    let document: Value = transport.parse(&answer)?;
    match document.get("kind").and_then(Value::as_str) {
        Some("APIGroupDiscoveryList") => {
            let missing = stale(&document);
            Ok(Root {
                documents: vec![document],
                missing,
            })
        }
        Some("APIVersions" | "APIGroupList") => classic(transport, path, &answer).await,
        kind => Err(transport.malformed(format!("{path} gave a `{}`", kind.unwrap_or_default()))),
    }
}

/// The versions that the server could not refresh.
fn stale(document: &Value) -> Vec<(String, String)> {
    let list = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .unwrap_or_default()
            .to_vec()
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut missing = Vec::new();
    for group in list(document, "items") {
        let name = text(
            group
                .get("metadata")
                .and_then(|metadata| metadata.get("name")),
        );
        for version in list(&group, "versions") {
            if text(version.get("freshness")) == "Stale" {
                let version = format!("{name}/{}", text(version.get("version")));
                missing.push((version, "its extension server does not answer".to_owned()));
            }
        }
    }
    missing
}

#[derive(Deserialize)]
struct Roots {
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    groups: Vec<ClassicGroup>,
}

#[derive(Deserialize)]
struct ClassicGroup {
    name: String,
    #[serde(default)]
    versions: Vec<ClassicVersion>,
}

#[derive(Deserialize)]
struct ClassicVersion {
    version: String,
}

#[derive(Deserialize)]
struct ClassicList {
    #[serde(default)]
    resources: Vec<ClassicResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClassicResource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}

async fn classic(transport: &Transport, path: &str, answer: &[u8]) -> Result<Root, RequestError> {
    let roots: Roots = transport.parse(answer)?;
    let core = roots
        .versions
        .into_iter()
        .map(|version| (String::new(), version));
    let groups = roots
        .groups
        .into_iter()
        .flat_map(|ClassicGroup { name, versions }| {
            versions
                .into_iter()
                .map(move |version| (name.clone(), version.version))
        });
    let mut root = Root::default();
    for (group, version) in core.chain(groups).take(CLASSIC_LIMIT) {
        let parts = [path, &group, &version]
            .map(|part| part.trim_matches('/'))
            .into_iter();
        let full: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        let list = async {
            let answer = transport
                .get(&format!("/{}", full.join("/")), "application/json")
                .await?;
            transport.parse::<ClassicList>(&answer)
        };
        match list.await {
            Ok(list) => root
                .documents
                .push(modern(transport, &group, &version, list)?),
            Err(error @ RequestError::Unauthorized { .. }) => return Err(error),
            Err(error) => root
                .missing
                .push((format!("{group}/{version}"), error.to_string())),
        }
    }
    Ok(root)
}

/// A classic list as a document of aggregated discovery: there, subresources stand below their resource.
fn modern(
    transport: &Transport,
    group: &str,
    version: &str,
    list: ClassicList,
) -> Result<Value, RequestError> {
    let (subresources, resources): (Vec<_>, Vec<_>) = list
        .resources
        .into_iter()
        .partition(|resource| resource.name.contains('/'));
    let parents = subresources
        .iter()
        .filter_map(|sub| sub.name.split_once('/'));
    let mut names: Vec<&str> = resources
        .iter()
        .map(|resource| resource.name.as_str())
        .collect();
    // A resource such as `selfsubjectreviews` always stands in the list; one with subresources alone may not.
    for (parent, _) in parents {
        if !names.contains(&parent) {
            names.push(parent);
        }
    }
    let resources: Vec<_> = names
        .iter()
        .map(|name| {
            let own = resources.iter().find(|resource| resource.name == *name);
            let below: Vec<_> = subresources
                .iter()
                .filter_map(|sub| Some((sub.name.strip_prefix(name)?.strip_prefix('/')?, sub)))
                .map(|(name, sub)| json!({ "subresource": name, "verbs": sub.verbs }))
                .collect();
            json!({
                "resource": name,
                "responseKind": { "kind": own.map_or("", |own| &own.kind) },
                "scope": if own.is_some_and(|own| own.namespaced) { "Namespaced" } else { "Cluster" },
                "singularResource": own.map_or("", |own| &own.singular_name),
                "verbs": own.map(|own| own.verbs.clone()).unwrap_or_default(),
                "shortNames": own.map(|own| own.short_names.clone()).unwrap_or_default(),
                "subresources": below,
            })
        })
        .collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList",
        "items": [{
            "metadata": { "name": group },
            "versions": [{ "version": version, "resources": resources }],
        }],
    });
    Value::deserialize(document).map_err(|error| transport.malformed(error.to_string()))
}
