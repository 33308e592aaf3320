use std::collections::HashMap;

use rcgen::{CertificateParams, IsCa, KeyUsagePurpose, SanType};

use super::super::{Issuer, Leaf, Serial, Validity};
use super::*;
use crate::Signer;
use crate::key::CertificateSigner;
use crate::testing::{Key, NOW, Root, hour};

#[derive(Default)]
struct Known(HashMap<TrustDomain, Vec<Vec<u8>>>);

impl Anchors for Known {
    fn x509_authorities(&self, domain: &TrustDomain) -> Option<&[Vec<u8>]> {
        self.0.get(domain).map(Vec::as_slice)
    }
}

fn knowing(roots: &[(&str, &Root)]) -> Known {
    let mut known = Known::default();
    for (name, root) in roots {
        let name = TrustDomain::parse(name).unwrap();
        known.0.entry(name).or_default().push(root.der.clone());
    }
    known
}

fn leaf(issuer: &Issuer<&Key>, id: &str) -> Vec<Vec<u8>> {
    let key = Key::ec();
    let leaf = issuer.leaf(&Leaf {
        id: &SpiffeId::parse(id).unwrap(),
        dns_names: &[],
        public_key: key.public_key(),
        validity: hour(),
        serial: Serial::new([9; 16]),
        crl: None,
    });
    let mut chain = vec![leaf.unwrap()];
    chain.extend_from_slice(issuer.chain());
    chain
}

fn check(chain: &[Vec<u8>], known: &Known, now: UnixTime, expected: Result<&str, &str>) {
    let checked = validate(chain, known, now).map(|svid| svid.id().to_string());
    let checked = checked.map_err(|error| error.to_string());
    match (&checked, expected) {
        (Ok(id), Ok(expected)) => assert_eq!(id, expected),
        (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
        _ => panic!("{checked:?} instead of {expected:?}"),
    }
}

/// An intermediate authority that signs below `root`, with `change` made to its certificate.
fn below(root: &Root, key: &Key, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.subject_alt_names = vec![SanType::URI("spiffe://td".try_into().unwrap())];
    change(&mut params);
    let der = CertificateDer::from(root.der.as_slice());
    let signer = CertificateSigner(&root.key);
    let issuer = rcgen::Issuer::from_ca_cert_der(&der, signer).unwrap();
    let certificate = params.signed_by(key.public_key(), &issuer).unwrap();
    certificate.der().to_vec()
}

/// A leaf that some certificate signed which [`Issuer`] would refuse to sign with.
fn leaf_of(authority: &[u8], key: &Key) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://td/a".try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let der = CertificateDer::from(authority);
    let issuer = rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(key)).unwrap();
    let certificate = params.signed_by(Key::ec().public_key(), &issuer).unwrap();
    certificate.der().to_vec()
}

#[test]
fn x_6_a_path_to_the_root() {
    let root = Root::new("td");
    let chain = leaf(&root.issuer(), "spiffe://td/a");
    let known = knowing(&[("td", &root)]);
    check(&chain, &known, NOW, Ok("spiffe://td/a"));
    check(
        &chain,
        &knowing(&[("td", &Root::new("td"))]),
        NOW,
        Err("no path"),
    );
    check(&[], &known, NOW, Err("no certificate"));
    let mut forged = chain.clone();
    *forged[0].last_mut().unwrap() ^= 1;
    check(&forged, &known, NOW, Err("no path"));
}

#[test]
fn x_6_a_path_through_an_intermediate() {
    let root = Root::new("td");
    let key = Key::ec();
    let der = root
        .issuer()
        .intermediate(key.public_key(), Serial::new([3; 16]), hour())
        .unwrap();
    let issuer = Issuer::new(&der, vec![der.clone()], &key).unwrap();
    let chain = leaf(&issuer, "spiffe://td/a");
    let known = knowing(&[("td", &root)]);
    check(&chain, &known, NOW, Ok("spiffe://td/a"));
    check(&chain[..1], &known, NOW, Err("no path"));
}

#[test]
fn x_6_time() {
    let root = Root::new("td");
    let chain = leaf(&root.issuer(), "spiffe://td/a");
    let known = knowing(&[("td", &root)]);
    let at = |now, expected| check(&chain, &known, now, expected);
    at(hour().not_before, Ok("spiffe://td/a"));
    at(hour().not_before.minus(1), Err("no path"));
    at(hour().not_after, Ok("spiffe://td/a"));
    at(hour().not_after.plus(1), Err("no path"));
}

