use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send requests with a UID or extra values of one's choice.
    ///
    /// `impersonate` on `uids` and `userextras/KEY` of the group `authentication.k8s.io` lets the headers `Impersonate-Uid` and
    /// `Impersonate-Extra-KEY` through, of a request that also names a user. RBAC looks at neither. `userextras/*` is no such rule: it matches nothing here.
    ///
    /// There where something in the cluster can look at them: a webhook of admission, which is told both, or an admission policy in force
    /// with an expression that reads more of the user than name and groups. Authorizers beside RBAC may as well; what the API server is
    /// configured with is no object of the cluster.
    "impersonate-claims", "choose the UID and extra values of a request", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every uid and extra value of the cluster", "userextras/scopes" => "userextras/*",
    "ClusterRole r
       impersonate on userextras/scopes of authentication.k8s.io
       impersonate on users of '' named amy
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: scopes},
      spec: {matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]},
       validations: [{expression: \"request.userInfo.?extra['scopes'].orValue([]) == ['all']\"}]}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: scopes},
      spec: {policyName: scopes, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}}"
}

const GROUP: &str = "authentication.k8s.io";
const IMPERSONATE: &[&str] = &["impersonate"];

static LEGS: &[Leg] = &[
    &[
        Right::cluster(GROUP, "uids", IMPERSONATE),
        Right::cluster(GROUP, "userextras/", IMPERSONATE),
    ],
    &[
        Right::cluster("", "users", IMPERSONATE),
        Right::new("", "serviceaccounts", IMPERSONATE),
    ],
];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if !world.fact("guards by claims", are_read) {
        return;
    }
    let to = Node::area(Area::Claims, &Default::default());
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}

/// Whether a webhook or a policy can look at them.
pub(super) fn are_read(world: &World<'_>) -> bool {
    let snapshot = &world.snapshot;
    let all = snapshot.validating_webhooks.iter().chain(snapshot.mutating_webhooks.iter());
    let mut webhooks = all.flat_map(|configuration| &configuration.webhooks);
    webhooks.any(|webhook| !webhook.matches.rules.is_empty())
        || world.policies_in_force().iter().any(|(policy, _)| policy.by_claims)
}
