
use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{NEW_POD, Namespaces, making_pods, making_pods_in};
use crate::node::{Area, Node};

edge! {
    /// Change the labels of a namespace that keep privileged pods out.
    ///
    /// Pod Security reads its level from labels of the namespace. Whoever may `update` or `patch` the namespace can set it to
    /// `privileged`, and with the right to start pods there, start one that is root on its node. A request for a namespace counts as
    /// one inside it, so a RoleBinding in the namespace gives this right: roles for "everything in my namespace" do.
    ///
    /// Other labels of the namespace are what NetworkPolicies select: setting one may let in whom they keep off, which is no step of its
    /// own. Starting pods is changing what makes pods, too, where there is such an object.
    ///
    /// Namespaces without such a label have nothing to take away: there the right to start pods is enough. Closed by an
    /// admission policy that protects the label, or by not giving `update` and `patch` on `namespaces`.
    "namespace-label", "take a namespace out of Pod Security", effort 2, Versions::ALL,
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "every node of the cluster", "patch on namespaces" => "get on namespaces",
    "Role shop/r
       patch on namespaces of ''
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}}"
}

static LEGS: &[Leg] = &[
    &[Right::new("", "namespaces", &["patch", "update"])],
    NEW_POD,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let machines = Node::area(Area::Machines, &Default::default());
    if held.scope.is_empty() && held.on_all() {
        if let Some(held) = making_pods::<Guarded>(held, world) {
            link.edge(held.subject, machines, held.condition(None));
        }
        return;
    }
    let names = held.names(0).into_iter().filter(|_| held.scope.is_empty());
    let own = Some(&held.scope).filter(|scope| !scope.is_empty());
    for name in names.chain(own).filter(|name| Guarded::holds(name, world)) {
        let on = [On::Name(name)];
        let making = making_pods_in(held, world, name).filter(|held| held.is_on(&on));
        if let Some(held) = making {
            link.edge(held.subject, machines.clone(), held.condition_on(&on));
        }
    }
}

/// Namespaces with Pod Security.
struct Guarded;

impl Namespaces for Guarded {
    const NAME: &'static str = "namespaces with Pod Security";

    fn holds(namespace: &str, world: &World<'_>) -> bool {
        world.pod_security(namespace).is_err()
    }
}
