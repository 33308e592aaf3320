//! Custom resources of ours in a cluster: what is new of them, and what is told of them in their status.

mod status;

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::Sender;

use bailiwick_kube::{Batch, CustomDelta, Followed, ObjectName, Standing};
use bailiwick_model::{CustomKind, Value};

pub(crate) use self::status::{Said, Verdict, write};

/// Which custom resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Resource {
    pub(crate) kind: CustomKind,
    pub(crate) object: ObjectName,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = &self.object;
        match &**namespace {
            "" => write!(f, "{} {name}", self.kind),
            namespace => write!(f, "{} {namespace}/{name}", self.kind),
        }
    }
}

/// A custom resource that says something else than before.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) resource: Resource,
    /// Tells it from one that had its name before; empty where it is gone.
    pub(crate) uid: String,
    /// The version of it; 0 where it is gone.
    pub(crate) generation: i64,
    /// What it says beside its status; `None` where it is gone.
    pub(crate) value: Option<Value>,
}

/// Tells what is new from what was there already.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Identity and generation of each, as it was read last: a new status changes nothing.
    known: HashMap<Resource, (String, i64)>,
    /// Where it is told how each of them stands.
    say: Option<Sender<Said>>,
}

impl Known {
    pub(crate) fn telling(say: Option<Sender<Said>>) -> Self {
        Self {
            say,
            ..Self::default()
        }
    }

    /// `None` where nothing is new that counts.
    pub(crate) fn look(&mut self, delta: CustomDelta) -> Option<New> {
        let CustomDelta {
            kind,
            object,
            value,
        } = delta;
        let resource = Resource { kind, object };
        let Some(mut value) = value else {
            self.known.remove(&resource);
            self.say(|| Said::Gone(resource.clone()));
            return Some(New {
                resource,
                uid: String::new(),
                generation: 0,
                value: None,
            });
        };
        let status = match &mut value {
            Value::Object(fields) => fields.remove("status"),
            _ => None,
        };
        let standing = Standing::of(&value);
        let generation = standing.generation;
        let uid = standing.uid.clone();
        let now = (uid.clone(), generation);
        let same = generation > 0 && self.known.get(&resource) == Some(&now);
        self.known.insert(resource.clone(), now);
        self.say(|| {
            let status = status.and_then(|status| serde_json::to_value(status).ok());
            let status = status.and_then(|status| serde_json::from_value(status).ok());
            Said::Seen(resource.clone(), standing, status)
        });
        (!same).then_some(New {
            resource,
            uid,
            generation,
            value: Some(value),
        })
    }

    fn say(&self, said: impl FnOnce() -> Said) {
        if let Some(say) = &self.say {
            // Who writes statuses may have ended.
            let _ = say.send(said());
        }
    }
}

/// Into the program's own output what there is to tell of what is followed.
pub(crate) fn tell<K: Followed>(batch: &Batch<K>) {
    for notice in &batch.notices {
        tracing::warn!(kind = %notice.kind, notice = notice.message, "about the cluster");
    }
    for gap in batch.gaps.iter().flatten() {
        tracing::warn!(gap = gap.message, "about the cluster");
    }
}
