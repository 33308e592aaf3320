//! Any bytes as a snapshot file, as they are and as what one unpacks to: an error or a snapshot, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bailiwick_input::snapshot::read(bytes);
    let header = b"{\"format\":\"bailiwick.dev/snapshot\",\"version\":1}\n".as_slice();
    for text in [bytes.to_vec(), [header, bytes].concat()] {
        let packed = zstd::encode_all(text.as_slice(), 1).expect("memory to write to");
        let _ = bailiwick_input::snapshot::read(packed.as_slice());
    }
});
