//! The rights that the program asks for.

use std::time::Duration;

use bailiwick_testkit::servers::Cluster;
use serde_json::{Value, json};

use crate::api_server::until;
use crate::following::{CORE, document, free_address};
use crate::program::Home;

#[test]
fn the_printed_role_is_enough_and_without_it_nothing_is_ready() {
    let cluster = Cluster::builder()
        .without_controller_manager()
        .start()
        .unwrap();
    let admin = cluster.admin();
    // What everybody has by default would hide that a rule is missing.
    for binding in [
        "system:basic-user",
        "system:discovery",
        "system:public-info-viewer",
    ] {
        let gone = admin.kubectl(&["delete", "clusterrolebinding", binding]);
        gone.unwrap().success().unwrap();
    }
    let home = Home::new(&["api"]);
    let operations = free_address();
    home.configure(
        "127.0.0.1:0",
        &format!(
            "accessReview: {{mode: guard}}\noperations: {operations}\nstaleness: 2s\n\
             cluster: {{workloads: true}}\n"
        ),
    );
    let output = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    admin.apply(&output(&["crds"])).unwrap();
    let account = "{apiVersion: v1, kind: Namespace, metadata: {name: bailiwick}}\n---\n\
                   {apiVersion: v1, kind: ServiceAccount, metadata: {name: serve, namespace: bailiwick}}\n";
    admin.apply(account).unwrap();
    let identity = cluster.service_account("bailiwick", "serve").unwrap();
    let mut program = home.serve_cluster(identity.kubeconfig());
    let ready = || {
        let answer = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent()
            .get(format!("http://{operations}/readyz"))
            .call()
            .unwrap();
        answer.status() == 200
    };
    std::thread::sleep(Duration::from_secs(1));
    assert!(!ready(), "ready without any right");

    let config = home.path("serve.yaml");
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    let role = output(&[&arguments[..], &["--print-role", "bailiwick/serve"]].concat());
    admin.apply(&role).unwrap();
    until(ready, "not ready with the printed role");

    // Each resource by itself: none may be left out.
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/bailiwick-serve";
    let stored = admin.get(path).unwrap().json().unwrap();
    let write = |role: &Value| {
        let headers = [("content-type", "application/json")];
        let reply = admin.request("PUT", path, &headers, Some(&role.to_string()));
        assert_eq!(reply.unwrap().status, 200);
    };
    let rules = stored["rules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .any(|rule| rule["apiGroups"][0] == "bailiwick.dev")
    );
    let mut taken = 0;
    for (index, rule) in rules.iter().enumerate() {
        let Some(resource) = rule["resources"].as_array().and_then(|all| all.last()) else {
            continue;
        };
        if resource.as_str().unwrap().ends_with("/status") {
            // Without it documents count, and nobody is told in them: below.
            continue;
        }
        let mut less = stored.clone();
        less["metadata"]["resourceVersion"].take();
        let left = less["rules"][index]["resources"].as_array_mut().unwrap();
        left.pop();
        if left.is_empty() {
            less["rules"].as_array_mut().unwrap().remove(index);
        }
        write(&less);
        until(|| !ready(), &format!("ready without {resource}"));
        let mut whole = stored.clone();
        whole["metadata"]["resourceVersion"].take();
        write(&whole);
        until(ready, &format!("not ready with {resource} again"));
        taken += 1;
    }
    assert!(taken >= 4, "{role}");

    // The status of documents is written by the right to write that, which nothing waits for.
    let revoke = |name: &str| {
        let spec = json!({"user": name, "reason": "gone"});
        let revocation = document("Revocation", name, &spec).to_string();
        admin.apply(&revocation).unwrap();
    };
    let status = |name: &str| {
        let path = format!("{CORE}/revocations/{name}");
        admin.get(&path).unwrap().json().unwrap()["status"]["conditions"][0]["status"].clone()
    };
    revoke("anna");
    until(
        || status("anna") == "True",
        "no status with the printed role",
    );
    let mut less = stored.clone();
    less["metadata"]["resourceVersion"].take();
    let of_status = |rule: &Value| {
        rule["resources"][0]
            .as_str()
            .is_some_and(|name| name.ends_with("/status"))
    };
    less["rules"]
        .as_array_mut()
        .unwrap()
        .retain(|rule| !of_status(rule));
    write(&less);
    std::thread::sleep(Duration::from_secs(1));
    revoke("ben");
    program.wait_for("its status cannot be written");
    assert!(ready() && status("ben").is_null());
}
