//! The frames that a client sends, before the HTTP/2 library sees them.
//!
//! Clients are let in that the library would turn away: gRPC's C library, and with it those of Python, C++ and Ruby, puts the path of the unix socket into the header
//! `:authority`, as `run%2Fagent.sock`; that of Java puts it there as it is, as `/run/agent.sock`. The `http` crate takes
//! neither and resets the stream. Nobody reads that header on a unix socket, so what no host's name and port can hold
//! becomes a hyphen, in place, before the library sees it: lengths, and with them frames and the table of HPACK, stay what
//! they are.
//!
//! Only the structure of header blocks is followed (RFC 7541 section 6), no string is decoded. A value that is compressed
//! with Huffman codes is left alone, which those clients do not do.
//!
//! Streams that the client resets are counted. The library ends a connection on which many are reset before it took them;
//! one that is reset later, while its message is waited for, costs it as much and would be counted by nobody.

/// Bytes before the first frame (RFC 9113 3.4).
const PREFACE: u32 = 24;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The name `:authority` in the static table (RFC 7541, appendix A).
const AUTHORITY: u8 = 1;
/// The name where it is spelt out, as the C library does.
const NAME: &[u8] = b":authority";

/// Follows what one client sends.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes of the preface that are still to come.
    preface: u32,
    head: [u8; 9],
    head_length: usize,
    /// Bytes of the frame that are still to come.
    payload: u32,
    /// Bytes of the frame before and after its piece of a header block.
    before: u32,
    after: u32,
    /// Whether the length of the padding is still to come.
    padded: bool,
    in_block: bool,
    block: Block,
    resets: usize,
}

/// Where in a header block we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Before a field.
    Field,
    /// Within a number; then comes this.
    Number(Then),
    /// Before the length of a string.
    Length(Text),
    /// Within the length of a string.
    LongLength(Text, u32, u32),
    /// Within a string.
    String(Text, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Field,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// A name, of which so many letters are those of [`NAME`]; `None` when one was another.
    Name(Option<usize>),
    Value,
    /// A value of `:authority`.
    Authority,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface: PREFACE,
            head: [0; 9],
            head_length: 0,
            payload: 0,
            before: 0,
            after: 0,
            padded: false,
            in_block: false,
            block: Block::Field,
            resets: 0,
        }
    }
}

impl Frames {
    /// Goes over bytes that have come; gives how many streams they reset.
    pub(crate) fn pass(&mut self, bytes: &mut [u8]) -> usize {
        self.follow(bytes);
        std::mem::take(&mut self.resets)
    }

    fn follow(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            // What is in no header block is passed over in one step.
            let skip = match (self.preface, self.payload) {
                (0, 0) => 0,
                (0, payload) if !self.in_block => payload,
                (0, _) => 0,
                (preface, _) => preface,
            };
            if skip > 0 {
                let step = rest.len().min(skip as usize);
                let passed = u32::try_from(step).unwrap_or(skip);
                if self.preface > 0 {
                    self.preface -= passed;
                } else {
                    self.payload -= passed;
                }
                rest = rest.get_mut(step..).unwrap_or_default();
                continue;
            }
            let Some((byte, after)) = rest.split_first_mut() else {
                return;
            };
            if self.payload == 0 {
                self.frame_head(*byte);
            } else {
                self.block_payload(byte);
            }
            rest = after;
        }
    }

    /// RFC 9113 4.1.
    fn frame_head(&mut self, byte: u8) {
        if let Some(place) = self.head.get_mut(self.head_length) {
            *place = byte;
        }
        self.head_length += 1;
        if self.head_length < self.head.len() {
            return;
        }
        self.head_length = 0;
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload = u32::from_be_bytes([0, high, middle, low]);
        self.in_block = kind == HEADERS || kind == CONTINUATION;
        self.resets += usize::from(kind == RST_STREAM);
        self.padded = kind == HEADERS && flags & PADDED != 0;
        self.before = if kind == HEADERS && flags & PRIORITY != 0 {
            5
        } else {
            0
        };
        self.after = 0;
        if kind == HEADERS {
            self.block = Block::Field;
        }
    }

    fn block_payload(&mut self, byte: &mut u8) {
        self.payload -= 1;
        if self.padded {
            self.padded = false;
            self.after = u32::from(*byte);
        } else if self.before > 0 {
            self.before -= 1;
        } else if self.payload >= self.after {
            self.block = self.block.step(byte);
        }
    }
}

