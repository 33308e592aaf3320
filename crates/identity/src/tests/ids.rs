use serde_json::json;

use super::*;
use crate::SpiffeId;

#[test]
fn ids_are_what_go_spiffe_takes() {
    const PIECES: &[&str] = &[
        "spiffe://",
        "SPIFFE://",
        "spiffe:/",
        "http://",
        "td",
        "example.org",
        "Ex",
        "a_b",
        "1.2.3.4",
        "[::1]",
        ":80",
        "u@",
        "/",
        "//",
        "/ns",
        "/A-b_c.d",
        "/.",
        "/..",
        "/...",
        "/%41",
        "/\u{e9}",
        "?q",
        "#f",
        " ",
        "-",
        ".",
        "",
    ];
    let seed = seed(11);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    // SPIFFE-ID 2.1 and 2.2: scheme and trust domain count without case.
    let mut comparison = Comparison::new(
        seed,
        &[
            (They, "limited to lowercase"),
            (They, "scheme is missing or invalid"),
        ],
    );
    for _ in 0..20_000 {
        let start = if rng.chance(70) { "spiffe://td" } else { "" };
        let text = format!("{start}{}", rng.some(PIECES, 0, 4).concat());
        let ours = SpiffeId::parse(&text).map_err(|error| error.to_string());
        let theirs = ask(&mut spiffe, "spiffeid", json!({"text": text}));
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &text) {
            assert_eq!(
                theirs["trustDomain"],
                ours.trust_domain().as_str(),
                "{text}"
            );
            assert_eq!(theirs["path"], ours.path(), "{text}");
        }
    }
    comparison.check("ids");
}
