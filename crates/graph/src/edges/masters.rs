use bailiwick_core::names::MASTERS;

use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Members of `system:masters` may do everything, whatever RBAC says.
    ///
    /// The API server allows these requests before it asks any authorizer. No binding gives this right and none can
    /// take it away; the membership comes with a client certificate, a token file or an authentication webhook, or by
    /// impersonation of the group.
    "masters", "do everything as a member of system:masters", effort 0, Versions::ALL, &[Rule::Objects(link)],
    "group system:masters" => "full control of the cluster", "system:masters" => "masters",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:system:masters"
}

fn link(_: &World<'_>, link: &mut Link<'_>) {
    link.always(&Node::group(MASTERS), Node::Cluster);
}
