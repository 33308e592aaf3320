//! Ids, SVIDs and bundles made up from a seed, judged by this crate and by go-spiffe. What only one of the two takes is
//! listed by name, and the list is checked from both sides: a difference that is gone has to leave it.

mod chains;
mod ids;
mod tokens;

use std::collections::BTreeMap;
use std::fmt::Debug;

use bailiwick_testkit::generate::{Rng, seed};
use bailiwick_testkit::judge::JudgeError;
use bailiwick_testkit::spiffe::Spiffe;
use serde_json::{Value, json};

use crate::testing::{Key, Root, domain, rsa};
use crate::{Bundle, BundleMap, Signer as _};

/// Asks go-spiffe; its refusal is an answer too.
fn ask(spiffe: &mut Spiffe, op: &'static str, arguments: Value) -> Result<Value, String> {
    match spiffe.ask(op, arguments) {
        Ok(answer) => Ok(answer),
        Err(JudgeError::Refused { message, .. }) => Err(message),
        Err(error) => panic!("{error}"),
    }
}

/// A difference that is known: who is the stricter, and words of the refusal that it shows in.
type Known = (Stricter, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stricter {
    /// We refuse what go-spiffe takes: the specification says so.
    We,
    /// We take what go-spiffe refuses: the specification lets it pass.
    They,
}
use Stricter::{They, We};

/// What a run has compared.
struct Comparison {
    seed: u64,
    known: &'static [Known],
    met: BTreeMap<usize, u32>,
    compared: u32,
    taken: u32,
}

impl Comparison {
    fn new(seed: u64, known: &'static [Known]) -> Self {
        Self {
            seed,
            known,
            met: BTreeMap::new(),
            compared: 0,
            taken: 0,
        }
    }

    /// Holds the two verdicts beside each other; gives what both took.
    fn compare<T: Debug>(
        &mut self,
        ours: Result<T, String>,
        theirs: Result<Value, String>,
        what: &dyn Debug,
    ) -> Option<(T, Value)> {
        self.compared += 1;
        let (stricter, words) = match (&ours, &theirs) {
            (Ok(_), Ok(_)) => {
                self.taken += 1;
                return ours.ok().zip(theirs.ok());
            }
            (Err(_), Err(_)) => return None,
            (Err(words), Ok(_)) => (We, words),
            (Ok(_), Err(words)) => (They, words),
        };
        let known = self
            .known
            .iter()
            .position(|(who, part)| *who == stricter && words.contains(part));
        let Some(known) = known else {
            panic!(
                "seed {}: {what:?}: {ours:?} here, {theirs:?} there",
                self.seed
            );
        };
        *self.met.entry(known).or_default() += 1;
        None
    }

    #[allow(clippy::print_stderr, reason = "what a run with this seed compared")]
    fn check(&self, what: &str) {
        let Self {
            seed,
            compared,
            taken,
            ..
        } = self;
        eprintln!("{what}, seed {seed}: {compared} compared, {taken} taken by both");
        assert!(*taken > compared / 20, "hardly anything was valid");
        for (index, known) in self.known.iter().enumerate() {
            let met = self.met.get(&index).copied().unwrap_or(0);
            eprintln!("  {met} times {known:?}");
            assert!(
                met > 0,
                "{known:?} is a difference no more: take it off the list"
            );
        }
    }
}

/// The authorities that both are told about.
struct World {
    known: BundleMap,
    texts: Value,
    root: Root,
    foreign: Root,
    stranger: Root,
    tokens: Key,
}

fn world() -> World {
    let (root, foreign, stranger) = (Root::new("td"), Root::new("other"), Root::new("td"));
    let tokens = Key::ec();
    let mut known = BundleMap::default();
    let mut texts = BTreeMap::new();
    for (name, root) in [("td", &root), ("other", &foreign)] {
        let mut bundle = Bundle::new(domain(name));
        bundle.add_x509(root.der.clone()).unwrap();
        bundle.add_jwt("ec", tokens.public_key()).unwrap();
        bundle.add_jwt("rsa", rsa().public_key()).unwrap();
        texts.insert(name.to_owned(), bundle.to_json().to_string());
        known.insert(bundle);
    }
    World {
        known,
        texts: json!(texts),
        root,
        foreign,
        stranger,
        tokens,
    }
}
