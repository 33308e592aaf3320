//! Our reading of YAML and JSON against kubectl's own code, which the oracle runs.
//!
//! What kubectl refuses we must refuse, and what both read must be equal. Where we refuse more, the reason stands in
//! [`STRICTER`] and has a test of its own in `tests/stricter.rs`; that direction loses input, and says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and prints its seed"
)]

use bailiwick_input::documents;
use bailiwick_model::Value;
use bailiwick_testkit::oracle::Oracle;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Parts of the messages with which we refuse what kubectl reads.
const STRICTER: [&str; 8] = [
    "this is no valid JSON: key must be a string",
    "something stands behind the end of the document",
    "invisible character",
    "!!timestamp",
    "number with an anchor is used as a key",
    "byte order mark",
    "comments must be separated from other tokens",
    "plain scalar cannot start with '-' followed by",
];

#[derive(Debug, PartialEq)]
enum Agreement {
    Equal,
    Stricter(String),
}

fn ours(text: &str) -> (Vec<serde_json::Value>, Vec<String>) {
    let (documents, findings) = documents("input", text.as_bytes().to_vec());
    let lost = findings
        .into_iter()
        .filter(|finding| finding.input_lost)
        .map(|finding| finding.message)
        .collect();
    let values = documents.iter().map(|document| json(&document.value));
    // What is neither mapping nor list is no object to kubectl, whatever it reads there.
    let values = values.map(|value| {
        if value.is_object() || value.is_array() {
            value
        } else {
            "scalar".into()
        }
    });
    (values.collect(), lost)
}

/// For a comparison that the order of keys does not matter to.
fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

fn compare(oracle: &mut Oracle, text: &str) -> Result<Agreement, String> {
    let theirs = oracle.documents(text).unwrap();
    let (read, lost) = ours(text);
    let mut expected = Vec::new();
    for document in &theirs.documents {
        let (values, problems) = ours(document);
        if !problems.is_empty() {
            // JSON that passes kubectl's splitting and fails when it is decoded.
            return if lost.is_empty() {
                Err(format!("{text:?}: kubectl fails later: {problems:?}"))
            } else {
                Ok(Agreement::Equal)
            };
        }
        expected.extend(values);
    }
    let context = || {
        format!(
            "{text:?}\n kubectl {:?} error {:?}\n ours {read:?} lost {lost:?}",
            theirs.documents, theirs.error
        )
    };
    match (theirs.error.is_empty(), lost.is_empty()) {
        (true, true) if read == expected => Ok(Agreement::Equal),
        (true, true) => Err(format!("other values: {}", context())),
        (true, false) => Ok(Agreement::Stricter(lost.join("; "))),
        (false, false) if follows(&read, &expected, lost.len()) => Ok(Agreement::Equal),
        (false, false) => Err(format!("other values before the error: {}", context())),
        // No object is made of it either way.
        (false, true) if read.iter().any(|value| value == "scalar") => Ok(Agreement::Equal),
        (false, true) => Err(format!("we read what kubectl refuses: {}", context())),
    }
}

/// Whether `read` starts with `expected`, except for documents that we lost and for what is no object anyway.
fn follows(read: &[serde_json::Value], expected: &[serde_json::Value], lost: usize) -> bool {
    let mut read = read.iter().peekable();
    let missing = expected
        .iter()
        .filter(|value| read.next_if_eq(value).is_none() && **value != "scalar");
    missing.count() <= lost
}

