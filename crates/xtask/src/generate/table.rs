//! From what an API server says about itself to the rows of the tables.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The resources of one version of an API group.
#[derive(Debug)]
pub(super) struct GroupVersion {
    group: String,
    version: String,
    resources: Vec<Resource>,
}

/// An entry of an `APIResourceList`; a subresource has the name `resource/subresource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    kind: String,
    singular_name: String,
    namespaced: bool,
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

/// A resource over all its versions. Access rules name no version, so that verbs and subresources
/// are those of all of them together. The fields stand in the order of the file.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    categories: Vec<String>,
    /// On without `--runtime-config`.
    default: bool,
    group: String,
    kind: String,
    namespaced: bool,
    resource: String,
    short_names: Vec<String>,
    singular: String,
    subresources: Vec<Subresource>,
    verbs: Vec<String>,
    versions: Vec<Version>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Subresource {
    default: bool,
    kind: String,
    name: String,
    verbs: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Version {
    default: bool,
    version: String,
}

impl GroupVersion {
    /// Reads an `APIResourceList`.
    pub(super) fn new(group: String, version: String, list: &Value) -> Result<Self> {
        let resources = list.get("resources").cloned().unwrap_or_default();
        let resources = serde_json::from_value(resources)
            .with_context(|| format!("the resources of `{group}/{version}` are not understood"))?;
        Ok(Self {
            group,
            version,
            resources,
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.group == other.group && self.version == other.version
    }

    fn has(&self, name: &str) -> bool {
        self.resources.iter().any(|resource| resource.name == name)
    }
}

/// Groups with their versions from an `APIVersions` and an `APIGroupList`.
pub(super) fn group_versions(core: &Value, groups: &Value) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for version in list(core, "versions")? {
        found.push((String::new(), text(version)?));
    }
    for group in list(groups, "groups")? {
        let name = group
            .get("name")
            .map(text)
            .context("a group without a name")??;
        for version in list(group, "versions")? {
            let version = version.get("version").context("a version without a name")?;
            found.push((name.clone(), text(version)?));
        }
    }
    Ok(found)
}

/// One row per resource, sorted by group and name.
///
/// `on` is what the server serves by default, `everything` what it serves with all versions on. The
/// default versions describe a resource; the others only add to it.
pub(super) fn rows(on: &[GroupVersion], everything: &[GroupVersion]) -> Result<Vec<Row>> {
    let default = |version: &GroupVersion| on.iter().find(|found| found.is(version));
    let (first, last): (Vec<_>, Vec<_>) = everything
        .iter()
        .partition(|version| default(version).is_some());
    let mut rows = BTreeMap::new();
    for version in first.into_iter().chain(last) {
        add(&mut rows, version, default(version))?;
    }
    for row in rows.values_mut() {
        row.subresources.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(rows.into_values().collect())
}

fn add(
    rows: &mut BTreeMap<(String, String), Row>,
    version: &GroupVersion,
    default: Option<&GroupVersion>,
) -> Result<()> {
    let split = |name: &str| {
        name.split_once('/')
            .map(|(parent, sub)| (parent.to_owned(), sub.to_owned()))
    };
    let is_default = |name: &str| default.is_some_and(|default| default.has(name));
    for resource in version
        .resources
        .iter()
        .filter(|resource| split(&resource.name).is_none())
    {
        let key = (version.group.clone(), resource.name.clone());
        let row = rows
            .entry(key)
            .or_insert_with(|| Row::new(&version.group, resource));
        row.default |= is_default(&resource.name);
        let entry = Version {
            default: is_default(&resource.name),
            version: version.version.clone(),
        };
        row.versions.push(entry);
        merge(&mut row.verbs, &resource.verbs);
    }
    for resource in &version.resources {
        let Some((parent, name)) = split(&resource.name) else {
            continue;
        };
        let row = rows
            .get_mut(&(version.group.clone(), parent))
            .with_context(|| format!("`{}` has no parent", resource.name))?;
        let at = row.subresources.iter().position(|known| known.name == name);
        let at = at.unwrap_or_else(|| {
            let kind = resource.kind.clone();
            row.subresources.push(Subresource {
                default: false,
                kind,
                name,
                verbs: Vec::new(),
            });
            row.subresources.len() - 1
        });
        if let Some(subresource) = row.subresources.get_mut(at) {
            subresource.default |= is_default(&resource.name);
            merge(&mut subresource.verbs, &resource.verbs);
        }
    }
    Ok(())
}

impl Row {
    fn new(group: &str, resource: &Resource) -> Self {
        Self {
            categories: resource.categories.clone(),
            default: false,
            group: group.to_owned(),
            kind: resource.kind.clone(),
            namespaced: resource.namespaced,
            resource: resource.name.clone(),
            short_names: resource.short_names.clone(),
            singular: resource.singular_name.clone(),
            subresources: Vec::new(),
            verbs: Vec::new(),
            versions: Vec::new(),
        }
    }
}

fn merge(verbs: &mut Vec<String>, more: &[String]) {
    verbs.extend_from_slice(more);
    verbs.sort();
    verbs.dedup();
}

/// The objects of a list as manifests: sorted, without what the server adds to each anew.
pub(super) fn objects(kind: &str, answer: &Value) -> Result<Vec<Value>> {
    let mut items: Vec<&Value> = list(answer, "items")?.iter().collect();
    let name = |object: &Value, field: &str| {
        let metadata = object.get("metadata")?;
        metadata.get(field)?.as_str().map(str::to_owned)
    };
    items.sort_by_key(|object| (name(object, "namespace"), name(object, "name")));
    items
        .into_iter()
        .map(|object| manifest(kind, object))
        .collect()
}

fn manifest(kind: &str, object: &Value) -> Result<Value> {
    let mut object = object
        .as_object()
        .context("an item is not an object")?
        .clone();
    let mut metadata = Map::new();
    for field in ["annotations", "labels", "name", "namespace"] {
        if let Some(value) = object
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
        {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    object.insert(
        "apiVersion".to_owned(),
        json!("rbac.authorization.k8s.io/v1"),
    );
    object.insert("kind".to_owned(), json!(kind));
    object.insert("metadata".to_owned(), Value::Object(metadata));
    Ok(sorted(Value::Object(object)))
}

/// Keys in the order of the alphabet, whatever order the map type keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            Value::Object(fields.into_iter().collect())
        }
        plain => plain,
    }
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    let items = value.get(field).and_then(Value::as_array);
    items.with_context(|| format!("the server's answer has no list `{field}`"))
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .context("the server's answer has no text where one belongs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str, resources: &Value) -> GroupVersion {
        let list = json!({"resources": resources});
        GroupVersion::new("g".to_owned(), version.to_owned(), &list).unwrap()
    }

    fn resource(name: &str, verbs: &[&str]) -> Value {
        json!({"name": name, "kind": "Thing", "singularName": "thing", "namespaced": true, "verbs": verbs})
    }

    #[test]
    fn versions_of_a_resource_become_one_row() {
        let v1 = || version("v1", &json!([resource("things", &["get"])]));
        let alpha = version(
            "v1alpha1",
            &json!([
                resource("things", &["list", "get"]),
                resource("things/scale", &["update"]),
                resource("toys", &["get"]),
            ]),
        );
        let rows = rows(&[v1()], &[alpha, v1()]).unwrap();
        let lines: Vec<String> = rows
            .iter()
            .map(|row| serde_json::to_string(row).unwrap())
            .collect();
        let want = [
            r#"{"categories":[],"default":true,"group":"g","kind":"Thing","namespaced":true,"resource":"things","shortNames":[],"singular":"thing","subresources":[{"default":false,"kind":"Thing","name":"scale","verbs":["update"]}],"verbs":["get","list"],"versions":[{"default":true,"version":"v1"},{"default":false,"version":"v1alpha1"}]}"#,
            r#"{"categories":[],"default":false,"group":"g","kind":"Thing","namespaced":true,"resource":"toys","shortNames":[],"singular":"thing","subresources":[],"verbs":["get"],"versions":[{"default":false,"version":"v1alpha1"}]}"#,
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn objects_are_sorted_and_bare() {
        let item = |namespace: &str, name: &str| {
            json!({
                "rules": null,
                "metadata": {"uid": "1", "resourceVersion": "2", "name": name, "namespace": namespace},
            })
        };
        let answer = json!({"items": [item("b", "a"), item("a", "z"), item("a", "y")]});
        let found = objects("Role", &answer).unwrap();
        let line = |namespace: &str, name: &str| {
            format!(
                r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{{"name":"{name}","namespace":"{namespace}"}},"rules":null}}"#
            )
        };
        let found: Vec<String> = found.iter().map(Value::to_string).collect();
        assert_eq!(found, [line("a", "y"), line("a", "z"), line("b", "a")]);
    }
}
