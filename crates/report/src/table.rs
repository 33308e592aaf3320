use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, presets};

use crate::inert::inert;
use crate::markdown::escape;
use crate::style::{Look, Tone};

/// Rows under headings, for everything that is a list of alike things.
///
/// On a terminal cells wrap at its width; elsewhere every row is one line. Nothing is ever cut.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    wide: bool,
    number: bool,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Column {
    /// A column of this title, in upper case by custom.
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            wide: false,
            number: false,
        }
    }

    /// Shown only where the wide form is asked for.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Numbers, set to the right.
    #[must_use]
    pub fn number(mut self) -> Self {
        self.number = true;
        self
    }
}

impl From<&'static str> for Column {
    fn from(title: &'static str) -> Self {
        Self::new(title)
    }
}

impl Cell {
    /// A cell of this text.
    pub fn new(text: &(impl ToString + ?Sized)) -> Self {
        Self {
            text: inert(&text.to_string()).into_owned(),
            tone: Tone::Plain,
        }
    }

    /// The same in a colour.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(&text)
    }
}

impl Table {
    /// A table without rows.
    pub fn new<C: Into<Column>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. A cell that is missing is empty; one too many is not shown.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first column without its heading, one cell a line.
    pub fn names(&self) -> String {
        let first = self.rows.iter().filter_map(|row| row.first());
        first.map(|cell| format!("{}\n", cell.text)).collect()
    }

    /// For a terminal or a pipe, every line with its line end.
    pub fn text(&self, look: &Look, wide: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.force_no_tty();
        if look.colour {
            table.enforce_styling();
        }
        match look.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width.max(20));
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        let shown = self.shown(wide);
        table.set_header(shown.iter().map(|(_, column)| {
            comfy_table::Cell::new(column.title).add_attribute(Attribute::Bold)
        }));
        for row in &self.rows {
            table.add_row(shown.iter().map(|(position, column)| {
                let cell = row.get(*position).cloned().unwrap_or_default();
                let alignment = if column.number {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                };
                coloured(&cell).set_alignment(alignment)
            }));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        lines(&table)
    }

    /// As a table in Markdown of at most about `limit` bytes. Rows that do not fit are counted.
    pub fn markdown(&self, wide: bool, limit: usize) -> String {
        let shown = self.shown(wide);
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(
            shown
                .iter()
                .map(|(_, column)| escape(column.title))
                .collect(),
        );
        let rule = |number| if number { "---:" } else { "---" };
        out += &line(
            shown
                .iter()
                .map(|(_, column)| rule(column.number).to_owned())
                .collect(),
        );
        for (position, row) in self.rows.iter().enumerate() {
            let cell = |position: usize| row.get(position).map(|cell| escape(&cell.text));
            let line = line(
                shown
                    .iter()
                    .map(|(position, _)| cell(*position).unwrap_or_default())
                    .collect(),
            );
            if out.len() + line.len() > limit {
                let left = self.rows.len() - position;
                out +=
                    &format!("\n{left} more do not fit here; the other formats show them all.\n");
                break;
            }
            out += &line;
        }
        out
    }

    fn shown(&self, wide: bool) -> Vec<(usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| wide || !column.wide)
            .collect()
    }
}

fn coloured(cell: &Cell) -> comfy_table::Cell {
    let shown = comfy_table::Cell::new(&cell.text);
    match cell.tone {
        Tone::Plain => shown,
        Tone::Strong => shown.add_attribute(Attribute::Bold),
        Tone::Faint => shown.add_attribute(Attribute::Dim),
        Tone::Good => shown.fg(Color::DarkGreen),
        Tone::Warn => shown.fg(Color::DarkYellow),
        Tone::Bad => shown.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Tone::Code => shown.fg(Color::DarkCyan),
    }
}

/// The lines of the table without the spaces that fill the last column.
fn lines(table: &comfy_table::Table) -> String {
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new([
            Column::new("SUBJECT"),
            Column::new("THROUGH"),
            Column::new("RULES").number(),
            Column::new("NOTE").wide(),
        ]);
        table.row([
            Cell::new("group:platform"),
            Cell::new("ClusterRoleBinding platform-admins, which says a good deal"),
            Cell::new(&12),
            Cell::new("since 2019"),
        ]);
        table.row([
            Cell::new("evil\x1b[2J\n| name"),
            Cell::new("-").tone(Tone::Faint),
            Cell::new(&1).tone(Tone::Bad),
        ]);
        table
    }

    #[test]
    fn piped() {
        insta::assert_snapshot!(sample().text(&Look::default(), false));
    }

    #[test]
    fn piped_and_wide() {
        insta::assert_snapshot!(sample().text(&Look::default(), true));
    }

    #[test]
    fn wrapped_at_48_columns() {
        let look = Look {
            width: Some(48),
            colour: false,
        };
        let text = sample().text(&look, false);
        assert!(
            text.lines().all(|line| line.chars().count() <= 48),
            "{text}"
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn coloured_at_60_columns() {
        let look = Look {
            width: Some(60),
            colour: true,
        };
        insta::assert_snapshot!(sample().text(&look, false).replace('\x1b', "␛"));
    }

    #[test]
    fn in_markdown() {
        insta::assert_snapshot!(sample().markdown(true, 60_000));
    }

    #[test]
    fn rows_that_do_not_fit_a_comment_are_counted() {
        let mut table = Table::new(["NAME"]);
        (0..1000).for_each(|number| table.row([Cell::new(&number)]));
        let text = table.markdown(true, 500);
        let shown = text.lines().filter(|line| line.starts_with("| ")).count() - 2;
        assert!(text.len() < 600, "{text}");
        let left = format!("\n{} more do not fit here", 1000 - shown);
        assert!(text.contains(&left), "{text}");
    }

    #[test]
    fn names_only() {
        assert_eq!(
            sample().names(),
            "group:platform\nevil\\u{1b}[2J\\n| name\n"
        );
    }

    #[test]
    fn a_pipe_gets_every_character() {
        let long = "x".repeat(5000);
        let mut table = Table::new(["NAME"]);
        table.row([long.as_str()]);
        assert!(table.text(&Look::default(), false).contains(&long));
        let narrow = Look {
            width: Some(30),
            colour: false,
        };
        let wrapped = table.text(&narrow, false).replace(['\n', ' '], "");
        assert!(wrapped.contains(&long));
    }
}
