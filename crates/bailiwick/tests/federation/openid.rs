//! A real API server that believes tokens of ours, by OpenID Connect discovery alone.

use std::process::Command;

use bailiwick_testkit::binaries;
use bailiwick_testkit::janitor::free_ports;
use bailiwick_testkit::servers::Cluster;
use serde_json::Value;

use crate::house::{House, ask, web_certificate};

#[test]
fn c_1_an_api_server_takes_tokens_of_both_kinds_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let ports: [u16; 2] = free_ports().unwrap();
    let kinds = ["ec-p256", "rsa-2048"];
    let (certificate, key, roots) = web_certificate(dir.path(), "web");
    let mut houses = Vec::new();
    let mut issuers = String::new();
    for (port, kind) in ports.into_iter().zip(kinds) {
        // One with a path, since issuers may have one.
        let issuer = format!("https://localhost:{port}/{kind}");
        let address = format!("127.0.0.1:{port}");
        let args = [
            "--jwt-issuer",
            &issuer,
            "--jwt-key",
            kind,
            "--oidc-endpoint",
            &address,
            "--oidc-certificate",
            &certificate,
            "--oidc-key",
            &key,
        ];
        houses.push(House::start(
            dir.path(),
            &format!("{kind}.example"),
            "other.example",
            &args,
        ));
        let indented: String = roots
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect();
        issuers.push_str(&format!(
            "- issuer:\n    url: {issuer}\n    audiences: [cluster]\n    certificateAuthority: |\n{indented}  \
             claimMappings: {{username: {{claim: sub, prefix: ''}}}}\n"
        ));
    }
    let cluster = Cluster::builder()
        .without_controller_manager()
        .authentication_config(&format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n{issuers}"
        ))
        .start()
        .unwrap();
    let who = |token: &str| {
        let output = Command::new(binaries::server("kubectl").unwrap())
            .args(["auth", "whoami", "-o", "json", "--token", token.trim()])
            .args(["--kubeconfig", "/dev/null", "--server", cluster.server()])
            .arg("--certificate-authority")
            .arg(cluster.ca())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let review: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let name = review.map(|review| review["status"]["userInfo"]["username"].clone());
        name.ok_or(said)
    };
    for (house, kind) in houses.iter().zip(kinds) {
        let socket = house.socket();
        let token = |audience| {
            ask(&[
                "identity",
                "fetch",
                "--audience",
                audience,
                "--socket",
                &socket,
            ])
        };
        // Discovery goes on in the background of the API server.
        let start = std::time::Instant::now();
        let name = loop {
            match who(&token("cluster")) {
                Ok(name) => break name,
                Err(said) => {
                    let late = start.elapsed() > std::time::Duration::from_secs(90);
                    assert!(!late, "{kind}: {said}\n{}", house.log());
                    std::thread::sleep(std::time::Duration::from_millis(500));
                }
            }
        };
        assert_eq!(name, format!("spiffe://{kind}.example/web"));
        assert!(who(&token("others")).is_err(), "a token for somebody else");
        let good = token("cluster");
        let (body, signature) = good.trim().rsplit_once('.').unwrap();
        let turned: String = signature.chars().rev().collect();
        assert!(
            who(&format!("{body}.{turned}")).is_err(),
            "another signature"
        );
    }
}
