//! The program under test: run to its end, or in the background until a test is over.

use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_bailiwick");

/// Nothing that is waited for takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a command ended, and all that it said.
pub(crate) fn said(output: Output) -> (Option<i32>, String) {
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

/// The same of the program with these arguments.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String) {
    said(Command::new(PROGRAM).args(args).output().unwrap())
}

/// Runs it, which has to end with this code and to say this.
pub(crate) fn check(args: &[&str], code: i32, part: &str) -> String {
    let (found, text) = run(args);
    assert_eq!(found, Some(code), "{args:?}: {text}");
    assert!(text.contains(part), "{args:?}: no `{part}` in {text}");
    text
}

/// Asks until the answer is this one.
pub(crate) fn until(args: &[&str], code: i32, part: &str) -> String {
    until_said(|| run(args), code, part)
}

/// The same of anything.
pub(crate) fn until_said(ask: impl Fn() -> (Option<i32>, String), code: i32, part: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let (found, text) = ask();
        if found == Some(code) && text.contains(part) {
            return text;
        }
        assert!(Instant::now() < end, "{found:?} and no `{part}` in {text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
