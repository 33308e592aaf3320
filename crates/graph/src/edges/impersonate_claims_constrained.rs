use bailiwick_core::Str;
use bailiwick_rbac::Right;

use super::impersonate_claims::are_read;
use crate::build::{Held, Holding, Link, World};
use crate::condition::Atom;
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send requests with a UID or extra values of one's choice, as somebody else and as far as both may.
    ///
    /// Constrained impersonation, on since Kubernetes 1.36, lets the headers `Impersonate-Uid` and `Impersonate-Extra-KEY` through in the mode
    /// `user-info` alone: it takes `impersonate:user-info` on `uids` or `userextras/KEY` of the group `authentication.k8s.io`, with the
    /// value as the name, besides that on `users` for a user that is neither a service account nor a node, and some
    /// `impersonate-on:user-info:VERB`. The request itself must be allowed to that user. A key has to be of the form
    /// `example.com/path`, in lower case: any other is refused, whatever rules say. Four extra values and more are first asked for at once as
    /// `userextras/*` under the name `*`: here this resource, which gives nothing to the older impersonation, is one.
    ///
    /// Where nothing in the cluster can look at the values, there is no step, as with `impersonate-claims`.
    "impersonate-claims-constrained", "choose UID and extra values of a request where both may", effort 1, Versions::since(36),
    &[Rule::Roles { legs: LEGS, link }],
    "user eve" => "every uid and extra value of the cluster", "userextras/example.com/scopes" => "userextras/scopes",
    "ClusterRole r
       impersonate:user-info on userextras/example.com/scopes of authentication.k8s.io
       impersonate:user-info on users of authentication.k8s.io named amy
       impersonate-on:user-info:create on selfsubjectreviews of authentication.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: scopes},
      spec: {matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]},
       validations: [{expression: \"request.userInfo.?extra['example.com/scopes'].orValue([]) == ['all']\"}]}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: scopes},
      spec: {policyName: scopes, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}}"
}

const GROUP: &str = "authentication.k8s.io";
const AS_USER: &[&str] = &["impersonate:user-info"];
const ON_BEHALF: &str = "impersonate-on:user-info:";

static LEGS: &[Leg] = &[
    &[
        Right::cluster(GROUP, "uids", AS_USER),
        Right::cluster(GROUP, "userextras/", AS_USER),
        Right::cluster(GROUP, "userextras/*", AS_USER),
    ],
    &[Right::cluster(GROUP, "users", AS_USER)],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.fact("guards by claims", are_read) {
        return;
    }
    let mut on_behalf = Vec::new();
    for bound in world.roles_of(held.subject) {
        let Some(role) = world.role(&bound.role) else { continue };
        for (position, rule) in (0..).zip(role.rules.iter()) {
            let mut verbs = rule.verbs.iter();
            if verbs.any(|verb| &**verb == "*" || verb.starts_with(ON_BEHALF)) {
                on_behalf.push(Atom::Rule { role: bound.role.clone(), position });
            }
        }
    }
    if on_behalf.is_empty() {
        return;
    }
    on_behalf.sort();
    on_behalf.dedup();
    if let Some(condition) = held.condition_by(is_taken) {
        let to = Node::area(Area::Claims, &Default::default());
        link.edge_if(held.subject, to, condition, on_behalf);
    }
}

/// Whether the mode takes what the right is on: of extra values those with a key that has a domain.
fn is_taken(holding: &Holding<'_>) -> bool {
    let has_domain = |resource: &Str| {
        let key = resource.split_once('/').map(|(_, key)| key);
        &**resource == "*" || key.is_some_and(|key| key.contains('/'))
    };
    holding.right.resource != "userextras/" || holding.given.resources.iter().any(has_domain)
}
