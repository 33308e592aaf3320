//! What policies can say of a request to the Kubernetes API.

use std::sync::Arc;

use super::world::{World, request_of, shown, user_of};
use crate::{PolicyDocument, TemplateLink};

#[test]
fn principals() {
    let world = World::new()
        .policy("user", "permit(principal == k8s::User::\"anna\", action == k8s::Action::\"get\", resource);")
        .policy("group", "permit(principal in k8s::Group::\"ops\", action == k8s::Action::\"list\", resource);")
        .policy(
            "account",
            "permit(principal is k8s::ServiceAccount, action == k8s::Action::\"watch\", resource)
             when { principal.namespace == \"ci\" && principal.name == \"runner\" };",
        )
        .policy(
            "node",
            "permit(principal is k8s::Node, action == k8s::Action::\"use\", resource) when { principal.name == \"n1\" };",
        );
    world.check("anna", "get pods shop/web", "Allow by user");
    world.check("ben", "get pods shop/web", "NoOpinion");
    world.check("ben dev ops", "list pods shop/", "Allow by group");
    world.check("ops", "list pods shop/", "NoOpinion");
    world.check(
        "system:serviceaccount:ci:runner",
        "watch pods",
        "Allow by account",
    );
    world.check("system:serviceaccount:cd:runner", "watch pods", "NoOpinion");
    world.check("system:node:n1", "use leases", "Allow by node");
    world.check("n1", "use leases", "NoOpinion");
}

#[test]
fn resources() {
    let world = World::new()
        .namespace("shop", &[("tier", "web")])
        .policy(
            "logs",
            "permit(principal, action == k8s::Action::\"get\", resource is k8s::Resource in k8s::Namespace::\"shop\")
             when { resource.resource == \"pods\" && resource has subresource && resource.subresource == \"log\" };",
        )
        .policy(
            "named",
            "permit(principal, action in k8s::Action::\"write\", resource is k8s::Resource)
             when { resource.apiGroup == \"apps\" && resource has name && [\"web\", \"api\"].contains(resource.name) };",
        )
        .policy(
            "labelled",
            "permit(principal, action == k8s::Action::\"watch\", resource is k8s::Resource)
             when { resource has namespaceObject && resource.namespaceObject.hasTag(\"tier\")
                    && resource.namespaceObject.getTag(\"tier\") == \"web\" };",
        )
        .policy(
            "paths",
            "permit(principal, action, resource is k8s::NonResourceURL) when { resource.path like \"/healthz*\" };",
        );
    world.check("anna", "get pods/log shop/web", "Allow by logs");
    world.check("anna", "get pods shop/web", "NoOpinion");
    world.check("anna", "get pods/log bank/web", "NoOpinion");
    world.check("anna", "delete deployments.apps shop/web", "Allow by named");
    world.check("anna", "delete deployments.apps shop/other", "NoOpinion");
    world.check("anna", "delete pods shop/web", "NoOpinion");
    world.check("anna", "watch pods shop/", "Allow by labelled");
    world.check("anna", "watch pods bank/", "NoOpinion");
    world.check("anna", "get /healthz/etcd", "Allow by paths");
    world.check("anna", "get /metrics", "NoOpinion");
}

#[test]
fn selectors_are_taken_for_what_they_imply() {
    let world = World::new().policy(
        "team",
        "permit(principal, action == k8s::Action::\"list\", resource is k8s::Resource)
         when { resource has labels && resource.labels.hasTag(\"team\")
                && [\"a\", \"b\"].containsAll(resource.labels.getTag(\"team\")) };",
    );
    world.check("anna", "list pods shop/ team=a", "Allow by team");
    world.check("anna", "list pods shop/ team=a|b", "Allow by team");
    world.check("anna", "list pods shop/ app=x,team=b", "Allow by team");
    world.check("anna", "list pods shop/ team=a|c,team=a|b", "Allow by team");
    world.check("anna", "list pods shop/ team=a|c", "NoOpinion");
    world.check("anna", "list pods shop/ app=a", "NoOpinion");
    world.check("anna", "list pods shop/", "NoOpinion");
}

#[test]
fn impersonation() {
    let world = World::new().policy(
        "sudo",
        "permit(principal in k8s::Group::\"sre\", action == k8s::Action::\"impersonate\", resource is k8s::Group)
         when { resource.name == \"breakglass\" };
         permit(principal in k8s::Group::\"sre\", action == k8s::Action::\"impersonate\", resource == k8s::User::\"root\");
         permit(principal in k8s::Group::\"sre\", action == k8s::Action::\"impersonate\",
                resource is k8s::ServiceAccount) when { resource.namespace == \"ci\" };
         permit(principal == k8s::User::\"self\", action == k8s::Action::\"impersonate\", resource is k8s::User)
         when { principal == resource };",
    );
    world.check(
        "anna sre",
        "impersonate groups breakglass",
        "Allow by sudo/1",
    );
    world.check("anna sre", "impersonate groups system:masters", "NoOpinion");
    world.check("anna sre", "impersonate users root", "Allow by sudo/2");
    world.check("anna sre", "impersonate users system:node:n1", "NoOpinion");
    world.check(
        "anna sre",
        "impersonate serviceaccounts ci/runner",
        "Allow by sudo/3",
    );
    world.check(
        "anna sre",
        "impersonate serviceaccounts cd/runner",
        "NoOpinion",
    );
    world.check("anna", "impersonate users root", "NoOpinion");
    world.check("self", "impersonate users self", "Allow by sudo/4");
    world.check("self", "impersonate users root", "NoOpinion");
}

#[test]
fn templates_are_linked_by_name() {
    let mut world = World::new();
    let document = PolicyDocument {
        name: "access".into(),
        cedar: "@id(\"reader\") @reason(\"owners read\")
                permit(principal in ?principal, action in k8s::Action::\"read\", resource in ?resource);"
            .to_owned(),
        links: vec![TemplateLink {
            name: "shop".into(),
            template: "reader".into(),
            principal: Some("k8s::Group::\"shop\"".into()),
            resource: Some("k8s::Namespace::\"shop\"".into()),
        }],
        ..PolicyDocument::default()
    };
    Arc::make_mut(&mut world.state.policies)
        .put(&document)
        .unwrap();
    world.check("anna shop", "get pods shop/web", "Allow by access/shop");
    world.check("anna shop", "delete pods shop/web", "NoOpinion");
    world.check("anna shop", "get pods bank/web", "NoOpinion");
    world.check("anna", "get pods shop/web", "NoOpinion");
}

#[test]
fn the_object_of_a_write_is_waited_for() {
    let world = World::new()
        .rbac("anna", "create", "pods")
        .policy(
            "no-host",
            "forbid(principal, action == k8s::Action::\"create\", resource is k8s::Resource)
             when { resource.resource == \"pods\" && context.request.hasTag(\"spec.hostPID\") };",
        )
        .policy(
            "own",
            "permit(principal is k8s::User, action in [k8s::Action::\"create\", k8s::Action::\"update\"], resource)
             when { context.request.hasTag(\"metadata.labels.owner\")
                    && context.request.getTag(\"metadata.labels.owner\") == [principal.name] };",
        );
    let waits = "context.request.hasTag(\"spec.hostPID\")";
    let own = |name: &str| {
        format!(
            "(context.request.hasTag(\"metadata.labels.owner\")) && \
             ((context.request.getTag(\"metadata.labels.owner\")) == [\"{name}\"])"
        )
    };
    let check = |user: &str, request: &str, expected: String| {
        let found = world.decide(&user_of(user), &request_of(request));
        assert_eq!(
            shown(&found).replace(['(', ')'], ""),
            expected.replace(['(', ')'], "")
        );
    };
    // What RBAC grants is narrowed by the condition alone.
    check(
        "anna",
        "create pods shop/",
        format!("Conditional deny({waits}) allow()"),
    );
    check(
        "ben",
        "create pods shop/",
        format!("Conditional deny({waits}) allow({})", own("ben")),
    );
    check(
        "ben",
        "update deployments.apps shop/x",
        format!("Conditional allow({})", own("ben")),
    );
    // Decided without the object, and so not conditional.
    check(
        "system:serviceaccount:ci:x",
        "create configmaps shop/",
        "NoOpinion".to_owned(),
    );
    check("ben", "get pods shop/web", "NoOpinion".to_owned());
}

#[test]
fn policies_that_cannot_be_relied_on_are_refused() {
    let check = |cedar: &str, expected: &str| {
        let mut world = World::new();
        let document = PolicyDocument {
            name: "bad".into(),
            cedar: cedar.to_owned(),
            ..PolicyDocument::default()
        };
        let problems = Arc::make_mut(&mut world.state.policies)
            .put(&document)
            .unwrap_err();
        let text: String = problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect();
        assert!(text.contains(expected), "{cedar}\n{text}");
        assert!(
            problems
                .iter()
                .all(|problem| problem.span.is_some_and(|span| {
                    span.start <= span.end && span.end as usize <= cedar.len()
                })),
            "{problems:?}"
        );
        assert!(world.state.policies.is_empty());
    };
    check(
        "permit(principal, action, resource)",
        "unexpected end of input",
    );
    check(
        "permit(principal == k8s::Usr::\"anna\", action, resource);",
        "k8s::User",
    );
    check(
        "permit(principal, action == k8s::Action::\"gett\", resource);",
        "k8s::Action::\"get\"",
    );
    check(
        "forbid(principal, action, resource is k8s::Resource) when { resource.name == \"x\" };",
        "attribute",
    );
    check(
        "forbid(principal, action, resource) when { context.request.hasTag(\"x\") };",
        "request",
    );
    check(
        "permit(principal, action, resource == k8s::Resource::\"pods\");",
        "has no id that a policy could name",
    );
    let forbid = |when: &str| format!("forbid(principal, action, resource) when {{ {when} }};");
    check(&forbid("1 + 1 == 2"), "can fail");
    check(&forbid("k8s::User::\"anna\".name == \"anna\""), "can fail");
    check(&forbid("context.nothing"), "nothing");
}

#[test]
fn what_a_permit_cannot_evaluate_is_said() {
    let world = World::new().policy(
        "sum",
        "permit(principal, action, resource) when { 9223372036854775807 + 1 > 0 };",
    );
    let found = world.decide(&user_of("anna"), &request_of("get pods shop/web"));
    assert_eq!(shown(&found), "NoOpinion");
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].starts_with("policy `sum` cannot be evaluated and permits nothing"));
}
