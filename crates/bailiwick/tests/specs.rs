//! Runs the Markdown files of `specs/`: manifests, a question, the answer. Their README tells the format.
//!
//! `BLESS=1 cargo test -p bailiwick --test specs` writes what the program answers into the files; read the diff.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test, also where it is no test function"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A line that stands for any number of lines.
const ANYTHING: &str = "...";

/// The piece of a file that a fence encloses, or the text between two of them.
#[derive(Debug)]
struct Block<'a> {
    /// The line of the opening fence, from 1; of the first line of text.
    line: usize,
    /// The words after the opening fence; `None` for text.
    info: Option<Vec<&'a str>>,
    body: Vec<&'a str>,
}

/// A spec file as it is worked through.
struct Spec<'a> {
    name: &'a str,
    /// Files that every section starts with.
    common: Vec<(String, String)>,
    /// Files of this section.
    own: Vec<(String, String)>,
    in_section: bool,
    questions: usize,
    failures: Vec<String>,
}

#[test]
fn the_program_answers_as_the_specs_say() {
    let folder = root().join("specs");
    let bless = env::var_os("BLESS").is_some();
    let (mut questions, mut failures) = (0, Vec::new());
    for path in spec_files(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut spec = Spec::new(name);
        let actual = spec.run(&text);
        questions += spec.questions;
        if bless && actual != text {
            fs::write(&path, actual).unwrap();
        }
        failures.extend(spec.failures);
    }
    assert!(questions > 0, "no question in {}", folder.display());
    assert!(bless || failures.is_empty(), "{}", failures.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn spec_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_spec = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("README.md")
    };
    let mut files: Vec<PathBuf> = entries.filter(is_spec).collect();
    files.sort();
    files
}

impl<'a> Spec<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            common: Vec::new(),
            own: Vec::new(),
            in_section: false,
            questions: 0,
            failures: Vec::new(),
        }
    }

    /// Asks every question of a file and returns the file with the answers that came.
    fn run(&mut self, text: &str) -> String {
        let mut actual = String::new();
        for block in blocks(text) {
            let Some(info) = &block.info else {
                for line in &block.body {
                    if line.starts_with("## ") {
                        self.in_section = true;
                        self.own.clear();
                    }
                    let _ = writeln!(actual, "{line}");
                }
                continue;
            };
            let body = match info.as_slice() {
                ["console"] => self.ask(&block),
                ["yaml" | "json", name] => {
                    let file = ((*name).to_owned(), block.body.join("\n") + "\n");
                    let files = if self.in_section {
                        &mut self.own
                    } else {
                        &mut self.common
                    };
                    files.push(file);
                    block.body.join("\n")
                }
                other => {
                    self.fail(block.line, &format!("unknown block `{}`", other.join(" ")));
                    block.body.join("\n")
                }
            };
            let _ = writeln!(actual, "```{}\n{body}\n```", info.join(" "));
        }
        actual
    }

    /// Runs the commands of a console block and returns it with what they printed.
    fn ask(&mut self, block: &Block<'_>) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in self.common.iter().chain(&self.own) {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        if block.body.iter().any(|line| line.contains("examples/")) {
            let link = directory.path().join("examples");
            std::os::unix::fs::symlink(root().join("examples"), link).unwrap();
        }
        let mut result = Vec::new();
        let starts = |line: &&str| line.starts_with("$ ");
        if !block.body.first().is_some_and(starts) {
            self.fail(block.line, "a console block starts with `$ bailiwick ...`");
        }
        let mut lines = block.body.iter().copied().enumerate().peekable();
        while let Some((offset, question)) = lines.next() {
            let mut expected = Vec::new();
            while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("$ ")) {
                expected.push(line);
            }
            self.questions += 1;
            let output = shell(question.trim_start_matches("$ "), directory.path());
            let actual: Vec<&str> = output.lines().map(str::trim_end).collect();
            result.push(question.to_owned());
            if matches(&expected, &actual) {
                result.extend(expected.iter().map(|line| (*line).to_owned()));
            } else {
                let line = block.line + 1 + offset;
                self.fail(line, &difference(question, &expected, &actual));
                result.extend(actual.iter().map(|line| (*line).to_owned()));
            }
        }
        result.join("\n")
    }

    fn fail(&mut self, line: usize, message: &str) {
        self.failures
            .push(format!("specs/{}:{line}: {message}", self.name));
    }
}

