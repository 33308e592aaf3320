//! The signer against a real API server. There is no kubelet: the test asks as the node does.

mod world;

use std::sync::atomic::Ordering;

use bailiwick_identity::rules::Bans;
use bailiwick_identity::{BundleMap, TrustDomain, x509};
use bailiwick_kube::Published;
use bailiwick_spiffe::SystemClock;
use serde_json::json;

use self::world::{World, eventually, manifests, rules, server_of_1_36, uid};
use super::*;

#[test]
fn a_pod_gets_a_certificate() {
    let world = World::new("signer-gives");
    world.ask("first", true, &json!({}));
    world.check("first", "Issued", "Issued", "");
    let status = world.status("first");
    let chain = pem::decode("CERTIFICATE", status["certificateChain"].as_str().unwrap()).unwrap();
    let mut known = BundleMap::default();
    known.insert(bailiwick_identity::Bundle::clone(&world.authority.bundle()));
    let svid = x509::validate(&chain, &known, SystemClock.now()).unwrap();
    assert_eq!(
        svid.id().as_str(),
        "spiffe://td.example/ns/signer-gives/sa/cart"
    );
    let validity = svid.profile.validity;
    assert_eq!(validity.not_after.since(validity.not_before), 7200);
    assert_eq!(status["notAfter"], validity.not_after.to_string());
    assert_eq!(
        status["beginRefreshAt"],
        validity.not_before.plus(3600).to_string()
    );

    // Its record says who got it, by the request that the log of the API server has too.
    let serial = openssl_serial(&chain[0]);
    let record = bailiwick_store::find(world.log.path(), &serial)
        .unwrap()
        .unwrap();
    let Event::Issue(issue) = record.event else {
        panic!("{record:?}");
    };
    let request = uid(world.server, &format!("{}/first", world.requests()));
    assert_eq!(issue.proof.request, request);
    let pod = issue.workload.pod.unwrap();
    assert_eq!(
        (pod.name.as_str(), issue.workload.node.as_str()),
        ("web", "signer-gives")
    );
    assert_eq!(pod.uid, world.facts["podUID"]);

    // The longest life that the pod takes is kept, and so is the shortest that the API server takes.
    world.ask("short", true, &json!({"maxExpirationSeconds": 3600}));
    world.check("short", "Issued", "Issued", "");
}

/// Before 1.37 there is v1beta1 alone, and before 1.36 kubelets showed their key in another form.
#[test]
fn k_2_requests_of_v1beta1_are_signed() {
    use base64::Engine as _;
    let server = server_of_1_36();
    let world = World::on(server, "v1beta1", "signer-beta", false);
    world.ask("request", false, &json!({}));
    world.check("request", "Issued", "Issued", "");
    let key = rcgen::KeyPair::generate().unwrap();
    let base64 = |bytes: Vec<u8>| base64::engine::general_purpose::STANDARD.encode(bytes);
    let pod = world.facts["podUID"].as_str().unwrap().to_owned();
    let proof = rcgen::SigningKey::sign(&key, pod.as_bytes()).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let old = json!({
        "stubPKCS10Request": null,
        "pkixPublicKey": base64(spki.clone()),
        "proofOfPossession": base64(proof),
    });
    world.ask("key", false, &old);
    world.check("key", "Issued", "Issued", "");
    let status = world.status("key");
    let chain = pem::decode("CERTIFICATE", status["certificateChain"].as_str().unwrap()).unwrap();
    let profile = x509::leaf_profile(&chain[0]).unwrap();
    assert_eq!(profile.public_key.unwrap().spki(), spki);
    // What is forged is refused there too, and the trust bundle is published.
    world.ask(
        "forged",
        false,
        &json!({"podUID": "00000000-0000-0000-0000-000000000000"}),
    );
    world.check("forged", "Denied", "Unproven", "");
    let path = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles/signer-beta.example:spiffe:bailiwick";
    eventually(|| {
        let reply = server.admin().get(path).unwrap();
        (reply.status == 200 && reply.body.contains("BEGIN CERTIFICATE")).then_some(())
    });
}

