use crate::build::{Link, World};
use crate::condition::Atom;
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;

edge! {
    /// Code in a pod has the token of the pod's service account.
    ///
    /// The token lies in a file of every container unless the pod or its service account says
    /// `automountServiceAccountToken: false`; the pod's word counts first. A projected token for the API server is one
    /// too. A token for another audience is not: the API server does not accept it.
    "mounted-token", "use the pod's token", effort 0, Versions::ALL, &[Rule::Objects(link)],
    "Pod shop/web" => "service account shop/web", "automountServiceAccountToken: true" => "automountServiceAccountToken: false",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {serviceAccountName: web, automountServiceAccountToken: true, containers: [{name: web, image: web}]}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    for workload in world.workloads() {
        let (pod, namespace) = (&workload.pod, &workload.metadata.namespace);
        let account = world.snapshot.service_accounts.get(namespace, pod.service_account());
        let mounted = pod
            .automount_service_account_token
            .or(account.and_then(|account| account.automount_service_account_token))
            .unwrap_or(true);
        let projected = pod.tokens.iter().any(|token| token.audience.is_empty());
        if mounted || projected {
            let object = workload.object_ref();
            let setting = Atom::Field { object: object.clone(), pointer: pod_pointer(workload.kind) };
            let account = Node::service_account(namespace, &pod.service_account().into());
            link.by(&Node::Workload(object), account, [setting]);
        }
    }
}

/// JSON pointer to the setting that turns the token off.
fn pod_pointer(kind: bailiwick_core::Kind) -> String {
    use bailiwick_core::Kind;
    let spec = match kind {
        Kind::Pod => "/spec",
        Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    format!("{spec}/automountServiceAccountToken")
}
