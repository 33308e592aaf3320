use bailiwick_rbac::Right;

use super::kubelet_reads::link;
use crate::edge::{Leg, Rule, Versions, edge};

edge! {
    /// Read the pods and the configuration of a node from its kubelet.
    ///
    /// Since Kubernetes 1.33 a kubelet takes `nodes/pods` for the list of its pods, with the values of their environment variables,
    /// and `nodes/configz` for its own configuration; before, both took `nodes/proxy`, which still does. What stands in an
    /// environment variable in plain text is read so without any right on pods.
    "kubelet-pods", "read the pods of nodes from kubelets", effort 1, Versions::since(33),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "what kubelets tell of the cluster", "nodes/pods" => "nodes/status",
    "ClusterRole r
       get on nodes/pods of ''
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
}

static LEGS: &[Leg] =
    &[&[Right::cluster("", "nodes/pods", &["get"]), Right::cluster("", "nodes/configz", &["get"])]];
