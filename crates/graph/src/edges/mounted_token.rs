use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::field;
use crate::node::Node;
use crate::world::Token;

edge! {
    /// Code in a pod has the token of the pod's service account.
    ///
    /// The token lies in a file of every container unless the pod or its service account says
    /// `automountServiceAccountToken: false`; the pod's word counts first. A projected token for the API server is one
    /// too. A token for another audience is not: the API server does not accept it.
    "mounted-token", "use the pod's token", effort 0, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "service account shop/web", "automountServiceAccountToken: true" => "automountServiceAccountToken: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {serviceAccountName: web, automountServiceAccountToken: true, containers: [{name: web, image: web}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Workload(workload) = *item else { return };
    let setting = field(world.keeper(workload), "/automountServiceAccountToken");
    let pod = Node::Workload(workload.object_ref());
    link.token(&pod, Token::of(workload), [setting], world);
}
