use bailiwick_model::{Delta, Object, Origin, Snapshot};

use bailiwick_core::Kind;

use crate::index::Index;

/// RBAC over one cluster.
#[derive(Clone, Debug)]
pub struct Engine {
    snapshot: Snapshot,
    pub(crate) index: Index,
}

/// How large an index is, for those who watch memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Size {
    /// Bindings.
    pub bindings: usize,
    /// Roles that are defined, referred to by a binding, or both.
    pub roles: usize,
    /// Different strings in use.
    pub strings: usize,
    /// Different pairs of a subject and a namespace (or the whole cluster) that it has bindings in.
    pub subjects: usize,
    /// Bindings listed for those pairs.
    pub postings: usize,
    /// Bindings that the lists of those with several have room for.
    pub list_room: usize,
    /// Bytes that grow with the bindings: their records, the lists by subject and by role, the table by name. Counted
    /// by capacity, not by what is in use.
    pub binding_bytes: usize,
    /// Bytes of compiled roles.
    pub role_bytes: usize,
    /// Bytes of the table of strings, with the copies that lookups compare with.
    pub string_table_bytes: usize,
    /// Bytes of the strings that most often are shared with the snapshot.
    pub string_bytes: usize,
}

impl Engine {
    /// Indexes a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            index: Index::new(&snapshot),
            snapshot,
        }
    }

    /// The cluster that the answers are about.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The cluster, without the index.
    pub fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }

    /// Makes one change. Gives the origin of the object that was replaced or removed, where there was one.
    ///
    /// Any sequence of changes leaves the engine as [`Engine::new`] would make it of the result.
    pub fn apply(&mut self, delta: Delta) -> Option<Origin> {
        match &delta {
            Delta::Upsert(object, _) => match &**object {
                Object::Role(role) => self.index.put_role(role),
                Object::Binding(binding) => self.index.put_binding(binding),
                _ => {}
            },
            Delta::Remove(object) => match object.kind {
                Kind::Role | Kind::ClusterRole => {
                    self.index.remove_role(&object.namespace, &object.name);
                }
                Kind::RoleBinding | Kind::ClusterRoleBinding => {
                    self.index.remove_binding(&object.namespace, &object.name);
                }
                _ => {}
            },
        }
        self.snapshot.apply(delta)
    }

    /// How large the index is.
    pub fn size(&self) -> Size {
        self.index.size()
    }
}