/// The serial as it stands in the certificate, in hexadecimal digits.
fn openssl_serial(der: &[u8]) -> String {
    // After the version (integer 2) comes the serial, an integer of 16 bytes.
    let version = [0x02, 0x01, 0x02, 0x02, 0x10];
    let at = der.windows(5).position(|window| window == version).unwrap() + 5;
    der[at..at + 16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn k_1_forged_facts_are_refused() {
    let world = World::new("signer-forged");
    let other = uid(world.server, "/api/v1/nodes/signer-forged-other");
    let account = uid(
        world.server,
        "/api/v1/namespaces/signer-forged/serviceaccounts/other",
    );
    let cases = [
        (
            "no-pod",
            json!({"podName": "nobody", "podUID": "1"}),
            "there is no pod `signer-forged/nobody`",
        ),
        ("old-pod", json!({"podUID": "7f0c"}), "and not `7f0c`"),
        (
            "node",
            json!({"nodeName": "signer-forged-other", "nodeUID": other}),
            "is on the node `signer-forged`",
        ),
        (
            "old-node",
            json!({"nodeUID": "7f0c"}),
            "the node `signer-forged` has the UID",
        ),
        (
            "account",
            json!({"serviceAccountName": "other", "serviceAccountUID": account}),
            "runs as the service account `cart` and not as `other`",
        ),
        (
            "old-account",
            json!({"serviceAccountUID": "7f0c"}),
            "and not `7f0c`",
        ),
    ];
    for (name, change, _) in &cases {
        world.ask(name, false, change);
    }
    for (name, _, part) in &cases {
        world.check(name, "Denied", "Unproven", part);
    }
    // Of a pod that does not mount a certificate of this signer.
    let plain = manifests("signer-forged");
    let (_, plain) = plain.rsplit_once("---\n").unwrap();
    let (plain, _) = plain.split_once("  volumes:").unwrap();
    world
        .server
        .admin()
        .apply(&plain.replace("name: web,", "name: plain,"))
        .unwrap();
    let pod = uid(world.server, "/api/v1/namespaces/signer-forged/pods/plain");
    world.ask(
        "no-mount",
        false,
        &json!({"podName": "plain", "podUID": pod}),
    );
    world.check(
        "no-mount",
        "Denied",
        "Unproven",
        "mounts no certificate of the signer",
    );
    assert_eq!(
        world.log().matches("\"kind\":\"denial\"").count(),
        7,
        "{}",
        world.log()
    );
    assert!(!world.log().contains("\"kind\":\"issue\""));
    // The same request with true facts, by nobody of a node, is as good as the node's.
    world.ask("true", false, &json!({}));
    world.check("true", "Issued", "Issued", "");
}

#[test]
fn k_3_what_the_signer_does_not_know_is_denied() {
    let world = World::new("signer-denies");
    world.ask_with("ed25519", true, &json!({}), &rcgen::PKCS_ED25519);
    world.check(
        "ed25519",
        "Denied",
        "UnsupportedKeyType",
        "set keyType to ECDSAP256",
    );
    let wish = json!({"unverifiedUserAnnotations": {"example.org/wish": "root"}});
    world.ask("wish", true, &wish);
    world.check(
        "wish",
        "Denied",
        "InvalidUnverifiedUserAnnotations",
        "example.org/wish",
    );
}

#[test]
fn a_banned_pod_waits_and_goes_on_when_the_ban_ends() {
    let world = World::new("signer-bans");
    let mut bans = Bans::default();
    let who = format!("pod:{}", world.facts["podUID"].as_str().unwrap());
    bans.insert(who.parse().unwrap(), "a miner");
    world.rules.send_replace(Arc::new(rules().banning(bans)));
    world.ask("banned", true, &json!({}));
    world.waits("banned");
    assert!(world.log().contains("banned (pod:"), "{}", world.log());
    world.rules.send_replace(Arc::new(rules()));
    world.check("banned", "Issued", "Issued", "");
    // No rule yet: the same.
    let none = RuleSet::new(TrustDomain::parse("td.example").unwrap(), []);
    world.rules.send_replace(Arc::new(none));
    world.ask("no-rule", true, &json!({}));
    world.waits("no-rule");
    world.rules.send_replace(Arc::new(rules()));
    world.check("no-rule", "Issued", "Issued", "");
}

#[test]
fn a_final_signer_denies_who_gets_nothing() {
    let world = World::with("signer-final", true);
    let none = RuleSet::new(TrustDomain::parse("td.example").unwrap(), []);
    world.rules.send_replace(Arc::new(none));
    std::thread::sleep(Duration::from_millis(500));
    world.ask("no-rule", true, &json!({}));
    world.check(
        "no-rule",
        "Denied",
        "NotEntitled",
        "no rule gives it an identity",
    );
}

#[test]
fn clocks_may_be_four_minutes_apart_and_not_five() {
    let world = World::new("signer-clock");
    for (name, seconds) in [("late", -240), ("early", 240)] {
        world.clock.0.store(seconds, Ordering::SeqCst);
        world.ask(name, true, &json!({}));
        world.check(name, "Issued", "Issued", "");
        assert_eq!(world.ready.waiting(), [""; 0]);
    }
    for (name, seconds) in [("too-late", -260), ("too-early", 350)] {
        world.clock.0.store(seconds, Ordering::SeqCst);
        world.ask(name, true, &json!({}));
        eventually(|| (!world.ready.waiting().is_empty()).then_some(()));
        assert_eq!(
            world.ready.waiting(),
            ["the clock agrees with that of the API server"]
        );
        assert_eq!(world.status(name).get("conditions"), None);
        world.clock.0.store(0, Ordering::SeqCst);
        world.rules.send_replace(Arc::new(rules()));
        world.check(name, "Issued", "Issued", "");
        eventually(|| world.ready.waiting().is_empty().then_some(()));
    }
}

#[test]
fn k_5_the_trust_bundle_is_what_the_authority_says() {
    let world = World::new("signer-bundle");
    let path =
        "/apis/certificates.k8s.io/v1/clustertrustbundles/signer-bundle.example:spiffe:bailiwick";
    let bundle = || {
        let reply = world.server.admin().get(path).unwrap();
        (reply.status == 200).then(|| {
            reply.json().unwrap()["spec"]["trustBundle"]
                .as_str()
                .unwrap()
                .to_owned()
        })
    };
    let roots = || pem::certificates(world.authority.bundle().x509_authorities());
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // Somebody deletes it.
    world
        .server
        .admin()
        .request("DELETE", path, &[], None)
        .unwrap();
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // Without roots there is no bundle, since an empty one cannot be.
    let api = world.cluster.certificates_api().unwrap();
    let publish = |roots: &str| {
        world
            .cluster
            .publish_trust_bundle(api, "signer-bundle.example/spiffe", roots)
    };
    assert_eq!(publish("").unwrap(), Published::Deleted);
    eventually(|| (bundle() == Some(roots())).then_some(()));
    // And the role of the signer reaches no other bundle.
    let error = world
        .cluster
        .publish_trust_bundle(api, "else.example/spiffe", &roots());
    assert!(error.unwrap_err().to_string().contains("forbidden"));
}
