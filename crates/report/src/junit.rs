//! JUnit XML, as CI services read it. There is no standard; this keeps to what all of them know: suites, cases,
//! failures and errors.

use std::collections::HashMap;
use std::fmt::Write as _;

use bailiwick_diag::Finding;

use crate::inert::inert;
use crate::report::Report;

/// The findings as a test report: a suite for each id, in which each finding is a failed case; an id without findings
/// has one case that passed. What could not be read is an error. `title` names the whole.
pub fn findings(report: &Report<'_>, title: &str) -> String {
    let mut suites: Vec<Suite<'_>> = report
        .rules
        .iter()
        .map(|rule| Suite::new(rule.id))
        .collect();
    for finding in report.findings {
        let at = suites.iter().position(|suite| suite.name == finding.id);
        let at = at.unwrap_or_else(|| {
            suites.push(Suite::new(&finding.id));
            suites.len() - 1
        });
        if let Some(suite) = suites.get_mut(at) {
            suite.fail(finding);
        }
    }
    for finding in report.excepted {
        let at = suites.iter().position(|suite| suite.name == finding.id);
        let at = at.unwrap_or_else(|| {
            suites.push(Suite::new(&finding.id));
            suites.len() - 1
        });
        if let Some(suite) = suites.get_mut(at) {
            suite.skip(finding);
        }
    }
    for suite in &mut suites {
        if suite.failures.is_empty() && suite.skipped.is_empty() {
            let passed = report
                .rule(suite.name)
                .map_or(suite.name, |rule| rule.title);
            suite.passed = Some(case(suite.name, passed, "", ""));
        }
    }
    let mut input = Suite::new("input");
    input.errors = report.gaps.iter().map(|gap| error(&gap.message)).collect();
    if !input.errors.is_empty() {
        suites.push(input);
    }
    if suites.is_empty() {
        let mut nothing = Suite::new(title);
        nothing.passed = Some(case(title, "nothing found", "", ""));
        suites.push(nothing);
    }
    let tests: usize = suites.iter().map(Suite::tests).sum();
    let failures: usize = suites.iter().map(|suite| suite.failures.len()).sum();
    let errors: usize = suites.iter().map(|suite| suite.errors.len()).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n",
        escape(title),
    );
    out.extend(suites.iter().map(Suite::xml));
    out += "</testsuites>\n";
    out
}

/// The cases of one id.
struct Suite<'a> {
    name: &'a str,
    passed: Option<String>,
    /// How often each name was given.
    names: HashMap<&'a str, usize>,
    failures: Vec<String>,
    skipped: Vec<String>,
    errors: Vec<String>,
}

impl<'a> Suite<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            passed: None,
            names: HashMap::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn fail(&mut self, finding: &'a Finding) {
        let name = self.name(finding);
        self.failures.push(failure(finding, &name));
    }

    /// A case that somebody answers for.
    fn skip(&mut self, finding: &'a Finding) {
        let name = self.name(finding);
        let answer = finding.exception.as_ref().map(ToString::to_string);
        let answer = escape(&answer.unwrap_or_default());
        let body = format!("      <skipped message=\"{answer}\"></skipped>\n");
        self.skipped.push(case(&finding.id, &name, "", &body));
    }

    /// Services tell cases apart by their names.
    fn name(&mut self, finding: &'a Finding) -> String {
        let count = self.names.entry(&finding.message).or_default();
        *count += 1;
        match *count {
            1 => finding.message.clone(),
            count => format!("{} ({count})", finding.message),
        }
    }

    fn tests(&self) -> usize {
        let cases = [&self.failures, &self.skipped, &self.errors];
        usize::from(self.passed.is_some()) + cases.iter().map(|cases| cases.len()).sum::<usize>()
    }

    fn xml(&self) -> String {
        let mut out = format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
            escape(self.name),
            self.tests(),
            self.failures.len(),
            self.errors.len(),
            self.skipped.len(),
        );
        let passed = self.passed.iter();
        let cases = self
            .failures
            .iter()
            .chain(&self.skipped)
            .chain(&self.errors);
        out.extend(passed.chain(cases).cloned());
        out += "  </testsuite>\n";
        out
    }
}

fn failure(finding: &Finding, name: &str) -> String {
    let mut proof: Vec<String> = finding.places.iter().map(ToString::to_string).collect();
    proof.extend(finding.evidence.iter().cloned());
    proof.extend(finding.help.iter().map(|help| format!("help: {help}")));
    if let Some(fix) = &finding.fix {
        proof.push(format!("fix: {}", fix.title));
        proof.extend(fix.text.lines().map(str::to_owned));
    }
    let proof: Vec<String> = proof.iter().map(|line| escape(line)).collect();
    let body = format!(
        "      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
        finding.severity,
        escape(&finding.message),
        proof.join("\n"),
    );
    let spans = finding
        .places
        .iter()
        .filter_map(|place| place.span.as_ref());
    let at = spans.map(|span| {
        format!(
            " file=\"{}\" line=\"{}\"",
            escape(&span.file),
            span.start.line
        )
    });
    let at = at.into_iter().next().unwrap_or_default();
    case(&finding.id, name, &at, &body)
}

fn error(message: &str) -> String {
    let message = escape(message);
    let body = format!("      <error type=\"not-read\" message=\"{message}\"></error>\n");
    case("input", "everything could be read", "", &body)
}

fn case(class: &str, name: &str, at: &str, body: &str) -> String {
    let mut out = String::new();
    let (class, name) = (escape(class), escape(name));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "    <testcase classname=\"{class}\" name=\"{name}\"{at}"
    );
    if body.is_empty() {
        out += "/>\n";
    } else {
        let _ = write!(out, ">\n{body}    </testcase>\n");
    }
    out
}

/// Text on one line, as content and as attribute. XML 1.0 has no way to write control characters.
fn escape(text: &str) -> String {
    let text = inert(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn as_a_whole() {
        insta::assert_snapshot!(findings(&Sample::new().report(), "scan"));
    }

    #[test]
    fn cases_have_names_of_their_own() {
        let text = findings(&Sample::many(3).report(), "scan");
        for number in ["", " (2)", " (3)"] {
            let name = format!("names a role that does not exist{number}\">");
            assert_eq!(
                text.matches(&name).count(),
                if number.is_empty() { 4 } else { 1 }
            );
        }
    }

    #[test]
    fn a_clean_report_has_a_case_that_passed() {
        let text = findings(&Sample::clean().report(), "scan");
        assert!(
            text.contains("tests=\"1\" failures=\"0\" errors=\"0\""),
            "{text}"
        );
        assert!(text.contains("name=\"nothing found\"/>"), "{text}");
    }

    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            escape("]]><x a='b\">&\u{1b}\n"),
            "]]&gt;&lt;x a=&apos;b&quot;&gt;&amp;\\u{1b}\\n"
        );
    }
}
