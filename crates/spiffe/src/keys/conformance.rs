//! What every key store does, in one suite.

use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::{KeyType, PublicKey, UnixTime, jwt, x509};

use super::{KeyStore, KeyStoreError};

/// Runs the suite. `open` gives the same store again each time, as after a restart, or for one in memory another.
pub(crate) fn run(open: &dyn Fn() -> Box<dyn KeyStore>, kinds: &[KeyType]) {
    for (number, key_type) in kinds.iter().enumerate() {
        let store = open();
        let id = KeyId::new([u8::try_from(number).unwrap() + 100; 16]);
        let other = KeyId::new([200; 16]);
        assert!(
            store.signer(&id).unwrap().is_none(),
            "{key_type}: there before"
        );
        let made = store.generate(&id, *key_type).unwrap();
        assert_eq!(made.public_key().key_type(), *key_type);
        let found = store.signer(&id).unwrap().expect("a key that was made");
        assert_eq!(found.public_key(), made.public_key());
        assert!(store.signer(&other).unwrap().is_none());

        for message in [&b""[..], b"message", &[0xff; 5000]] {
            let signature = found.sign(message).unwrap();
            assert!(
                made.public_key().verifies(message, &signature),
                "{key_type}"
            );
            assert!(!made.public_key().verifies(b"other", &signature));
        }
        round_trip(made.public_key());
        certificate_and_token(&*found);

        let taken = store.generate(&id, *key_type);
        assert!(
            matches!(taken, Err(KeyStoreError::Exists(_))),
            "{key_type}: twice"
        );
        let same = store.signer(&id).unwrap().unwrap();
        assert_eq!(
            same.public_key(),
            made.public_key(),
            "{key_type}: exchanged"
        );

        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..5_u8 {
                        let signature = found.sign(&[number]).unwrap();
                        assert!(found.public_key().verifies(&[number], &signature));
                    }
                });
            }
        });

        store.remove(&other).unwrap();
        store.remove(&id).unwrap();
        store.remove(&id).unwrap();
        assert!(
            store.signer(&id).unwrap().is_none(),
            "{key_type}: there after"
        );
    }
}

fn round_trip(key: &PublicKey) {
    assert_eq!(PublicKey::from_spki(&key.spki()).as_ref(), Ok(key));
}

fn certificate_and_token(signer: &dyn bailiwick_identity::Signer) {
    let domain = bailiwick_identity::TrustDomain::parse("td").unwrap();
    let now = UnixTime::new(1_795_262_400);
    let validity = x509::Validity::new(now.minus(10), now.plus(3600)).unwrap();
    let root = x509::root(&domain, signer, x509::Serial::new([1; 16]), validity).unwrap();
    let issuer = x509::Issuer::new(&root, Vec::new(), signer).unwrap();
    let id = domain.workload("/a").unwrap();
    let leaf = issuer.leaf(&x509::Leaf {
        id: &id,
        dns_names: &[],
        public_key: signer.public_key(),
        validity,
        serial: x509::Serial::new([2; 16]),
        crl: None,
    });
    let mut bundle = bailiwick_identity::Bundle::new(domain);
    bundle.add_x509(root).unwrap();
    bundle.add_jwt("k", signer.public_key()).unwrap();
    x509::validate(&[leaf.unwrap()], &bundle, now).unwrap();
    let token = jwt::Token {
        id: &id,
        audience: &["me".into()],
        issuer: None,
        issued_at: now,
        expires_at: now.plus(60),
        jti: "1",
        claims: &serde_json::Map::new(),
    };
    let token = jwt::sign(&token, "k", signer).unwrap();
    jwt::validate(&token, &["me"], &bundle, now).unwrap();
}
