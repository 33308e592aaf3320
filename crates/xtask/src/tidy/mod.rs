//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! A rule is a function from the [`Tree`] to what is wrong with it. Each has tests with small
//! made-up trees that it must refuse: a rule that cannot fail protects nothing.

mod generated;
mod layers;
mod links;
mod lists;
mod manifests;
mod owners;
mod places;
mod purity;
mod sizes;
mod tree;

use anyhow::{Result, ensure};

use self::tree::Tree;

/// Every rule, in the order of its complaints.
const RULES: &[fn(&Tree) -> Vec<Complaint>] = &[
    manifests::check,
    layers::check,
    owners::check,
    purity::check,
    lists::check,
    links::check,
    generated::check,
    sizes::check,
    places::check,
];

/// Something that is against a rule.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    /// The file, from the root of the checkout.
    path: String,
    /// The line, from 1, where one can be named.
    line: Option<usize>,
    message: String,
    weight: Weight,
}

/// Whether a complaint fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Warning,
    Failure,
}

impl Complaint {
    fn file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            message: message.into(),
            weight: Weight::Failure,
        }
    }

    fn line(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::file(path, message)
        }
    }

    fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Warning,
            ..Self::file(path, message)
        }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning: ",
            Weight::Failure => "",
        };
        match self.line {
            Some(line) => write!(f, "{weight}{}:{line}: {}", self.path, self.message),
            None => write!(f, "{weight}{}: {}", self.path, self.message),
        }
    }
}

/// Checks the checkout and prints every complaint.
///
/// # Errors
/// When a rule is broken, or the tree cannot be read.
#[allow(
    clippy::print_stderr,
    reason = "the complaints are the output of the command"
)]
pub(crate) fn run() -> Result<()> {
    let complaints = check(&Tree::read(crate::root())?);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    let failures = complaints
        .iter()
        .filter(|found| found.weight == Weight::Failure)
        .count();
    ensure!(
        failures == 0,
        "the tree is not tidy: {failures} of the complaints above must go"
    );
    Ok(())
}

fn check(tree: &Tree) -> Vec<Complaint> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        run().unwrap();
    }
}
