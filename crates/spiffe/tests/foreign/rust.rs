use bailiwick_identity::KeyType;
use bailiwick_identity::rotation::Policy;
use spiffe::{BundleSource, TrustDomain, WorkloadApiClient};

use crate::house::House;

/// The `spiffe` crate, which breaks its API now and then and so judges from outside.
#[test]
fn the_rust_client_fetches_and_validates() {
    let house = House::with(&["/a", "/b"], Policy::DEFAULT, vec![KeyType::EcP256]);
    let domain = TrustDomain::new("td.example").unwrap();
    house.runtime.block_on(async {
        let client = WorkloadApiClient::connect_to(house.endpoint())
            .await
            .unwrap();
        let context = client.fetch_x509_context().await.unwrap();
        let first = context.default_svid().unwrap();
        assert_eq!(first.spiffe_id().to_string(), "spiffe://td.example/a");
        assert_eq!(first.cert_chain().len(), 2);
        assert_eq!(first.hint(), Some("/a"));
        let bundles = client.fetch_x509_bundles().await.unwrap();
        let bundle = bundles.bundle_for_trust_domain(&domain).unwrap().unwrap();
        assert_eq!(bundle.authorities().len(), 2);
        let svids = client.fetch_all_jwt_svids(["me"], None).await.unwrap();
        assert_eq!(svids.len(), 2);
        let token = client.fetch_jwt_token(["me"], None).await.unwrap();
        let checked = client.validate_jwt_token("me", &token).await.unwrap();
        assert_eq!(checked.spiffe_id().to_string(), "spiffe://td.example/a");
        assert!(client.validate_jwt_token("you", &token).await.is_err());
        assert!(client.fetch_jwt_bundles().await.is_ok());
    });
}
