use std::collections::HashSet;

use bailiwick_core::Str;

/// Gives equal texts one allocation, so that a name that ten thousand objects carry costs its bytes once.
#[derive(Debug, Default)]
pub struct Interner(HashSet<Str>);

impl Interner {
    /// The shared text equal to `text`.
    pub fn intern(&mut self, text: &str) -> Str {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Str = text.into();
        self.0.insert(new.clone());
        new
    }

    /// Number of different texts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was interned yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_allocation() {
        let mut names = Interner::default();
        let (first, second) = (names.intern("kube-system"), names.intern("kube-system"));
        assert!(Str::ptr_eq(&first, &second));
        assert!(!Str::ptr_eq(&first, &names.intern("kube-public")));
        assert_eq!(names.len(), 2);
    }
}
