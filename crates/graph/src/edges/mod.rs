//! One file an edge: what it is and why it works (the doc comment), how hard it is, in which versions, and where it
//! comes from. Adding one takes the file and one word in the list.

use crate::build::{Held, Link, World};
use crate::node::{Area, Node};

macro_rules! edges {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every kind of edge, in order of id.
        pub static EDGES: &[&crate::EdgeKind] = &[$(&$name::EDGE),*];
    };
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

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
        for namespace in world.namespaces_in(&held.scope) {
            if let Some(workload) = world.workload(&namespace, name) {
                let condition = held.condition(Some(name));
                link.edge(
                    held.subject,
                    Node::Workload(workload.object_ref()),
                    condition,
                );
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
        for namespace in world.namespaces_in(&held.scope) {
            if world.snapshot.secrets.get(&namespace, name).is_some() {
                let name = name.clone();
                let condition = held.condition(Some(&name));
                link.edge(held.subject, Node::Secret { namespace, name }, condition);
            }
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
    contains,
    ephemeral_container,
    exec,
    exec_by_get,
    full_control,
    impersonate_group,
    impersonate_service_account,
    impersonate_user,
    masters,
    member_of,
    mounted_token,
    new_pod,
    nodes_proxy,
    pod_create,
    pod_patch,
    read_secrets,
    secret_mint,
    secrets_echo,
    template_change,
    token_of_secret,
    token_request,
];
