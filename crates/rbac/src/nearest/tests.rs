use bailiwick_core::{NonResourceRequest, ResourceRequest};
use bailiwick_model::{Delta, Object, Origin, Snapshot};

use super::*;

/// `verbs on resources of group [named names]`, or `verbs at urls`.
fn rule(text: &str) -> PolicyRule {
    let words = |text: &str| -> Box<[Str]> {
        text.split(',')
            .map(|word| word.trim_matches('\'').into())
            .collect()
    };
    let mut parts = text.split_whitespace();
    let mut rule = PolicyRule {
        verbs: words(parts.next().unwrap()),
        ..PolicyRule::default()
    };
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        match key {
            "on" => rule.resources = words(value),
            "of" => rule.api_groups = words(value),
            "named" => rule.resource_names = words(value),
            "at" => rule.non_resource_urls = words(value),
            other => panic!("unknown word {other:?} in {text:?}"),
        }
    }
    rule
}

/// Roles as (namespace, name, rules), bindings as (namespace, name, role, user).
fn engine(roles: &[(&str, &str, &[&str])], bindings: &[(&str, &str, &str, &str)]) -> Engine {
    let mut snapshot = Snapshot::default();
    let mut put = |object| snapshot.apply(Delta::Upsert(Box::new(object), Origin::Live));
    for (namespace, name, rules) in roles {
        let rules = rules.iter().map(|text| rule(text)).collect();
        let metadata = ObjectMeta::named(namespace, name);
        put(Object::Role(Role {
            metadata,
            rules,
            aggregation: None,
        }));
    }
    for (namespace, name, role, user) in bindings {
        let own = roles
            .iter()
            .any(|(in_namespace, own, _)| own == role && !in_namespace.is_empty());
        put(Object::Binding(Binding {
            metadata: ObjectMeta::named(namespace, name),
            role_ref: RoleRef {
                api_group: RBAC_GROUP.into(),
                kind: if own { "Role" } else { "ClusterRole" }.into(),
                name: (*role).into(),
            },
            subjects: [binding_subject(&UserInfo::exactly(user, &[]))].into(),
        }));
    }
    Engine::new(snapshot)
}

/// A cluster with a little of everything; `ann` is bound in shop and, to view, in blog.
fn acme() -> Engine {
    engine(
        &[
            (
                "shop",
                "reader",
                &[
                    "get,list on pods of ''",
                    "get on secrets of '' named tls",
                    "get on deployments of extensions",
                ],
            ),
            (
                "",
                "view",
                &["get,list,watch on pods,pods/log,secrets of ''"],
            ),
            ("", "all", &["* on * of *", "* at *"]),
            ("", "probe", &["get at /healthz*"]),
        ],
        &[
            ("shop", "ann-reads", "reader", "ann"),
            ("blog", "ann-views", "view", "ann"),
            ("web", "ann-views", "view", "ann"),
        ],
    )
}

fn resource(text: &str) -> Request {
    let mut words = text.split_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let (verb, resource) = (word(), word());
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    ResourceRequest::new(verb, group, resource)
        .in_namespace(word())
        .named(word())
        .into()
}

fn near(engine: &Engine, user: &str, request: &Request, expected: &[&str]) {
    let user = UserInfo::exactly(user, &[]);
    let misses: Vec<String> = engine
        .nearest(&user, request)
        .misses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(misses, expected, "{request}");
}

#[test]
fn names_the_one_thing_that_a_rule_lacks() {
    let engine = acme();
    let reads = "RoleBinding shop/ann-reads gives Role shop/reader, whose rule";
    near(
        &engine,
        "ann",
        &resource("delete pods shop web"),
        &[&format!(
            "{reads} 1 allows get, list on pods, but not delete"
        )],
    );
    near(
        &engine,
        "ann",
        &resource("get pods/log shop web"),
        &[&format!(
            "{reads} 1 allows get, list on pods, but not pods/log"
        )],
    );
    near(
        &engine,
        "ann",
        &resource("get secrets shop db"),
        &[
            &format!("{reads} 2 allows get on secrets named tls, but not db"),
            &format!("{reads} 1 allows get, list on pods, but not secrets"),
        ],
    );
    near(
        &engine,
        "ann",
        &resource("get deployments.apps shop web"),
        &[&format!(
            "{reads} 3 allows get on deployments of API group extensions, but not apps"
        )],
    );
    near(&engine, "bob", &resource("get pods shop web"), &[]);
    let named = engine_with_named_list();
    near(
        &named,
        "ann",
        &resource("list secrets shop"),
        &[
            "RoleBinding shop/b gives Role shop/r, whose rule 1 allows list on secrets named tls, but the request names no object",
        ],
    );
}

