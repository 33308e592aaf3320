//! One file an edge: what it is and why it works (the doc comment), how hard it is, in which versions, and where it
//! comes from. Adding one takes the file and one word in the list.

use bailiwick_core::{Kind, ObjectRef, Str, names};
use bailiwick_rbac::Names;

use crate::build::{Held, Holding, Link, World};
use crate::condition::Condition;
use crate::node::{Area, Node};

/// From a whole to its parts.
pub(crate) static CONTAINS: &crate::EdgeKind = &contains::EDGE;

macro_rules! edges {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every kind of edge, in order of id.
        pub static EDGES: &[&crate::EdgeKind] = &[$(&$name::EDGE),*];
    };
}

mod making;

#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod cloud_tests;
#[cfg(test)]
mod constraint_tests;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod lever_tests;
#[cfg(test)]
mod platform_tests;
#[cfg(test)]
mod pod_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trust_tests;

/// API group of certificate requests and signers.
const CERTIFICATES: &str = "certificates.k8s.io";

/// Links to the identity of every node.
fn every_node(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>, condition: &Condition) {
    for node in world.snapshot.nodes.iter() {
        let name = format!("{}{}", names::NODE_USER_PREFIX, node.metadata.name);
        let user = Node::User { name: name.into() };
        link.edge(held.subject, user, condition.clone());
    }
}

/// What somebody has who has every right in this namespace, or (empty) in the whole cluster.
fn everything_in(namespace: &Str) -> Node {
    if namespace.is_empty() {
        Node::Cluster
    } else {
        Node::area(Area::Namespace, namespace)
    }
}

/// Links to every pod of the scope, or to those whose names the first leg is limited to.
fn pods_in_reach(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        link.edge(
            held.subject,
            Node::area(Area::Pods, &held.scope),
            held.condition(None),
        );
    }
    for name in held.names(0) {
        for workload in world.workloads_named(&held.scope, name) {
            let to = Node::Workload(workload.object_ref());
            link.edge(held.subject, to, held.condition(Some(name)));
        }
    }
}

/// Links to the ports of every pod of the scope, or to those of the pods and Services that the first leg is limited to.
/// `name_in` finds their names in what stands in rules.
fn ports_in_reach(
    held: &Held<'_>,
    world: &World<'_>,
    link: &mut Link<'_>,
    name_in: fn(&str) -> Option<&str>,
) {
    let all = held.condition_by(|holding| holding.names == Names::All);
    if let Some(condition) = all {
        let every = Node::area(Area::Ports, &held.scope);
        link.edge(held.subject, every, condition);
    }
    for path in held.names(0) {
        for (resource, kind) in [("pods/", Kind::Pod), ("services/", Kind::Service)] {
            let of_kind = |holding: &Holding<'_>| {
                let is_meant = holding.right.resource.starts_with(resource);
                is_meant && holding.names != Names::All && holding.names.hold(path)
            };
            let named = held.condition_by(of_kind).zip(name_in(path));
            let Some((condition, name)) = named else {
                continue;
            };
            for namespace in world.namespaces_with(kind, &held.scope, name) {
                let object = ObjectRef::new(kind, &namespace, name);
                link.edge(held.subject, Node::Entry(object), condition.clone());
                let pod = world.snapshot.workload(kind, &namespace, name);
                if let Some(pod) = pod.filter(|pod| pod.pod.host_network) {
                    let machine = pod.node_name.clone();
                    link.edge(held.subject, Node::Network { machine }, condition.clone());
                }
            }
        }
    }
}

/// Links to every Secret of the scope, or to those whose names the first leg is limited to.
fn secrets_in_reach(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let every = Node::area(Area::Secrets, &held.scope);
        link.edge(held.subject, every, held.condition(None));
    }
    for name in held.names(0) {
        for namespace in world.namespaces_with(Kind::Secret, &held.scope, name) {
            let (condition, name) = (held.condition(Some(name)), name.clone());
            link.edge(held.subject, Node::Secret { namespace, name }, condition);
        }
    }
}

/// Links to every service account of the scope, or to those whose names the first leg is limited to.
fn service_accounts_in_reach(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if held.on_all() {
        let every = Node::area(Area::ServiceAccounts, &held.scope);
        link.edge(held.subject, every, held.condition(None));
    }
    for name in held.names(0) {
        for namespace in world.namespaces_with_account(&held.scope, name) {
            let account = Node::service_account(&namespace, name);
            link.edge(held.subject, account, held.condition(Some(name)));
        }
    }
}

edges![
    aggregate,
    anonymous,
    api_service,
    api_service_admission,
    api_service_certificates,
    api_service_nodes,
    api_service_operators,
    api_service_rbac,
    api_service_reviews,
    api_service_workloads,
    application,
    ask_access,
    ask_tokens,
    aws_auth,
    bind,
    bootstrap_mint,
    bootstrap_token,
    capability_dac_read_search,
    capability_sys_admin,
    capability_sys_module,
    cloud_annotation,
    cloud_identity,
    cloud_login,
    cloud_session,
    contains,
    control_plane_node,
    controller_revision,
    conversion_webhook,
    core_pattern,
    csi_driver,
    csr_approve,
    csr_approve_node,
    csr_auto_node,
    dangling_account,
    deputy_node,
    deputy_pods,
    deputy_rights,
    deputy_secrets,
    device_admin,
    dns,
    ephemeral_container,
    ephemeral_container_node,
    escalate,
    exec,
    exec_by_get,
    extension_authentication,
    full_control,
    guard_label,
    guard_params,
    guard_removal,
    guard_service,
    host_ipc,
    host_network,
    host_path_control_plane,
    host_path_kubelet,
    host_path_tokens,
    host_path_write,
    host_port,
    impersonate_claims,
    impersonate_claims_constrained,
    impersonate_constrained,
    impersonate_group,
    impersonate_service_account,
    impersonate_user,
    inline_volume,
    kubeadm_config,
    kubelet_checkpoint,
    kubelet_config,
    kubelet_pods,
    kubelet_reads,
    lease,
    log_symlink,
    masters,
    member_of,
    mounted_token,
    mutating_policy,
    mutating_webhook,
    namespace_label,
    new_pod,
    new_pod_node,
    node_authorizer,
    node_identity,
    node_metadata,
    node_port,
    nodes_proxy,
    open_ingress,
    open_route,
    open_service,
    operator_rights,
    persistent_volume,
    pod_certificate,
    pod_create,
    pod_metadata,
    pod_patch,
    pod_secrets,
    pods_of_node,
    port_forward,
    port_forward_by_get,
    priority_class,
    privileged_container,
    proxy,
    read_logs,
    read_secrets,
    runtime_class,
    runtime_flaw,
    runtime_flaw_pod,
    runtime_socket,
    scc_use,
    secret_mint,
    secrets_echo,
    share,
    share_processes,
    steal_pods,
    storage_class,
    subject_edit,
    template_change,
    token_of_secret,
    token_request,
    trace_host_process,
    traffic,
    trust_bundle,
    validating_webhook,
    volume_attachment,
    volume_snapshot,
    windows_host_process,
];
