//! One big dependency, one crate: a new version of it touches one folder.

use super::Complaint;
use super::tree::Tree;

/// A dependency, with all that start with `NAME-`, and the crates that may name it: one, but where proofs about what it
/// does are a matter of their own.
const OWNERS: &[(&str, &[&str])] = &[
    ("annotate-snippets", &["bailiwick-report"]),
    ("comfy-table", &["bailiwick-report"]),
    ("cedar-policy", &["bailiwick-pdp", "bailiwick-prove"]),
    ("cel", &["bailiwick-cel"]),
    ("granit-parser", &["bailiwick-input"]),
    ("kube", &["bailiwick-kube"]),
    ("kube-cel", &["bailiwick-cel"]),
    ("k8s-openapi", &["bailiwick-kube"]),
    ("rusqlite", &["bailiwick-store"]),
    ("saphyr", &["bailiwick-input"]),
    ("serde-saphyr", &["bailiwick-input"]),
    ("sqlx", &["bailiwick-store"]),
];

/// Each of the big dependencies is named by its owner alone, and by the benches that put it beside its owner.
pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in &tree.packages {
        for dependency in &package.dependencies {
            if let Some(owners) = owners(&dependency.name)
                && !owners.contains(&package.name.as_str())
                && package.name != "xtask"
            {
                let (name, owners) = (&dependency.name, owners.join("` and `"));
                let message = format!("`{name}` may be named by `{owners}` alone: ask that crate");
                complaints.push(Complaint::file(
                    format!("{}/Cargo.toml", package.folder),
                    message,
                ));
            }
        }
    }
    complaints
}

/// The owners by the longest name that fits.
fn owners(dependency: &str) -> Option<&'static [&'static str]> {
    let fits = |name: &str| {
        dependency
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let fitting = OWNERS.iter().filter(|(name, _)| fits(name));
    fitting
        .max_by_key(|(name, _)| name.len())
        .map(|(_, owners)| *owners)
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