fn engine_with_named_list() -> Engine {
    engine(
        &[("shop", "r", &["list on secrets of '' named tls"])],
        &[("shop", "b", "r", "ann")],
    )
}

#[test]
fn the_same_elsewhere() {
    let engine = acme();
    let user = UserInfo::exactly("ann", &[]);
    let request = resource("list secrets shop");
    let nearest = engine.nearest(&user, &request);
    let places: Vec<&str> = nearest.elsewhere.iter().map(GrantRef::namespace).collect();
    assert_eq!(
        (places.as_slice(), nearest.namespaces),
        (&["blog", "web"][..], 2)
    );
    let path = NonResourceRequest {
        verb: "get".into(),
        path: "/metrics".into(),
    }
    .into();
    assert_eq!(engine.nearest(&user, &path).namespaces, 0);
}

#[test]
fn the_smallest_role_comes_first() {
    let engine = acme();
    let offers = |request: &Request| -> Vec<String> {
        let user = UserInfo::exactly("bob", &[]);
        let nearest = engine.nearest(&user, request);
        nearest
            .roles
            .iter()
            .map(|offer| offer.role.object_ref().to_string())
            .collect()
    };
    assert_eq!(
        offers(&resource("get pods shop web")),
        ["Role shop/reader", "ClusterRole view", "ClusterRole all"]
    );
    assert_eq!(
        offers(&resource("get pods other web")),
        ["ClusterRole view", "ClusterRole all"]
    );
    assert_eq!(offers(&resource("get nodes")), ["ClusterRole all"]);
    let path = NonResourceRequest {
        verb: "get".into(),
        path: "/healthz/etcd".into(),
    };
    assert_eq!(
        offers(&path.into()),
        ["ClusterRole probe", "ClusterRole all"]
    );
}

/// Whatever is offered, once applied, allows the request.
#[test]
fn offers_allow_what_was_asked() {
    for user in ["bob", "system:serviceaccount:ci:runner", ""] {
        let user = UserInfo::exactly(user, &["dev"]);
        for request in [
            resource("get pods shop web"),
            resource("create pods/exec shop web"),
            resource("list secrets"),
            resource("impersonate users.x shop y"),
            resource("impersonate-on:user-info:get pods"),
            NonResourceRequest {
                verb: "get".into(),
                path: "/a b/\"c\"".into(),
            }
            .into(),
            NonResourceRequest {
                verb: "".into(),
                path: "/".into(),
            }
            .into(),
        ] {
            let engine = acme();
            let nearest = engine.nearest(&user, &request);
            let put = |objects: &[Object]| {
                let mut engine = engine.clone();
                for object in objects {
                    engine.apply(Delta::Upsert(Box::new(object.clone()), Origin::Live));
                }
                assert!(
                    engine.decide(&user, &request).is_allowed(),
                    "{request} after {objects:#?}"
                );
            };
            for offer in &nearest.roles {
                put(&[Object::Binding(offer.binding.clone())]);
            }
            let NewRole { role, binding } = nearest.new_role;
            put(&[Object::Role(role), Object::Binding(binding)]);
        }
    }
}

#[test]
fn manifests() {
    let engine = acme();
    let user = UserInfo::exactly("system:serviceaccount:ci:on", &[]);
    let request = resource("get secrets shop tls");
    let nearest = engine.nearest(&user, &request);
    assert_eq!(
        nearest.new_role.manifest(),
        r#"apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: get-secrets
  namespace: shop
rules:
- apiGroups: [""]
  resources: ["secrets"]
  resourceNames: ["tls"]
  verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: get-secrets-on
  namespace: shop
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: get-secrets
subjects:
- kind: ServiceAccount
  name: "on"
  namespace: ci
"#
    );
    assert_eq!(
        nearest.roles[0].manifest(),
        r#"apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: reader-on
  namespace: shop
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: reader
subjects:
- kind: ServiceAccount
  name: "on"
  namespace: ci
"#
    );
}

#[test]
fn names_of_new_objects_are_free() {
    let taken = |names: &'static [&'static str]| move |name: &str| names.contains(&name);
    assert_eq!(free_name(&["get", "pods/log"], taken(&[])), "get-pods-log");
    assert_eq!(
        free_name(&["get", "pods"], taken(&["get-pods", "get-pods-2"])),
        "get-pods-3"
    );
    assert_eq!(free_name(&["*", "/"], taken(&[])), "access");
    assert_eq!(
        free_name(&["Get", "Ünder_score"], taken(&[])),
        "get-nder-score"
    );
    assert_eq!(free_name(&[&"a".repeat(300)], taken(&[])).len(), 200);
}
