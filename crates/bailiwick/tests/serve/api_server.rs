//! A real API server asks, and kubectl reads the answers.

use std::time::{Duration, Instant};

use bailiwick_testkit::servers::{Builder, Cluster};

use crate::program::{Home, Program, verify};

const NOBODY: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nothing}
rules: []
";

pub(crate) const ANNA_READS_PODS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pod-reader}
rules: [{apiGroups: [''], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pod-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pod-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}]
";

/// An API server that asks the program, set up with what `serve --print-authorization-config` prints.
fn cluster(home: &Home, program: &Program) -> Cluster {
    cluster_asking(home, &program.address)
}

/// The same before the program runs.
pub(crate) fn cluster_asking(home: &Home, address: &str) -> Cluster {
    cluster_asking_with(home, address, &[])
}

/// The same with more flags of the API server.
pub(crate) fn cluster_asking_with(home: &Home, address: &str, flags: &[(&str, &str)]) -> Cluster {
    let config = home.path("serve.yaml");
    let printed = home.run(&[
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--print-authorization-config",
        "/DIRECTORY/webhook.kubeconfig",
    ]);
    assert!(printed.status.success(), "{printed:?}");
    let yaml = String::from_utf8(printed.stdout)
        .unwrap()
        .replace("/DIRECTORY/", "{dir}/");
    let builder: Builder = Cluster::builder()
        .without_controller_manager()
        .file("webhook.kubeconfig", &home.kubeconfig_at("api", address))
        .authorization_config(&yaml)
        .user("anna", &["dev"])
        .user("otto", &["dev"]);
    let flagged = flags
        .iter()
        .fold(builder, |builder, (name, value)| builder.flag(name, value));
    flagged.start().unwrap()
}

fn start(mode: &str, manifests: &str, rest: &str) -> (Home, Program, Cluster) {
    let home = Home::new(&["api"]);
    home.write("manifests.yaml", manifests);
    home.configure(
        "127.0.0.1:0",
        &format!("accessReview: {{mode: {mode}}}\n{rest}"),
    );
    let program = home.serve();
    let cluster = cluster(&home, &program);
    (home, program, cluster)
}

/// What kubectl says to `get WHAT` as somebody.
pub(crate) fn get(cluster: &Cluster, user: &str, what: &str) -> (bool, String) {
    let output = cluster.user(user).unwrap().kubectl(&["get", what]).unwrap();
    match output.success() {
        Ok(text) => (true, text),
        Err(error) => (false, error.to_string()),
    }
}

/// The decision that a 403 names.
fn decision(text: &str) -> String {
    let after = text
        .split("(decision ")
        .nth(1)
        .unwrap_or_else(|| panic!("no decision in {text}"));
    after.split(')').next().unwrap().to_owned()
}

pub(crate) fn until(mut done: impl FnMut() -> bool, what: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn explain_changes_nothing_and_says_why() {
    let (home, program, cluster) = start("explain", ANNA_READS_PODS, "");
    // Our manifests would allow it; the cluster's own RBAC does not, and that counts.
    let (allowed, text) = get(&cluster, "anna", "pods");
    assert!(!allowed);
    let expected = "User \"anna\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\": \
                    bailiwick: RBAC: allowed by ClusterRoleBinding \"pod-readers\"";
    assert!(text.contains(expected), "{text}");
    let (allowed, text) = get(&cluster, "otto", "secrets");
    assert!(!allowed);
    assert!(
        text.contains("bailiwick: nothing allows it (decision "),
        "{text}"
    );
    let id = decision(&text);
    let log = home.log();
    let shown = home.run(&["audit", "show", log.to_str().unwrap(), &id]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for part in [
        "name: otto",
        "resource: secrets",
        "caller: kube-apiserver",
        "effect: noOpinion",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    // What the cluster allows never comes here.
    cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(
        || get(&cluster, "anna", "pods").0,
        "what RBAC allows is not allowed",
    );
    assert_eq!(program.terminate(), Some(0));
    assert_eq!(verify(&home.log()), (true, "[]".to_owned()));
}

#[test]
fn guard_denies_what_is_revoked_and_nothing_else() {
    let rest = "policies: [revocations.yaml]\n";
    let home = Home::new(&["api"]);
    home.write("manifests.yaml", NOBODY);
    home.revoke(None);
    home.configure(
        "127.0.0.1:0",
        &format!("accessReview: {{mode: guard}}\n{rest}"),
    );
    let mut program = home.serve();
    let cluster = cluster(&home, &program);
    cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(
        || get(&cluster, "anna", "pods").0,
        "guard keeps RBAC from allowing",
    );
    home.revoke(Some(("anna", "laptop stolen")));
    program.wait_for_nth("new state revision=", 1);
    let (allowed, text) = get(&cluster, "anna", "pods");
    assert!(!allowed);
    assert!(
        text.contains(": `user:anna` is revoked: laptop stolen (decision "),
        "{text}"
    );
    // A file that is wrong is refused, and what holds goes on to hold.
    home.write(
        "revocations.yaml",
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Revocation\n",
    );
    program.wait_for("nothing new is taken");
    assert!(
        !get(&cluster, "anna", "pods").0,
        "a broken file lifts a revocation"
    );
    home.revoke(None);
    until(|| get(&cluster, "anna", "pods").0, "the revocation stays");
}

#[test]
fn authority_allows_and_a_killed_webhook_does_not() {
    let (home, program, cluster) = start("authority", ANNA_READS_PODS, "");
    let (allowed, text) = get(&cluster, "anna", "pods");
    assert!(allowed, "{text}");
    assert!(!get(&cluster, "otto", "pods").0);
    let address = program.address.clone();
    program.kill();
    let started = Instant::now();
    let (allowed, text) = get(&cluster, "anna", "pods");
    assert!(!allowed, "allowed by a webhook that is dead");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert!(
        text.contains("Forbidden") || text.contains("InternalError"),
        "{text}"
    );
    // The administrator is never asked about.
    cluster
        .admin()
        .kubectl(&["get", "pods"])
        .unwrap()
        .success()
        .unwrap();
    home.configure(&address, "accessReview: {mode: authority}\n");
    let again = home.serve();
    until(
        || get(&cluster, "anna", "pods").0,
        "it is back and nobody asks it",
    );
    assert_eq!(again.terminate(), Some(0));
    assert_eq!(verify(&home.log()), (true, "[]".to_owned()));
}

#[test]
fn shadow_changes_nothing_and_tells_what_it_would_change() {
    let rest = "policies: [revocations.yaml]\n";
    let home = Home::new(&["api"]);
    home.write("manifests.yaml", ANNA_READS_PODS);
    home.revoke(Some(("anna", "laptop stolen")));
    home.configure(
        "127.0.0.1:0",
        &format!("accessReview: {{mode: shadow}}\n{rest}"),
    );
    let mut program = home.serve();
    let cluster = cluster(&home, &program);
    cluster.admin().apply(ANNA_READS_PODS).unwrap();
    until(
        || get(&cluster, "anna", "pods").0,
        "shadow keeps RBAC from allowing",
    );
    let line = program.wait_for("would be answered otherwise");
    for part in ["user=\"anna\"", "rbac=Allow", "ours=Deny"] {
        assert!(line.contains(part), "{line}");
    }
}
