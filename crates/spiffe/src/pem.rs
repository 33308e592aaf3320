//! PEM (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// DER as PEM.
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
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
pub fn certificates<'c>(ders: impl IntoIterator<Item = &'c Vec<u8>>) -> String {
    let blocks = ders.into_iter().map(|der| encode("CERTIFICATE", der));
    blocks.map(|block| block.to_string()).collect()
}

/// The blocks of this label, in order; `None` where a block is broken or there is none. Text around blocks is passed
/// over.
pub fn decode(label: &str, text: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut ders = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end)?;
        let body: String = body.split_whitespace().collect();
        ders.push(STANDARD.decode(body).ok()?);
        rest = after;
    }
    (!ders.is_empty()).then_some(ders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_again() {
        let two = certificates(&[vec![1; 100], vec![2]]);
        assert_eq!(
            decode("CERTIFICATE", &two),
            Some(vec![vec![1; 100], vec![2]])
        );
        assert_eq!(decode("PRIVATE KEY", &two), None);
        assert_eq!(decode("CERTIFICATE", &two.replace("-----END", "")), None);
        assert_eq!(decode("CERTIFICATE", &two.replace('=', "%")), None);
    }

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
