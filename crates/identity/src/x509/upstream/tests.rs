use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType,
};

use super::*;
use crate::key::CertificateSigner;
use crate::testing::{Key, NOW, domain};

type Change = fn(&mut CertificateParams);

struct Made {
    key: Key,
    der: Vec<u8>,
}

fn plain(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = NOW.minus(3600).calendar().unwrap();
    params.not_after = NOW.plus(86_400 * 30).calendar().unwrap();
    params
}

fn root(change: Change) -> Made {
    let key = Key::ec();
    let mut params = plain("root");
    change(&mut params);
    let certificate = params.self_signed(&CertificateSigner(&key)).unwrap();
    let der = certificate.der().to_vec();
    Made { key, der }
}

fn below(above: &Made, name: &str, change: Change) -> Made {
    let key = Key::ec();
    let mut params = plain(name);
    change(&mut params);
    let der = rustls_pki_types::CertificateDer::from(above.der.as_slice());
    let issuer = rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(&above.key)).unwrap();
    let certificate = params.signed_by(&CertificateSigner(&key), &issuer).unwrap();
    let der = certificate.der().to_vec();
    Made { key, der }
}

/// root → middle → signing, with a change to each.
fn check(changes: [Change; 3], expected: Result<(), &str>) {
    let [of_root, of_middle, of_signing] = changes;
    let root = root(of_root);
    let middle = below(&root, "middle", of_middle);
    let signing = below(&middle, "signing", of_signing);
    let chain = vec![signing.der.clone(), middle.der];
    let checked = Upstream::check(chain, vec![root.der.clone()], &domain("td"), NOW);
    match (checked, expected) {
        (Ok(upstream), Ok(())) => {
            assert_eq!(upstream.root(), root.der);
            assert_eq!(upstream.signing(), signing.der);
            assert_eq!(upstream.chain().len(), 2);
        }
        (Err(error), Err(part)) => {
            let error = error.to_string();
            assert!(error.contains(part), "{error}");
        }
        (got, _) => panic!("{got:?} instead of {expected:?}"),
    }
}

const SAME: Change = |_| {};

fn constraints(
    permitted: &[GeneralSubtree],
    excluded: &[GeneralSubtree],
) -> Option<NameConstraints> {
    Some(NameConstraints {
        permitted_subtrees: permitted.to_vec(),
        excluded_subtrees: excluded.to_vec(),
    })
}

#[test]
fn what_may_stand_above() {
    let ok = |changes| check(changes, Ok(()));
    ok([SAME, SAME, SAME]);
    ok([
        |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(3)),
        |middle| middle.is_ca = IsCa::Ca(BasicConstraints::Constrained(2)),
        |signing| signing.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)),
    ]);
    ok([SAME, SAME, |signing| {
        signing.subject_alt_names = vec![SanType::URI("spiffe://td".try_into().unwrap())];
    }]);
    ok([SAME, SAME, |signing| {
        signing.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
    }]);
    ok([SAME, SAME, |signing| {
        signing.name_constraints = constraints(&[GeneralSubtree::DnsName("td".into())], &[]);
    }]);
}

#[test]
fn what_may_not_stand_above() {
    let no = |changes, part| check(changes, Err(part));
    no(
        [SAME, SAME, |signing| signing.is_ca = IsCa::ExplicitNoCa],
        "certificate 1 may not sign certificates",
    );
    no(
        [
            SAME,
            |middle| middle.key_usages = vec![KeyUsagePurpose::CrlSign],
            SAME,
        ],
        "certificate 2 may not sign certificates: keyUsage lacks keyCertSign",
    );
    no(
        [SAME, SAME, |signing| signing.key_usages.clear()],
        "keyUsage has to be there",
    );
    no(
        [SAME, SAME, |signing| {
            signing.not_after = NOW.minus(1).calendar().unwrap();
        }],
        "certificate 1 counts from",
    );
    no(
        [
            SAME,
            |middle| middle.not_before = NOW.plus(60).calendar().unwrap(),
            SAME,
        ],
        "certificate 2 counts from",
    );
    no(
        [
            |root| root.not_after = NOW.minus(1).calendar().unwrap(),
            SAME,
            SAME,
        ],
        "upstream root counts from",
    );
    no(
        [SAME, SAME, |signing| {
            signing.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        }],
        "certificate 1 allows 0 authorities below it (pathlen) and 1 are needed",
    );
    no(
        [
            SAME,
            |middle| middle.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)),
            SAME,
        ],
        "certificate 2 allows 1",
    );
    no(
        [
            |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(2)),
            SAME,
            SAME,
        ],
        "upstream root allows 2",
    );
    no(
        [SAME, SAME, |signing| {
            signing.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }],
        "lack serverAuth or clientAuth",
    );
    no(
        [SAME, SAME, |signing| {
            signing.subject_alt_names = vec![SanType::URI("spiffe://other".try_into().unwrap())];
        }],
        "certificate 1 is of the trust domain `other`",
    );
    no(
        [SAME, SAME, |signing| {
            signing.subject_alt_names = vec![SanType::URI("spiffe://td/a".try_into().unwrap())];
        }],
        "has a path",
    );
    no(
        [
            SAME,
            |middle| {
                let mut name = rcgen::DistinguishedName::new();
                name.push(DnType::OrganizationName, "Example");
                middle.name_constraints = constraints(&[GeneralSubtree::DirectoryName(name)], &[]);
            },
            SAME,
        ],
        "certificate 2 has name constraints on directory names",
    );
}

