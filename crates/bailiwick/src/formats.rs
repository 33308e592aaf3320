use std::ffi::OsStr;

use bailiwick_report::Format;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

/// Reads `-o` of a command that has these formats, names them in its help and completes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formats(pub(crate) &'static [Format]);

impl TypedValueParser for Formats {
    type Value = Format;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Format, clap::Error> {
        let Self(allowed) = *self;
        StringValueParser::new()
            .try_map(move |name| Format::named(&name, allowed))
            .parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let Self(allowed) = self;
        Some(Box::new(
            allowed
                .iter()
                .map(|format| PossibleValue::new(format.as_str())),
        ))
    }
}
