//! How the API server wants names to look (upstream `apimachinery/pkg/api/validate/content`). Each function gives
//! what is wrong, or nothing.

pub(super) const LABEL: &str = "must be lower-case letters, digits and `-`, at most 63 of them, and start and end with a letter or digit";
const SUBDOMAIN: &str = "must be lower-case letters, digits, `-` and `.`, at most 253 of them, with a letter or digit at the start and end of each part";
const KEY: &str = "must be letters, digits, `-`, `_` and `.`, at most 63 of them, after an optional domain and `/`";
const VALUE: &str = "must be empty or letters, digits, `-`, `_` and `.`, at most 63 of them, starting and ending with a letter or digit";
const LETTER_FIRST: &str = "must be lower-case letters, digits and `-`, at most 63 of them, and start with a letter and end with a letter or digit";

type Problem = Option<&'static str>;

fn unless(good: bool, problem: &'static str) -> Problem {
    (!good).then_some(problem)
}

/// Names of roles and bindings: anything that can stand between slashes.
pub(super) fn path_segment(name: &str) -> Problem {
    let good = name != "." && name != ".." && !name.contains(['/', '%']);
    unless(good, "must not be `.` or `..` and must not hold `/` or `%`")
}

fn is_dns_label(text: &str) -> bool {
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// RFC 1123 label: names of namespaces.
pub(super) fn dns_label(name: &str) -> Problem {
    unless(name.len() <= 63 && is_dns_label(name), LABEL)
}

/// RFC 1035 label: names that CustomResourceDefinitions introduce.
pub(super) fn dns_label_letter_first(name: &str) -> Problem {
    let letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    unless(
        name.len() <= 63 && letter && is_dns_label(name),
        LETTER_FIRST,
    )
}

/// RFC 1123 subdomain: names of most objects. A part may be longer than 63.
pub(super) fn dns_subdomain(name: &str) -> Problem {
    unless(
        name.len() <= 253 && name.split('.').all(is_dns_label),
        SUBDOMAIN,
    )
}

fn is_key_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Keys of labels, annotations and finalizers.
pub(super) fn qualified_name(key: &str) -> Problem {
    let good = match key.split_once('/') {
        Some((domain, name)) => dns_subdomain(domain).is_none() && is_key_part(name),
        None => is_key_part(key),
    };
    unless(good, KEY)
}

/// Values of labels.
pub(super) fn label_value(value: &str) -> Problem {
    unless(value.is_empty() || is_key_part(value), VALUE)
}

/// Names of ports (upstream `IsValidPortName`).
pub(super) fn port_name(name: &str) -> Problem {
    let good = is_dns_label(name)
        && name.len() <= 15
        && !name.contains("--")
        && name.bytes().any(|byte| byte.is_ascii_lowercase());
    unless(
        good,
        "must be lower-case letters, digits and single `-`, at most 15 of them and a letter among them",
    )
}

/// Names of signers of certificates (upstream `ValidateSignerName`, but for lengths).
pub(super) fn signer(name: &str) -> Problem {
    let good = name.split_once('/').is_some_and(|(domain, path)| {
        domain.contains('.') && dns_subdomain(domain).is_none() && dns_subdomain(path).is_none()
    });
    unless(
        good,
        "must be a full domain and a name with `/` between them, such as `shop.example/web`",
    )
}

/// Keys of a Secret's data.
pub(super) fn data_key(key: &str) -> Problem {
    let good = key.len() <= 253
        && !key.is_empty()
        && key != "."
        && !key.starts_with("..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    unless(
        good,
        "must be letters, digits, `-`, `_` and `.`, at most 253 of them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_api_server_takes_and_refuses() {
        let check = |rule: fn(&str) -> Problem, good: &[&str], bad: &[&str]| {
            for name in good {
                assert_eq!(rule(name), None, "{name:?}");
            }
            for name in bad {
                assert!(rule(name).is_some(), "{name:?}");
            }
        };
        let (long, longer) = ("a".repeat(63), "a".repeat(64));
        check(
            path_segment,
            &["a", "system:node", "A b", "..."],
            &[".", "..", "a/b", "50%"],
        );
        check(
            dns_label,
            &["a", "0-a", &long],
            &["", "-a", "a-", "A", "a.b", "ä", &longer],
        );
        check(
            dns_label_letter_first,
            &["a", "a-0"],
            &["0a", "", "a-", "A"],
        );
        check(
            dns_subdomain,
            &["a", "a.b-c.0", &longer],
            &["", ".", "a.", ".a", "a..b", "A", "a_b", &"a".repeat(254)],
        );
        check(
            qualified_name,
            &["a", "A_b.c-D", "x.io/a", &long],
            &["", "/a", "a/", "a/b/c", "X.io/a", "-a", "a-", "ä", &longer],
        );
        check(
            label_value,
            &["", "a", "A_b.c", &long],
            &["-", "a b", "a/b", &longer],
        );
        check(
            signer,
            &["shop.example/web", "a.b/c.d"],
            &[
                "",
                "web",
                "shop/web",
                "shop.example/",
                "shop.example/web/a",
                "shop.example/Web",
            ],
        );
        check(
            data_key,
            &["a", ".dockercfg", "A_b-c"],
            &["", ".", "..", "..a", "a/b", "a b"],
        );
    }
}
