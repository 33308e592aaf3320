use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::making::{NEW_POD, Namespaces, making_pods};
use crate::node::{Area, Node};

edge! {
    /// Use a device that others use, as its administrator.
    ///
    /// A ResourceClaim with `adminAccess: true` gives a pod a device whoever else has it, with what the driver lets administrators do: see
    /// the memory and the work of others on a GPU, reset it. The API server takes such claims in namespaces with the label
    /// `resource.kubernetes.io/admin-access: "true"` alone, and nobody asks for a further right there. Who may change the namespace may set the
    /// label. On since Kubernetes 1.34.
    "device-admin", "use the devices of others", effort 2, Versions::since(34),
    &[Rule::Own { legs: LEGS, link }],
    "user eve" => "every device of the cluster", "admin-access: 'true'" => "admin-access: 'false'",
    "Role shop/r
       create on resourceclaims of resource.k8s.io
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {resource.kubernetes.io/admin-access: 'true'}}}"
}

const GROUP: &str = "resource.k8s.io";
const LABEL: &str = "resource.kubernetes.io/admin-access";
const CREATE: &[&str] = &["create"];

static LEGS: &[Leg] = &[
    &[
        Right::new(GROUP, "resourceclaims", CREATE),
        Right::new(GROUP, "resourceclaimtemplates", CREATE),
    ],
    NEW_POD,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Some(held) = making_pods::<Labelled>(held, world) {
        let to = Node::area(Area::Devices, &Default::default());
        link.edge(held.subject, to, held.condition_on(&[On::Any]));
    }
}

/// Namespaces with access to devices.
struct Labelled;

impl Namespaces for Labelled {
    const NAME: &'static str = "namespaces with access to devices";

    fn holds(namespace: &str, world: &World<'_>) -> bool {
        let namespace = world.snapshot.namespaces.get("", namespace);
        namespace.and_then(|namespace| namespace.metadata.label(LABEL)) == Some("true")
    }
}
