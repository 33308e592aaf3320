/// Short lists side by side in one allocation, so that reading one costs a single way through memory.
///
/// A list of `n` items lives in a block of the next power of two. Blocks that fall free are used again for lists of
/// the same size; they are neither merged nor given back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks<T> {
    items: Vec<T>,
    /// Starts of free blocks of 1, 2, 4 ... items.
    free: Vec<Vec<u32>>,
}

/// Number of doublings from 1 to the size of the block of a list.
fn class(len: u32) -> u32 {
    len.next_power_of_two().trailing_zeros()
}

impl<T: Copy + Default> Blocks<T> {
    /// The list of this start and length.
    pub(crate) fn slice(&self, start: u32, len: u32) -> &[T] {
        let start = start as usize;
        self.items
            .get(start..start + len as usize)
            .unwrap_or_default()
    }

    /// A new list of these items; gives its start.
    pub(crate) fn add(&mut self, list: &[T]) -> u32 {
        let start = self.allocate(class(list.len() as u32));
        let first = start as usize;
        if let Some(block) = self.items.get_mut(first..first + list.len()) {
            block.copy_from_slice(list);
        }
        start
    }

    /// Ends a list of this length.
    pub(crate) fn end(&mut self, start: u32, len: u32) {
        self.release(class(len), start);
    }

    /// Puts an item into a list; gives the list's start, which may be another now.
    pub(crate) fn insert(&mut self, start: u32, len: u32, position: usize, item: T) -> u32 {
        let start = self.resize(start, len, len + 1);
        let first = start as usize;
        let (from, to) = (first + position, first + len as usize);
        self.items.copy_within(from..to, from + 1);
        if let Some(slot) = self.items.get_mut(from) {
            *slot = item;
        }
        start
    }

    /// Takes an item out of a list of at least two; gives the list's start, which may be another now.
    pub(crate) fn remove(&mut self, start: u32, len: u32, position: usize) -> u32 {
        let first = start as usize;
        let (from, to) = (first + position, first + len as usize);
        self.items.copy_within(from + 1..to, from);
        self.resize(start, len, len - 1)
    }

    /// Moves a list where its new length needs another block.
    fn resize(&mut self, start: u32, old: u32, new: u32) -> u32 {
        if class(old) == class(new) {
            return start;
        }
        let moved = self.allocate(class(new));
        let first = start as usize;
        let kept = old.min(new) as usize;
        self.items.copy_within(first..first + kept, moved as usize);
        self.release(class(old), start);
        moved
    }

    fn allocate(&mut self, class: u32) -> u32 {
        let free = self.free.get_mut(class as usize).and_then(Vec::pop);
        free.unwrap_or_else(|| {
            let start = self.items.len();
            self.items.resize(start + (1 << class), T::default());
            start as u32
        })
    }

    fn release(&mut self, class: u32, start: u32) {
        let class = class as usize;
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        if let Some(free) = self.free.get_mut(class) {
            free.push(start);
        }
    }

    /// Number of items that the blocks in use have room for.
    pub(crate) fn room(&self) -> usize {
        let free = (0..)
            .zip(&self.free)
            .map(|(class, free)| free.len() << class);
        self.items.len() - free.sum::<usize>()
    }

    /// Bytes by capacity.
    pub(crate) fn bytes(&self) -> usize {
        let free = self.free.iter().map(Vec::capacity).sum::<usize>();
        self.items.capacity() * size_of::<T>() + free * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_items_and_blocks_are_used_again() {
        let mut blocks = Blocks::default();
        // Two lists side by side, one growing at its front and one at its end.
        let (mut front, mut back) = (blocks.add(&[0]), blocks.add(&[0]));
        for n in 1..100 {
            front = blocks.insert(front, n, 0, n);
            back = blocks.insert(back, n, n as usize, n);
        }
        let expected: Vec<u32> = (0..100).collect();
        assert_eq!(blocks.slice(back, 100), expected);
        assert!(blocks.slice(front, 100).iter().rev().eq(&expected));
        assert_eq!(blocks.room(), 256);
        let most = blocks.items.len();
        for n in (2..=100).rev() {
            front = blocks.remove(front, n, 0);
            back = blocks.remove(back, n, 0);
        }
        assert_eq!(
            (blocks.slice(front, 1), blocks.slice(back, 1)),
            (&[0][..], &[99][..])
        );
        blocks.end(front, 1);
        blocks.end(back, 1);
        assert_eq!(blocks.room(), 0);
        assert_eq!(blocks.items.len(), most, "shrinking needs no new room");
    }
}
