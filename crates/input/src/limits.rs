//! Bounds on everything that comes from outside. Generous for real clusters, far from what exhausts a machine.

/// Largest file, after decompression, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 30;

/// Most documents in a file.
pub(crate) const MAX_DOCUMENTS: usize = 2_000_000;

/// Most scalars, lists and mappings of one object held at once, aliases expanded. An item of a list counts as one
/// object, so lists have no bound of their own.
pub(crate) const MAX_NODES: u64 = 10_000_000;

/// Most bytes of items of a list that leave it to the list what they are.
pub(crate) const MAX_UNTYPED_BYTES: usize = 128 << 20;

/// Most files of a directory or an archive.
pub(crate) const MAX_FILES: usize = 200_000;

/// How deeply directories may nest.
pub(crate) const MAX_DIRECTORY_DEPTH: usize = 64;

/// Most findings about one file that are spelt out; of the others only the number is told.
pub(crate) const MAX_FINDINGS: usize = 1_000;

/// Most bytes of text held because it cannot be read a second time.
pub(crate) const MAX_HELD_BYTES: usize = 64 << 20;
