//! Edges as people and machines see them.

use crate::condition::Atom;
use crate::edge::EdgeKind;
use crate::node::Node;

/// An edge, for people and machines.
#[derive(Clone, Debug)]
pub struct Step<'g> {
    /// Whence.
    pub from: &'g Node,
    /// Whither.
    pub to: &'g Node,
    /// How.
    pub kind: &'static EdgeKind,
    /// Position of the rule that it comes from in those of its kind.
    pub(crate) rule: u8,
    /// What it rests on: of each group one entry has to be there, with all of its atoms.
    pub evidence: Vec<Vec<Vec<&'g Atom>>>,
}

/// A step that is not there because of a setting.
#[derive(Clone, Debug)]
pub struct HeldBack {
    /// Whence it would lead.
    pub from: Node,
    /// Whither.
    pub to: Node,
    /// How.
    pub kind: &'static EdgeKind,
    /// The setting that stands in its way.
    pub by: Atom,
    /// What that setting does, in a sentence without its end.
    pub why: &'static str,
}
