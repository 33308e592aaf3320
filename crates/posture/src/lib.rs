//! Checks that find what is wrong with the access of a cluster.
//!
//! Pure: an engine, a table of API resources and the graph in, [`Finding`]s out. A check is one file under `checks/`: its page
//! (the doc comment), its declaration, its code and its fixtures. The page is what `bailiwick explain ID`, SARIF and
//! the documentation show.

mod anchor;
mod check;
mod checks;
mod defaults;
mod docs;
mod exposure;
mod grants;
mod mend;
mod reach;
mod rights;
mod scan;
mod words;

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod testing;

pub use anchor::anchor;
pub use check::Check;
pub use checks::CHECKS;
pub use docs::{Page, pages};

pub use mend::{CHANGE, Change, Mending, NEEDED};

use bailiwick_diag::Finding;
use bailiwick_graph::Graph;
use bailiwick_model::ApiTable;
use bailiwick_rbac::Engine;

/// Runs every check. The findings come [ranked](Finding::rank).
///
/// `graph` is that of the same cluster. Objects that every API server creates for itself are no findings, as long as they
/// give nothing beyond what they give by default. The time grows about linearly with the number of bindings, rules and
/// workloads.
pub fn scan(engine: &Engine, api: &ApiTable, graph: &Graph) -> Vec<Finding> {
    scan_with(CHECKS, engine, api, graph)
}

/// Runs these checks; see [`scan`].
fn scan_with(checks: &[Check], engine: &Engine, api: &ApiTable, graph: &Graph) -> Vec<Finding> {
    let scan = scan::Scan::new(engine, api, graph);
    let mut findings: Vec<Finding> = checks.iter().flat_map(|check| check.run(&scan)).collect();
    scan.add_causes(&mut findings, checks);
    Finding::rank(&mut findings);
    findings
}