/// What a command prints on standard output, with a last line for an exit code that is not 0.
///
/// What it says on standard error is shown where the question asks for it with `2>&1`.
fn shell(command: &str, directory: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_bailiwick")).parent().unwrap();
    let path = env::join_paths(
        std::iter::once(program.to_owned()).chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", directory)
        .env("KUBECONFIG", directory.join("no-kubeconfig"))
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        Some(0) => {}
        Some(code) => {
            let _ = writeln!(text, "[exit {code}]");
        }
        None => text.push_str("[killed]\n"),
    }
    if text.is_empty() && !output.stderr.is_empty() {
        text.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    text
}

/// Text and fenced blocks in their order.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if fenced => fenced = false,
            Some(info) => {
                fenced = true;
                let info = Some(info.split_whitespace().collect());
                blocks.push(Block {
                    line: number + 1,
                    info,
                    body: Vec::new(),
                });
            }
            None if fenced || blocks.last().is_some_and(|block| block.info.is_none()) => {
                blocks.last_mut().unwrap().body.push(line);
            }
            None => blocks.push(Block {
                line: number + 1,
                info: None,
                body: vec![line],
            }),
        }
    }
    blocks
}

/// Whether the lines are those, with [`ANYTHING`] for any of them.
fn matches(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&ANYTHING, rest)) => (0..=actual.len()).any(|skip| matches(rest, &actual[skip..])),
        Some((line, rest)) => actual
            .split_first()
            .is_some_and(|(first, others)| first == line && matches(rest, others)),
    }
}

fn difference(question: &str, expected: &[&str], actual: &[&str]) -> String {
    let mut text = format!("{question}\n");
    for (sign, lines) in [('-', expected), ('+', actual)] {
        for line in lines {
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    text
}

#[test]
fn dots_stand_for_any_lines() {
    let check = |expected: &str, actual: &str, same: bool| {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        let (expected, actual) = (expected.to_owned().leak(), actual.to_owned().leak());
        assert_eq!(
            matches(&lines(expected), &lines(actual)),
            same,
            "{expected:?} {actual:?}"
        );
    };
    check("a\nb", "a\nb", true);
    check("a\nb", "a", false);
    check("a", "a\nb", false);
    check("a\n...", "a\nb\nc", true);
    check("a\n...\nc", "a\nb\nc", true);
    check("a\n...\nc", "a\nb", false);
    check("...", "", true);
    check("", "a", false);
}

#[test]
fn a_wrong_answer_and_a_wrong_block_are_failures() {
    let text = "# T\n\n```yaml a.yaml\nx: 1\n```\n\n## S\n\n```console\n$ cat a.yaml; false\nx: 2\n```\n\n```toml\n```\n";
    let mut spec = Spec::new("made-up.md");
    let blessed = spec.run(text);
    assert_eq!(
        spec.failures,
        [
            "specs/made-up.md:10: $ cat a.yaml; false\n- x: 2\n+ x: 1\n+ [exit 1]\n",
            "specs/made-up.md:14: unknown block `toml`",
        ]
    );
    assert!(
        blessed.contains("$ cat a.yaml; false\nx: 1\n[exit 1]\n```"),
        "{blessed}"
    );
    assert_eq!(spec.questions, 1);
}

#[test]
fn what_the_readme_shows_can_be_typed() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut commands = 0;
    for line in blocks(&text)
        .iter()
        .filter(|block| block.info.is_some())
        .flat_map(|b| &b.body)
    {
        let line = line.split(" #").next().unwrap().trim();
        let Some(arguments) = ["bailiwick ", "cargo run --release -- "]
            .iter()
            .find_map(|program| line.strip_prefix(program))
            // The others ask a live cluster, or are servers, which the tests of `serve` start.
            .filter(|rest| rest.contains("-f examples/") || rest.starts_with("explain "))
            .filter(|rest| !rest.ends_with('&'))
        else {
            continue;
        };
        commands += 1;
        // A file that an example writes does not belong into the checkout.
        let arguments = arguments.split(" > ").next().unwrap();
        let output = shell(&format!("bailiwick {arguments} >/dev/null 2>&1"), &root());
        assert!(matches!(&*output, "" | "[exit 1]\n"), "{line}: {output}");
    }
    assert!(commands > 6, "{commands}");
}
