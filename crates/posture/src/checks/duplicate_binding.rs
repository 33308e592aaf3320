use std::collections::HashMap;

use bailiwick_core::Subject;
use bailiwick_diag::{Finding, Place, kubectl};
use bailiwick_model::Binding;

use crate::check::check;
use crate::grants::holders_of;
use crate::scan::Scan;
use crate::words::{few, quoted};

check! {
    /// Every subject of this binding has the same role by another binding of the same namespace or of the whole cluster.
    /// Deleting this one changes nothing. It hides who really has access: whoever deletes the other one believes the
    /// right is gone.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: RoleBinding
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// metadata: {name: view, namespace: shop}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
    /// subjects:
    /// - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: dev}   # has `view` by a ClusterRoleBinding
    /// ```
    ///
    /// ## Fix
    ///
    /// - Keep one of the bindings.
    ///
    /// See "RBAC Good Practices", section "Periodic review", in the Kubernetes documentation.
    "duplicate-binding", "A binding that gives nothing new", Info
}

/// A role by namespace and name, given to a subject in a namespace (empty: in the whole cluster).
type Right<'a> = (&'a str, &'a str, Subject, &'a str);

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    // The first binding that gives each right, in order of namespace and name.
    let mut first: HashMap<Right<'_>, &Binding> = HashMap::new();
    for binding in scan.snapshot.bindings.iter() {
        for right in rights(scan, binding) {
            first.entry(right).or_insert(binding);
        }
    }
    let bindings = scan.snapshot.bindings.iter();
    bindings
        .filter_map(|binding| finding(scan, binding, &first))
        .collect()
}

/// What a binding gives. A Role is another one in each namespace.
fn rights<'a>(scan: &'a Scan<'_>, binding: &'a Binding) -> impl Iterator<Item = Right<'a>> {
    let role = scan.role_of(binding);
    let of_role = role.map_or("", |role| &role.metadata.namespace);
    let (name, namespace) = (&*binding.role_ref.name, &*binding.metadata.namespace);
    holders_of(binding)
        .filter(move |_| role.is_some())
        .filter_map(move |holder| Some((of_role, name, holder.subject()?, namespace)))
}

fn finding(
    scan: &Scan<'_>,
    binding: &Binding,
    first: &HashMap<Right<'_>, &Binding>,
) -> Option<Finding> {
    let mut others = Vec::new();
    for right in rights(scan, binding) {
        let here = first.get(&right);
        let (of_role, name, subject, _) = right;
        let everywhere = first.get(&(of_role, name, subject, ""));
        let another = |other: &&&Binding| !std::ptr::eq(**other, binding);
        let other = everywhere.filter(another).or(here.filter(another))?;
        others.push(other.object_ref());
    }
    others.sort();
    others.dedup();
    if others.is_empty() || scan.default_binding(binding).is_some() {
        return None;
    }
    let object = binding.object_ref();
    let by = few(&others.iter().map(quoted).collect::<Vec<_>>());
    let message = format!(
        "{} gives nothing that its subjects do not have by {by}",
        quoted(&object)
    );
    let other = others
        .into_iter()
        .next()
        .map(|other| Place::object(other).label("gives the same"));
    let mut finding = Finding::new(CHECK.id, CHECK.severity, message)
        .at(Place::object(object.clone()))
        .help("keep one of them")
        .fix("delete the needless binding", kubectl::delete(&object));
    finding.places.extend(other);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, check};

    #[test]
    fn all_subjects_have_it_already() {
        let manifests = [
            binding("", "a", "ClusterRole view", "Group dev, User alice"),
            binding("", "b", "ClusterRole view", "User alice"),
            binding("shop", "c", "ClusterRole view", "Group dev"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "info : RoleBinding `shop/c` gives nothing that its subjects do not have by ClusterRoleBinding `a`",
                "info : ClusterRoleBinding `b` gives nothing that its subjects do not have by ClusterRoleBinding `a`",
            ],
        );
    }

    #[test]
    fn two_that_are_alike_keep_one() {
        let manifests = [
            binding("shop", "a", "ClusterRole view", "Group dev"),
            binding("shop", "b", "ClusterRole view", "Group dev"),
        ];
        check(
            CHECK,
            &manifests.concat(),
            &[
                "info : RoleBinding `shop/b` gives nothing that its subjects do not have by RoleBinding `shop/a`",
            ],
        );
    }

    #[test]
    fn a_subject_or_namespace_more() {
        let manifests = [
            binding("shop", "a", "ClusterRole view", "Group dev"),
            binding("shop", "b", "ClusterRole view", "Group dev, Group ops"),
            binding("other", "a", "ClusterRole view", "Group dev"),
            binding("shop", "c", "ClusterRole edit", "Group dev"),
        ];
        check(CHECK, &manifests.concat(), &[]);
    }
}
