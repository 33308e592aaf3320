//! The subject of a certificate as text, the same text for the same subject and no other.

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::x509::X509Name;

/// Names that RFC 4514 section 3 gives to attributes.
const SHORT: &[(&[u64], &str)] = &[
    (&[2, 5, 4, 3], "CN"),
    (&[2, 5, 4, 7], "L"),
    (&[2, 5, 4, 8], "ST"),
    (&[2, 5, 4, 10], "O"),
    (&[2, 5, 4, 11], "OU"),
    (&[2, 5, 4, 6], "C"),
    (&[2, 5, 4, 9], "STREET"),
    (&[0, 9, 2342, 19200300, 100, 1, 25], "DC"),
    (&[0, 9, 2342, 19200300, 100, 1, 1], "UID"),
];

/// A distinguished name as RFC 4514 writes it, the last part first: what
/// `openssl x509 -noout -subject -nameopt RFC2253` prints.
///
/// `None` where a value is no text: such a name is nobody's in an allow-list.
pub(crate) fn rfc4514(name: &X509Name<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.iter() {
        let mut values = Vec::new();
        for attribute in part.iter() {
            let value = attribute.as_str().ok()?;
            values.push(format!(
                "{}={}",
                kind(attribute.attr_type()),
                escaped(value)
            ));
        }
        parts.push(values.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn kind(oid: &Oid<'_>) -> String {
    let arcs: Option<Vec<u64>> = oid.iter().map(Iterator::collect);
    let arcs = arcs.unwrap_or_default();
    match SHORT.iter().find(|(known, _)| *known == arcs.as_slice()) {
        Some((_, short)) => (*short).to_owned(),
        None => oid.to_id_string(),
    }
}

/// A value that no separator can hide in (RFC 4514 section 2.4).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        let edge = (letter == ' ' && (at == 0 || at == last)) || (letter == '#' && at == 0);
        if letter == '\0' {
            out.push_str("\\00");
            continue;
        }
        if edge || "\"+,;<>\\".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
    use x509_parser::parse_x509_certificate;

    use super::*;

    fn check(parts: &[(DnType, &str)], expected: &str) {
        let mut name = DistinguishedName::new();
        for (kind, value) in parts {
            name.push(kind.clone(), *value);
        }
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = name;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = parse_x509_certificate(certificate.der()).unwrap();
        assert_eq!(rfc4514(parsed.subject()).as_deref(), Some(expected));
    }

    #[test]
    fn names_are_written_the_last_part_first_and_escaped() {
        use DnType::{CommonName, OrganizationName};
        check(&[(CommonName, "kube-apiserver")], "CN=kube-apiserver");
        check(
            &[(OrganizationName, "system:masters"), (CommonName, "admin")],
            "CN=admin,O=system:masters",
        );
        // One value that looks like two parts.
        check(
            &[(CommonName, "admin,O=system:masters")],
            "CN=admin\\,O=system:masters",
        );
        check(
            &[(CommonName, " a+b\\\"<>; ")],
            "CN=\\ a\\+b\\\\\\\"\\<\\>\\;\\ ",
        );
        check(&[(CommonName, "#1")], "CN=\\#1");
        check(
            &[(DnType::CustomDnType(vec![1, 2, 3, 4]), "x")],
            "1.2.3.4=x",
        );
    }
}
