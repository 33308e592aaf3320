/// The variable that gives a seed to repeat a run.
pub const SEED_VARIABLE: &str = "BAILIWICK_SEED";

/// The seed of this run: from [`SEED_VARIABLE`] where it is a number, otherwise `default`.
pub fn seed(default: u64) -> u64 {
    std::env::var(SEED_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Numbers that look random and depend on the seed alone (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The high half of a product: without the bias that a remainder has.
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list.
    ///
    /// # Panics
    /// For an empty list, which is a mistake of the test.
    #[allow(
        clippy::indexing_slicing,
        reason = "an empty list is a mistake of the test"
    )]
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// From `least` to `most` of a list, in any order, perhaps one twice.
    pub fn some<T: Clone>(&mut self, list: &[T], least: usize, most: usize) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.pick(list).clone()).collect()
    }

    /// A generator of its own, whose use does not change the numbers of this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_the_seed_alone_and_cover_the_range() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            (0..1000).map(|_| rng.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        for wanted in 0..10 {
            let times = numbers(7).iter().filter(|&&n| n == wanted).count();
            assert!(
                (60..140).contains(&times),
                "{wanted} came {times} times in 1000"
            );
        }
    }
}
