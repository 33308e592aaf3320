//! Any bytes as a file of manifests: no panic, every object is found again, and the snapshot survives its file.
#![no_main]

use std::cell::OnceCell;

use bailiwick_input::{Defaults, LoadOptions, Locator, Source, load, snapshot};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static DIRECTORY: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    DIRECTORY.with(|directory| {
        let directory = directory.get_or_init(|| tempfile::tempdir().expect("a directory for the file"));
        let path = directory.path().join("input.yaml");
        std::fs::write(&path, bytes).expect("room for the file");
        let options = LoadOptions { defaults: Defaults::None, ..LoadOptions::default() };
        let mut loaded = load(&[Source::Path(path)], &options);
        let mut locator = Locator::new(&loaded.snapshot).with_held(&loaded.held);
        for finding in &mut loaded.findings {
            locator.locate(finding);
        }
        let mut file = Vec::new();
        snapshot::write(&loaded.snapshot, &mut file).expect("memory to write to");
        assert_eq!(snapshot::read(file.as_slice()).expect("our own snapshot"), loaded.snapshot);
    });
});
