use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use bailiwick_core::Str;
use bailiwick_model::{Delta, Gap, Interner, Snapshot};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::gaps;
use super::{End, FORMAT, Header, Line, SnapshotError, VERSION, hex};

/// Most bytes that a snapshot unpacks to: far more than 150,000 pods and their cluster.
const MAX_BYTES: u64 = 4 << 30;

/// Longest line. The first names every file that objects came from.
const MAX_LINE: u64 = 64 << 20;

/// Largest window that unpacking may ask for, as a power of two: 128 MiB, zstd's own default.
const WINDOW: u32 = 27;

/// Types of objects in version 1.
const TYPES: [&str; 27] = [
    "role",
    "binding",
    "namespace",
    "serviceAccount",
    "secret",
    "node",
    "workload",
    "customResource",
    "persistentVolume",
    "csiDriver",
    "runtimeClass",
    "webhooks",
    "service",
    "ingress",
    "networkPolicy",
    "admissionPolicy",
    "admissionBinding",
    "volumeClaim",
    "endpointSlice",
    "constraints",
    "gateway",
    "route",
    "referenceGrant",
    "identityMap",
    "listenerSet",
    "apiService",
    "trustBundle",
];

/// Reads what [`write`](super::write) wrote. Objects of types that are not known become a gap.
///
/// # Errors
/// When the file is no snapshot, broken, cut short, too large or of a newer version.
pub fn read(input: impl Read) -> Result<Snapshot, SnapshotError> {
    read_bounded(input, MAX_BYTES)
}

fn read_bounded(input: impl Read, max_bytes: u64) -> Result<Snapshot, SnapshotError> {
    let mut decoder = zstd::Decoder::new(input).map_err(SnapshotError::Unpack)?;
    decoder
        .window_log_max(WINDOW)
        .map_err(SnapshotError::Unpack)?;
    let mut lines = Lines {
        input: BufReader::with_capacity(1 << 16, decoder),
        line: Vec::new(),
        number: 0,
        bytes: 0,
        max_bytes,
    };
    let mut snapshot = header(&mut lines)?;
    let mut hash = Sha256::new();
    hash.update(&lines.line);
    let mut objects = 0;
    let mut names = Interner::default();
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    while lines.next()? {
        match serde_json::from_slice::<Line>(&lines.line) {
            Ok(Line { mut object, origin }) => {
                names.share(&mut object);
                snapshot.apply(Delta::Upsert(Box::new(object), origin));
            }
            Err(source) => match Other::of(&lines.line) {
                Some(Other::End(end)) => {
                    return finish(snapshot, &end, objects, hash, unknown);
                }
                Some(Other::Type(name)) => *unknown.entry(name).or_default() += 1,
                None => {
                    return Err(SnapshotError::Broken {
                        line: lines.number,
                        source,
                    });
                }
            },
        }
        objects += 1;
        hash.update(&lines.line);
    }
    Err(SnapshotError::CutShort(objects))
}

fn header(lines: &mut Lines<impl BufRead>) -> Result<Snapshot, SnapshotError> {
    #[derive(Deserialize)]
    struct Probe {
        format: String,
        version: u32,
    }
    if !lines.next()? {
        return Err(SnapshotError::CutShort(0));
    }
    let probe: Probe = serde_json::from_slice(&lines.line).map_err(|_| SnapshotError::Foreign)?;
    if probe.format != FORMAT {
        return Err(SnapshotError::Foreign);
    }
    if probe.version > VERSION {
        return Err(SnapshotError::Newer(probe.version));
    }
    let header: Header = serde_json::from_slice(&lines.line)
        .map_err(|source| SnapshotError::Broken { line: 1, source })?;
    let mut gaps: Vec<Gap> = header.gaps.into_iter().map(Gap::from).collect();
    gaps.extend(gaps::unread(header.kinds.as_deref(), &header.created_by));
    Ok(Snapshot {
        cluster: header.cluster,
        files: header.files,
        gaps,
        ..Snapshot::default()
    })
}

/// A line that is no object that we know.
enum Other {
    End(End),
    Type(String),
}

impl Other {
    fn of(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Typed {
            object: Type,
        }
        #[derive(Deserialize)]
        struct Type {
            r#type: String,
        }
        if let Ok(end) = serde_json::from_slice(line) {
            return Some(Self::End(end));
        }
        let typed: Typed = serde_json::from_slice(line).ok()?;
        let name = typed.object.r#type;
        (!TYPES.contains(&name.as_str())).then_some(Self::Type(name))
    }
}

fn finish(
    mut snapshot: Snapshot,
    end: &End,
    objects: u64,
    hash: Sha256,
    unknown: BTreeMap<String, u64>,
) -> Result<Snapshot, SnapshotError> {
    if end.end.objects != objects || end.end.sha256 != hex(&hash.finalize()) {
        return Err(SnapshotError::Checksum);
    }
    snapshot.gaps.extend(unknown.into_iter().map(|(name, count)| Gap {
        kinds: Vec::new(),
        namespace: Str::default(),
        except: Str::default(),
        message: format!(
            "the snapshot holds {count} objects of a type that this program does not know, `{name}`; update Bailiwick"
        ),
    }));
    Ok(snapshot)
}

struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
    max_bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; `false` at the end.
    fn next(&mut self) -> Result<bool, SnapshotError> {
        self.line.clear();
        let length = (&mut self.input)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(SnapshotError::Unpack)? as u64;
        self.number += 1;
        self.bytes += length;
        if length > MAX_LINE || self.bytes > self.max_bytes {
            return Err(SnapshotError::TooLarge(self.max_bytes >> 20));
        }
        Ok(length > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bailiwick_core::Kind;
    use std::io::Write;

    fn packed(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    fn check(text: &str, expected: &str) {
        let error = read(packed(text).as_slice()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }

    const HEADER: &str = r#"{"format":"bailiwick.dev/snapshot","version":1}"#;

    /// A file with this body, which ends as it should.
    fn whole(body: &str, objects: u64) -> Snapshot {
        let sum = hex(&Sha256::digest(body));
        let text = format!("{body}{{\"end\":{{\"objects\":{objects},\"sha256\":\"{sum}\"}}}}\n");
        read(packed(&text).as_slice()).unwrap()
    }

    /// A file without objects, with these further fields of its header.
    fn headed(fields: &str) -> Snapshot {
        let header = HEADER.trim_end_matches('}');
        whole(&format!("{header}{fields}}}\n"), 0)
    }

    #[test]
    fn what_is_no_snapshot_is_refused_with_what_to_do() {
        let foreign = SnapshotError::Foreign.to_string();
        check(
            "",
            "the snapshot is cut short after 0 objects; fetch it again",
        );
        check("apiVersion: v1\n", &foreign);
        check("{\"format\":\"x\",\"version\":1}\n", &foreign);
        check(
            "{\"format\":\"bailiwick.dev/snapshot\",\"version\":2,\"cluster\":7}\n",
            "the snapshot has version 2 and this program reads up to 1; update Bailiwick",
        );
        check(
            "{\"format\":\"bailiwick.dev/snapshot\",\"version\":1,\"cluster\":7}\n",
            "line 1 of the snapshot is broken",
        );
        check(
            &format!("{HEADER}\n{{\n"),
            "line 2 of the snapshot is broken",
        );
        check(
            &format!(
                "{HEADER}\n{{\"object\":{{\"type\":\"role\",\"object\":7}},\"origin\":{{\"from\":\"live\"}}}}\n"
            ),
            "line 2 of the snapshot is broken",
        );
        check(
            &format!("{HEADER}\n"),
            "the snapshot is cut short after 0 objects; fetch it again",
        );
        check(
            &format!("{HEADER}\n{{\"end\":{{\"objects\":0,\"sha256\":\"00\"}}}}\n"),
            "the checksum of the snapshot is wrong; fetch it again",
        );
        assert!(matches!(
            read(b"no zstd".as_slice()),
            Err(SnapshotError::Unpack(_))
        ));
    }

    #[test]
    fn types_of_a_later_release_become_a_gap() {
        let body = format!(
            "{HEADER}\n{{\"object\":{{\"type\":\"flow\",\"object\":{{}}}},\"origin\":{{\"from\":\"live\"}}}}\n"
        );
        let gaps = whole(&body, 1).gaps;
        let of_type = gaps.iter().find(|gap| gap.message.contains("`flow`"));
        assert!(of_type.unwrap().touches(&[], "anywhere"));
    }

    #[test]
    fn kinds_that_the_writer_did_not_read_are_a_gap() {
        let check = |fields: &str, unread: &[Kind], said: &str| {
            let gaps = headed(fields).gaps;
            let kinds: Vec<Kind> = gaps.iter().flat_map(|gap| gap.kinds.clone()).collect();
            assert_eq!(kinds, unread, "{fields}");
            assert!(
                gaps.iter().all(|gap| gap.message.contains(said)),
                "{gaps:?}"
            );
        };
        let all = Kind::ALL.map(|kind| format!("\"{kind}\"")).join(",");
        check(&format!(",\"kinds\":[{all}]"), &[], "");
        check(&format!(",\"kinds\":[{all},\"Flow\"]"), &[], "");
        let fewer = all.replace("\"CSIDriver\",", "");
        check(
            &format!(",\"kinds\":[{fewer}]"),
            &[Kind::CSIDriver],
            "a program that did not read `CSIDriver` yet",
        );
        // The first files did not say what was read.
        let later = [Kind::APIService, Kind::ClusterTrustBundle];
        let by = ",\"createdBy\":\"bailiwick 0.1.0\"";
        check(
            by,
            &later,
            "written by bailiwick 0.1.0 that did not read `APIService`, `ClusterTrustBundle` yet",
        );
    }

    #[test]
    fn a_gap_of_kinds_of_a_later_release_stays_one() {
        let gaps = |kinds: &str| {
            let all = Kind::ALL.map(|kind| format!("\"{kind}\"")).join(",");
            headed(&format!(
                ",\"kinds\":[{all}],\"gaps\":[{{{kinds},\"message\":\"a\"}}]"
            ))
            .gaps
        };
        let gap = &gaps("\"kinds\":[\"Role\"],\"laterKinds\":[\"Flow\",\"APIService\"]")[0];
        assert_eq!(gap.kinds, [Kind::Role, Kind::APIService]);
        let gap = &gaps("\"laterKinds\":[\"Flow\"]")[0];
        assert!(gap.touches(&[Kind::Pod], "anywhere"));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        writeln!(encoder, "{HEADER}").unwrap();
        let line = format!(
            "{{\"object\":{{\"type\":\"{}\",\"object\":{{}}}},\"origin\":{{\"from\":\"live\"}}}}\n",
            "x".repeat(100_000)
        );
        for _ in 0..100 {
            encoder.write_all(line.as_bytes()).unwrap();
        }
        let bytes = encoder.finish().unwrap();
        assert!(bytes.len() < 10_000);
        let error = read_bounded(bytes.as_slice(), 5 << 20).unwrap_err();
        assert!(matches!(error, SnapshotError::TooLarge(5)), "{error}");

        let endless = zstd::encode_all(std::io::repeat(b' ').take(MAX_LINE * 2), 1).unwrap();
        let error = read(endless.as_slice()).unwrap_err();
        assert!(matches!(error, SnapshotError::TooLarge(_)), "{error}");
    }
}
