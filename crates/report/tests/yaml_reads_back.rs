//! What we write as YAML, kubectl's own code and our reader read as the value that it was.

use bailiwick_input::documents;
use bailiwick_testkit::oracle::Oracle;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

/// Texts that YAML is known to read as something else.
const TRAPS: [&str; 42] = [
    "",
    " ",
    "~",
    "null",
    "Null",
    "no",
    "No",
    "n",
    "Y",
    "on",
    "OFF",
    "true",
    "010",
    "0x1F",
    "0o7",
    "0b1",
    "1e3",
    "1.",
    ".5",
    "1_000",
    "1:30",
    "+1",
    "-1",
    ".inf",
    "-.INF",
    ".nan",
    "2001-01-01",
    "=",
    "<<",
    "-",
    "- a",
    "a: b",
    "a:",
    "a #b",
    "#",
    "&a",
    "*a",
    "!a",
    "|",
    "%a",
    "---",
    "a\n---\nb",
];

fn text() -> impl Strategy<Value = String> {
    let lines = prop::collection::vec("[ a-z:#-]{0,6}", 0..5).prop_map(|lines| lines.join("\n"));
    let trap = prop::sample::select(TRAPS.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        trap,
        lines,
        any::<String>(),
        "[\u{0}-\u{ff}\u{2028}\u{202e}\u{feff}\u{ffff}]{0,8}"
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop::num::f64::NORMAL.prop_map(|number| json!(number));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number,
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let entries = prop::collection::vec((text(), inner), 0..4);
        let map =
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>()));
        prop_oneof![list, map]
    })
}

/// Numbers as the API server compares them: `1.0` is `1`.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => match (number.as_f64(), number.is_f64()) {
            (Some(float), true) => json!(format!("float {float:e}")),
            (Some(float), false) if float.abs() >= 9e15 => json!(format!("float {float:e}")),
            _ => json!(format!("float {:e}", number.as_f64().unwrap_or_default())),
        },
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        other => other,
    }
}

#[test]
fn by_kubectl_and_by_us() {
    let mut oracle = Oracle::start().unwrap();
    let oracle = std::cell::RefCell::new(&mut oracle);
    let mut runner = TestRunner::new(Config::with_cases(3000));
    runner
        .run(&value(), |value| {
            let yaml = bailiwick_report::yaml("Sample", &json!({"value": value})).unwrap();
            let expected = plain(value);
            let theirs = oracle.borrow_mut().yaml(&yaml).unwrap();
            let theirs: Value = serde_json::from_str(&theirs).unwrap();
            prop_assert_eq!(
                &plain(theirs["value"].clone()),
                &expected,
                "kubectl reads\n{}",
                yaml
            );
            let (own, findings) = documents("sample", yaml.clone().into_bytes());
            prop_assert!(findings.is_empty(), "we say {:?} of\n{}", findings, yaml);
            let own = serde_json::to_value(&own[0].value).unwrap();
            prop_assert_eq!(plain(own["value"].clone()), expected, "we read\n{}", yaml);
            Ok(())
        })
        .unwrap();
}
