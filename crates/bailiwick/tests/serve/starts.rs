//! What cannot be meant is told before anybody is answered.

use std::process::Output;
use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose;

use crate::following::free_address;
use crate::program::Home;

const REVIEW: &str = "accessReview: {mode: explain}\n";

fn home() -> Home {
    let home = Home::new(&[]);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    home
}

fn start(home: &Home, manifests: &str, more: &[&str]) -> (Output, String) {
    let (config, manifests) = (home.path("serve.yaml"), home.path(manifests));
    let mut arguments = vec!["serve", "--config", config.to_str().unwrap()];
    arguments.extend(["-f", manifests.to_str().unwrap()]);
    arguments.extend(more);
    let output = home.run(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// Misspelt manifests were a program that was never ready, and `--check` found nothing wrong with them.
#[test]
fn what_is_not_there_is_told() {
    let home = home();
    home.write("broken.yaml", "kind: [");
    let check = |rest: &str, manifests: &str, more: &[&str], expected: &str| {
        home.configure("127.0.0.1:0", &format!("{REVIEW}{rest}"));
        let (output, said) = start(&home, manifests, more);
        assert_eq!(output.status.code(), Some(2), "{rest} {manifests}: {said}");
        assert!(said.contains(expected), "{rest} {manifests}: {said}");
    };
    for more in [&["--check"][..], &[]] {
        check("", "manifest.yaml", more, "manifest.yaml` cannot be read");
        check(
            "floor: [glass.yaml]",
            "manifests.yaml",
            more,
            "glass.yaml` cannot be read",
        );
        check(
            "policies: [rules]",
            "manifests.yaml",
            more,
            "rules` cannot be read",
        );
    }
    check("", "broken.yaml", &["--check"], "broken.yaml");
    home.configure("127.0.0.1:0", REVIEW);
    let (output, said) = start(&home, "manifests.yaml", &["--check"]);
    assert!(output.status.success(), "{said}");
}

/// Clients refused the certificate, and the program said nothing of it.
#[test]
fn a_certificate_of_the_server_that_runs_out_is_told() {
    let home = home();
    let operations = free_address();
    home.configure(
        "127.0.0.1:0",
        &format!("{REVIEW}operations: {operations}\n"),
    );
    let issue = |end: Option<SystemTime>| {
        home.issue_until("server", ExtendedKeyUsagePurpose::ServerAuth, end);
    };
    issue(Some(SystemTime::now() - Duration::from_secs(60)));
    let (output, said) = start(&home, "manifests.yaml", &["--check"]);
    // The next one may come at any time, and is taken then.
    assert!(output.status.success(), "{said}");
    assert!(said.contains("server.crt` expired at 20"), "{said}");

    issue(Some(SystemTime::now() + Duration::from_secs(3)));
    let mut program = home.serve();
    let told = |path: &str| {
        let answer = ureq::get(format!("http://{operations}/{path}")).call();
        answer.unwrap().body_mut().read_to_string().unwrap()
    };
    assert!(told("metrics").contains("bailiwick_tls_certificate_expires_timestamp_seconds{file="));
    program.wait_for("put one that counts in its place");
    // Whoever is connected is answered, and nobody else could answer him instead.
    let ready = told("readyz");
    assert!(
        ready.starts_with("ok\n") && ready.contains("server.crt` expired at"),
        "{ready}"
    );
    issue(None);
    program.wait_for("new certificate in use");
    assert_eq!(told("readyz"), "ok\n");
}

/// A caller whose door nobody had opened got 404, and nothing said why.
#[test]
fn a_door_that_is_not_open_is_told() {
    let home = home();
    home.configure("127.0.0.1:0", REVIEW);
    let (output, said) = start(&home, "manifests.yaml", &["--check"]);
    assert!(output.status.success(), "{said}");
    for (caller, section) in [("shop", "authzen"), ("edge", "extAuthz")] {
        let expected =
            format!("the caller `{caller}` may use a door that is not open; write `{section}`");
        assert!(said.contains(&expected), "{said}");
    }
    home.configure("127.0.0.1:0", "authzen: {base: 'https://localhost'}\n");
    let print = ["--print-authorization-config", "/etc/kubeconfig"];
    let (output, said) = start(&home, "manifests.yaml", &print);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("write `accessReview`"), "{said}");
}

#[test]
fn an_address_and_a_log_have_one_program() {
    let home = home();
    home.configure("127.0.0.1:0", REVIEW);
    let program = home.serve();
    let (_, said) = start(&home, "manifests.yaml", &[]);
    assert!(said.contains("another process writes to the log"), "{said}");
    let address = program.address.as_str();
    home.configure(address, REVIEW);
    let text = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    home.write(
        "serve.yaml",
        &text.replace("directory: log", "directory: other"),
    );
    let (output, said) = start(&home, "manifests.yaml", &[]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(address), "{said}");
}
