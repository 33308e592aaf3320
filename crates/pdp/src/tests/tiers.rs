//! What a namespace's tier must never be able to do.

use super::world::World;

const PERMIT_ALL: &str = "permit(principal, action, resource);";
const FORBID_ALL: &str = "forbid(principal, action, resource);";

#[test]
fn a_namespace_grants_only_what_is_delegated_to_it() {
    let world = World::new()
        .policy("shop:all", PERMIT_ALL)
        .policy("bank:all", PERMIT_ALL)
        .delegation("shop", "get", "pods")
        .delegation("shop", "create", "rolebindings");
    let check = |request: &str, expected: &str| world.check("mallory", request, expected);
    check("get pods shop/web", "Allow by all");
    check("list pods shop/", "NoOpinion");
    check("get secrets shop/web", "NoOpinion");
    check("get pods/log shop/web", "NoOpinion");
    // It may create a binding, of a role that the API server then asks for: `bind` and `escalate` are not to be had.
    check(
        "create rolebindings.rbac.authorization.k8s.io shop/",
        "Allow by all",
    );
    // Nothing is delegated to `bank`.
    check("get pods bank/web", "NoOpinion");
    // Nothing of one namespace speaks in another, nor in all at once.
    check("get pods default/web", "NoOpinion");
    check("get pods", "NoOpinion");
}

#[test]
fn a_namespace_never_grants_what_leads_to_more() {
    let world = World::new()
        .policy("shop:all", PERMIT_ALL)
        .delegation("shop", "*", "*");
    let check = |request: &str, expected: &str| world.check("mallory", request, expected);
    check("delete pods shop/web", "Allow by all");
    for request in [
        "escalate roles.rbac.authorization.k8s.io shop/admin",
        "bind roles.rbac.authorization.k8s.io shop/admin",
        "impersonate serviceaccounts shop/builder",
        "impersonate:user-info serviceaccounts.authentication.k8s.io shop/builder",
        "impersonate-on:user-info:get pods shop/web",
        "* pods shop/web",
        "create policies.bailiwick.dev shop/",
        "delete revocations.bailiwick.dev shop/x",
        // Cluster-scoped, whatever the request says: the API server puts the name of a namespace in both places.
        "delete namespaces shop/shop",
        "get nodes n1",
        "impersonate users admin",
        "get /metrics",
    ] {
        check(request, "NoOpinion");
    }
    check("get policies.bailiwick.dev shop/x", "Allow by all");
}

#[test]
fn a_namespace_narrows_itself_and_nobody_else() {
    let world = World::new()
        .policy("shop:closed", FORBID_ALL)
        .rbac("anna", "get", "*")
        .floor("root", "get", "*")
        .delegation("shop", "*", "*");
    world.check("anna", "get pods shop/web", "Deny by closed");
    world.check("anna", "get pods bank/web", "Allow by rbac");
    world.check("anna", "get pods", "Allow by rbac");
    world.check("anna", "get namespaces shop/shop", "Allow by rbac");
    world.check("anna", "get nodes n1", "Allow by rbac");
    // The floor, and whoever comes before any authorizer, cannot be locked out.
    world.check("root", "get pods shop/web", "Allow by floor");
    world.check(
        "admin system:masters",
        "get pods shop/web",
        "Allow by masters",
    );
}

#[test]
fn the_clusters_word_counts_before_the_namespaces() {
    let world = World::new()
        .policy("shop:all", PERMIT_ALL)
        .policy(
            "no-secrets",
            "forbid(principal, action, resource is k8s::Resource) when { resource.resource == \"secrets\" };",
        )
        .delegation("shop", "*", "*");
    world.check("anna", "get secrets shop/key", "Deny by no-secrets");
    world.check("anna", "get pods shop/web", "Allow by all");
}

#[test]
fn equal_names_in_two_tiers_are_two_policies() {
    let mut world = World::new()
        .policy(
            "same",
            "permit(principal == k8s::User::\"anna\", action, resource);",
        )
        .policy("shop:same", FORBID_ALL);
    world.check("anna", "get pods shop/web", "Deny by same");
    world.check("anna", "get pods bank/web", "Allow by same");
    let policies = std::sync::Arc::make_mut(&mut world.state.policies);
    assert_eq!(policies.len(), 2);
    assert!(policies.remove(&"shop".into(), &"same".into()));
    assert!(!policies.remove(&"shop".into(), &"same".into()));
    assert_eq!(policies.len(), 1);
    world.check("anna", "get pods shop/web", "Allow by same");
}

#[test]
fn relations_of_a_namespace_grant_only_what_is_delegated_to_it() {
    let world = World::new()
        .related("shop", "namespaces:shop#creator@user:mallory")
        .related("shop", "namespaces:shop#reader@user:mallory")
        .related("bank", "pods:bank/db#reader@user:mallory")
        .delegation("shop", "get", "pods");
    let check = |request: &str, expected: &str| world.check("mallory", request, expected);
    let path = "pods:shop/web#namespace@namespaces:shop namespaces:shop#reader@user:mallory";
    check("get pods shop/web", &format!("Allow by {path}"));
    // Not delegated.
    check("create pods shop/", "NoOpinion");
    check("get pods bank/db", "NoOpinion");
    // Never delegated, not even by `*`.
    let world = world.delegation("shop", "*", "*");
    let check = |request: &str, expected: &str| world.check("mallory", request, expected);
    check(
        "create pods shop/",
        "Allow by namespaces:shop#creator@user:mallory",
    );
    check("impersonate pods shop/web", "NoOpinion");
    // The cluster's own need no delegation.
    let world = World::new().related("", "namespaces:bank#creator@user:anna");
    world.check(
        "anna",
        "create pods bank/",
        "Allow by namespaces:bank#creator@user:anna",
    );
    world.check("ben", "create pods bank/", "NoOpinion");
}