#[test]
fn x_6_a_root_that_ran_out_signs_for_nobody() {
    let key = Key::ec();
    let domain = TrustDomain::parse("td").unwrap();
    let short = Validity::new(NOW.minus(100), NOW.minus(1)).unwrap();
    let old = super::super::root(&domain, &key, Serial::new([1; 16]), short).unwrap();
    // The same name and key, so that the leaf of the one chains to the other.
    let long = super::super::root(&domain, &key, Serial::new([1; 16]), hour()).unwrap();
    let chain = leaf(
        &Issuer::new(&long, Vec::new(), &key).unwrap(),
        "spiffe://td/a",
    );
    let known = |root: &[u8]| Known(HashMap::from([(domain.clone(), vec![root.to_vec()])]));
    check(&chain, &known(&long), NOW, Ok("spiffe://td/a"));
    check(&chain, &known(&old), NOW, Err("no path"));
}

#[test]
fn x_5_a_leaf_signs_for_nobody() {
    let root = Root::new("td");
    let known = knowing(&[("td", &root)]);
    let key = Key::ec();
    let try_below = |change: fn(&mut CertificateParams), expected| {
        let authority = below(&root, &key, change);
        let chain = [leaf_of(&authority, &key), authority];
        check(&chain, &known, NOW, expected);
    };
    try_below(|_| {}, Ok("spiffe://td/a"));
    try_below(
        |params| params.is_ca = IsCa::ExplicitNoCa,
        Err("of no authority"),
    );
    try_below(
        |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        Err("lacks keyCertSign"),
    );
    try_below(
        |params| {
            let uri = "spiffe://td/a".try_into().unwrap();
            params.subject_alt_names = vec![SanType::URI(uri)];
        },
        Err("has a path"),
    );
    try_below(
        |params| {
            let uri = "spiffe://other".try_into().unwrap();
            params.subject_alt_names = vec![SanType::URI(uri)];
        },
        Err("is of the trust domain `other`"),
    );
}

#[test]
fn x_7_only_the_bundle_of_the_own_domain() {
    let (ours, theirs) = (Root::new("td"), Root::new("other"));
    let both = knowing(&[("td", &ours), ("other", &theirs)]);
    let chain = leaf(&ours.issuer(), "spiffe://td/a");
    check(&chain, &both, NOW, Ok("spiffe://td/a"));
    check(
        &leaf(&theirs.issuer(), "spiffe://other/a"),
        &both,
        NOW,
        Ok("spiffe://other/a"),
    );
    // The other domain signs an id of ours.
    let authority = below(&theirs, &theirs.key, |_| {});
    let forged = [leaf_of(&authority, &theirs.key), authority];
    check(&forged, &both, NOW, Err("no path to an authority of `td`"));
    check(
        &chain,
        &knowing(&[("other", &theirs)]),
        NOW,
        Err("no bundle of the trust domain `td`"),
    );
}

#[test]
fn b_1_an_empty_bundle_revokes_everything() {
    let root = Root::new("td");
    let chain = leaf(&root.issuer(), "spiffe://td/a");
    let known = Known(HashMap::from([(
        TrustDomain::parse("td").unwrap(),
        Vec::new(),
    )]));
    check(&chain, &known, NOW, Err("nothing of that domain counts"));
}

#[test]
fn long_chains_are_not_even_read() {
    let root = Root::new("td");
    let chain = leaf(&root.issuer(), "spiffe://td/a");
    let long = vec![chain[0].clone(); MAX_CHAIN + 1];
    check(
        &long,
        &knowing(&[("td", &root)]),
        NOW,
        Err("11 certificates in one chain"),
    );
}

#[test]
fn many_roots_with_the_same_name_are_searched_in_bounds() {
    let root = Root::new("td");
    let chain = leaf(&root.issuer(), "spiffe://td/a");
    let mut known = knowing(&[("td", &root)]);
    for roots in known.0.values_mut() {
        roots.extend((0..50).map(|_| Root::new("td").der));
    }
    check(&chain, &known, NOW, Ok("spiffe://td/a"));
}
