//! Any bytes as a stream of JSON: no panic, and what is read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = [b"{\"a\": ".as_slice(), bytes, b"}\n"].concat();
    let (documents, _) = bailiwick_input::documents("input", text);
    for document in documents {
        let text = document.value.to_string();
        if text.starts_with('{') {
            let (again, findings) = bailiwick_input::documents("again", text.clone().into_bytes());
            assert!(findings.is_empty(), "{text} {findings:?}");
            assert_eq!(again.len(), 1, "{text}");
            assert_eq!(again[0].value.to_string(), text);
        }
    }
});
