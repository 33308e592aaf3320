use super::super::{leaf_profile, profile::read};
use super::*;
use crate::KeyType;
use crate::testing::{Key, NOW, Root, domain, hour, rsa, year};
use x509_parser::prelude::{GeneralName, X509Certificate};

fn issue(root: &Root, id: &str, dns_names: &[&str]) -> Result<Vec<u8>, IssueError> {
    let names: Vec<DnsName> = dns_names
        .iter()
        .map(|name| DnsName::parse(name).unwrap())
        .collect();
    let key = Key::ec();
    root.issuer().leaf(&Leaf {
        id: &SpiffeId::parse(id).unwrap(),
        dns_names: &names,
        public_key: key.public_key(),
        validity: hour(),
        serial: Serial::new([9; 16]),
        crl: None,
    })
}

fn extension<'c>(certificate: &'c X509Certificate<'_>, oid: &str) -> (bool, &'c [u8]) {
    let found = certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == oid);
    let found = found.unwrap_or_else(|| panic!("no extension {oid}"));
    (found.critical, found.value)
}

#[test]
fn x_1_a_leaf_has_one_uri_and_any_dns_names() {
    let check = |dns_names: &[&str]| {
        let der = issue(&Root::new("td"), "spiffe://td/a", dns_names).unwrap();
        let certificate = read(&der).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let mut expected = vec![GeneralName::URI("spiffe://td/a")];
        expected.extend(dns_names.iter().map(|name| GeneralName::DNSName(name)));
        assert_eq!(names.value.general_names, expected);
    };
    check(&[]);
    check(&["web.shop.svc", "localhost"]);
}

#[test]
fn x_2_a_leaf_is_no_authority() {
    let der = issue(&Root::new("td"), "spiffe://td/a", &[]).unwrap();
    let certificate = read(&der).unwrap();
    // basicConstraints: an empty sequence, which says CA:FALSE.
    assert_eq!(extension(&certificate, "2.5.29.19"), (true, &[0x30, 0][..]));
    // keyUsage: the first bit alone, digitalSignature.
    assert_eq!(
        extension(&certificate, "2.5.29.15"),
        (true, &[3, 2, 7, 0x80][..])
    );
    assert!(leaf_profile(&der).is_ok());
}

#[test]
fn x_2_no_leaf_for_a_trust_domain_or_a_foreign_one() {
    let root = Root::new("td");
    let refused = |id| issue(&root, id, &[]).unwrap_err().to_string();
    assert_eq!(
        refused("spiffe://td"),
        "`spiffe://td` has no path: a workload has one"
    );
    assert_eq!(
        refused("spiffe://other/a"),
        "`spiffe://other/a` is not of the trust domain `td` of this authority"
    );
}

#[test]
fn x_3_without_subject_the_names_are_critical() {
    let der = issue(&Root::new("td"), "spiffe://td/a", &[]).unwrap();
    let certificate = read(&der).unwrap();
    assert_eq!(certificate.subject().iter().count(), 0);
    assert!(extension(&certificate, "2.5.29.17").0);
}

#[test]
fn x_4_a_leaf_serves_and_calls() {
    let der = issue(&Root::new("td"), "spiffe://td/a", &[]).unwrap();
    let certificate = read(&der).unwrap();
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth && !usage.any);
}

#[test]
fn x_5_an_authority_signs_and_names_its_domain() {
    let root = Root::new("td");
    let key = Key::ec();
    let intermediate = root
        .issuer()
        .intermediate(key.public_key(), Serial::new([3; 16]), hour())
        .unwrap();
    for der in [&root.der, &intermediate] {
        let certificate = read(der).unwrap();
        assert!(certificate.is_ca());
        // keyUsage: the sixth and seventh bit, keyCertSign and cRLSign.
        assert_eq!(
            extension(&certificate, "2.5.29.15"),
            (true, &[3, 2, 1, 6][..])
        );
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::URI("spiffe://td")]);
    }
}

#[test]
fn x_5_only_an_authority_issues() {
    let root = Root::new("td");
    let other = Key::ec();
    let check = |der: &[u8], key: &Key, expected: &str| {
        let error = Issuer::new(der, Vec::new(), key).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the certificate of the authority does not fit: {expected}")
        );
    };
    let leaf = issue(&root, "spiffe://td/a", &[]).unwrap();
    check(
        &leaf,
        &root.key,
        "`spiffe://td/a` has a path: an authority has none",
    );
    check(&root.der, &other, "it was made for another key");
    check(b"0", &other, "the bytes are no certificate in DER");
}

