//! ClusterTrustBundles of signers: what it takes to write them.

use bailiwick_testkit::servers::Cluster;
use serde_json::json;

use crate::acts::{APIS, is};
use crate::certificates::authority;
use crate::stage::Stage;

#[test]
fn a_bundle_of_a_signer_takes_the_right_to_attest() {
    let stage = Stage::new(&Cluster::builder());
    let bundles = format!("{APIS}/certificates.k8s.io/v1/clustertrustbundles");
    let own = |name: &str, signer: Option<&str>| {
        json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "ClusterTrustBundle",
            "metadata": {"name": name},
            "spec": {"signerName": signer, "trustBundle": authority()},
        })
    };
    let rights = |attest: &str| {
        format!(
            "ClusterRole r
               create,patch,delete on clustertrustbundles of certificates.k8s.io
               {attest} on signers of certificates.k8s.io named shop.example/*
             ClusterRoleBinding r gives ClusterRole/r to user:eve"
        )
    };
    let roots = "shop.example:web:roots";
    let of_signer = own(roots, Some("shop.example/web"));
    let path = format!("{bundles}/{roots}");
    let anew = json!({"spec": {"trustBundle": authority()}});

    let rbac = stage.put_rbac(&rights("sign"));
    assert!(is(201, &stage.post(&bundles, &own("roots", None))));
    assert!(is(200, &stage.patch(&format!("{bundles}/roots"), &anew)));
    assert!(is(403, &stage.post(&bundles, &of_signer)));
    let admin = stage.cluster.admin();
    assert!(is(201, &admin.post(&bundles, &of_signer).unwrap()));
    assert!(is(403, &stage.patch(&path, &anew)));
    // It is another bundle for as little as its labels, by which pods choose.
    let labels = json!({"metadata": {"labels": {"use": "live"}}});
    let relabelled = stage.patch(&path, &labels).status;
    stage.remove_rbac(&rbac);

    let rbac = stage.put_rbac(&rights("attest"));
    assert!(is(200, &stage.patch(&path, &anew)));
    let removed = stage.eve.request("DELETE", &path, &[], None).unwrap();
    assert!(is(200, &removed));
    assert!(is(201, &stage.post(&bundles, &of_signer)));
    stage.remove_rbac(&rbac);
    assert_eq!(relabelled, 403);
}
