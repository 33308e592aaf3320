use bailiwick_diag::Finding;

use crate::check::check;
use crate::grants::{Grant, Live};
use crate::rights::KUBELET;
use crate::scan::Scan;

check! {
    /// `nodes/proxy` reaches the API of the kubelet. With `get` alone, by a WebSocket, or with `create` one runs commands
    /// in every container of the node, past admission and past the audit log of the API server. On a node of the control
    /// plane that is full control of the cluster.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: [""]
    ///   resources: [nodes/proxy]   # often given to collect metrics
    ///   verbs: [get]
    /// ```
    ///
    /// ## Fix
    ///
    /// - For metrics `nodes/metrics` and `nodes/stats` are enough, for logs `nodes/log`. From Kubernetes 1.33 on the
    ///   kubelet also takes `nodes/pods`, `nodes/configz` and `nodes/healthz` for what these words say.
    ///
    /// See "RBAC Good Practices", section "Access to proxy subresource of Nodes", and "Kubelet
    /// authentication/authorization" in the Kubernetes documentation.
    "nodes-proxy", "Reaching the kubelet of every node", Critical, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    scan.report(&Grant {
        check: &CHECK,
        rights: &[KUBELET],
        live: Live::ClusterWide,
        does: "run commands in every pod of every node through the kubelet",
        help: "give `nodes/metrics` and `nodes/stats` where metrics are what is needed",
    })
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{binding, bound, bound_in, check};

    #[test]
    fn in_the_whole_cluster() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [nodes, nodes/proxy], verbs: [get]}"),
            &[
                "critical /rules/0/resources/1: ClusterRole `r` lets `group:dev` run commands in every pod of every node \
               through the kubelet in the whole cluster",
            ],
        );
        check(
            CHECK,
            &binding(
                "",
                "metrics",
                "ClusterRole system:kubelet-api-admin",
                "User prom",
            ),
            &[
                "critical /roleRef/name: ClusterRoleBinding `metrics` lets `user:prom` run commands in every pod of \
               every node through the kubelet in the whole cluster, through ClusterRole `system:kubelet-api-admin`",
            ],
        );
    }

    #[test]
    fn nodes_have_no_namespace() {
        check(
            CHECK,
            &bound_in(
                "shop",
                "{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}",
            ),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [nodes/metrics], verbs: [get]}"),
            &[],
        );
    }
}
