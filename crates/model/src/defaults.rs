use std::collections::BTreeSet;

use bailiwick_core::Str;
use serde::Deserialize;

use crate::api;
use crate::decode::decode;
use crate::interner::Interner;
use crate::meta::ObjectMeta;
use crate::object::{Object, ServiceAccount};
use crate::value::Value;

/// Where the controllers of the controller-manager have their service accounts.
const NAMESPACE: &str = "kube-system";

/// What the API server's bindings for controllers are called.
const CONTROLLERS: &str = "system:controller:";

/// Controllers that have a binding and do not run unless somebody asks for them, or a cloud provider brings them, so that
/// a fresh cluster does not have their service accounts: what a running controller-manager does not make.
const NOT_STARTED: [&str; 6] = [
    "bootstrap-signer",
    "cloud-provider",
    "route-controller",
    "selinux-warning-controller",
    "service-controller",
    "token-cleaner",
];

#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
}

/// The roles and bindings that an API server of Kubernetes 1.`minor` makes when it starts, as read from a real one, and the
/// service accounts that its controller-manager makes for the controllers that they name; `None` for a minor that is not
/// embedded (see [`ApiTable::MINORS`](crate::ApiTable::MINORS)).
///
/// The aggregated roles `admin`, `edit` and `view` are as the API server alone leaves them, without rules: the
/// controller-manager fills them (`bailiwick_rbac::aggregation`).
pub fn defaults(minor: u16) -> Option<Vec<Object>> {
    let list: List = serde_json::from_slice(api::defaults_of(minor)?).ok()?;
    let mut names = Interner::default();
    let decoded = list.items.into_iter();
    let decoded = decoded.map(|value| decode(value, &mut names).object);
    let mut objects = decoded.collect::<Option<Vec<Object>>>()?;
    let accounts: BTreeSet<Str> = objects.iter().flat_map(controllers).collect();
    objects.extend(accounts.into_iter().map(|name| {
        Object::ServiceAccount(ServiceAccount {
            metadata: ObjectMeta::named(NAMESPACE, &name),
            ..ServiceAccount::default()
        })
    }));
    Some(objects)
}

/// The service accounts of controllers that a default binding names.
fn controllers(object: &Object) -> Vec<Str> {
    let Object::Binding(binding) = object else {
        return Vec::new();
    };
    if !binding.metadata.name.starts_with(CONTROLLERS) {
        return Vec::new();
    }
    let accounts = binding.subjects.iter().filter(|subject| {
        &*subject.kind == "ServiceAccount"
            && &*subject.namespace == NAMESPACE
            && !NOT_STARTED.contains(&&*subject.name)
    });
    accounts.map(|subject| subject.name.clone()).collect()
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
