//! Which proxy a connection goes through, as Go's HTTP client decides it for kubectl
//! (`golang.org/x/net/http/httpproxy`): none for loopback addresses and for what `NO_PROXY` lists.

use std::net::IpAddr;

use http::Uri;

/// The proxy of `$HTTPS_PROXY` for this server, where one applies.
pub(crate) fn from_environment<'a>(
    https_proxy: Option<&'a str>,
    no_proxy: Option<&str>,
    server: &Uri,
) -> Option<&'a str> {
    let proxy = https_proxy?;
    let host = server.host()?.trim_start_matches('[').trim_end_matches(']');
    let port = server.port_u16().unwrap_or(443);
    let excluded = is_loopback(host) || no_proxy.is_some_and(|list| excludes(list, host, port));
    (server.scheme_str() == Some("https") && !excluded).then_some(proxy)
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn excludes(list: &str, host: &str, port: u16) -> bool {
    let host = host.to_lowercase();
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let entry = entry.to_lowercase();
            if entry == "*" {
                return true;
            }
            if let Some(range) = Range::parse(&entry) {
                return host.parse().is_ok_and(|address| range.contains(address));
            }
            if entry.parse::<IpAddr>().is_ok() {
                return entry == host;
            }
            let (name, wanted) = match entry
                .rsplit_once(':')
                .map(|(name, port)| (name, port.parse()))
            {
                Some((name, Ok(port))) => (name.to_owned(), Some(port)),
                _ => (entry, None),
            };
            wanted.is_none_or(|wanted: u16| wanted == port) && matches_name(&name, &host)
        })
}

/// `example.com` means itself and everything below it; with a dot or `*.` before it, only what is below.
fn matches_name(name: &str, host: &str) -> bool {
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

/// A range of addresses in CIDR notation.
struct Range {
    base: IpAddr,
    bits: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let range = Self {
            base: base.parse().ok()?,
            bits: bits.parse().ok()?,
        };
        (range.bits <= if range.base.is_ipv4() { 32 } else { 128 }).then_some(range)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = u32::from(base) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = u128::from(base) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_applies_unless_it_is_excluded() {
        let check = |server: &str, no_proxy: &str, expected: bool| {
            let server: Uri = server.parse().unwrap();
            let proxy = from_environment(Some("http://proxy:3128"), Some(no_proxy), &server);
            assert_eq!(
                proxy.is_some(),
                expected,
                "{server} with NO_PROXY={no_proxy}"
            );
        };
        check("https://api.example.com", "", true);
        check("https://api.example.com", "*", false);
        check("https://api.example.com", "example.com", false);
        check("https://API.example.com", "example.com", false);
        check("https://example.com", "example.com", false);
        check("https://example.com", ".example.com", true);
        check("https://api.example.com", "*.example.com", false);
        check("https://badexample.com", "example.com", true);
        check("https://api.example.com:6443", "example.com:6443", false);
        check("https://api.example.com:6443", "example.com:443", true);
        check("https://10.1.2.3:6443", "10.0.0.0/8", false);
        check("https://11.1.2.3:6443", "10.0.0.0/8, 192.168.0.0/16", true);
        check("https://10.1.2.3", "0.0.0.0/0", false);
        check("https://10.1.2.3", "10.1.2.3", false);
        check("https://10.1.2.3", "10.1.2.3/32,broken/99", false);
        check("https://[fd00::1]:6443", "fd00::/8", false);
        check("https://127.0.0.1:6443", "", false);
        check("https://localhost:6443", "", false);
        check("https://[::1]:6443", "", false);
        check("http://api.example.com", "", false);
    }
}
