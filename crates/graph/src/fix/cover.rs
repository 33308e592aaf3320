//! The cheapest set that has, of each of many choices, one alternative in full.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

use crate::causes::{Causes, Cut, Ways};
use crate::condition::AtomId;

/// Alternatives, as [`least`] leaves them.
pub(super) type Choices = Vec<Cut>;

/// What has one alternative of all choices.
pub(super) struct Cover {
    pub(super) atoms: BTreeSet<AtomId>,
    /// What any such set costs at least.
    pub(super) at_least: u64,
}

/// The alternatives, each once, without those that contain one of a single atom.
pub(super) fn least(mut cuts: Vec<Cut>) -> Choices {
    cuts.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    cuts.dedup();
    let mut single: HashSet<AtomId> = HashSet::new();
    cuts.retain(|cut| match **cut {
        [atom] => single.insert(atom),
        _ => !cut.iter().any(|atom| single.contains(atom)),
    });
    cuts
}

/// One alternative of each, what serves the most for its price first.
pub(super) fn greedy<'c>(
    choices: impl IntoIterator<Item = &'c Choices>,
    causes: &Causes<'_>,
) -> BTreeSet<AtomId> {
    let mut ways = Ways::default();
    for cuts in choices {
        let ids = cuts.iter().map(|cut| ways.put(cut.clone())).collect();
        ways.closed_by(ids);
    }
    let chosen = ways.choose(|cut| causes.price(cut), |cut| causes.order(cut));
    chosen.into_iter().flatten().collect()
}

/// The cheapest, as far as the work goes, of which choices that have to do with each other take at most `patience`.
pub(super) fn cheapest(
    choices: &BTreeSet<Choices>,
    causes: &Causes<'_>,
    patience: u64,
    work: &mut u64,
) -> Cover {
    let mut open: Vec<Choices> = choices.iter().cloned().collect();
    let mut atoms = BTreeSet::new();
    reduce(&mut open, &mut atoms, causes);
    let mut at_least = causes.price(&atoms);
    for part in parts(open) {
        let given = patience.min(*work);
        let mut search = Search {
            causes,
            best: greedy(&part, causes),
            work: given,
            is_cut_short: false,
        };
        let bound = bound(&part, causes);
        search.branch(&part, BTreeSet::new());
        *work -= given - search.work;
        at_least += if search.is_cut_short {
            bound
        } else {
            causes.price(&search.best)
        };
        atoms.extend(search.best);
    }
    Cover { atoms, at_least }
}

/// Rounds in which choices are reduced; what is left then is tried.
const ROUNDS: usize = 16;

/// Takes what every cheapest set may be said to have, as far as it can be told without trying.
fn reduce(open: &mut Vec<Choices>, taken: &mut BTreeSet<AtomId>, causes: &Causes<'_>) {
    for _ in 0..ROUNDS {
        let forced = open.iter().filter(|cuts| cuts.len() == 1).flatten();
        let forced: BTreeSet<AtomId> = forced.flatten().copied().collect();
        if !forced.is_empty() {
            give(open, &forced);
            taken.extend(forced);
            continue;
        }
        let implied = drop_implied(open);
        if !drop_outdone(open, causes) && !implied {
            break;
        }
    }
}

/// What is left to choose with these.
fn give(open: &mut Vec<Choices>, atoms: &BTreeSet<AtomId>) {
    open.retain_mut(|cuts| {
        if !cuts.iter().flatten().any(|atom| atoms.contains(atom)) {
            return true;
        }
        for cut in cuts.iter_mut() {
            cut.retain(|atom| !atoms.contains(atom));
        }
        let is_met = cuts.iter().any(Vec::is_empty);
        *cuts = least(std::mem::take(cuts));
        !is_met
    });
}

/// Drops choices that are made with another one, whose alternatives they all have. Whether there were any.
fn drop_implied(open: &mut Vec<Choices>) -> bool {
    let before = open.len();
    open.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut by_cut: HashMap<Cut, Vec<usize>> = HashMap::new();
    let mut lengths: Vec<usize> = Vec::new();
    open.retain(|cuts| {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for &other in cuts.iter().filter_map(|cut| by_cut.get(cut)).flatten() {
            *shared.entry(other).or_default() += 1;
        }
        let is_implied = shared
            .iter()
            .any(|(&other, count)| lengths.get(other) == Some(count));
        if !is_implied {
            for cut in cuts {
                by_cut.entry_ref(cut).or_default().push(lengths.len());
            }
            lengths.push(cuts.len());
        }
        !is_implied
    });
    open.len() < before
}