#[test]
fn authorities_have_subjects_of_their_own() {
    let key = Key::ec();
    let subject = |serial| {
        let der = root(&domain("td"), &key, Serial::new(serial), year()).unwrap();
        read(&der).unwrap().subject().to_string()
    };
    assert_eq!(
        subject([1; 16]),
        "O=SPIFFE, CN=td, serialNumber=41010101010101010101010101010101"
    );
    assert_ne!(subject([1; 16]), subject([2; 16]));
}

#[test]
fn a_long_trust_domain_fits_into_a_subject() {
    let key = Key::ec();
    let der = root(
        &domain(&"d".repeat(255)),
        &key,
        Serial::new([1; 16]),
        year(),
    )
    .unwrap();
    let certificate = read(&der).unwrap();
    let name = certificate.subject().iter_common_name().next().unwrap();
    assert_eq!(name.as_str().unwrap().len(), 64);
}

#[test]
fn a_serial_is_positive_and_never_short() {
    let check = |first: u8, expected: &str| {
        let mut random = [0; 16];
        random[0] = first;
        assert_eq!(&Serial::new(random).to_string()[..2], expected);
    };
    check(0, "40");
    check(0xff, "7f");
    check(0x80, "40");
}

#[test]
fn a_leaf_never_outlives_its_issuer() {
    let top = Root::new("td");
    let key = Key::ec();
    let (from, until) = (NOW, NOW.plus(600));
    let validity = Validity::new(from, until).unwrap();
    let intermediate = top
        .issuer()
        .intermediate(key.public_key(), Serial::new([3; 16]), validity)
        .unwrap();
    let issuer = Issuer::new(&intermediate, vec![intermediate.clone()], &key).unwrap();
    let id = SpiffeId::parse("spiffe://td/a").unwrap();
    let leaf = |from: UnixTime, until: UnixTime| {
        let leaf = Leaf {
            id: &id,
            dns_names: &[],
            public_key: key.public_key(),
            validity: Validity::new(from, until).unwrap(),
            serial: Serial::new([9; 16]),
            crl: None,
        };
        issuer
            .leaf(&leaf)
            .map(|der| leaf_profile(&der).unwrap().validity)
    };
    let cut = leaf(NOW.minus(10), NOW.plus(3600)).unwrap();
    assert_eq!((cut.not_before, cut.not_after), (from, until));
    let inside = leaf(NOW.plus(5), NOW.plus(300)).unwrap();
    assert_eq!(inside.not_after, NOW.plus(300));
    let late = leaf(until.plus(1), until.plus(10)).unwrap_err();
    assert!(matches!(late, IssueError::OutOfTime { .. }), "{late}");
}

#[test]
fn every_kind_of_key_signs_and_is_signed_for() {
    let (p256, p384, rsa) = (Key::ec(), Key::new(KeyType::EcP384), rsa());
    for authority in [&p256, &p384, rsa] {
        let der = root(&domain("td"), authority, Serial::new([1; 16]), year()).unwrap();
        read(&der).unwrap().verify_signature(None).unwrap();
        let issuer = Issuer::new(&der, Vec::new(), authority).unwrap();
        for workload in [&p256, &p384, rsa] {
            let leaf = issuer.leaf(&Leaf {
                id: &SpiffeId::parse("spiffe://td/a").unwrap(),
                dns_names: &[],
                public_key: workload.public_key(),
                validity: hour(),
                serial: Serial::new([2; 16]),
                crl: None,
            });
            let leaf = leaf.unwrap();
            let profile = leaf_profile(&leaf).unwrap();
            assert_eq!(profile.public_key.as_ref(), Some(workload.public_key()));
        }
    }
}

#[test]
fn dns_names() {
    let check = |text: &str, good: bool| {
        assert_eq!(DnsName::parse(text).is_ok(), good, "{text:?}");
    };
    check("localhost", true);
    check("web.shop.svc", true);
    check("*.shop.svc", false);
    check("Web.shop.svc", false);
    check("a..b", false);
    check("a.", false);
    check("", false);
    check("a b", false);
    check(&format!("{}.b", "a".repeat(63)), true);
    check(&format!("{}.b", "a".repeat(64)), false);
}