impl Block {
    fn step(self, byte: &mut u8) -> Self {
        match self {
            Self::Field => Self::field(*byte),
            Self::Number(then) if *byte & 0x80 != 0 => Self::Number(then),
            Self::Number(Then::Field) => Self::Field,
            Self::Number(Then::Value) => Self::Length(Text::Value),
            Self::Length(text) => {
                // Compressed strings are followed and not touched.
                let text = match text {
                    Text::Authority if *byte & 0x80 != 0 => Text::Value,
                    Text::Name(_) if *byte & 0x80 != 0 => Text::Name(None),
                    text => text,
                };
                match *byte & 0x7f {
                    0x7f => Self::LongLength(text, 0x7f, 0),
                    length => Self::string(text, u32::from(length)),
                }
            }
            Self::LongLength(text, length, shift) => {
                let digits = u32::from(*byte & 0x7f)
                    .checked_shl(shift)
                    .unwrap_or(u32::MAX);
                let length = length.saturating_add(digits);
                if *byte & 0x80 != 0 {
                    return Self::LongLength(text, length, shift.saturating_add(7));
                }
                Self::string(text, length)
            }
            Self::String(text, left) => {
                if text == Text::Authority && !of_host(*byte) {
                    *byte = b'-';
                }
                let text = match text {
                    Text::Name(letters) => Text::Name(
                        letters
                            .filter(|letters| NAME.get(*letters) == Some(byte))
                            .map(|letters| letters + 1),
                    ),
                    text => text,
                };
                Self::string(text, left - 1)
            }
        }
    }

    /// RFC 7541 6: the first byte of a field says what follows.
    fn field(byte: u8) -> Self {
        let (index, most) = match byte {
            0x80.. => {
                return if byte & 0x7f == 0x7f {
                    Self::Number(Then::Field)
                } else {
                    Self::Field
                };
            }
            0x40.. => (byte & 0x3f, 0x3f),
            0x20.. => {
                return if byte & 0x1f == 0x1f {
                    Self::Number(Then::Field)
                } else {
                    Self::Field
                };
            }
            _ => (byte & 0x0f, 0x0f),
        };
        match index {
            0 => Self::Length(Text::Name(Some(0))),
            AUTHORITY => Self::Length(Text::Authority),
            index if index == most => Self::Number(Then::Value),
            _ => Self::Length(Text::Value),
        }
    }

    /// Within a string of which so much is still to come.
    fn string(text: Text, left: u32) -> Self {
        match (text, left) {
            (Text::Name(Some(letters)), 0) if letters == NAME.len() => {
                Self::Length(Text::Authority)
            }
            (Text::Name(_), 0) => Self::Length(Text::Value),
            (_, 0) => Self::Field,
            (text, left) => Self::String(text, left),
        }
    }
}

