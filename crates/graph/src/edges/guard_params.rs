use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Change what an admission policy compares with.
    ///
    /// The binding of a policy may name an object from which the policy takes parameters: a list of registries, of users, a number. Whoever writes
    /// that object decides what the policy lets pass, without any right on policies. Deleting it does so where the binding says
    /// `parameterNotFoundAction: Allow`.
    ///
    /// Parameters may be of any kind. Those in ConfigMaps are judged here; who may write an object of a custom kind is left to the
    /// reader. Where labels select the parameters, or the binding names no namespace, every ConfigMap of the namespace may be one.
    "guard-params", "change what an admission policy compares with", effort 1, Versions::since(30),
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every guard of the cluster", "name: allowed, namespace: shop" => "name: refused, namespace: shop",
    "Role shop/r
       patch on configmaps of '' named allowed
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: v1, kind: ConfigMap, metadata: {namespace: shop, name: allowed}, data: {most: '1'}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: guard},
      spec: {paramKind: {apiVersion: v1, kind: ConfigMap},
       matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]},
       validations: [{expression: \"object.metadata.name.size() <= int(params.data['most'])\"}]}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: guard},
      spec: {policyName: guard, validationActions: [Deny], paramRef: {name: allowed, namespace: shop, parameterNotFoundAction: Deny}}}"
}

static LEGS: &[Leg] = &[&[
    Right::new("", "configmaps", &["patch", "update"]),
    Right::new("", "configmaps", &["delete", "deletecollection"]),
]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    for (policy, binding) in world.policies_in_force() {
        let kind = policy.param_kind.as_ref().map(|(version, kind)| (&**version, &**kind));
        let Some(param) = binding.param.as_ref().filter(|_| kind == Some(("v1", "ConfigMap")))
        else {
            continue;
        };
        let is_place = param.namespace.is_empty() || held.scope.is_empty() || held.scope == param.namespace;
        let is_param = |holding: &Holding<'_>| {
            let deletes = holding.right.verbs.contains(&"delete");
            let on = if param.name.is_empty() { On::Any } else { On::Name(&param.name) };
            is_place && !(deletes && param.required) && holding.is_on(on)
        };
        if let Some(condition) = held.condition_by(is_param) {
            let guards = Node::area(Area::Guards, &Default::default());
            link.edge(held.subject, guards, condition);
            return;
        }
    }
}
