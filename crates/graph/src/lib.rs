//! Who can become whom, by which steps, and the smallest change that stops it.
//!
//! A [`Graph`] has a [`Node`] for everything that an attacker can be, hold or control, and an edge for every step from
//! one to another. Each kind of step ([`EdgeKind`]) is one file under `edges/`, with its precondition, its versions and
//! the page that explains it. Every edge knows what it rests on, so that the graph can say what would close it.
//!
//! Pure: a snapshot in, values out.

mod admission;
mod build;
mod causes;
mod condition;
mod container;
mod deputy;
mod docs;
mod edge;
mod edges;
mod fix;
mod graph;
mod host;
mod lead;
mod live;
mod network;
mod node;
mod proof;
mod search;
mod start;
mod table;
mod world;

pub use admission::{Admission, Guard};
pub use causes::{Causes, Index};
pub use condition::{Atom, AtomId};
pub use container::NoContainer;
pub use docs::pages;
pub use edge::{EdgeKind, Example, Versions};
pub use edges::EDGES;
pub use fix::{Cost, Fix};
pub use graph::{EdgeId, Graph, HeldBack, NodeId, Step};
pub use lead::{Lead, Toward};
pub use live::Live;
pub use node::{Area, Node, NodeParseError, Trust};
pub use proof::Review;
pub use search::{Path, Reach, tells_apart};
