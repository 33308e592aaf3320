use std::process::Command;

use bailiwick_testkit::packages::Packages;

use crate::house::{House, check_client};

const CLIENT: &str = r#"
import json, sys
from spiffe import JwtSvid, WorkloadApiClient
with WorkloadApiClient(socket_path=sys.argv[1]) as client:
    svid = client.fetch_x509_svid()
    domain = svid.spiffe_id.trust_domain
    roots = client.fetch_x509_bundles().get_bundle_for_trust_domain(domain).x509_authorities
    token = client.fetch_jwt_svid(audience={"me"})
    keys = client.fetch_jwt_bundles().get_bundle_for_trust_domain(domain)
    remote = client.validate_jwt_svid(token.token, "me")
    local = JwtSvid.parse_and_validate(token.token, keys, {"me"})
    try:
        client.validate_jwt_svid(token.token, "you")
        refused = False
    except Exception:
        refused = True
    print(json.dumps({
        "id": str(svid.spiffe_id), "chain": len(svid.cert_chain), "roots": len(roots),
        "remote": str(remote.spiffe_id), "local": str(local.spiffe_id), "refused": refused,
    }))
"#;

#[test]
fn the_python_client_fetches_and_validates() {
    let Some(packages) = Packages::Python.ready().unwrap() else {
        return;
    };
    let house = House::new(&["/a"]);
    let output = Command::new("python3")
        .env("PYTHONPATH", packages)
        .args(["-c", CLIENT, &house.endpoint()])
        .output()
        .unwrap();
    check_client(&output);
}
