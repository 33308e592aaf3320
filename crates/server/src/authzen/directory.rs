use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bailiwick_pdp::Entity;

/// What is known of the entities of applications: what searches look through, and properties that a question leaves
/// out.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    by_application: Arc<RwLock<HashMap<String, Arc<Known>>>>,
}

/// The entities of one application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Subjects.
    pub subjects: Vec<Entity>,
    /// Resources.
    pub resources: Vec<Entity>,
    /// Names of actions.
    pub actions: Vec<String>,
}

impl Directory {
    /// From now on this is known, and nothing else.
    pub fn replace(&self, known: impl IntoIterator<Item = (String, Known)>) {
        let mut sorted = HashMap::new();
        for (application, mut known) in known {
            let by_name = |a: &Entity, b: &Entity| (&a.kind, &a.id).cmp(&(&b.kind, &b.id));
            known.subjects.sort_by(by_name);
            known.resources.sort_by(by_name);
            sorted.insert(application, Arc::new(known));
        }
        *self
            .by_application
            .write()
            .unwrap_or_else(PoisonError::into_inner) = sorted;
    }

    pub(crate) fn of(&self, application: &str) -> Option<Arc<Known>> {
        let known = self
            .by_application
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(application).cloned()
    }
}
