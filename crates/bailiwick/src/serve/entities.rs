//! The file of what applications have: subjects and resources that searches look through, and names of actions.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bailiwick_model::{Map, Value};
use bailiwick_pdp::Entity;
use bailiwick_server::Known;
use serde::Deserialize;

use super::fields::document;

/// What the file holds: `applications: {NAME: {subjects, resources, actions}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    applications: BTreeMap<String, Application>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(default)]
    subjects: Vec<EntityEntry>,
    #[serde(default)]
    resources: Vec<EntityEntry>,
    #[serde(default)]
    actions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityEntry {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

impl From<EntityEntry> for Entity {
    fn from(entry: EntityEntry) -> Self {
        Self {
            kind: entry.kind,
            id: entry.id,
            properties: Map::from_unique(entry.properties.into_iter().collect()),
        }
    }
}

/// Reads the file; all of it is right, or it is refused.
pub(super) fn read(path: &Path) -> Result<Vec<(String, Known)>> {
    let name = path.display().to_string();
    let bytes = crate::console::read_file(path)?;
    let file: File = document(&name, &bytes)?;
    let known = |application: Application| Known {
        subjects: application.subjects.into_iter().map(Entity::from).collect(),
        resources: application
            .resources
            .into_iter()
            .map(Entity::from)
            .collect(),
        actions: application.actions,
    };
    let each = file.applications.into_iter();
    Ok(each
        .map(|(name, application)| (name, known(application)))
        .collect())
}
