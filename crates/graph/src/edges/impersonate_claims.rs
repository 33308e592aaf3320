use bailiwick_rbac::Right;

use crate::build::{Held, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::node::{Area, Node};

edge! {
    /// Send requests with a UID or extra values of one's choice.
    ///
    /// `impersonate` on `uids` and `userextras/KEY` of the group `authentication.k8s.io` lets the headers `Impersonate-Uid` and
    /// `Impersonate-Extra-KEY` through, of a request that also names a user. RBAC looks at neither, so nothing is gained, unless
    /// another authorizer, a webhook or an admission policy does. `userextras/*` is no such rule: it matches nothing here.
    "impersonate-claims", "choose the UID and extra values of a request", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every uid and extra value of the cluster", "userextras/scopes" => "userextras/*",
    "ClusterRole r
       impersonate on userextras/scopes of authentication.k8s.io
       impersonate on users of '' named amy
     ClusterRoleBinding r gives ClusterRole/r to user:eve"
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

fn link(held: &Held<'_>, _: &World<'_>, link: &mut Link<'_>) {
    let to = Node::area(Area::Claims, &Default::default());
    link.edge(held.subject, to, held.condition_on(&[On::Any]));
}
