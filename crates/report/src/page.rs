use crate::style::{Look, Tone, wrap};

/// A page of the documentation for a terminal.
///
/// Pages are ours and use little of Markdown: headings, paragraphs, lists with `-`, fenced and indented
/// blocks and `code`.
pub fn page(markdown: &str, look: &Look) -> String {
    let mut out = String::new();
    let mut paragraph = Paragraph::default();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            paragraph.end(&mut out, look);
            fenced = !fenced;
        } else if fenced {
            out += &format!("    {}\n", look.paint(Tone::Code, line));
        } else if line.trim().is_empty() {
            paragraph.end(&mut out, look);
            out.push('\n');
        } else if paragraph.text.is_empty() && line.starts_with("    ") {
            out += &format!("{}\n", look.paint(Tone::Code, line));
        } else if let Some(title) = line
            .trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
        {
            paragraph.end(&mut out, look);
            out += &format!("{}\n", look.paint(Tone::Strong, title));
        } else if let Some(item) = line.strip_prefix("- ") {
            paragraph.end(&mut out, look);
            paragraph = Paragraph {
                item: true,
                text: item.to_owned(),
            };
        } else {
            paragraph.add(line.trim());
        }
    }
    paragraph.end(&mut out, look);
    out
}

/// Lines that belong together.
#[derive(Default)]
struct Paragraph {
    item: bool,
    text: String,
}

impl Paragraph {
    fn add(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text += line;
    }

    fn end(&mut self, out: &mut String, look: &Look) {
        let Self { item, text } = std::mem::take(self);
        if text.is_empty() {
            return;
        }
        let indent: u16 = if item { 2 } else { 0 };
        let width = look
            .width
            .map(|width| width.min(100).saturating_sub(indent));
        let mut code = false;
        for (position, line) in wrap(&text, width).iter().enumerate() {
            let start = match (item, position) {
                (true, 0) => "- ",
                (true, _) => "  ",
                (false, _) => "",
            };
            *out += &format!("{start}{}\n", spans(line, look, &mut code));
        }
    }
}

/// A line with what stands between backticks coloured, or as it is where there is no colour. A span may go on in the
/// next line: `code` says whether one is open.
fn spans(line: &str, look: &Look, code: &mut bool) -> String {
    if !look.colour {
        return line.to_owned();
    }
    let mut out = String::new();
    for (position, part) in line.split('`').enumerate() {
        if position > 0 {
            *code = !*code;
        }
        let tone = if *code { Tone::Code } else { Tone::Plain };
        if !part.is_empty() {
            out += &look.paint(tone, part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Wildcard verbs

A rule with `verbs: [\"*\"]` allows every verb, those
that do not exist yet included.

## Fix
- Name the verbs that are used, such as `get` and `list`; a long item goes on in the next line
  like this.
- Remove the rule.

```yaml
verbs: [get]
```
";

    #[test]
    fn at_60_columns() {
        let look = Look {
            width: Some(60),
            colour: false,
        };
        insta::assert_snapshot!(page(PAGE, &look));
    }

    #[test]
    fn coloured() {
        let look = Look {
            width: Some(60),
            colour: true,
        };
        insta::assert_snapshot!(page(PAGE, &look).replace('\x1b', "␛"));
    }

    #[test]
    fn a_pipe_gets_paragraphs_on_one_line() {
        let text = page(PAGE, &Look::default());
        assert!(text.contains("allows every verb, those that do not exist yet included.\n"));
    }

    #[test]
    fn indented_blocks_stay_as_they_are() {
        let text = page(
            "Text.\n\n    one\n      two\n\nMore\n    text.\n",
            &Look::default(),
        );
        assert_eq!(text, "Text.\n\n    one\n      two\n\nMore text.\n");
    }
}
