//! What the edges of a graph rest on.

use std::borrow::Cow;

use super::{Edge, Graph};
use crate::condition::{Atom, AtomId, Clause, Condition, ConditionId};

impl Graph {
    pub(crate) fn atom(&mut self, atom: Atom) -> AtomId {
        AtomId(self.atoms.put(atom).0)
    }

    pub(crate) fn condition(&mut self, condition: Condition) -> ConditionId {
        let (position, is_new) = self.conditions.put(condition);
        if is_new && let Some(condition) = self.conditions.value(position) {
            for &atom in condition.atoms() {
                self.atoms.hold(atom.0);
            }
        }
        ConditionId(position)
    }

    /// Whether an edge is still there once the atoms for which `removed` says so are gone.
    pub(crate) fn holds(&self, edge: &Edge, removed: &impl Fn(AtomId) -> bool) -> bool {
        let mut conditions = edge.conditions().filter_map(|id| self.condition_at(id));
        conditions.all(|condition| condition.holds(removed))
    }

    /// Everything that an edge rests on; of each of these a cause has to be left.
    pub(crate) fn clauses_of(&self, edge: Edge) -> Vec<Clause> {
        let conditions = edge.conditions().filter_map(|id| self.condition_at(id));
        let clauses = conditions.flat_map(|condition| condition.into_owned().clauses);
        clauses.collect()
    }

    /// What an edge rests on, what gives a role to who takes it aside.
    pub(crate) fn condition_of(&self, edge: &Edge) -> Cow<'_, Condition> {
        self.condition_at(edge.condition).unwrap_or_default()
    }

    pub(crate) fn conditions(&self) -> impl Iterator<Item = (ConditionId, Cow<'_, Condition>)> {
        let conditions = self.conditions.values();
        conditions.map(|(position, condition)| (ConditionId(position), self.in_full(condition)))
    }

    pub(crate) fn condition_at(&self, id: ConditionId) -> Option<Cow<'_, Condition>> {
        Some(self.in_full(self.conditions.value(id.0)?))
    }

    /// A condition with the clauses that are looked up.
    fn in_full<'g>(&'g self, condition: &'g Condition) -> Cow<'g, Condition> {
        let Some(by_roles) = &condition.by_roles else {
            return Cow::Borrowed(condition);
        };
        let mut clauses = self.clauses_by_roles(by_roles);
        clauses.extend_from_slice(&condition.clauses);
        Cow::Owned(clauses.into())
    }

    /// One more than the last position of a condition.
    pub(crate) fn condition_end(&self) -> usize {
        self.conditions.end()
    }

    /// One more than the last position of an atom.
    pub(crate) fn atom_end(&self) -> usize {
        self.atoms.end()
    }

    /// The atom's position, where an edge rests on it.
    pub fn find_atom(&self, atom: &Atom) -> Option<AtomId> {
        self.atoms.find(atom).map(AtomId)
    }

    /// An atom.
    pub fn atom_of(&self, id: AtomId) -> Option<&Atom> {
        self.atoms.value(id.0)
    }

    pub(super) fn atoms_of(&self, cause: &[AtomId]) -> Vec<&Atom> {
        cause
            .iter()
            .filter_map(|&atom| self.atom_of(atom))
            .collect()
    }
}
