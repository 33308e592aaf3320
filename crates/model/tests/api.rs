//! The API table against a running server: what discovery says, what kubectl takes names for, and which rules of the
//! default roles can match.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;

use bailiwick_model::api::Liveness;
use bailiwick_model::{ApiTable, Object, Value, defaults};
use bailiwick_testkit::servers::Cluster;

const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn discovered(cluster: &Cluster) -> ApiTable {
    let documents: Vec<Value> = ["/api", "/apis"]
        .iter()
        .map(|path| {
            let reply = cluster
                .admin()
                .request("GET", path, &[("accept", DISCOVERY)], None)
                .unwrap();
            serde_json::from_str(&reply.body).unwrap()
        })
        .collect();
    ApiTable::from_discovery(&documents).unwrap()
}

/// One line a resource or subresource that a server with default settings serves.
fn lines(table: &ApiTable) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for resource in table.resources().iter().filter(|resource| resource.default) {
        let name = resource.qualified();
        let sorted = |texts: &[bailiwick_core::Str]| {
            let texts: BTreeSet<&str> = texts.iter().map(|text| &**text).collect();
            format!("{texts:?}")
        };
        lines.insert(format!(
            "{name} {} {} {} {} {}",
            resource.kind,
            resource.singular,
            resource.namespaced,
            sorted(&resource.short_names),
            sorted(&resource.verbs)
        ));
        for version in resource.versions.iter().filter(|version| version.default) {
            lines.insert(format!("{name} {}", version.version));
        }
        for sub in resource.subresources.iter().filter(|sub| sub.default) {
            lines.insert(format!("{name}/{} {}", sub.name, sorted(&sub.verbs)));
        }
    }
    lines
}

#[test]
fn discovery_of_a_running_server_is_what_is_embedded() {
    let cluster = Cluster::shared().unwrap();
    let (live, embedded) = (discovered(&cluster), ApiTable::embedded(37).unwrap());
    let (live, embedded) = (lines(&live), lines(&embedded));
    let missing: Vec<_> = live.difference(&embedded).collect();
    let gone: Vec<_> = embedded.difference(&live).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not embedded: {missing:#?}\nnot live: {gone:#?}"
    );
}

#[test]
fn names_resolve_as_kubectl_resolves_them() {
    let cluster = Cluster::shared().unwrap();
    let table = discovered(&cluster);
    for name in [
        "pods",
        "pod",
        "po",
        "Pod",
        "deploy",
        "Deployment",
        "deployments.apps",
        "deployments.v1.apps",
        "Deployment.v1.apps",
        "deployments.ap",
        "deploy.ap",
        "storageclass.storage",
        "no",
        "ing",
        "ev",
        "events",
        "events.events.k8s.io",
        "ev.events",
        "hpa",
        "hpa.v1.autoscaling",
        "horizontalpodautoscalers.v1.autoscaling",
        "clusterrole",
        "sa",
        "crd",
        "cm",
        "podz",
        "pods.apps",
        "deployments.v9.apps",
        "deployment.",
    ] {
        // At this verbosity kubectl names every request that it makes.
        let output = cluster
            .admin()
            .kubectl(&["get", name, "-A", "-v=6"])
            .unwrap();
        let asked = output
            .stderr
            .split("url=\"")
            .filter_map(|rest| rest.split('"').next())
            .filter_map(|url| url.strip_prefix(cluster.server()))
            .filter_map(|path| path.strip_suffix("?limit=500"))
            .last();
        let own: Option<String> = table.resolve(name).ok().map(|found| {
            let version = &found.resource.versions[0].version;
            let version = found.version.as_ref().unwrap_or(version);
            match &*found.resource.group {
                "" => format!("/api/{version}/{}", found.resource.resource),
                group => format!("/apis/{group}/{version}/{}", found.resource.resource),
            }
        });
        assert_eq!(own.as_deref(), asked, "{name}: {}", output.stderr);
    }
}

#[test]
fn default_roles_name_nothing_dead_but_this() {
    // What upstream carries along for extensions and for servers of long ago.
    const DEAD: &[&str] = &[
        "/bindings UnknownVerb",
        "/nodes UnknownVerb",
        "apps/deployments/rollback UnknownResource",
        "coordination.k8s.io/leasecandidates NotByDefault",
        "custom.metrics.k8s.io/* UnknownGroup",
        "external.metrics.k8s.io/* UnknownGroup",
        "metrics.k8s.io/pods UnknownGroup",
        "networking.k8s.io/clustercidrs UnknownResource",
    ];
    let mut dead = BTreeSet::new();
    for minor in ApiTable::MINORS {
        let table = ApiTable::embedded(*minor).unwrap();
        for object in defaults(*minor).unwrap() {
            let Object::Role(role) = object else { continue };
            for rule in &role.rules {
                for group in rule
                    .api_groups
                    .iter()
                    .filter(|group| &***group != "extensions")
                {
                    for resource in &rule.resources {
                        let verbs = rule.verbs.iter();
                        let mut judged = verbs.map(|verb| table.liveness(group, resource, verb));
                        let first = judged.clone().next().unwrap();
                        if !judged.any(|liveness| liveness == Liveness::Live) {
                            dead.insert(format!("{group}/{resource} {first:?}"));
                        }
                    }
                }
            }
        }
    }
    let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
    assert_eq!(dead, DEAD);
}

