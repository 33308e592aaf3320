use bailiwick_diag::Finding;
use bailiwick_rbac::Right;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::scan::Scan;

check! {
    /// A PersistentVolume can be a directory of the node (`hostPath`). Whoever creates volumes and a pod that claims one
    /// reads and writes the files of nodes, also where the Pod Security Standards forbid `hostPath` in pods.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [persistentvolumes]
    ///   verbs: [create]
    /// ```
    ///
    /// ## Fix
    ///
    /// - Let people claim volumes (`persistentvolumeclaims`) and a provisioner create them.
    ///
    /// See "RBAC Good Practices", section "Persistent volume creation", in the Kubernetes documentation.
    "persistent-volume-create", "Creating volumes of any kind", Medium, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &[Right::cluster("", "persistentvolumes", &["create"])],
        live: Live::ClusterWide,
        does: "create volumes of any kind, `hostPath` among them,",
        help: "give `persistentvolumeclaims` instead and let a provisioner create the volumes",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn in_the_whole_cluster() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [persistentvolumes], verbs: ['*']}"),
            &[
                "medium /rules/0/resources/0: ClusterRole `r` lets `group:dev` create volumes of any kind, `hostPath` \
               among them, in the whole cluster",
            ],
        );
    }

    #[test]
    fn claims_reading_and_role_bindings() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [persistentvolumeclaims], verbs: [create]}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [persistentvolumes], verbs: [get, patch]}"),
            &[],
        );
        check(
            CHECK,
            &bound_in(
                "a",
                "{apiGroups: [''], resources: [persistentvolumes], verbs: [create]}",
            ),
            &[],
        );
    }
}
