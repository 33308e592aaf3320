//! As much of HTTP/2 (RFC 9113) as asking takes: requests in full, of answers the status, the body and the end.

use std::collections::HashMap;

use anyhow::{Result, bail};

/// What a connection begins with: the preface, and settings as they are by default.
pub(super) const PREFACE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// `:status: 200` in HPACK's static table, which is what the headers of an answer begin with.
const OK: u8 = 0x88;

/// A POST, ready to be sent on any stream.
pub(super) struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn post(path: &str, content_type: &str, body: Vec<u8>) -> Self {
        // Indexed: POST, https. Literals that are not to be remembered: 4 is :path, 1 :authority, 31 content-type.
        let mut head = vec![0x83, 0x87];
        literal(&mut head, &[0x04], path);
        literal(&mut head, &[0x01], "localhost");
        literal(&mut head, &[0x0f, 0x10], content_type);
        if content_type == "application/grpc" {
            head.push(0x00);
            text(&mut head, "te");
            text(&mut head, "trailers");
        }
        Self { head, body }
    }

    pub(super) fn length(&self) -> i64 {
        self.body.len() as i64
    }

    pub(super) fn write(&self, stream: u32, out: &mut Vec<u8>) {
        frame(out, HEADERS, END_HEADERS, stream, &self.head);
        frame(out, DATA, END_STREAM, stream, &self.body);
    }
}

fn literal(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    text(out, value);
}

/// A string without Huffman's code (RFC 7541 section 5.2).
fn text(out: &mut Vec<u8>, value: &str) {
    let length = value.len();
    if length < 127 {
        out.push(length as u8);
    } else {
        out.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(value.as_bytes());
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = payload.len() as u32;
    out.extend_from_slice(length.to_be_bytes().get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Lets the other side send so many more bytes, over all streams.
pub(super) fn window(out: &mut Vec<u8>, bytes: u32) {
    frame(out, WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes());
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) stream: u32,
    pub(super) ok: bool,
    pub(super) body: Vec<u8>,
}

/// What came.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    open: HashMap<u32, (bool, Vec<u8>)>,
    /// Bytes of bodies since this was last looked at.
    pub(super) received: u32,
}

/// What has come of it.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) answers: Vec<Answer>,
    /// What has to be said to it.
    pub(super) reply: Vec<u8>,
    /// So many more bytes may be sent.
    pub(super) credit: i64,
}

impl Incoming {
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes the frames that are whole.
    pub(super) fn take(&mut self) -> Result<Heard> {
        let mut heard = Heard::default();
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
            let &[a, b, c, kind, flags, s, t, u, v] = head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, behind)) = behind.split_at_checked(length) else {
                break;
            };
            let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
            self.frame(kind, flags, stream, payload, &mut heard)?;
            rest = behind;
        }
        self.bytes = rest.to_vec();
        Ok(heard)
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        heard: &mut Heard,
    ) -> Result<()> {
        match kind {
            // Nobody pads here, and the headers of an answer fit into one frame.
            DATA | HEADERS if flags & PADDED != 0 => bail!("a padded frame"),
            DATA => {
                self.received += payload.len() as u32;
                let (_, body) = self.open.entry(stream).or_default();
                body.extend_from_slice(payload);
            }
            HEADERS => {
                // The second ones of a stream are trailers.
                let ok = payload.first() == Some(&OK);
                self.open.entry(stream).or_insert((ok, Vec::new()));
            }
            RESET => bail!("the server gave a request up: {payload:?}"),
            GOAWAY => bail!("the server ends the connection: {payload:?}"),
            SETTINGS if flags & ACK == 0 => frame(&mut heard.reply, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut heard.reply, PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => {
                let bytes = payload.first_chunk().copied().unwrap_or_default();
                heard.credit += i64::from(u32::from_be_bytes(bytes));
            }
            _ => {}
        }
        if matches!(kind, DATA | HEADERS)
            && flags & END_STREAM != 0
            && let Some((ok, body)) = self.open.remove(&stream)
        {
            heard.answers.push(Answer { stream, ok, body });
        }
        Ok(())
    }
}
