use crate::build::{Held, Holding, Link, World};
use crate::deputy::{deputies, has_operator};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Write an object from which an operator makes pods.
    ///
    /// Many operators turn an object of their own into pods and take image, service account and volumes from it. Whoever writes
    /// such objects starts pods without any right on pods. Known are Argo Workflows and Rollouts, Tekton, the Prometheus operator, the Spark
    /// operator, Kubeflow's training operator, JobSet, Ray and Knative Serving; the step is there where the resource is defined and a
    /// service account may write its status in the whole cluster, or watch and change it, which is what an operator needs.
    "deputy-pods", "have an operator start a pod", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "new pods of namespace shop", "workflows of argoproj.io" => "workflows of example.com",
    "Role shop/r
       create on workflows of argoproj.io
     RoleBinding shop/r gives Role/r to user:eve
     ClusterRole operator
       update on workflows/status of *
     ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/controller
     ---
     {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: workflows.argoproj.io},
      spec: {group: argoproj.io, scope: Namespaced, names: {plural: workflows, singular: workflow, kind: Workflow},
       versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}
     {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: argo, name: controller},
      spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: controller, containers: [{name: c, image: c}]}}}}"
}

// The field in which each takes the service account of its pods.
deputies! {
    // spec.serviceAccountName
    "argoproj.io" "workflows" Namespace,
    // spec.workflowSpec.serviceAccountName
    "argoproj.io" "cronworkflows" Namespace,
    // spec.template.spec.serviceAccountName
    "argoproj.io" "rollouts" Namespace,
    // spec.serviceAccountName
    "tekton.dev" "taskruns" Namespace,
    // spec.taskRunTemplate.serviceAccountName
    "tekton.dev" "pipelineruns" Namespace,
    // spec.serviceAccountName, with containers of one's own in spec.containers
    "monitoring.coreos.com" "prometheuses" Namespace,
    "monitoring.coreos.com" "prometheusagents" Namespace,
    "monitoring.coreos.com" "alertmanagers" Namespace,
    "monitoring.coreos.com" "thanosrulers" Namespace,
    // spec.driver.serviceAccount
    "sparkoperator.k8s.io" "sparkapplications" Namespace,
    // spec.pytorchReplicaSpecs.*.template.spec.serviceAccountName
    "kubeflow.org" "pytorchjobs" Namespace,
    // spec.template.spec.serviceAccountName
    "kubeflow.org" "notebooks" Namespace,
    // spec.replicatedJobs.*.template.spec.template.spec.serviceAccountName
    "jobset.x-k8s.io" "jobsets" Namespace,
    // spec.headGroupSpec.template.spec.serviceAccountName
    "ray.io" "rayclusters" Namespace,
    "ray.io" "rayjobs" Namespace,
    // spec.template.spec.serviceAccountName
    "serving.knative.dev" "services" Namespace,
}

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let runs = |holding: &Holding<'_>| has_operator(holding.right, world);
    if let Some(condition) = held.condition_by(runs) {
        link.edge(held.subject, Node::area(Area::NewPods, &held.scope), condition);
    }
}
