//! Pods and what they stand on, followed over a real API server that goes away in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bailiwick_identity::pods::{Object, ObjectKind};
use bailiwick_kube::{Cluster, ConnectOptions, Listener, Told};
use bailiwick_testkit::servers;

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn account(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: default}}\n"
    )
}

#[test]
fn feeds_go_on_after_the_api_server_was_gone() {
    let mut server = servers::Cluster::builder()
        .without_controller_manager()
        .start()
        .unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(server.admin().kubeconfig().to_owned()),
        ..ConnectOptions::default()
    };
    let cluster = Cluster::connect(&options).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&told);
    let listener: Listener = Arc::new(move |news| ears.lock().unwrap().push(news));
    let _feeds = cluster.follow_pods(&listener);
    let puts = |name: &str| {
        let told = told.lock().unwrap();
        let is_it = |news: &&Told| matches!(news, Told::Put(Object::ServiceAccount(meta)) if *meta.name == *name);
        told.iter().filter(is_it).count()
    };
    let gone = |name: &str| {
        let told = told.lock().unwrap();
        told.iter().any(|news| {
            matches!(news, Told::Gone(ObjectKind::ServiceAccount, space, gone) if space == "default" && gone == name)
        })
    };
    let read = |kind| {
        let told = told.lock().unwrap();
        told.iter()
            .any(|news| matches!(news, Told::UpTo(of, _) if *of == kind))
    };
    for kind in ObjectKind::ALL {
        eventually("every kind is read, also where there is none of it", || {
            read(kind)
        });
    }
    server.admin().apply(&account("before")).unwrap();
    eventually("an account shows", || puts("before") == 1);
    server.restart_api_server().unwrap();
    server.admin().apply(&account("after")).unwrap();
    eventually("an account that was made afterwards shows", || {
        puts("after") >= 1
    });
    let delete = ["delete", "serviceaccount", "before"];
    server.admin().kubectl(&delete).unwrap().success().unwrap();
    eventually("it is told to be gone", || gone("before"));
    // A watch goes on where it was: what is known is not told again and again.
    assert!(puts("before") <= 2, "{}", puts("before"));
}
