use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose as Extended,
    IsCa, KeyPair, KeyUsagePurpose as Usage, SanType,
};

use super::*;

/// A certificate that is an X509-SVID until `change` makes another of it.
fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri("spiffe://td/a")];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![Usage::DigitalSignature];
    params.extended_key_usages = vec![Extended::ServerAuth, Extended::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn check(change: impl FnOnce(&mut CertificateParams), expected: Result<&str, ProfileError>) {
    let id = leaf_profile(&certificate(change)).map(|profile| profile.id.to_string());
    assert_eq!(id, expected.map(str::to_owned));
}

fn check_authority(change: impl FnOnce(&mut CertificateParams), expected: Option<ProfileError>) {
    let der = certificate(|params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.subject_alt_names = vec![uri("spiffe://td")];
        params.key_usages = vec![Usage::KeyCertSign];
        change(params);
    });
    let checked = authority_profile(&der).map(|_| ());
    assert_eq!(checked, expected.map_or(Ok(()), Err));
}

/// An extension in place of the one that rcgen would write.
fn raw(oid: &[u64], critical: bool, value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(critical);
    extension
}

const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const NAMES: &[u64] = &[2, 5, 29, 17];

#[test]
fn x_1_exactly_one_uri() {
    check(|_| {}, Ok("spiffe://td/a"));
    let dns = || SanType::DnsName("web.shop.svc".try_into().unwrap());
    check(
        |params| params.subject_alt_names.extend([dns(), dns()]),
        Ok("spiffe://td/a"),
    );
    check(
        |params| params.subject_alt_names.clear(),
        Err(ProfileError::Uris(0)),
    );
    check(
        |params| params.subject_alt_names = vec![dns()],
        Err(ProfileError::Uris(0)),
    );
    check(
        |params| params.subject_alt_names.push(uri("spiffe://td/b")),
        Err(ProfileError::Uris(2)),
    );
    check(
        |params| params.subject_alt_names.push(uri("spiffe://td/a")),
        Err(ProfileError::Uris(2)),
    );
    check(
        |params| params.subject_alt_names.push(uri("https://example.com")),
        Err(ProfileError::Uris(2)),
    );
}

#[test]
fn x_2_a_leaf_has_a_path_and_is_no_authority() {
    check(
        |params| params.subject_alt_names = vec![uri("spiffe://td")],
        Err(ProfileError::NoPath(
            SpiffeId::parse("spiffe://td").unwrap(),
        )),
    );
    check(
        |params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
        Err(ProfileError::Authority),
    );
    check(|params| params.is_ca = IsCa::NoCa, Ok("spiffe://td/a"));
}

#[test]
fn x_2_key_usage_of_a_leaf() {
    check(
        |params| params.key_usages.clear(),
        Err(ProfileError::KeyUsage),
    );
    check(
        |params| params.key_usages = vec![Usage::KeyAgreement],
        Err(ProfileError::NoSignature),
    );
    check(
        |params| params.key_usages.push(Usage::KeyCertSign),
        Err(ProfileError::SignsCertificates("keyCertSign")),
    );
    check(
        |params| params.key_usages.push(Usage::CrlSign),
        Err(ProfileError::SignsCertificates("cRLSign")),
    );
    check(
        |params| params.key_usages.push(Usage::KeyEncipherment),
        Ok("spiffe://td/a"),
    );
    check(
        |params| {
            params.key_usages.clear();
            params.custom_extensions = vec![raw(KEY_USAGE, false, &[3, 2, 7, 0x80])];
        },
        Err(ProfileError::KeyUsage),
    );
}

#[test]
fn x_3_names_without_subject() {
    // [6] "spiffe://td/a" in a sequence.
    let names = [&[0x30, 15, 0x86, 13][..], b"spiffe://td/a"].concat();
    check(
        |params| {
            params.subject_alt_names.clear();
            params.custom_extensions = vec![raw(NAMES, true, &names)];
        },
        Ok("spiffe://td/a"),
    );
    check(
        |params| {
            params.subject_alt_names.clear();
            params.custom_extensions = vec![raw(NAMES, false, &names)];
        },
        Err(ProfileError::NamesNotCritical),
    );
    check(
        |params| {
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "x");
        },
        Ok("spiffe://td/a"),
    );
}

#[test]
fn x_4_extended_key_usage_when_there() {
    check(
        |params| params.extended_key_usages.clear(),
        Ok("spiffe://td/a"),
    );
    check(
        |params| params.extended_key_usages = vec![Extended::ServerAuth],
        Err(ProfileError::ExtendedKeyUsage),
    );
    check(
        |params| params.extended_key_usages = vec![Extended::CodeSigning],
        Err(ProfileError::ExtendedKeyUsage),
    );
    check(
        |params| params.extended_key_usages.push(Extended::CodeSigning),
        Ok("spiffe://td/a"),
    );
}

#[test]
fn x_5_authorities() {
    check_authority(|_| {}, None);
    check_authority(|params| params.subject_alt_names.clear(), None);
    check_authority(
        |params| params.subject_alt_names = vec![uri("spiffe://td/a")],
        Some(ProfileError::Path(
            SpiffeId::parse("spiffe://td/a").unwrap(),
        )),
    );
    check_authority(
        |params| params.is_ca = IsCa::ExplicitNoCa,
        Some(ProfileError::NoAuthority),
    );
    check_authority(
        |params| params.key_usages = vec![Usage::CrlSign],
        Some(ProfileError::NoCertSign),
    );
    check_authority(
        |params| params.key_usages.clear(),
        Some(ProfileError::KeyUsage),
    );
}

#[test]
fn x_6_the_uri_is_a_spiffe_id() {
    let refused = |text: &str, error| {
        check(
            |params| params.subject_alt_names = vec![uri(text)],
            Err(ProfileError::Id(error)),
        );
    };
    refused("https://td/a", IdError::Scheme("https://td/a".into()));
    refused("spiffe://td/a/", IdError::EmptySegment);
    refused("spiffe://td/%61", IdError::PathLetter('%'));
}

#[test]
fn extensions_that_are_there_twice() {
    check(
        |params| params.custom_extensions = vec![raw(KEY_USAGE, true, &[3, 2, 7, 0x80])],
        Err(ProfileError::Extension("keyUsage")),
    );
    let names = [&[0x30, 15, 0x86, 13][..], b"spiffe://td/b"].concat();
    check(
        |params| params.custom_extensions = vec![raw(NAMES, true, &names)],
        Err(ProfileError::Extension("subjectAltName")),
    );
}

#[test]
fn bytes_after_the_certificate() {
    let mut der = certificate(|_| {});
    assert!(leaf_profile(&der).is_ok());
    der.push(0);
    assert_eq!(leaf_profile(&der), Err(ProfileError::Malformed));
    assert_eq!(leaf_profile(&[]), Err(ProfileError::Malformed));
}

#[test]
fn no_bytes_stop_the_reader() {
    let der = certificate(|_| {});
    for end in 0..der.len() {
        assert!(leaf_profile(&der[..end]).is_err(), "cut at {end}");
    }
    for at in 0..der.len() {
        let mut other = der.clone();
        other[at] ^= 0x55;
        let _ = leaf_profile(&other);
        let _ = authority_profile(&other);
    }
}
