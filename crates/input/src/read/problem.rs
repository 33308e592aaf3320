use std::borrow::Cow;
use std::ops::Range;

use crate::limits::MAX_UNTYPED_BYTES;

/// Why a document cannot be read. Messages name no contents: they may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Id of the finding.
    pub(crate) id: &'static str,
    /// What is the case, in a sentence.
    pub(crate) message: Cow<'static, str>,
    /// What to do.
    pub(crate) help: &'static str,
    /// Where, in bytes of the document.
    pub(crate) at: Range<usize>,
}

impl Problem {
    pub(crate) fn new(
        id: &'static str,
        message: impl Into<Cow<'static, str>>,
        help: &'static str,
        at: Range<usize>,
    ) -> Self {
        Self {
            id,
            message: message.into(),
            help,
            at,
        }
    }
}

/// A list with too many items that do not say what they are: they have to be held until the list has said it.
pub(super) fn untyped(at: Range<usize>) -> Problem {
    Problem::new(
        "document-too-large",
        format!(
            "items without a kind take more than {} MiB",
            MAX_UNTYPED_BYTES >> 20
        ),
        "write `kind` and `apiVersion` into each item",
        at,
    )
}

/// A key that is there twice in one mapping. kubectl takes the later value and says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The key.
    pub(crate) key: String,
    /// Where the value that is lost has its key.
    pub(crate) lost: Range<usize>,
    /// Where the value that counts has its key.
    pub(crate) kept: Range<usize>,
}
