//! The example of the documentation does what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

use bailiwick_testkit::packages::Packages;
use serde_json::{Value, json};

use crate::program::{Home, verify};

/// The README shows what the command prints; decisions have ids of their own.
#[test]
fn the_envoy_example_prints_what_its_readme_shows() {
    let examples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/envoy"));
    let Some(envoy) = Packages::Envoy.ready().unwrap() else {
        return;
    };
    let output = Command::new(examples.join("run.sh"))
        .env("BAILIWICK", env!("CARGO_BIN_EXE_bailiwick"))
        .env("ENVOY", Packages::envoy(&envoy))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{trouble}");
    let readme = fs::read_to_string(examples.join("README.md")).unwrap();
    let shown = readme.split("```").nth(3).unwrap().trim();
    let without_ids = |text: &str| -> Vec<String> {
        let lines = text.lines();
        lines
            .map(|line| line.split("ecision ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(without_ids(&said), without_ids(shown), "{said}");
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/serve");

#[test]
fn the_laptop_example_answers_and_follows_its_policies() {
    let home = Home::new(&[]);
    fs::create_dir(home.path("policies")).unwrap();
    for name in ["serve.yaml", "entities.yaml", "policies/notes.yaml"] {
        fs::copy(Path::new(EXAMPLE).join(name), home.path(name)).unwrap();
    }
    fs::copy(
        Path::new(EXAMPLE).join("roles.yaml"),
        home.path("manifests.yaml"),
    )
    .unwrap();
    let config = fs::read_to_string(home.path("serve.yaml")).unwrap();
    home.write(
        "serve.yaml",
        &config.replacen("127.0.0.1:8181", "127.0.0.1:0", 1),
    );
    let mut program = home.serve();
    let base = format!("http://{}", program.address);
    let post = |path: &str, body: &Value| -> Value {
        let request = ureq::post(format!("{base}{path}")).content_type("application/json");
        let mut answer = request.send(body.to_string()).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    };
    let note = |user: &str, action: &str, note: &str| {
        let question = json!({
            "subject": {"type": "user", "id": user},
            "action": {"name": action},
            "resource": {"type": "note", "id": note},
        });
        post("/access/v1/evaluation", &question)["decision"].clone()
    };
    assert_eq!(note("otto", "read", "menu"), true);
    assert_eq!(note("anna", "write", "menu"), false);
    assert_eq!(note("anna", "write", "plan"), true);
    let spec = json!({"user": "anna", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "shop"}});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    let status = post("/kubernetes/authorize", &review)["status"].clone();
    assert_eq!(status["allowed"], false, "explain never has an opinion");
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("RBAC: allowed by RoleBinding \"readers/shop\""),
        "{reason}"
    );

    let policy = fs::read_to_string(home.path("policies/notes.yaml")).unwrap();
    home.write(
        "policies/notes.yaml",
        &policy.replace("contains(\"yes\")", "contains(\"no\")"),
    );
    program.wait_for_nth("new state revision=", 1);
    assert_eq!(note("anna", "read", "menu"), false);
    home.write(
        "policies/notes.yaml",
        &policy.replace("permit (", "permit ( oops"),
    );
    program.wait_for("nothing new is taken");
    assert_eq!(note("anna", "read", "menu"), false);
    assert_eq!(note("anna", "write", "plan"), true);
    assert_eq!(program.terminate(), Some(0));
    assert_eq!(verify(&home.log()), (true, "[]".to_owned()));
}