#[test]
fn what_can_match_a_request() {
    let table = ApiTable::embedded(37).unwrap();
    let check = |group: &str, resource: &str, verb: &str, expected: Liveness| {
        assert_eq!(
            table.liveness(group, resource, verb),
            expected,
            "{verb} {group}/{resource}"
        );
    };
    use Liveness::{Live, NotByDefault, UnknownGroup, UnknownResource, UnknownVerb};
    for (group, resource, verb, expected) in [
        ("", "pods", "get", Live),
        ("", "pods", "*", Live),
        ("", "pods", "fly", UnknownVerb),
        ("", "pods", "GET", UnknownVerb),
        ("", "pods/log", "get", Live),
        ("", "pods/log", "create", UnknownVerb),
        ("", "pods/*", "get", UnknownResource),
        ("", "*", "get", Live),
        ("", "*/log", "get", Live),
        ("", "*/scale", "update", Live),
        ("apps", "*/log", "get", UnknownResource),
        ("*", "*", "*", Live),
        ("*", "deployments", "get", Live),
        ("*", "widgets", "get", UnknownResource),
        ("", "deployments", "get", UnknownResource),
        ("core", "pods", "get", UnknownGroup),
        ("extensions", "deployments", "get", UnknownResource),
        ("acme.example", "gadgets", "get", UnknownGroup),
        ("", "users", "impersonate", Live),
        ("", "users", "get", UnknownVerb),
        ("", "serviceaccounts", "impersonate", Live),
        (
            "authentication.k8s.io",
            "userextras/scopes",
            "impersonate",
            Live,
        ),
        (
            "authentication.k8s.io",
            "users",
            "impersonate:user-info",
            Live,
        ),
        ("authentication.k8s.io", "users", "impersonate", UnknownVerb),
        ("", "pods", "impersonate-on:user-info:list", Live),
        (
            "",
            "widgets",
            "impersonate-on:user-info:list",
            UnknownResource,
        ),
        ("rbac.authorization.k8s.io", "clusterroles", "bind", Live),
        (
            "rbac.authorization.k8s.io",
            "rolebindings",
            "bind",
            UnknownVerb,
        ),
        ("certificates.k8s.io", "signers", "approve", Live),
        ("certificates.k8s.io", "signers", "get", UnknownVerb),
        ("", "nodes/log", "get", Live),
        ("", "nodes/metrics", "get", Live),
        ("", "nodes/metrics", "watch", UnknownVerb),
        ("apps", "deployments/finalizers", "update", Live),
        ("apps", "deployments/finalizers", "get", UnknownResource),
        ("", "vault", "request-serviceaccounts-token-audience", Live),
        ("", "secrets", "unsafe-delete-ignore-read-errors", Live),
        (
            "coordination.k8s.io",
            "leasecandidates",
            "get",
            NotByDefault,
        ),
    ] {
        check(group, resource, verb, expected);
    }
}

#[test]
fn what_only_a_cluster_role_binding_makes_effective() {
    let table = ApiTable::embedded(37).unwrap();
    for (group, resource, verb, expected) in [
        ("", "nodes", "get", Some(true)),
        ("", "nodes/proxy", "get", Some(true)),
        ("", "pods", "get", Some(false)),
        ("", "namespaces", "patch", Some(false)),
        ("", "namespaces", "list", Some(true)),
        ("", "namespaces", "*", Some(false)),
        ("", "users", "impersonate", Some(true)),
        ("", "serviceaccounts", "impersonate", Some(false)),
        ("certificates.k8s.io", "signers", "sign", Some(true)),
        (
            "rbac.authorization.k8s.io",
            "clusterroles",
            "bind",
            Some(false),
        ),
        (
            "rbac.authorization.k8s.io",
            "clusterroles",
            "get",
            Some(true),
        ),
        ("*", "*", "*", Some(false)),
        ("", "widgets", "get", None),
    ] {
        let own = table.needs_cluster_binding(group, resource, verb);
        assert_eq!(own, expected, "{verb} {group}/{resource}");
    }
}

#[test]
fn minors_that_serve_a_resource() {
    let check = |group: &str, resource: &str, expected: &[u16]| {
        assert_eq!(
            ApiTable::minors_serving(group, resource),
            expected,
            "{group}/{resource}"
        );
    };
    check("", "pods", ApiTable::MINORS);
    check("", "widgets", &[]);
    check("networking.k8s.io", "clustercidrs", &[]);
    check("", "pods/resize", &[33, 34, 35, 36, 37]);
}
