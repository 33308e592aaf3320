use serde::Deserialize;

use crate::api;
use crate::decode::decode;
use crate::interner::Interner;
use crate::object::Object;
use crate::value::Value;

#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
}

/// The roles and bindings that an API server of Kubernetes 1.`minor` makes when it starts, as read from a real one;
/// `None` for a minor that is not embedded (see [`ApiTable::MINORS`](crate::ApiTable::MINORS)).
///
/// The aggregated roles `admin`, `edit` and `view` are as the API server alone leaves them, without rules: the
/// controller-manager fills them (`bailiwick_rbac::aggregation`).
pub fn defaults(minor: u16) -> Option<Vec<Object>> {
    let list: List = serde_json::from_slice(api::defaults_of(minor)?).ok()?;
    let mut names = Interner::default();
    list.items
        .into_iter()
        .map(|value| decode(value, &mut names).object)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiTable;
    use bailiwick_core::Kind;

    #[test]
    fn every_minor_has_its_defaults() {
        for minor in ApiTable::MINORS {
            let objects = defaults(*minor).unwrap();
            let count = |kind| {
                objects
                    .iter()
                    .filter(|object| object.kind() == kind)
                    .count()
            };
            assert!(count(Kind::ClusterRole) > 60, "1.{minor}");
            assert!(count(Kind::ClusterRoleBinding) > 40, "1.{minor}");
            assert!(
                count(Kind::Role) > 4 && count(Kind::RoleBinding) > 4,
                "1.{minor}"
            );
            let admin = objects.iter().find_map(|object| match object {
                Object::Role(role) if &*role.metadata.name == "admin" => Some(role),
                _ => None,
            });
            assert!(admin.unwrap().aggregation.is_some());
        }
        assert!(defaults(1).is_none());
    }
}
