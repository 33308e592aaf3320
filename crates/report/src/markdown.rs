use std::fmt::Write as _;

use bailiwick_diag::{Finding, Severity};

use crate::inert::{acts, inert};
use crate::mermaid::mermaid_within;
use crate::picture::Picture;
use crate::report::Report;

/// Bytes of a comment on a pull request: GitHub takes 65,536 characters, and other text may stand beside ours.
pub const COMMENT: usize = 60_000;

/// Supporting facts shown with a finding; the rest is counted.
const FACTS: usize = 8;

/// The findings as Markdown of at most about `limit` bytes, for a comment on a pull request: a line that counts, then
/// one folded section a severity. Findings that do not fit are counted, never dropped without a word.
///
/// GitHub takes 65,536 characters, GitLab a million.
pub fn findings(report: &Report<'_>, limit: usize) -> String {
    let mut out = format!("**Bailiwick: {}**\n", report.summary().line());
    if report.partial() {
        out += "\nFrom partial input: what could not be read may hide more.\n";
        for gap in report.gaps.iter().take(FACTS) {
            let _ = writeln!(out, "- not read: {}", escape(&gap.message));
        }
        if report.gaps.len() > FACTS {
            let _ = writeln!(out, "- {} more gaps", report.gaps.len() - FACTS);
        }
    }
    let mut hidden = 0;
    for (severity, count) in report.summary().counts() {
        let open = if severity >= Severity::High {
            " open"
        } else {
            ""
        };
        let head = format!("\n<details{open}><summary>{severity}: {count}</summary>\n\n");
        let foot = "\n</details>\n";
        let mut section = String::new();
        for finding in report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
        {
            let item = item(finding);
            let size = out.len() + head.len() + section.len() + item.len() + foot.len();
            if hidden == 0 && size <= limit {
                section += &item;
            } else {
                hidden += 1;
            }
        }
        if !section.is_empty() {
            out += &head;
            out += &section;
            out += foot;
        }
    }
    let head = format!(
        "\n<details><summary>excepted: {}</summary>\n\n",
        report.excepted.len()
    );
    let foot = "\n</details>\n";
    let mut section = String::new();
    for finding in report.excepted {
        let answer = finding
            .exception
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let item = format!(
            "- **{}** {}\n  - {}\n",
            escape(&finding.id),
            escape(&finding.message),
            escape(&answer)
        );
        let size = out.len() + head.len() + section.len() + item.len() + foot.len();
        if hidden == 0 && size <= limit {
            section += &item;
        } else {
            hidden += 1;
        }
    }
    if !section.is_empty() {
        out += &head;
        out += &section;
        out += foot;
    }
    if hidden > 0 {
        let _ = writeln!(
            out,
            "\n{hidden} more do not fit here; the other formats show them all."
        );
    }
    out
}

/// Paths as Markdown of at most about `limit` bytes, for a comment on a pull request: the first of them as a picture,
/// then `report`, which has a finding for each cause.
pub fn paths(picture: &Picture, report: &Report<'_>, limit: usize) -> String {
    let mut out = format!("### {}\n\n", escape(&picture.title()));
    let count = picture.paths.len();
    let _ = match count {
        0 => writeln!(out, "There are none."),
        1 => writeln!(out, "There is one."),
        _ => writeln!(
            out,
            "{count} paths; those that rest on the same are told together."
        ),
    };
    if count > 0 {
        let drawing = mermaid_within(picture, DRAWN, limit / 4);
        let _ = writeln!(out, "\n```mermaid\n{drawing}```\n");
    }
    let left = limit.saturating_sub(out.len());
    out + &findings(report, left)
}

/// Steps of a picture in a comment; more are not to be read in a column of text.
const DRAWN: usize = 24;

fn item(finding: &Finding) -> String {
    let mut out = format!(
        "- **{}** {}\n",
        escape(&finding.id),
        escape(&finding.message)
    );
    if let Some(place) = finding.places.first() {
        let _ = writeln!(out, "  - at {}", escape(&place.to_string()));
    }
    for fact in finding.evidence.iter().take(FACTS) {
        let _ = writeln!(out, "  - {}", escape(fact));
    }
    if finding.evidence.len() > FACTS {
        let _ = writeln!(out, "  - {} more facts", finding.evidence.len() - FACTS);
    }
    if let Some(help) = &finding.help {
        let _ = writeln!(out, "  - help: {}", escape(help));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(
            out,
            "  - fix: {}\n\n    <pre>{}</pre>\n",
            escape(&fix.title),
            pre(&fix.text)
        );
    }
    out
}

