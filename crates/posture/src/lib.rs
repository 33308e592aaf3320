//! Checks that find what is wrong with the access of a cluster.
//!
//! Pure: an engine and a table of API resources in, [`Finding`]s out. A check is one file under `checks/`: its page
//! (the doc comment), its declaration, its code and its fixtures. The page is what `bailiwick explain ID`, SARIF and
//! the documentation show.

mod check;
mod checks;
mod docs;
mod exposure;
mod grants;
mod rights;
mod scan;
mod words;

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod testing;

pub use check::Check;
pub use checks::CHECKS;
pub use docs::{Page, pages};

use bailiwick_diag::Finding;
use bailiwick_model::ApiTable;
use bailiwick_rbac::Engine;

/// Runs every check. The most severe findings come first, then they are in order of id and object.
///
/// Objects that every API server creates for itself are no findings, as long as they give nothing beyond what they
/// give by default. The time grows linearly with the number of bindings, rules and workloads.
pub fn scan(engine: &Engine, api: &ApiTable) -> Vec<Finding> {
    scan_with(CHECKS, engine, api)
}

/// Runs these checks; see [`scan`].
fn scan_with(checks: &[Check], engine: &Engine, api: &ApiTable) -> Vec<Finding> {
    let scan = scan::Scan::new(engine, api);
    let mut findings: Vec<Finding> = checks.iter().flat_map(|check| check.run(&scan)).collect();
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| {
            let place = finding.places.first();
            place.map(|place| (place.object.clone(), place.pointer.clone()))
        };
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| place(a).cmp(&place(b)))
            .then_with(|| a.message.cmp(&b.message))
    });
    findings
}
