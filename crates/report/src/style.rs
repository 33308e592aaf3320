use anstyle::{AnsiColor, Effects, Style};

/// How text for people is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` where the output is no terminal, and nothing is wrapped then.
    pub width: Option<u16>,
    /// Whether to colour.
    pub colour: bool,
}

/// What a piece of text means, which gives it its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// A heading, or what the eye should find.
    Strong,
    /// Less important than what is around it.
    Faint,
    /// Yes, clean, allowed.
    Good,
    /// Mind this.
    Warn,
    /// No, broken, refused.
    Bad,
    /// Something to type.
    Code,
}

impl Look {
    /// The text in its colour, where there is colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let style = tone.style();
        if self.colour && style != Style::new() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().effects(Effects::BOLD),
            Self::Faint => Style::new().effects(Effects::DIMMED),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Self::Code => AnsiColor::Cyan.on_default(),
        }
    }
}

/// Breaks a text at spaces so that no line is wider than `width` columns, words that are wider themselves excepted.
pub(crate) fn wrap(text: &str, width: Option<u16>) -> Vec<String> {
    use unicode_width::UnicodeWidthStr as _;
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let width = usize::from(width.max(20));
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    for word in text.split(' ') {
        let needed = word.width();
        if !line.is_empty() && columns + 1 + needed > width {
            lines.push(std::mem::take(&mut line));
            columns = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += needed;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_spaces() {
        let text = "one two three four five six seven";
        assert_eq!(wrap(text, None), [text]);
        assert_eq!(
            wrap(text, Some(20)),
            ["one two three four", "five six seven"]
        );
        assert_eq!(
            wrap("a averyveryverylongwordindeed b", Some(20)),
            ["a", "averyveryverylongwordindeed", "b"]
        );
        assert_eq!(wrap("", Some(20)), [""]);
    }

    #[test]
    fn colour_only_where_asked() {
        let look = Look {
            width: None,
            colour: true,
        };
        assert_eq!(look.paint(Tone::Good, "yes"), "\x1b[32myes\x1b[0m");
        assert_eq!(look.paint(Tone::Plain, "yes"), "yes");
        assert_eq!(Look::default().paint(Tone::Good, "yes"), "yes");
    }
}
