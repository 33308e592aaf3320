use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// No address of an endpoint is longer.
const MAX_BYTES: usize = 2048;
const DEFAULT_PORT: u16 = 443;

/// The address of a bundle endpoint: `https`, without a user, without a fragment (F-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    host: String,
    port: u16,
    target: String,
}

/// A text that is no address of a bundle endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no address of a bundle endpoint: {problem}")]
pub struct EndpointUrlError {
    text: String,
    problem: &'static str,
}

impl EndpointUrl {
    /// The host, as a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 443 where none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as a request names them.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Host and port as the header `Host` names them.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port {
            DEFAULT_PORT => host,
            port => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, EndpointUrlError> {
        parse(text).map_err(|problem| EndpointUrlError {
            text: text.chars().take(200).collect(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<EndpointUrl, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("it is longer than 2048 bytes");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it holds blanks or letters that have to be written with %");
    }
    let scheme = text
        .get(..8)
        .filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let rest = scheme
        .and_then(|_| text.get(8..))
        .ok_or("it has to begin with https://")?;
    if rest.contains('#') {
        return Err("it must not have a fragment");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains('@') {
        return Err("it must not name a user");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or("its address of IPv6 has no end")?;
            let is_address = host.parse::<core::net::Ipv6Addr>().is_ok();
            (
                is_address
                    .then_some(host)
                    .ok_or("its host is no address of IPv6")?,
                port,
            )
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            authority.split_at(end)
        }
    };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(letters) {
        return Err("it has no host");
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err("something stands behind its host"),
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => port,
            _ => return Err("its port is none"),
        },
    };
    let target = match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    };
    Ok(EndpointUrl {
        text: text.to_owned(),
        host: host.to_ascii_lowercase(),
        port,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_3_addresses() {
        let check = |text: &str, expected: Option<(&str, u16, &str, &str)>| {
            let url = text.parse::<EndpointUrl>().ok();
            let url = url.as_ref();
            let parts = url.map(|url| (url.host(), url.port(), url.target(), url.authority()));
            let expected = expected
                .map(|(host, port, target, authority)| (host, port, target, authority.to_owned()));
            assert_eq!(parts, expected, "{text}");
        };
        check(
            "https://a.example",
            Some(("a.example", 443, "/", "a.example")),
        );
        check(
            "HTTPS://A.example/b?c",
            Some(("a.example", 443, "/b?c", "a.example")),
        );
        check("https://a:8443/b", Some(("a", 8443, "/b", "a:8443")));
        check("https://a:443", Some(("a", 443, "/", "a")));
        check("https://a?q", Some(("a", 443, "/?q", "a")));
        check(
            "https://127.0.0.1:1/",
            Some(("127.0.0.1", 1, "/", "127.0.0.1:1")),
        );
        check("https://[::1]:8/x", Some(("::1", 8, "/x", "[::1]:8")));
        check("http://a", None);
        check("a.example", None);
        check("https://", None);
        check("https:///path", None);
        check("https://user@a", None);
        check("https://user:secret@a/", None);
        check("https://a#b", None);
        check("https://a b", None);
        check("https://ä.example", None);
        check("https://a:0", None);
        check("https://a:+1", None);
        check("https://a:65536", None);
        check("https://a:1:2", None);
        check("https://[::1", None);
        check("https://[a]/", None);
        check("https://[::1]x", None);
        check(&format!("https://a/{}", "b".repeat(2048)), None);
    }
}
