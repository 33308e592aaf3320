use bailiwick_core::NonResourceRequest;
use bailiwick_model::{Delta, Object, Origin};
use bailiwick_testkit::notation::{request, snapshot};

use super::*;

/// A cluster with a little of everything; `ann` is bound in shop and, to view, in blog and web.
fn acme() -> Engine {
    Engine::new(snapshot(
        "Role shop/reader
           get,list on pods of ''
           get on secrets of '' named tls
           get on deployments of extensions
         ClusterRole view
           get,list,watch on pods,pods/log,secrets of ''
         ClusterRole all
           * on * of *
           * at *
         ClusterRole probe
           get at /healthz*
         RoleBinding shop/ann-reads gives Role/reader to user:ann
         RoleBinding blog/ann-views gives ClusterRole/view to user:ann
         RoleBinding web/ann-views gives ClusterRole/view to user:ann",
    ))
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
        &request("delete pods web -n shop"),
        &[&format!(
            "{reads} 1 allows get, list on pods, but not delete"
        )],
    );
    near(
        &engine,
        "ann",
        &request("get pods/log web -n shop"),
        &[&format!(
            "{reads} 1 allows get, list on pods, but not pods/log"
        )],
    );
    near(
        &engine,
        "ann",
        &request("get secrets db -n shop"),
        &[
            &format!("{reads} 2 allows get on secrets named tls, but not db"),
            &format!("{reads} 1 allows get, list on pods, but not secrets"),
        ],
    );
    near(
        &engine,
        "ann",
        &request("get deployments.apps web -n shop"),
        &[&format!(
            "{reads} 3 allows get on deployments of API group extensions, but not apps"
        )],
    );
    near(&engine, "bob", &request("get pods web -n shop"), &[]);
    let named = Engine::new(snapshot(
        "Role shop/r
           list on secrets of '' named tls
         RoleBinding shop/b gives Role/r to user:ann",
    ));
    near(
        &named,
        "ann",
        &request("list secrets -n shop"),
        &[
            "RoleBinding shop/b gives Role shop/r, whose rule 1 allows list on secrets named tls, but the request names no object",
        ],
    );
}

#[test]
fn the_same_elsewhere() {
    let engine = acme();
    let user = UserInfo::exactly("ann", &[]);
    let request = request("list secrets -n shop");
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
        offers(&request("get pods web -n shop")),
        ["Role shop/reader", "ClusterRole view", "ClusterRole all"]
    );
    assert_eq!(
        offers(&request("get pods web -n other")),
        ["ClusterRole view", "ClusterRole all"]
    );
    assert_eq!(offers(&request("get nodes")), ["ClusterRole all"]);
    let path = NonResourceRequest {
        verb: "get".into(),
        path: "/healthz/etcd".into(),
    };
    assert_eq!(
        offers(&path.into()),
        ["ClusterRole probe", "ClusterRole all"]
    );
}

#[test]
fn a_role_that_allows_nothing_else_has_no_surplus() {
    let engine = Engine::new(snapshot(
        "ClusterRole exact
           list on pods of ''
         ClusterRole wider
           list on pods of ''
           get on pods of '' named web",
    ));
    let offers = |asked: &str| -> Vec<(String, u64)> {
        let (user, request) = (UserInfo::exactly("bob", &[]), request(asked));
        let roles = engine.nearest(&user, &request).roles;
        roles
            .iter()
            .map(|offer| (offer.role.metadata.name.to_string(), offer.surplus))
            .collect()
    };
    assert_eq!(
        offers("list pods"),
        [("exact".to_owned(), 0), ("wider".to_owned(), 1)]
    );
    assert_eq!(offers("get pods web"), [("wider".to_owned(), 1_000)]);
}

/// Whatever is offered, once applied, allows the request.
#[test]
fn offers_allow_what_was_asked() {
    for user in ["bob", "system:serviceaccount:ci:runner", ""] {
        let user = UserInfo::exactly(user, &["dev"]);
        for request in [
            request("get pods web -n shop"),
            request("create pods/exec web -n shop"),
            request("list secrets"),
            request("impersonate users.x y -n shop"),
            request("impersonate-on:user-info:get pods"),
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
    let request = request("get secrets tls -n shop");
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
