use std::fmt;
use std::str::FromStr;

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
    /// Markdown, for a comment on a pull request.
    Markdown,
    /// Names only, one a line.
    Name,
}

/// Why a text is no output format, or not one for this command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No format has this name.
    #[error("`{0}` is no output format; write table, wide, json, yaml, sarif, markdown or name")]
    Unknown(String),
    /// The command has no such output.
    #[error("this command has no `{format}` output; write {}", list(.allowed))]
    NotHere {
        /// What was asked for.
        format: Format,
        /// What the command has.
        allowed: &'static [Format],
    },
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Sarif,
        Self::Markdown,
        Self::Name,
    ];
    /// The formats of a command that reports findings.
    pub const FINDINGS: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Sarif,
        Self::Markdown,
    ];
    /// The formats of a command that answers with a table.
    pub const TABLES: &[Self] = &[
        Self::Table,
        Self::Wide,
        Self::Json,
        Self::Yaml,
        Self::Markdown,
        Self::Name,
    ];
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
            Self::Markdown => "markdown",
            Self::Name => "name",
        }
    }

    /// This format, where the command has it.
    pub fn among(self, allowed: &'static [Self]) -> Result<Self, FormatError> {
        if allowed.contains(&self) {
            Ok(self)
        } else {
            Err(FormatError::NotHere {
                format: self,
                allowed,
            })
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| FormatError::Unknown(text.to_owned()))
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
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!(
            "JSON".parse::<Format>(),
            Err(FormatError::Unknown("JSON".into()))
        );
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
