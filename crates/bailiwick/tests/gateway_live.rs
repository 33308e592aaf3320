//! Gateways and their routes as a real API server keeps them, with the definitions of the Gateway API itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use bailiwick_testkit::gateway::{Channel, definitions};
use bailiwick_testkit::servers::Cluster;
use serde_json::Value;

/// A Gateway that takes routes of every namespace, one that takes its own alone, and routes of each kind: some attached,
/// one with another host, one whose backend another namespace has granted, and one whose backend it has not; a ListenerSet that
/// a Gateway takes and one that it does not.
const GATEWAYS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: edge}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: team, labels: {listeners: own}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: pay}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: edge, name: public}
spec:
  gatewayClassName: any
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {listeners: own}}}}
  listeners:
  - {name: web, port: 80, protocol: HTTP, hostname: '*.example', allowedRoutes: {namespaces: {from: All}}}
  - {name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {namespaces: {from: All}}}
  - {name: tcp, port: 5432, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}
  - {name: udp, port: 53, protocol: UDP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: edge, name: own}
spec:
  gatewayClassName: any
  listeners: [{name: web, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: web}
spec:
  parentRefs: [{namespace: edge, name: public, sectionName: web}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: web, port: 80}, {namespace: pay, name: api, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: other-host}
spec:
  parentRefs: [{namespace: edge, name: public}]
  hostnames: [shop.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: not-let-in}
spec:
  parentRefs: [{namespace: edge, name: own}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {namespace: shop, name: calls}
spec:
  parentRefs: [{namespace: edge, name: public}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {namespace: shop, name: sealed}
spec:
  parentRefs: [{namespace: edge, name: public}]
  hostnames: [sealed.example]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {namespace: shop, name: store}
spec:
  parentRefs: [{namespace: edge, name: public}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {namespace: shop, name: names}
spec:
  parentRefs: [{namespace: edge, name: public}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {namespace: team, name: more}
spec:
  parentRef: {namespace: edge, name: public}
  listeners: [{name: more, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {namespace: shop, name: not-taken}
spec:
  parentRef: {namespace: edge, name: public}
  listeners: [{name: more, port: 8081, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: added}
spec:
  parentRefs: [{namespace: team, name: more, kind: ListenerSet}]
  hostnames: [shop.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: added-in-vain}
spec:
  parentRefs: [{name: not-taken, kind: ListenerSet}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {namespace: pay, name: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: '', kind: Service, name: api}]
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: pay, name: api}, spec: {selector: {app: api}, ports: [{port: 80}]}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: pay, name: api, labels: {app: api}}
spec: {containers: [{name: api, image: api}]}
";

/// Gateways and routes that only the experimental channel has all fields of.
const DEFAULTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: shop, name: default}
spec:
  gatewayClassName: any
  defaultScope: All
  listeners: [{name: web, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: web}
spec:
  useDefaultGateways: All
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: shop, name: does-not-ask}
spec:
  useDefaultGateways: None
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {containers: [{name: web, image: web}]}
";

#[test]
fn routes_are_open_live_as_they_are_in_files() {
    let Some((live, files)) = open(Channel::Standard, GATEWAYS) else {
        return;
    };
    let expected = [
        "GRPCRoute shop/calls",
        "HTTPRoute shop/added",
        "HTTPRoute shop/web",
        "TCPRoute shop/store",
        "TLSRoute shop/sealed",
        "UDPRoute shop/names",
        "Pod pay/api",
        "Pod shop/web",
    ];
    let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
    assert_eq!(live, expected);
    assert_eq!(files, expected);
}

#[test]
fn default_gateways_are_of_the_experimental_channel() {
    let expected = ["HTTPRoute shop/web", "Pod shop/web"];
    let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
    let Some((live, files)) = open(Channel::Experimental, DEFAULTS) else {
        return;
    };
    assert_eq!(live, expected);
    assert_eq!(files, expected);
    let dropped = open(Channel::Standard, DEFAULTS);
    assert!(dropped.is_some_and(|(live, _)| live.is_empty()));
}

/// The API server drops fields that its definitions do not have.
const IGNORE: &str = "--validate=ignore";

/// What is open from outside on a server with the definitions of a channel, and in the file; nothing where there are none.
fn open(channel: Channel, manifests: &str) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let dir = definitions(channel)?;
    let cluster = Cluster::builder().start().unwrap();
    let admin = cluster.admin();
    let apply = |how: &str, file: &str| admin.kubectl(&["apply", how, "-f", file]).unwrap();
    let crds: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let is_definition = |file: &&std::path::PathBuf| {
        let name = file.to_string_lossy();
        !name.contains("vap_") && !name.contains("kustomization")
    };
    for file in crds.iter().filter(is_definition) {
        apply("--server-side", file.to_str().unwrap())
            .success()
            .unwrap();
    }
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    admin.kubectl(&wait).unwrap().success().unwrap();
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(manifests.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    // A definition is established before every request for it is served.
    let applied = (0..60).any(|_| {
        let done = apply(IGNORE, path).success().is_ok();
        if !done {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        done
    });
    assert!(applied, "{}", apply(IGNORE, path).stderr);

    let live = from_outside(
        Command::new(env!("CARGO_BIN_EXE_bailiwick")).env("KUBECONFIG", admin.kubeconfig()),
    );
    let files = from_outside(Command::new(env!("CARGO_BIN_EXE_bailiwick")).args(["-f", path]));
    Some((live, files))
}

/// The routes and pods that somebody outside gets to.
fn from_outside(command: &mut Command) -> BTreeSet<String> {
    let output = command
        .args(["blast", "outside", "-o", "json"])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let reached = answer["reached"].as_array().unwrap().iter();
    let names = reached.map(|node| {
        let text = |field: &str| node[field].as_str().unwrap_or_default();
        format!("{} {}/{}", text("kind"), text("namespace"), text("name"))
    });
    let is_meant = |name: &String| name.contains("Route ") || name.starts_with("Pod ");
    names.filter(is_meant).collect()
}