/// Whether a host and port can hold it, percent signs left out (RFC 3986 3.2.2).
fn of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    fn literal(first: u8, strings: &[&str]) -> Vec<u8> {
        let mut field = vec![first];
        for text in strings {
            assert!(text.len() < 127);
            field.push(u8::try_from(text.len()).unwrap());
            field.extend(text.as_bytes());
        }
        field
    }

    /// What becomes of frames, however they are cut into pieces.
    fn check(frames: &[Vec<u8>], expected: &[Vec<u8>]) {
        let start = [&[b'%'; 24][..], &frame(4, 0, b"%%%%%%")].concat();
        let sent = [start.clone(), frames.concat()].concat();
        let expected = [start, expected.concat()].concat();
        for piece in [1, 2, 3, 7, 10_000] {
            let mut frames = Frames::default();
            let mut seen = sent.clone();
            for part in seen.chunks_mut(piece) {
                assert_eq!(frames.pass(part), 0);
            }
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_authority_of_clients_of_the_c_library() {
        let block = |authority: &str| {
            [
                literal(0x44, &["/S%2F/M"]),
                literal(0x41, &[authority]),
                vec![0x83, 0x86, 0xff, 0x81, 0x01, 0x3f, 0xe1, 0x1f],
                literal(0x40, &["%name%", "%value%"]),
                literal(0x40, &[":authority", authority]),
                literal(0x10, &[":authorit", "%"]),
                literal(0x10, &[":authorityy", "%"]),
                literal(0x10, &["-authority", "%"]),
                literal(0x00, &["%", "%"]),
                literal(0x1f, &[]),
                vec![0x85, 0x01, 1, b'%'],
                literal(0x01, &[authority]),
            ]
            .concat()
        };
        let (sent, seen) = (block("run%2Fa.sock"), block("run-2Fa.sock"));
        let data = frame(0, 0, b"\x41\x03%%%");
        check(
            &[frame(1, 4, &sent), data.clone(), frame(1, 4, &sent)],
            &[frame(1, 4, &seen), data, frame(1, 4, &seen)],
        );
        // Cut by a CONTINUATION in the middle of the name.
        let halves = |block: &[u8]| {
            let (one, two) = block.split_at(14);
            vec![frame(1, 0, one), frame(9, 4, two)]
        };
        check(&halves(&sent), &halves(&seen));
        // With priority and padding, which look like fields and are none.
        let dressed = |block: &[u8]| {
            let padding = b"\x41\x02%%";
            frame(
                1,
                0x2c,
                &[&[4, 0x41, 4, b'%', b'%', b'%'], block, padding].concat(),
            )
        };
        check(&[dressed(&sent)], &[dressed(&seen)]);
    }

    #[test]
    fn the_authority_of_clients_of_java_is_a_path() {
        let block = |authority: &str| vec![frame(1, 4, &literal(0x41, &[authority]))];
        for (sent, seen) in [
            ("/run/my agent@1.sock", "-run-my-agent-1.sock"),
            ("[::1]:8443", "[::1]:8443"),
            ("host-1.example_x~y:80", "host-1.example_x~y:80"),
        ] {
            check(&block(sent), &block(seen));
        }
    }

    #[test]
    fn what_is_compressed_or_long_is_followed() {
        let long = "%".repeat(300);
        let sent = |text: &str| {
            let mut block = vec![0x41, 0x7f, 0xad, 0x01];
            block.extend(text.as_bytes());
            // Compressed: left alone.
            block.extend([0x41, 0x82, b'%', b'%']);
            block.extend(literal(0x41, &[text.get(..1).unwrap()]));
            vec![frame(1, 4, &block)]
        };
        check(&sent(&long), &sent(&long.replace('%', "-")));
    }

    #[test]
    fn resets_are_counted_however_they_are_cut() {
        let reset = frame(RST_STREAM, 0, &[0, 0, 0, 8]);
        // What looks like one within another frame is none.
        let data = frame(0, 0, &reset);
        let sent = [vec![b'%'; 24], reset.clone(), data, reset.clone(), reset].concat();
        for piece in [1, 2, 3, 7, 10_000] {
            let mut frames = Frames::default();
            let mut sent = sent.clone();
            let parts = sent.chunks_mut(piece);
            assert_eq!(parts.map(|part| frames.pass(part)).sum::<usize>(), 3);
        }
    }

    #[test]
    fn nonsense_is_passed_on() {
        for seed in 0..200_u32 {
            let mut bytes: Vec<u8> = (0..500_u32)
                .map(|at| {
                    let mixed = (seed * 7919 + at * 104_729).wrapping_mul(2_654_435_761);
                    mixed.to_be_bytes()[0]
                })
                .collect();
            let length = bytes.len();
            Frames::default().pass(&mut bytes);
            assert_eq!(bytes.len(), length);
        }
    }
}
