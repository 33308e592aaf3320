use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// DER as PEM (RFC 7468).
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// Certificates one after another.
pub(crate) fn certificates<'c>(ders: impl IntoIterator<Item = &'c Vec<u8>>) -> String {
    let blocks = ders.into_iter().map(|der| encode("CERTIFICATE", der));
    blocks.map(|block| block.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_64_letters() {
        assert_eq!(
            encode("X", &[0; 50]).as_str(),
            format!(
                "-----BEGIN X-----\n{}\nAAA=\n-----END X-----\n",
                "A".repeat(64)
            )
        );
        assert_eq!(
            encode("X", b"").as_str(),
            "-----BEGIN X-----\n-----END X-----\n"
        );
    }
}
