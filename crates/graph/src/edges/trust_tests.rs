//! ClusterTrustBundles: who puts an authority among those that pods trust.

use std::collections::BTreeMap;

use bailiwick_core::Kind;
use bailiwick_model::{Gap, Snapshot};

use super::testing::{check, cluster};
use crate::Graph;

/// A pod that projects this.
fn pod(source: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{containers: [{{name: web, image: web}}],
           volumes: [{{name: v, projected: {{sources: [{{clusterTrustBundle: {{{source}, path: roots.pem}}}}]}}}}]}}}}\n"
    )
}

fn bundle(name: &str, signer: &str) -> String {
    let signer = match signer {
        "" => String::new(),
        signer => format!("signerName: {signer}, "),
    };
    format!(
        "{{apiVersion: certificates.k8s.io/v1, kind: ClusterTrustBundle, metadata: {{name: '{name}'}}, spec: {{{signer}trustBundle: PEM}}}}\n"
    )
}

/// `VERBS` on bundles, `attest` on signers; with ` named NAMES` where it is not all of them.
fn text(rights: &[&str], objects: &str) -> String {
    let rule = |right: &&str| {
        let (verbs, names) = match right.split_once(" named ") {
            Some((verbs, names)) => (verbs, format!("named {names}")),
            None => (*right, String::new()),
        };
        let resource = match verbs {
            "attest" => "signers",
            _ => "clustertrustbundles",
        };
        format!("  {verbs} on {resource} of certificates.k8s.io {names}\n")
    };
    let rules: String = rights.iter().map(rule).collect();
    format!(
        "ClusterRole r\n{rules}ClusterRoleBinding r gives ClusterRole/r to user:eve\n---\n{objects}"
    )
}

#[track_caller]
fn case(rights: &[&str], objects: &str, what: Option<&str>) {
    let end = what.map(|what| format!("every connection of pods that trust {what}"));
    let ends: Vec<&str> = end.iter().map(String::as_str).collect();
    check("trust-bundle", "user eve", &text(rights, objects), &ends);
}

#[test]
fn a_bundle_that_pods_trust_is_changed_made_or_made_anew() {
    let missing = pod("name: roots, optional: true");
    let there = format!("{missing}{}", bundle("roots", ""));
    let step = Some("ClusterTrustBundle roots");
    case(&["create"], &missing, step);
    case(&["create,patch named roots"], &missing, step);
    case(&["create,patch named other"], &missing, None);
    case(&["patch"], &missing, None);
    case(&["create,delete"], &missing, step);
    case(&["create"], &there, None);
    for verb in ["patch", "update"] {
        case(&[verb], &there, step);
        case(&[&format!("{verb} named roots")], &there, step);
        case(&[&format!("{verb} named other")], &there, None);
    }
    case(&["create,delete"], &there, step);
    case(&["create,deletecollection"], &there, step);
    case(&["create", "delete named roots"], &there, step);
    case(&["create", "delete named other"], &there, None);
    case(&["delete"], &there, None);
    case(&["get,list", "attest"], &there, None);
    // Nobody trusts it.
    case(&["create,patch,delete"], &bundle("roots", ""), None);
}

#[test]
fn a_bundle_of_a_signer_takes_the_right_to_attest() {
    let (name, signer) = ("shop.example:web:roots", "shop.example/web");
    let missing = pod(&format!("name: '{name}', optional: true"));
    let there = format!("{missing}{}", bundle(name, signer));
    let what = format!("ClusterTrustBundle {name}");
    let step = Some(&*what);
    for attest in [
        "attest",
        "attest named shop.example/web",
        "attest named shop.example/*",
    ] {
        case(&["create", attest], &missing, step);
        case(&["patch", attest], &there, step);
        case(&["create,delete", attest], &there, step);
        case(&["create", attest], &there, None);
        case(&["patch named other", attest], &there, None);
    }
    for attest in ["attest named shop.example/api", "attest named *", "get"] {
        case(&["create,patch,delete", attest], &there, None);
    }
}

#[test]
fn any_bundle_of_a_signer_will_do_where_labels_choose() {
    let pod = pod("signerName: shop.example/web, labelSelector: {matchLabels: {use: live}}");
    let attest = "attest named shop.example/web";
    let what = Some("ClusterTrustBundles of signer shop.example/web");
    case(&["create", attest], &pod, what);
    case(&["create"], &pod, None);
    case(&["patch", attest], &pod, None);
    let own = format!(
        "{pod}{}",
        bundle("shop.example:web:roots", "shop.example/web")
    );
    case(&["create", attest], &own, what);
    case(&["patch", attest], &own, what);
    case(&["patch named shop.example:web:roots", attest], &own, what);
    case(&["patch named shop.example:api:roots", attest], &own, None);
    case(
        &["create,patch named shop.example:web:more", attest],
        &own,
        what,
    );
    case(
        &["create,patch named shop.example:api:more", attest],
        &own,
        None,
    );
    let other = format!(
        "{pod}{}",
        bundle("shop.example:api:roots", "shop.example/api")
    );
    case(&["patch", attest], &other, None);
    // Without a selector there is nothing in the files.
    let nothing = pod.replace(", labelSelector: {matchLabels: {use: live}}", "");
    case(&["create", attest], &nothing, None);
}

#[test]
fn what_is_not_known_of_bundles_or_pods_may_be_there() {
    let ends = |snapshot: &Snapshot| -> Vec<String> {
        let graph = Graph::new(snapshot, BTreeMap::new());
        let steps = graph.edges().filter(|step| step.kind.id == "trust-bundle");
        let mut ends: Vec<String> = steps.map(|step| step.to.to_string()).collect();
        ends.sort();
        ends
    };
    let objects = pod("name: roots");
    let every = ["every connection of the cluster"];
    let of_pods = "every connection of namespace shop";
    for kind in [Kind::ClusterTrustBundle, Kind::Pod] {
        let mut snapshot = cluster(&text(&["patch"], &objects), 37);
        assert_eq!(
            ends(&snapshot),
            [of_pods],
            "of the pods, whoever gets to them"
        );
        snapshot.gaps.push(Gap {
            kinds: vec![kind],
            ..Gap::default()
        });
        assert_eq!(ends(&snapshot), every, "{kind}");
    }
    // Manifests need not hold the bundle that is in the cluster.
    let mut snapshot = cluster(&text(&["patch"], &objects), 37);
    snapshot.cluster.stored = false;
    let trusting = "every connection of pods that trust ClusterTrustBundle roots";
    assert_eq!(ends(&snapshot), [of_pods, trusting]);
    snapshot.workloads.clear();
    assert_eq!(ends(&snapshot), every, "manifests of roles alone");
}
