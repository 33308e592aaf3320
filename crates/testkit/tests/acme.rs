//! The example company is what a real API server takes.

use bailiwick_testkit::directory::{Fields, acme, apply};
use bailiwick_testkit::servers::Cluster;

/// The one file that the API server does not take when it is asked to be strict.
const REFUSED: &str = "certificate-role.yaml";

#[test]
fn api_server_takes_the_example_but_for_the_misspelt_field() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.wait_for_aggregation().unwrap();
    let complaints = apply(&cluster, &acme(), Fields::Strict).unwrap();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    let complaint = complaints.first().unwrap();
    assert!(complaint.contains(REFUSED), "{complaint}");
    assert!(
        complaint.contains("unknown field \"rules[0].resourcenames\""),
        "{complaint}"
    );

    // What a client that does not ask to be strict makes of it: every Secret of the namespace.
    apply(&cluster, &acme(), Fields::Warn).unwrap();
    let mut can = vec!["auth", "can-i", "get", "secrets/anything", "-n", "ingress"];
    can.push("--as=system:serviceaccount:ingress:ingress");
    assert_eq!(cluster.admin().kubectl(&can).unwrap().stdout, "yes\n");
}
