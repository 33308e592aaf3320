use crate::check::check;

check! {
    /// Somebody gets root on a node, and it comes down to one thing: a setting of a pod, a rule, or a subject of a
    /// binding. Root on a node is in every pod of that node, with their tokens and Secrets. Pods of one controller are one
    /// finding: the template is at fault.
    ///
    /// Who gets to full control of the cluster gets there too and is not counted again. See
    /// [path-to-cluster](path-to-cluster.md) for how to read a finding.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// kind: Deployment
    /// spec:
    ///   template:
    ///     spec:
    ///       containers:
    ///       - {name: agent, image: agent, securityContext: {privileged: true}}
    /// ```
    ///
    /// ## Fix
    ///
    /// - Take the setting out of the pod template; the finding has the command.
    /// - Let Pod Security refuse such pods: label the namespace `pod-security.kubernetes.io/enforce: baseline`.
    /// - Where it has to stay, mark the object with the annotation `bailiwick.dev/needed: "why"`.
    "path-to-node", "Ways to root on a node", High, to Node
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{check, deployment};

    fn agent(security: &str) -> String {
        let spec = format!("{{containers: [{{name: agent, securityContext: {{{security}}}}}]}}");
        deployment("ops", "agent", &spec)
    }

    /// Pods of a Deployment, by way of a ReplicaSet.
    fn pods(count: usize) -> String {
        let owned = |kind: &str, name: &str, by: &str, owner: &str| {
            let spec = "containers: [{name: agent, securityContext: {privileged: true}}]";
            let (version, spec) = match kind {
                "Pod" => ("v1", format!("{{nodeName: n1, {spec}}}")),
                _ => ("apps/v1", format!("{{template: {{spec: {{{spec}}}}}}}")),
            };
            format!(
                "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{namespace: ops, name: {name}, ownerReferences: \
                 [{{apiVersion: apps/v1, kind: {by}, name: {owner}, uid: x, controller: true}}]}}\nspec: {spec}\n"
            )
        };
        let set = owned("ReplicaSet", "agent-1", "Deployment", "agent");
        let pods =
            (0..count).map(|number| owned("Pod", &format!("p{number}"), "ReplicaSet", "agent-1"));
        set + &pods.collect::<String>()
    }

    #[test]
    fn the_template_is_at_fault_however_many_pods_it_makes() {
        let manifests = agent("privileged: true") + &pods(200);
        check(
            CHECK,
            &manifests,
            &[
                "high /spec/template/spec/containers/0/securityContext/privileged: `privileged` of Deployment ops/agent \
                 takes `Deployment ops/agent` to root on a node",
            ],
        );
    }

    #[test]
    fn containers_that_stay_where_they_are() {
        check(CHECK, &agent("privileged: false"), &[]);
        check(CHECK, &agent("capabilities: {add: [NET_ADMIN]}"), &[]);
    }
}
