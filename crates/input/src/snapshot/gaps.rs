//! Gaps as they are written, so that programs that know fewer kinds read them too, and the gap that a file of such a
//! program is.

use bailiwick_core::{Kind, Str};
use bailiwick_model::Gap;
use serde::{Deserialize, Serialize};

/// The last of the kinds that every reader of version 1 knows.
const LAST_OF_ALL: Kind = Kind::ListenerSet;

/// A [`Gap`]. A reader that knows none of its kinds takes it for one of all kinds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenGap {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<Kind>,
    /// Kinds that not every reader knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    later_kinds: Vec<String>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    namespace: Str,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    except: Str,
    message: String,
}

impl From<Gap> for WrittenGap {
    fn from(gap: Gap) -> Self {
        let (later, kinds): (Vec<Kind>, Vec<Kind>) =
            gap.kinds.into_iter().partition(|&kind| kind > LAST_OF_ALL);
        Self {
            kinds,
            later_kinds: later.iter().map(ToString::to_string).collect(),
            namespace: gap.namespace,
            except: gap.except,
            message: gap.message,
        }
    }
}

impl From<WrittenGap> for Gap {
    fn from(written: WrittenGap) -> Self {
        let mut kinds = written.kinds;
        let later = written.later_kinds.iter();
        kinds.extend(later.filter_map(|name| name.parse::<Kind>().ok()));
        Self {
            kinds,
            namespace: written.namespace,
            except: written.except,
            message: written.message,
        }
    }
}

/// What a file says nothing about that was written by a program (`by`) which read these kinds.
pub(super) fn unread(kinds: Option<&[String]>, by: &str) -> Option<Gap> {
    let was_read = |kind: Kind| match kinds {
        Some(kinds) => kinds.iter().any(|name| *name == *kind.as_str()),
        None => kind <= LAST_OF_ALL,
    };
    let unread: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|&kind| !was_read(kind))
        .collect();
    let names: Vec<String> = unread.iter().map(|kind| format!("`{kind}`")).collect();
    let by = match by {
        "" => "a program",
        by => by,
    };
    (!unread.is_empty()).then(|| Gap {
        kinds: unread,
        message: format!(
            "the snapshot was written by {by} that did not read {} yet: whether there are any is not known; take the snapshot anew",
            names.join(", ")
        ),
        ..Gap::default()
    })
}
