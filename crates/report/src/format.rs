use std::fmt;

/// What `-o` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For people, with further columns or every finding in full.
    Wide,
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for the test reports of CI services.
    Junit,
    /// Markdown, for a comment on a pull request.
    Markdown,
    /// A flowchart of Mermaid, for Markdown.
    Mermaid,
    /// The language of Graphviz.
    Dot,
    /// One file for a browser, with a graph to look around in.
    Html,
    /// Names only, one a line.
    Name,
}

/// Why a text is no output format of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this command has no `{asked}` output; write {}", list(.allowed))]
pub struct FormatError {
    asked: String,
    allowed: &'static [Format],
}

impl Format {
    /// The formats of a command that reports findings.
    pub const FINDINGS: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Sarif,
        Self::Junit,
        Self::Markdown,
    ];
    /// The formats of a command that answers with paths.
    pub const PATHS: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Sarif,
        Self::Junit,
        Self::Markdown,
        Self::Mermaid,
        Self::Dot,
        Self::Html,
    ];
    /// The formats of a command that answers with what can be reached.
    pub const REACH: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Markdown,
        Self::Mermaid,
        Self::Dot,
        Self::Html,
        Self::Name,
    ];
    /// The formats of a command that answers with a table.
    pub const TABLES: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Markdown,
    ];
    /// The formats of a command that answers with a list of names.
    pub const LISTS: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Markdown,
        Self::Name,
    ];
    /// The formats of a list of changes.
    pub const CHANGES: &[Self] = &[
        Self::Table,
        Self::Json,
        Self::Yaml,
        Self::Sarif,
        Self::Junit,
        Self::Markdown,
        Self::Mermaid,
        Self::Dot,
        Self::Html,
    ];
    /// The formats of a single decision.
    pub const DECISIONS: &[Self] = &[Self::Table, Self::Json, Self::Yaml];
    /// The formats of a command that prints documents.
    pub const DOCUMENTS: &[Self] = &[Self::Yaml, Self::Json];

    /// The word that asks for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Html => "html",
            Self::Name => "name",
        }
    }

    /// The format of this name, where the command has it.
    pub fn named(name: &str, allowed: &'static [Self]) -> Result<Self, FormatError> {
        let mut formats = allowed.iter().copied();
        formats
            .find(|format| format.as_str() == name)
            .ok_or_else(|| FormatError {
                asked: name.to_owned(),
                allowed,
            })
    }

    /// This format, where the command has it.
    pub fn among(self, allowed: &'static [Self]) -> Result<Self, FormatError> {
        Self::named(self.as_str(), allowed)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `a, b or c`.
fn list(formats: &[Format]) -> String {
    let mut words: Vec<&str> = formats.iter().map(|format| format.as_str()).collect();
    let last = words.pop().unwrap_or_default();
    match words.as_slice() {
        [] => last.to_owned(),
        words => format!("{} or {last}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_reads_back() {
        for formats in [Format::FINDINGS, Format::PATHS, Format::REACH] {
            for format in formats {
                assert_eq!(Format::named(format.as_str(), formats), Ok(*format));
            }
        }
        assert!(Format::named("JSON", Format::FINDINGS).is_err());
    }

    #[test]
    fn a_command_names_what_it_has() {
        let error = Format::Sarif.among(Format::DOCUMENTS).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this command has no `sarif` output; write yaml or json"
        );
        assert_eq!(Format::Sarif.among(Format::FINDINGS), Ok(Format::Sarif));
    }
}
