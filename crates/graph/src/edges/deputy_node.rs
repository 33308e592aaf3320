use crate::build::{Held, Holding, Link, World};
use crate::deputy::{deputies, has_operator};
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Have an operator add a node that does what one says when it starts.
    ///
    /// Karpenter starts machines for pods that have no room, as an `EC2NodeClass` or its like says: `spec.userData` is a program that the
    /// machine runs as root when it boots, before it joins the cluster. Whoever writes node classes is root on the nodes to come, and on
    /// those that Karpenter replaces for the change. Which pods will run there nobody knows.
    ///
    /// There where the resource is defined and a service account may write its status in the whole cluster.
    "deputy-node", "have an operator add a node that does what one says", effort 3, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "some node", "patch on ec2nodeclasses of karpenter" => "get on ec2nodeclasses of karpenter",
    "ClusterRole r
       patch on ec2nodeclasses of karpenter.k8s.aws
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ClusterRole operator
       update on ec2nodeclasses/status of karpenter.k8s.aws
     ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: ec2nodeclasses.karpenter.k8s.aws},
      spec: {group: karpenter.k8s.aws, scope: Cluster, names: {plural: ec2nodeclasses, singular: ec2nodeclass, kind: EC2NodeClass},
       versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: argo, name: controller},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: controller, containers: [{name: c, image: c}]}}}}"
}

deputies! {
    "karpenter.k8s.aws" "ec2nodeclasses" Cluster,
    "karpenter.azure.com" "aksnodeclasses" Cluster,
    "karpenter.k8s.gcp" "gcenodeclasses" Cluster,
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let runs = |holding: &Holding<'_>| has_operator(holding.right, world);
    if let Some(condition) = held.condition_by(runs) {
        link.edge(held.subject, Node::Machine { name: Default::default() }, condition);
    }
}
