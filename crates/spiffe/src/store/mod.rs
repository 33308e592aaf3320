//! Where the state of the authority lives: one value that changes by compare-and-swap.

mod file;
mod memory;
mod shared;

use std::io;

use bailiwick_identity::rotation::{Revision, State, StateError};
use bailiwick_identity::shared::SharedError;
use thiserror::Error;

use crate::seal::SealError;

pub use file::FileState;
pub use memory::MemoryState;
pub use shared::SharedState;

/// What a sealed state is sealed for.
const PLACE: &str = "authority state";
/// So often somebody else may be first before it is given up.
pub(crate) const ATTEMPTS: usize = 50;

/// Why the state cannot be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else changed it in between: read it again.
    #[error("the state of the authority was changed by another process")]
    Conflict,
    /// A file cannot be read or written.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Values that replicas share.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// The lock cannot be had.
    #[error("cannot lock the state of the authority")]
    Lock(#[source] io::Error),
    /// What is stored is no state.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A place for the state of an authority.
pub trait StateStore: Send + Sync {
    /// The state; `None` before the first one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self) -> Result<Option<State>, StoreError>;

    /// Puts `state` in the place of the one with the revision `expected` (`None`: of no state at all).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another one is there; nothing changes then.
    fn replace(&self, expected: Option<Revision>, state: &State) -> Result<(), StoreError>;
}

/// What every store does, in one suite; `open` gives the same store each time.
#[cfg(test)]
fn conformance(open: &(dyn Fn() -> Box<dyn StateStore> + Sync)) {
    use bailiwick_identity::rotation::{KeyId, NewAuthority, Policy, Purpose, Step};
    use bailiwick_identity::{TrustDomain, UnixTime};

    let now = UnixTime::new(100);
    let key = |number: u8| NewAuthority {
        id: KeyId::new([number; 16]),
        purpose: Purpose::X509,
        not_after: UnixTime::new(1 << 40),
        public: vec![number],
        upstream: false,
    };
    let first = State::birth(TrustDomain::parse("td").unwrap(), vec![key(1)], now);
    let step = Step::Prepare(key(2));
    let second = first.apply(step, now, &Policy::DEFAULT).unwrap();
    let conflict = |expected: Option<Revision>, state: &State| {
        let outcome = open().replace(expected, state);
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    };
    assert_eq!(open().load().unwrap(), None);
    conflict(Some(first.revision()), &second);
    open().replace(None, &first).unwrap();
    assert_eq!(open().load().unwrap().as_ref(), Some(&first));
    conflict(None, &first);
    open().replace(Some(first.revision()), &second).unwrap();
    conflict(Some(first.revision()), &second);
    assert_eq!(open().load().unwrap().as_ref(), Some(&second));

    // Of many who change the same state one wins.
    let third = second
        .apply(Step::Publish(KeyId::new([2; 16])), now, &Policy::DEFAULT)
        .unwrap();
    let wins: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| usize::from(open().replace(Some(second.revision()), &third).is_ok()))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
}
