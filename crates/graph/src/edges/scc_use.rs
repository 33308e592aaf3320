use bailiwick_core::{Kind, ObjectRef};
use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::condition::Atom;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::NEW_POD;
use crate::node::{Area, Node};

edge! {
    /// Start a pod under a permissive security context constraint of OpenShift.
    ///
    /// OpenShift admits a pod if its author or its service account may `use` a SecurityContextConstraints object that allows what
    /// the pod asks for. Of those that every OpenShift brings, `privileged`, `node-exporter`, `hostaccess` and `hostmount-anyuid` let a pod
    /// mount the node's disk or be privileged. With the right to `use` one of them and to start pods, somebody is root on a node. What else the
    /// cluster has of them is not read, nor are the users and groups that they name themselves: without names the right is on all of them.
    ///
    /// There where the resource is defined. PodSecurityPolicy worked alike and ended with Kubernetes 1.25; no version that is
    /// known here has it.
    "scc-use", "start a pod under a permissive constraint", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every node of the cluster", "named privileged" => "named restricted-v2",
    "ClusterRole s
       use on securitycontextconstraints of security.openshift.io named privileged
     RoleBinding shop/s gives ClusterRole/s to user:eve
     Role shop/r
       create on pods of ''
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: securitycontextconstraints.security.openshift.io},
      spec: {group: security.openshift.io, scope: Cluster,
       names: {plural: securitycontextconstraints, singular: securitycontextconstraint, kind: SecurityContextConstraints}, versions: [{name: v1, served: true, storage: true}]}}"
}

/// Where OpenShift defines its constraints.
const DEFINITION: &str = "securitycontextconstraints.security.openshift.io";

/// Of the constraints that OpenShift brings those that let pods reach their node.
const PERMISSIVE: [&str; 4] = ["privileged", "node-exporter", "hostaccess", "hostmount-anyuid"];

static LEGS: &[Leg] = &[
    &[Right::new("security.openshift.io", "securitycontextconstraints", &["use"])],
    NEW_POD,
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let reaches =
        |holding: &Holding<'_>| PERMISSIVE.iter().any(|name| holding.is_on(On::Name(name)));
    if constraints(world).is_none() {
        return;
    }
    if let Some(condition) = held.condition_by(reaches) {
        let machines = Node::area(Area::Machines, &Default::default());
        link.edge(held.subject, machines, condition);
    }
}

/// What says that constraints of OpenShift stand before every pod.
pub(super) fn constraints(world: &World<'_>) -> Option<Atom> {
    world.snapshot.custom_resources.get("", DEFINITION)?;
    Some(Atom::Field {
        object: ObjectRef::new(Kind::CustomResourceDefinition, "", DEFINITION),
        pointer: String::new(),
    })
}
