//! Which names Kubernetes takes (`k8s.io/apimachinery/pkg/api/validate/content`).

/// Whether `name` is a DNS label: what namespaces are called.
///
/// At most 63 bytes of `a-z`, `0-9` and `-`, with neither end a `-`.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_label_of_any_length(name)
}

/// Whether `name` is a DNS subdomain: what nodes, service accounts and most other objects are called.
///
/// At most 253 bytes in all, of parts that would be DNS labels were they not too long, separated by single dots.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label_of_any_length)
}

/// `NAMESPACE/NAME` of an object; `None` where no object can be called so.
pub fn namespaced(text: &str) -> Option<(&str, &str)> {
    let named = text.split_once('/');
    named.filter(|(namespace, name)| is_dns_label(namespace) && is_dns_subdomain(name))
}

fn is_label_of_any_length(name: &str) -> bool {
    let inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    !name.is_empty()
        && name.as_bytes().iter().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, label: bool, subdomain: bool) {
        assert_eq!(is_dns_label(name), label, "label {name:?}");
        assert_eq!(is_dns_subdomain(name), subdomain, "subdomain {name:?}");
    }

    #[test]
    fn names() {
        check("shop", true, true);
        check("a", true, true);
        check("0-a", true, true);
        check("a.b-c", false, true);
        check("", false, false);
        check("-a", false, false);
        check("a-", false, false);
        check("a..b", false, false);
        check(".a", false, false);
        check("Shop", false, false);
        check("a_b", false, false);
        check("a:b", false, false);
        check("é", false, false);
        check(&"a".repeat(63), true, true);
        check(&"a".repeat(64), false, true);
        check(&"a".repeat(253), false, true);
        check(&"a".repeat(254), false, false);
    }

    #[test]
    fn objects_in_namespaces() {
        assert_eq!(namespaced("shop/web"), Some(("shop", "web")));
        assert_eq!(namespaced("0/a.b-c"), Some(("0", "a.b-c")));
        for wrong in [
            "",
            "/",
            "shop",
            "shop/",
            "/web",
            "shop/web/x",
            "a.b/web",
            "shop/Web",
            "shop/ web",
        ] {
            assert_eq!(namespaced(wrong), None, "{wrong:?}");
        }
    }
}