/// The builder of certificates writes no constraints on URIs: they are made of those on DNS names, which differ in a tag.
#[test]
fn constraints_on_the_hosts_of_uris() {
    let check = |constraint: &str, excluded: bool, expected: &str| {
        let root = root(SAME);
        let mut params = plain("signing");
        let marker = format!("{}x", &constraint.replace(|_: char| true, "x"));
        let marker = marker.get(..constraint.len()).unwrap().to_owned();
        let tree = [GeneralSubtree::DnsName(marker.clone())];
        params.name_constraints = match excluded {
            true => constraints(&[], &tree),
            false => constraints(&tree, &[]),
        };
        let der = rustls_pki_types::CertificateDer::from(root.der.as_slice());
        let issuer = rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(&root.key)).unwrap();
        let key = Key::ec();
        let mut der = params
            .signed_by(&CertificateSigner(&key), &issuer)
            .unwrap()
            .der()
            .to_vec();
        let length = u8::try_from(constraint.len()).unwrap();
        let dns = [&[0x82, length], marker.as_bytes()].concat();
        let at = der.windows(dns.len()).position(|part| part == dns).unwrap();
        der[at] = 0x86;
        der[at + 2..at + dns.len()].copy_from_slice(constraint.as_bytes());
        let checked = Upstream::check(vec![der], vec![root.der], &domain("a.example"), NOW);
        let error = checked.unwrap_err().to_string();
        assert!(error.contains(expected), "{constraint}: {error}");
    };
    check("b.example", false, "may not sign for `a.example`");
    check(".other", false, "may not sign for `a.example`");
    check("a.example", true, "may not sign for `a.example`");
    check(".example", true, "may not sign for `a.example`");
    // Ours among them (webpki).
    check(".example", false, "name constraints on URIs");
    check("a.example", false, "name constraints on URIs");
    check("b.example", true, "name constraints on URIs");
}

#[test]
fn chains_are_in_order_and_have_a_root() {
    let root = root(SAME);
    let middle = below(&root, "middle", SAME);
    let signing = below(&middle, "signing", SAME);
    let other = below(&root, "other", SAME);
    let check = |chain: &[&Made], roots: &[&Made], expected: Result<usize, &str>| {
        let ders = |made: &[&Made]| made.iter().map(|made| made.der.clone()).collect();
        let checked = Upstream::check(ders(chain), ders(roots), &domain("td"), NOW);
        let outcome = checked.map(|upstream| upstream.chain().len());
        let outcome = outcome.map_err(|error| error.to_string());
        match (&outcome, expected) {
            (Ok(length), Ok(expected)) => assert_eq!(*length, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{outcome:?} instead of {expected:?}"),
        }
    };
    check(&[&root], &[], Ok(0));
    check(&[&signing, &middle, &root], &[], Ok(2));
    check(&[&middle], &[&root, &root], Ok(1));
    check(&[], &[&root], Err("0 certificates"));
    check(&[&middle], &[], Err("0 roots"));
    check(
        &[&middle, &signing],
        &[&root],
        Err("certificate 1 was not issued by the one after it"),
    );
    check(
        &[&signing],
        &[&root],
        Err("no root issued the upstream certificate 1"),
    );
    check(&[&signing, &other], &[&root], Err("was not issued"));
    check(&[&middle; 9], &[&root], Err("9 certificates"));
    check(&[&middle], &[&root; 21], Err("21 roots"));
}

#[test]
fn every_replica_names_a_root_alike() {
    let root = root(SAME);
    let check = || Upstream::check(vec![root.der.clone()], Vec::new(), &domain("td"), NOW).unwrap();
    assert_eq!(check().roots(), check().roots());
    let roots = check().roots();
    assert_eq!(roots.all[0].id, roots.signing);
    assert_eq!(roots.all[0].not_after, NOW.plus(86_400 * 30));
}