#[test]
fn scalars_of_the_table() {
    let mut oracle = Oracle::start().unwrap();
    let words = "010 007 08 09 0o10 0O7 0x1F 0b11 0b12 1_000 1__0 _1 1_ 1e3 1. .5 .5_5 +.5 -.5 +1 -1 -0 -0.0 0 00 \
        no No NO n N off Off yes y Y on On true TRUE ~ null Null NULL nUll .inf -.inf .nan +.Inf 1:30 190:20:30 \
        2001-01-01 2001-12-14t21:59:43.10-05:00 100m 0o8 1e400 -1e400 1e-400 9223372036854775807 9223372036854775808 \
        18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809 +9223372036854775808 \
        1.2345678901234567e18 1e20 1e21 1e22 123456789012345678901 0.1 1e-7 0.000001 12345.678 = << ! - -- + . .. .e3 \
        0x 0b 0o 0xg 1e 1e+ e1 inf nan Infinity a:b a#b x'y \"q\" 'q' '010' \"no\" '' |- !!str !!int 1,000 1.2.3 ... \
        !!str~010 !!int~\"010\" !!int~010 !!int~x !!float~1 !!float~010 !!float~1e400 !!bool~yes !!bool~\"yes\" !!null~~ \
        !!null~x !!binary~aGk= !!binary~aGk !~12 !foo~12 !!foo~12 !~\"12\" !<tag:yaml.org,2002:int>~\"7\" !!int~1_0 \
        !!int~9223372036854775808 !!float~9223372036854775808 !!merge~<< !!seq~[a] !!map~{a:~1} !!str~[a] !!set~{a,~b}";
    let mut problems = Vec::new();
    for word in words.split_whitespace() {
        let word = word.replace('~', if word.len() > 1 { " " } else { "~" });
        for text in [
            format!("a: {word}\n"),
            format!("[{word}]\n"),
            format!("- {word}\n- x\n"),
            format!("{word}: a\n"),
            format!("? {word}\n: a\n"),
            format!("{{{word}: a, b: {word}}}\n"),
            format!("{word}\n"),
            format!("a: {word} # c\n"),
            format!("a: {word}"),
        ] {
            if let Err(problem) = compare(&mut oracle, &text) {
                problems.push(problem);
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn documents_of_the_table() {
    let mut oracle = Oracle::start().unwrap();
    let cases = include_str!("cases.txt");
    let mut problems = Vec::new();
    let mut stricter = Vec::new();
    for case in cases.split("\n=====\n") {
        let text = case
            .replace("<TAB>", "\t")
            .replace("<CR>", "\r")
            .replace("<BOM>", "\u{feff}")
            .replace("<NEL>", "\u{85}")
            .replace("<LS>", "\u{2028}")
            .replace("<NUL>", "\0")
            .replace("<EOF>\n", "");
        match compare(&mut oracle, &text) {
            Ok(Agreement::Equal) => {}
            Ok(Agreement::Stricter(why)) => stricter.push(format!("{text:?}: {why}")),
            Err(problem) => problems.push(problem),
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
    let unknown: Vec<_> = stricter
        .iter()
        .filter(|why| !STRICTER.iter().any(|known| why.contains(known)))
        .collect();
    assert!(
        unknown.is_empty(),
        "stricter without a reason:\n{unknown:#?}"
    );
}

/// Scalars, keys and structure as nobody would write them on purpose.
fn yaml() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            "a", "b", "kind", "010", "no", "1e3", "~", "null", "x y", "1_0", "0x1f", ".5", "-", "<<", "é", "\u{1F600}",
        ])
        .prop_map(str::to_owned),
        8 => prop::sample::select(vec![
            ": ", ":", "- ", "? ", ", ", ",", "[", "]", "{", "}", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", " ", "\n\n",
        ])
        .prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "&x ", "*x", "&y ", "*y", "!!str ", "!!int ", "!foo ", "! ", "\"", "'", "|\n", ">\n", "|-\n", ">+\n", "# c\n", " # c",
            "\t", "\r\n", "---\n", "\n---\n", "...\n", "%", "@", "`", "\\", "\\n", "\\u0041", "\"a b\"", "'c d'", "items: ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(token, 1..24).prop_map(|tokens| tokens.concat())
}

/// Proper nested YAML in block and flow style with odd scalars, anchors and comments.
fn tree() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[a-z]{1,6}",
        "[0-9]{1,3}",
        "[-+]?[0-9_]{1,6}(\\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,3})?",
        "0[xob][0-9a-f_]{1,4}",
        "\"[ -!#-\\[\\]-~]{0,8}\"",
        "'[ -&(-~]{0,8}'",
        "[!-~][ -~]{0,8}",
        prop::sample::select(vec![
            "yes",
            "No",
            "on",
            "off",
            "y",
            "N",
            "~",
            "null",
            "",
            ".inf",
            "1:30",
            "2001-01-01"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = scalar.prop_map(|text| (text, false));
    let node = leaf.prop_recursive(4, 32, 5, |inner| {
        let indent = |text: &str| text.replace('\n', "\n  ");
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(move |items| {
                let lines: Vec<_> = items
                    .iter()
                    .map(|(text, block)| {
                        if *block {
                            format!("-\n  {}", indent(text))
                        } else {
                            format!("- {text}")
                        }
                    })
                    .collect();
                if lines.is_empty() {
                    ("[]".to_owned(), false)
                } else {
                    (lines.join("\n"), true)
                }
            }),
            prop::collection::vec(("[a-z0-9]{1,4}", inner.clone()), 0..5).prop_map(
                move |entries| {
                    let lines: Vec<_> = entries
                        .iter()
                        .map(|(key, (text, block))| {
                            if *block {
                                format!("{key}:\n  {}", indent(text))
                            } else {
                                format!("{key}: {text}")
                            }
                        })
                        .collect();
                    if lines.is_empty() {
                        ("{}".to_owned(), false)
                    } else {
                        (lines.join("\n"), true)
                    }
                }
            ),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                let items: Vec<_> = items
                    .into_iter()
                    .filter(|(_, block)| !block)
                    .map(|(text, _)| text)
                    .collect();
                (format!("[{}]", items.join(", ")), false)
            }),
            (
                inner,
                prop::sample::select(vec!["|", ">", "|-", ">+", "|2"])
            )
                .prop_map(move |((text, _), header)| {
                    (format!("{header}\n  {}", indent(&text)), false)
                }),
        ]
    });
    node.prop_map(|(text, _)| format!("{text}\n"))
}

fn run(cases: u32, strategy: impl Strategy<Value = String>) {
    let seed: u64 = std::env::var("BAILIWICK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| std::process::id().into());
    let cases = std::env::var("BAILIWICK_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(cases);
    println!("seed: BAILIWICK_SEED={seed}, cases: {cases}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let oracle = std::cell::RefCell::new(Oracle::start().unwrap());
    let stricter =
        std::cell::RefCell::new(std::collections::BTreeMap::<String, (u32, String)>::new());
    let outcome = runner.run(&strategy, |text| {
        match compare(&mut oracle.borrow_mut(), &text) {
            Ok(Agreement::Equal) => {}
            Ok(Agreement::Stricter(why)) => {
                let mut stricter = stricter.borrow_mut();
                let entry = stricter.entry(why).or_insert_with(|| (0, text));
                entry.0 += 1;
            }
            Err(problem) => return Err(TestCaseError::fail(problem)),
        }
        Ok(())
    });
    for (why, (count, example)) in stricter.into_inner() {
        println!("stricter {count} times: {why}, as for {example:?}");
    }
    if let Err(error) = outcome {
        panic!("BAILIWICK_SEED={seed}\n{error}");
    }
}

#[test]
fn random_tokens_are_read_alike() {
    run(3000, yaml());
}

#[test]
fn random_trees_are_read_alike() {
    run(3000, tree());
}
