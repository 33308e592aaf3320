use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::key::CertificateSigner;
use crate::testing::NOW;
use crate::x509;

const USAGES: &[KeyUsagePurpose] = &[
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::KeyEncipherment,
    KeyUsagePurpose::KeyAgreement,
    KeyUsagePurpose::KeyCertSign,
    KeyUsagePurpose::CrlSign,
];

const NAMES: &[&str] = &[
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://other/a",
    "spiffe://other",
    "spiffe://other",
    "spiffe://unknown/a",
    "spiffe://td",
    "spiffe://td/a/",
    "spiffe://TD/a",
    "https://td/a",
    "spiffe://td/a?b",
    "spiffe://td/%41",
];

/// A certificate with a little of everything, mostly good.
fn certificate(rng: &mut Rng, authority: bool, key: &Key, issuer: &[u8], signer: &Key) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.not_before =
        time::OffsetDateTime::from_unix_timestamp(NOW.seconds() as i64 - 100).unwrap();
    params.not_after =
        params.not_before + time::Duration::seconds(if rng.chance(95) { 3_600 } else { 50 });
    if rng.chance(if authority { 95 } else { 3 }) {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    } else if rng.chance(50) {
        params.is_ca = IsCa::ExplicitNoCa;
    }
    params.key_usages = match (authority, rng.chance(85)) {
        (true, true) => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        (false, true) => vec![KeyUsagePurpose::DigitalSignature],
        (_, false) => rng.some(USAGES, 0, 3),
    };
    params.key_usages.dedup();
    let names = match (authority, rng.chance(if authority { 60 } else { 90 })) {
        (true, true) => vec!["spiffe://td"],
        (true, false) => rng.some(NAMES, 0, 1),
        (false, true) => rng.some(NAMES, 1, 1),
        (false, false) => rng.some(NAMES, 0, 2),
    };
    params.subject_alt_names = names
        .into_iter()
        .map(|name| SanType::URI(name.try_into().unwrap()))
        .collect();
    if rng.chance(30) {
        params
            .subject_alt_names
            .push(SanType::DnsName("a.svc".try_into().unwrap()));
    }
    if !authority && rng.chance(50) {
        params.extended_key_usages = rng.some(
            &[
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::CodeSigning,
            ],
            1,
            2,
        );
    }
    let der = CertificateDer::from(issuer);
    let issuer = rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(signer)).unwrap();
    params
        .signed_by(key.public_key(), &issuer)
        .unwrap()
        .der()
        .to_vec()
}

#[test]
fn chains_are_believed_as_go_spiffe_believes_them() {
    let seed = seed(12);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    let world = world();
    let keys = [Key::ec(), Key::ec(), Key::ec()];
    let mut comparison = Comparison::new(
        seed,
        &[
            // SPIFFE-ID 2.1.
            (They, "limited to lowercase"),
            // X509-SVID 4.1 and 5.2: who signs and who is signed for.
            (We, "has a path: an authority has none"),
            (We, "has no path: a workload has one"),
            (We, "of the chain is of the trust domain"),
            (We, "may not sign: the URI name is no SPIFFE ID"),
            // X509-SVID 4.3 and 4.4: usages.
            (We, "keyUsage has to be there and to be critical"),
            (We, "keyUsage lacks digitalSignature"),
            (We, "extendedKeyUsage has to name serverAuth and clientAuth"),
        ],
    );
    for _ in 0..4_000 {
        let root = match rng.below(20) {
            0 => &world.foreign,
            1 => &world.stranger,
            _ => &world.root,
        };
        let (mut issuer, mut signer) = (root.der.clone(), &root.key);
        let mut chain = Vec::new();
        for key in keys.iter().take(rng.below(3)) {
            issuer = certificate(&mut rng, true, key, &issuer, signer);
            signer = key;
            chain.insert(0, issuer.clone());
        }
        chain.insert(0, certificate(&mut rng, false, &keys[2], &issuer, signer));
        if rng.chance(3) {
            chain.remove(chain.len() - 1);
        }
        let ours = x509::validate(&chain, &world.known, NOW).map_err(|error| error.to_string());
        let chain: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let question = json!({"chain": chain, "bundles": world.texts, "at": NOW.seconds()});
        let theirs = ask(&mut spiffe, "x509", question);
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &chain) {
            assert_eq!(theirs["spiffeId"], ours.id().as_str());
        }
    }
    comparison.check("chains");
}
