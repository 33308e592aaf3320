//! Any text as YAML documents: no panic, and places lie within the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (documents, findings) = bailiwick_input::documents("input", text.as_bytes().to_vec());
    for document in &documents {
        assert!(document.start.offset <= document.end.offset);
    }
    for span in findings.iter().flat_map(|finding| &finding.places).filter_map(|place| place.span.as_ref()) {
        assert!(span.start.line >= 1 && span.start.column >= 1);
        // One byte more for the line end that the last line may lack.
        assert!(span.end.offset <= text.len() as u64 + 1);
    }
});
