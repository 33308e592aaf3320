//! Any text as the name of a resource: it resolves, or the error says what was meant.
#![no_main]

use std::sync::LazyLock;

use bailiwick_model::ApiTable;
use libfuzzer_sys::fuzz_target;

static TABLE: LazyLock<ApiTable> =
    LazyLock::new(|| ApiTable::embedded(ApiTable::NEWEST).expect("the newest minor is embedded"));

fuzz_target!(|text: &str| {
    match TABLE.resolve(text) {
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