/// Text as Markdown that shows exactly this text on one line, in a table cell too: no markup, link, mention or HTML
/// comes of it. What stands between a pair of backticks is shown as code.
pub fn escape(text: &str) -> String {
    let text = inert(text);
    let parts: Vec<&str> = text.split('`').collect();
    let paired = parts.len() % 2 == 1;
    let mut out = String::with_capacity(text.len() + 16);
    for (position, part) in parts.iter().enumerate() {
        let code = position % 2 == 1;
        if position > 0 {
            out += match (paired, code) {
                (true, true) => "<code>",
                (true, false) => "</code>",
                (false, _) => "\\`",
            };
        }
        out += &escape_part(part, paired && code);
    }
    // A list or heading starts at the first character only.
    let number = out.trim_start_matches(|c: char| c.is_ascii_digit());
    if out.starts_with(['-', '+', '=']) {
        out.insert(0, '\\');
    } else if number.len() < out.len() && number.starts_with(['.', ')']) {
        out.insert(out.len() - number.len(), '\\');
    }
    out
}

fn escape_part(text: &str, code: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            // An empty character between `@` and the name keeps it from calling somebody. Code calls nobody.
            '@' if !code => out += "@&#8203;",
            '\\' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// Text of several lines inside `<pre>`, which has to hold no blank line: Markdown would start again there.
fn pre(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => "&#10;".to_owned(),
        '\t' => "    ".to_owned(),
        c if acts(c) => inert(c.encode_utf8(&mut [0; 4])).into_owned(),
        c if c.is_alphanumeric() || " -/=.,:@".contains(c) => c.to_string(),
        c => format!("&#{};", u32::from(c)),
    };
    text.trim_end()
        .chars()
        .map(shown)
        .collect::<String>()
        .replace("://", "&#58;//")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Sample, picture};

    fn check(input: &str, expected: &str) {
        assert_eq!(escape(input), expected);
    }

    #[test]
    fn findings_as_a_comment() {
        insta::assert_snapshot!(findings(&Sample::new().report(), 60_000));
    }

    #[test]
    fn paths_as_a_comment() {
        let comment = paths(&picture(), &Sample::paths().report(), 60_000);
        insta::assert_snapshot!(comment);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let sample = Sample::many(1000);
        for limit in [0, 500, 2_000, 20_000] {
            let text = findings(&sample.report(), limit);
            assert!(
                text.len() < limit + 500,
                "{} bytes for a limit of {limit}",
                text.len()
            );
            let shown = text.matches("\n- **").count();
            let hidden = format!("\n{} more do not fit here", 1003 - shown);
            assert!(text.contains(&hidden), "{shown} shown\n{text}");
        }
    }

    #[test]
    fn nothing_is_markup() {
        check("a | b", "a \\| b");
        check("<img src=x>", "&lt;img src=x&gt;");
        check(
            "**x** _y_ [a](b) ![c](d) # e ~f~ $g$",
            "\\*\\*x\\*\\* \\_y\\_ \\[a\\](b) \\!\\[c\\](d) \\# e \\~f\\~ \\$g\\$",
        );
        check("a\nb", "a\\\\nb");
        check("@team", "@&#8203;team");
        check("https://evil.example", "https&#58;//evil.example");
        check("- item", "\\- item");
        check("12. item", "12\\. item");
        check("&lt;", "&amp;lt;");
    }

    #[test]
    fn pairs_of_backticks_are_code() {
        check(
            "role `a_b` of `<c>`",
            "role <code>a\\_b</code> of <code>&lt;c&gt;</code>",
        );
        check("`a@b` and c@d", "<code>a@b</code> and c@&#8203;d");
        check("one ` only", "one \\` only");
        check("``", "<code></code>");
    }

    #[test]
    fn a_block_has_no_blank_line() {
        assert_eq!(
            pre("a\n\n</pre><b>\n"),
            "a&#10;&#10;&#60;/pre&#62;&#60;b&#62;"
        );
    }
}
