use bailiwick_core::Str;
use bailiwick_model::PolicyRule;
use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Write an object from which an operator makes pods.
    ///
    /// Many operators turn an object of their own into pods and take image, service account and volumes from it. Whoever writes
    /// such objects starts pods without any right on pods. Known are Argo Workflows, Tekton, the Prometheus operator, the Spark
    /// operator, Kubeflow's training operator, JobSet, Ray and Knative Serving; the step is there where the resource is defined and a
    /// service account may write its status in the whole cluster, which is what an operator needs.
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
      spec: {group: argoproj.io, scope: Namespaced, names: {plural: workflows, singular: workflow, kind: Workflow}, versions: [{name: v1, served: true, storage: true}]}}
     {apiVersion: v1, kind: ServiceAccount, metadata: {namespace: argo, name: controller}}"
}

const WRITE: &[&str] = &["create", "patch", "update"];

static LEGS: &[Leg] = &[&[
    Right::new("argoproj.io", "workflows", WRITE),
    Right::new("argoproj.io", "cronworkflows", WRITE),
    Right::new("tekton.dev", "taskruns", WRITE),
    Right::new("tekton.dev", "pipelineruns", WRITE),
    Right::new("monitoring.coreos.com", "prometheuses", WRITE),
    Right::new("monitoring.coreos.com", "alertmanagers", WRITE),
    Right::new("monitoring.coreos.com", "thanosrulers", WRITE),
    Right::new("sparkoperator.k8s.io", "sparkapplications", WRITE),
    Right::new("kubeflow.org", "pytorchjobs", WRITE),
    Right::new("kubeflow.org", "notebooks", WRITE),
    Right::new("jobset.x-k8s.io", "jobsets", WRITE),
    Right::new("ray.io", "rayclusters", WRITE),
    Right::new("ray.io", "rayjobs", WRITE),
    Right::new("serving.knative.dev", "services", WRITE),
]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let runs = |holding: &Holding<'_>| has_operator(holding.right, world);
    if let Some(condition) = held.condition_by(runs) {
        link.edge(held.subject, Node::area(Area::NewPods, &held.scope), condition);
    }
}

/// Whether the resource is defined and a service account writes its status.
fn has_operator(right: &Right, world: &World<'_>) -> bool {
    let name = format!("{}.{}", right.resource, right.group);
    if world.snapshot.custom_resources.get("", &name).is_none() {
        return false;
    }
    let rules = world.rules_of_accounts();
    rules.iter().any(|rule| writes_status(rule, right))
}

fn writes_status(rule: &PolicyRule, right: &Right) -> bool {
    let has = |words: &[Str], wanted: &str| words.iter().any(|w| &**w == "*" || **w == *wanted);
    let status = format!("{}/status", right.resource);
    let resource = |own: &Str| matches!(&**own, "*" | "*/status") || **own == *status;
    has(&rule.api_groups, right.group)
        && (has(&rule.verbs, "update") || has(&rule.verbs, "patch"))
        && rule.resources.iter().any(resource)
}
