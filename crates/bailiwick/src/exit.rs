use std::process::ExitCode;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Yes, or nothing found.
    Yes,
    /// No, or something found.
    No,
    /// Wrong use, or nothing could be read.
    Unusable,
    /// Answered, but part of what the answer rests on could not be read.
    Partial,
    /// It depends on an object that nobody has shown.
    Depends,
}

/// The table of exit codes for `--help` and the man page.
pub(crate) const HELP: &str = "\
Exit codes:
  0  yes, or nothing found
  1  no, or something found
  2  wrong use, or nothing could be read
  3  answered, but part of the input that the answer rests on could not be read
  4  it depends on the object of the request: --object settles it";

impl Exit {
    /// The answer to a question that was asked of input which may have holes.
    pub(crate) fn answer(yes: bool, partial: bool) -> Self {
        match (partial, yes) {
            (true, _) => Self::Partial,
            (false, true) => Self::Yes,
            (false, false) => Self::No,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Yes => 0,
            Exit::No => 1,
            Exit::Unusable => 2,
            Exit::Partial => 3,
            Exit::Depends => 4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_input_never_ends_with_zero() {
        assert_eq!(Exit::answer(true, true), Exit::Partial);
        assert_eq!(Exit::answer(false, true), Exit::Partial);
        assert_eq!(Exit::answer(true, false), Exit::Yes);
        assert_eq!(Exit::answer(false, false), Exit::No);
    }
}
