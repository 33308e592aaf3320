use bailiwick_core::{Kind, Str};
use bailiwick_model::{ParamRef, PolicyRule};
use bailiwick_rbac::Right;

use crate::build::{Held, Holding, Item, Link, On, World};
use crate::condition::Atom;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::bind;
use crate::node::{Area, Node};

edge! {
    /// Change what an admission policy compares with.
    ///
    /// The binding of a policy may name an object from which the policy takes parameters: a list of registries, of users, a number. Whoever writes
    /// that object decides what the policy lets pass, without any right on policies. Deleting it does so where the binding says
    /// `parameterNotFoundAction: Allow`.
    ///
    /// Parameters may be of any kind. Judged are those in ConfigMaps, and, for whom a binding names and for who may bind such a role to
    /// himself, those of the other kinds of
    /// Kubernetes that are read here and of custom kinds whose CustomResourceDefinition is in the input. Where labels select the parameters, or the binding names no namespace, every object
    /// of the kind in the namespace may be one.
    "guard-params", "change what an admission policy compares with", effort 1, Versions::since(30),
    &[
        Rule::Rights { legs: LEGS, link },
        Rule::Each(link_others),
        Rule::Rights { legs: bind::CLUSTER, link: link_bindable },
        Rule::Rights { legs: bind::NAMESPACE, link: link_bindable },
        Rule::Rights { legs: bind::ROLES, link: link_bindable },
    ],
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

/// Objects from which a policy takes parameters, other than ConfigMaps.
struct Params<'w> {
    group: &'w str,
    plural: &'w str,
    namespaced: bool,
    from: &'w ParamRef,
}

/// Parameters of other kinds than ConfigMaps, as whoever may write them is bound.
fn link_others(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Subject(subject) = *item else { return };
    if !world.fact("other parameters", |world| !other_params(world).is_empty()) {
        return;
    }
    let mut causes = Vec::new();
    for params in other_params(world) {
        for given in world.bindings_of(subject) {
            let scope = &given.binding.namespace;
            let is_place = scope.is_empty() || params.are_in(scope);
            let role = given.role.as_ref().filter(|_| is_place);
            let rules = role.and_then(|name| Some((name, &world.role(name)?.rules)));
            let Some((role, rules)) = rules else { continue };
            let wanted = (0..).zip(rules.iter()).filter(|(_, rule)| params.are_written_by(rule));
            causes.extend(wanted.map(|(position, _)| {
                vec![given.atom(), Atom::Rule { role: role.clone(), position }]
            }));
        }
    }
    if !causes.is_empty() {
        causes.dedup();
        link.by_any(subject, Node::area(Area::Guards, &Default::default()), causes);
    }
}

/// The same for whoever may bind to himself a role that writes some.
fn link_bindable(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.fact("other parameters", |world| !other_params(world).is_empty()) {
        return;
    }
    let in_cluster = held.resource(1) == Some("clusterrolebindings");
    let params: Vec<Params<'_>> = other_params(world)
        .into_iter()
        .filter(|params| in_cluster || params.can_be_in(&held.scope))
        .collect();
    for (role, condition) in bind::bindable(held, world) {
        let rules = world.role(&role).map_or(&[][..], |role| &role.rules);
        let writes = |rule: &PolicyRule| params.iter().any(|params| params.are_written_by(rule));
        let wanted = (0..).zip(rules).filter(|(_, rule)| writes(rule));
        let wanted: Vec<Atom> = wanted.map(|(position, _)| Atom::Rule { role: role.clone(), position }).collect();
        if !wanted.is_empty() {
            let guards = Node::area(Area::Guards, &Default::default());
            link.edge_if(held.subject, guards, condition, wanted);
        }
    }
}

/// Parameters of policies in force, of kinds that are known, ConfigMaps aside.
fn other_params<'w>(world: &World<'w>) -> Vec<Params<'w>> {
    let mut found = Vec::new();
    for (policy, binding) in world.policies_in_force() {
        let Some(((version, name), from)) = policy.param_kind.as_ref().zip(binding.param.as_ref())
        else {
            continue;
        };
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let own = name.parse::<Kind>().ok().filter(|kind| kind.group() == group);
        if own == Some(Kind::ConfigMap) {
            continue;
        }
        if let Some(kind) = own {
            let (plural, namespaced) = (kind.resource(), kind.is_namespaced());
            found.push(Params { group, plural, namespaced, from });
            continue;
        }
        let defined = world.definitions_of(group).find(|kind| kind.kind == *name);
        found.extend(defined.map(|kind| Params {
            group,
            plural: &kind.plural,
            namespaced: kind.namespaced,
            from,
        }));
    }
    found
}

impl Params<'_> {
    /// Whether rights in this namespace count for some of them.
    fn are_in(&self, namespace: &str) -> bool {
        let from = self.from;
        if self.namespaced {
            return from.namespace.is_empty() || *from.namespace == *namespace;
        }
        // A request for a Namespace is one in that namespace.
        (self.group, self.plural) == ("", Kind::Namespace.resource()) && *from.name == *namespace
    }

    /// The same of a namespace that is picked where it is empty.
    fn can_be_in(&self, scope: &str) -> bool {
        let of_namespaces = (self.group, self.plural) == ("", Kind::Namespace.resource());
        self.are_in(scope) || (scope.is_empty() && (self.namespaced || of_namespaces))
    }

    /// Whether a rule lets somebody decide what a policy reads here.
    fn are_written_by(&self, rule: &PolicyRule) -> bool {
        let has = |list: &[Str], word: &str| list.iter().any(|own| matches!(&**own, "*") || **own == *word);
        let verb = |word: &str| has(&rule.verbs, word);
        let names = &rule.resource_names;
        let is_named = self.from.name.is_empty() || names.contains(&self.from.name);
        let on_it = names.is_empty() || is_named;
        let deletes = (verb("delete") && on_it) || (verb("deletecollection") && names.is_empty());
        let changes = (verb("update") || verb("patch")) && on_it;
        has(&rule.api_groups, self.group)
            && has(&rule.resources, self.plural)
            && (changes || (deletes && !self.from.required))
    }
}
