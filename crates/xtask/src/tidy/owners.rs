//! One big dependency, one crate: a new version of it touches one folder.

use super::Complaint;
use super::tree::Tree;

/// A dependency, with all that start with `NAME-`, and the one crate that may name it.
const OWNERS: &[(&str, &str)] = &[
    ("annotate-snippets", "bailiwick-report"),
    ("comfy-table", "bailiwick-report"),
    ("cedar-policy", "bailiwick-pdp"),
    ("cel", "bailiwick-cel"),
    ("granit-parser", "bailiwick-input"),
    ("kube", "bailiwick-kube"),
    ("kube-cel", "bailiwick-cel"),
    ("k8s-openapi", "bailiwick-kube"),
    ("rusqlite", "bailiwick-store"),
    ("saphyr", "bailiwick-input"),
    ("serde-saphyr", "bailiwick-input"),
    ("sqlx", "bailiwick-store"),
];

/// Each of the big dependencies is named by its owner alone, and by the benches that put it beside its owner.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in &tree.packages {
        for dependency in &package.dependencies {
            if let Some(owner) = owner(&dependency.name)
                && owner != package.name
                && package.name != "xtask"
            {
                let name = &dependency.name;
                let message = format!("`{name}` may be named by `{owner}` alone: ask that crate");
                complaints.push(Complaint::file(
                    format!("{}/Cargo.toml", package.folder),
                    message,
                ));
            }
        }
    }
    complaints
}

/// The owner by the longest name that fits.
fn owner(dependency: &str) -> Option<&'static str> {
    let fits = |name: &str| {
        dependency
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let fitting = OWNERS.iter().filter(|(name, _)| fits(name));
    fitting
        .max_by_key(|(name, _)| name.len())
        .map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn a_big_dependency_has_one_owner() {
        let tree = Tree::default()
            .package("bailiwick-kube", &["kube", "kube-client", "serde"])
            .package(
                "bailiwick-rbac",
                &["kube", "dev:kube-runtime", "kubernetes-words"],
            )
            .package("bailiwick-cel", &["kube-cel"])
            .package("xtask", &["cedar-policy"]);
        assert_eq!(
            said(&check(&tree)),
            [
                "crates/rbac/Cargo.toml: `kube` may be named by `bailiwick-kube` alone: ask that crate",
                "crates/rbac/Cargo.toml: `kube-runtime` may be named by `bailiwick-kube` alone: \
                 ask that crate",
            ]
        );
    }
}
