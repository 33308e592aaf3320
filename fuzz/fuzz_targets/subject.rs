//! Any text as a subject: what is accepted is printed in a form that means the same.
#![no_main]

use bailiwick_core::Subject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(subject) = text.parse::<Subject>() {
        let printed = subject.to_string();
        assert_eq!(printed.parse::<Subject>().as_ref(), Ok(&subject), "{printed}");
        if let Some(name) = subject.user_name() {
            assert_eq!(Subject::from_user_name(&name), subject);
        }
    }
});
