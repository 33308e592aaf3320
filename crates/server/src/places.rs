use std::collections::HashMap;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests under way: so many at once, and of each caller no more than half of them, so that one that asks too much
/// keeps nobody else away.
#[derive(Debug)]
pub(crate) struct Places {
    all: Semaphore,
    by_caller: HashMap<String, Semaphore>,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    _own: Option<SemaphorePermit<'a>>,
    _shared: SemaphorePermit<'a>,
}

impl Places {
    pub(crate) fn new(most: usize, callers: impl IntoIterator<Item = String>) -> Self {
        let mut by_caller: HashMap<String, Semaphore> = callers
            .into_iter()
            .map(|name| (name, Semaphore::new(most.div_ceil(2))))
            .collect();
        if by_caller.len() < 2 {
            // Nobody else is there to be kept away.
            by_caller.clear();
        }
        let all = Semaphore::new(most);
        Self { all, by_caller }
    }

    /// A place for a request of a caller; `None` where there is none, now.
    pub(crate) fn take(&self, caller: &str) -> Option<Place<'_>> {
        let own = self.by_caller.get(caller).map(Semaphore::try_acquire);
        let own = own.transpose().ok()?;
        let shared = self.all.try_acquire().ok()?;
        Some(Place {
            _own: own,
            _shared: shared,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_half_of_the_places_and_all_have_all() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let places = Places::new(4, names.clone());
        let held = [places.take("a"), places.take("a")];
        assert!(held.iter().all(Option::is_some) && places.take("a").is_none());
        let more = [places.take("b"), places.take("c")];
        assert!(more.iter().all(Option::is_some) && places.take("b").is_none());
        drop(more);
        assert!(places.take("a").is_none() && places.take("b").is_some());
        drop(held);
        assert!(places.take("a").is_some());
        // The only caller has them all.
        let places = Places::new(2, names.into_iter().take(1));
        let held = [places.take("a"), places.take("a")];
        assert!(held.iter().all(Option::is_some) && places.take("a").is_none());
    }
}