/// Drops atoms in whose place another does at least as much for no more. Whether there were any.
fn drop_outdone(open: &mut [Choices], causes: &Causes<'_>) -> bool {
    let mut alone: BTreeMap<AtomId, Vec<usize>> = BTreeMap::new();
    let mut with_others: HashSet<AtomId> = HashSet::new();
    for (number, cuts) in open.iter().enumerate() {
        for cut in cuts {
            match **cut {
                [atom] => alone.entry(atom).or_default().push(number),
                _ => with_others.extend(cut),
            }
        }
    }
    let mut dropped: HashSet<AtomId> = HashSet::new();
    for (&atom, serves) in &alone {
        if with_others.contains(&atom) {
            continue;
        }
        let choices = serves.iter().filter_map(|&number| open.get(number));
        let Some(fewest) = choices.min_by_key(|cuts| cuts.len()) else {
            continue;
        };
        let is_outdone = fewest.iter().any(|cut| {
            let [other] = **cut else { return false };
            let Some(does) = alone.get(&other) else {
                return false;
            };
            let (own, its) = (causes.price_of(atom), causes.price_of(other));
            let is_equal = own == its && does.len() == serves.len();
            other != atom
                && !dropped.contains(&other)
                && its <= own
                && does.len() >= serves.len()
                && serves
                    .iter()
                    .all(|number| does.binary_search(number).is_ok())
                && (!is_equal
                    || with_others.contains(&other)
                    || causes.rank(other) < causes.rank(atom))
        });
        if is_outdone {
            dropped.insert(atom);
        }
    }
    for cuts in open.iter_mut() {
        cuts.retain(|cut| !matches!(**cut, [atom] if dropped.contains(&atom)));
    }
    !dropped.is_empty()
}

/// Choices that have nothing to do with each other apart.
fn parts(open: Vec<Choices>) -> Vec<Vec<Choices>> {
    let mut parts: Vec<Vec<Choices>> = Vec::new();
    let mut part_of: HashMap<AtomId, usize> = HashMap::new();
    for cuts in open {
        let atoms: BTreeSet<AtomId> = cuts.iter().flatten().copied().collect();
        let known = atoms.iter().filter_map(|atom| part_of.get(atom).copied());
        let known: BTreeSet<usize> = known.collect();
        let mut joined = vec![cuts];
        for part in known {
            joined.extend(parts.get_mut(part).map(std::mem::take).unwrap_or_default());
        }
        for atom in joined.iter().flatten().flatten() {
            part_of.insert(*atom, parts.len());
        }
        parts.push(joined);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Branch and bound.
struct Search<'s, 'g> {
    causes: &'s Causes<'g>,
    best: BTreeSet<AtomId>,
    work: u64,
    is_cut_short: bool,
}

impl Search<'_, '_> {
    fn branch(&mut self, open: &[Choices], taken: BTreeSet<AtomId>) {
        if self.work == 0 {
            self.is_cut_short = true;
            return;
        }
        self.work = self.work.saturating_sub(1 + open.len() as u64 / 16);
        let (spent, least) = (self.causes.price(&taken), self.causes.price(&self.best));
        if spent.saturating_add(bound(open, self.causes)) >= least {
            return;
        }
        let Some(fewest) = open.iter().min_by_key(|cuts| cuts.len()) else {
            self.best = taken;
            return;
        };
        let serves = |cut: &Cut| open.iter().filter(|cuts| cuts.contains(cut)).count();
        let mut cuts: Vec<(u64, usize, &Cut)> = fewest
            .iter()
            .map(|cut| (self.causes.price(cut), open.len() - serves(cut), cut))
            .collect();
        cuts.sort();
        let mut left: BTreeSet<AtomId> = BTreeSet::new();
        for (.., cut) in cuts {
            let atoms: BTreeSet<AtomId> = cut.iter().copied().collect();
            let mut rest = open.to_vec();
            // Sets with one of these have all been looked at.
            for cuts in &mut rest {
                cuts.retain(|cut| !cut.iter().any(|atom| left.contains(atom)));
            }
            if rest.iter().all(|cuts| !cuts.is_empty()) {
                give(&mut rest, &atoms);
                let mut taken: BTreeSet<AtomId> = taken.union(&atoms).copied().collect();
                reduce(&mut rest, &mut taken, self.causes);
                self.branch(&rest, taken);
            }
            if let [atom] = **cut {
                left.insert(atom);
            }
        }
    }
}

/// What these cost at least: of choices that share no atom each costs its own.
pub(super) fn bound<'c>(
    choices: impl IntoIterator<Item = &'c Choices>,
    causes: &Causes<'_>,
) -> u64 {
    let mut ordered: Vec<&Choices> = choices.into_iter().collect();
    ordered.sort_by_key(|cuts| cuts.len());
    let mut used: HashSet<AtomId> = HashSet::new();
    let mut total = 0_u64;
    for cuts in ordered {
        if cuts.iter().flatten().any(|atom| used.contains(atom)) {
            continue;
        }
        let cheapest = cuts.iter().map(|cut| causes.price(cut)).min();
        total = total.saturating_add(cheapest.unwrap_or_default());
        used.extend(cuts.iter().flatten());
    }
    total
}
