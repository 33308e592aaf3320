//! Traces as W3C Trace Context names them.

/// The trace of a request, and whether whoever began it wants it kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

/// The span of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
}

impl Parent {
    /// Reads a `traceparent` (W3C Trace Context, section 3.2): `00-TRACE-SPAN-FLAGS`. Of a later version the first four
    /// parts are read; anything else is no trace.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = hex(parts.next()?)?;
        let (trace, span) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        let fine = version != 0xff && trace != [0; 16] && span != [0; 8];
        let rest = parts.next().is_some();
        (fine && !(version == 0 && rest)).then_some(Self {
            trace,
            span,
            sampled: flags & 1 == 1,
        })
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() || !text.as_bytes().iter().all(digit) {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

impl Span {
    /// A span where the request's trace is kept; or a trace of its own, in a share of all cases.
    pub(super) fn of(parent: Option<Parent>, share: f64) -> Option<Self> {
        if share <= 0.0 {
            return None;
        }
        let mut random = [0; 32];
        // Without randomness there is no trace; decisions have their own names.
        getrandom::fill(&mut random).ok()?;
        let (span, rest) = random.split_first_chunk()?;
        let (trace, rest) = rest.split_first_chunk()?;
        let (chance, _) = rest.split_first_chunk()?;
        match parent {
            Some(parent) => parent.sampled.then_some(Self {
                trace: parent.trace,
                span: *span,
                parent: Some(parent.span),
            }),
            None => {
                let chance = f64::from(u32::from_ne_bytes(*chance)) / f64::from(u32::MAX);
                (chance <= share).then_some(Self {
                    trace: *trace,
                    span: *span,
                    parent: None,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn traces_of_requests() {
        let check = |text: &str, expected: Option<bool>| {
            let found = Parent::parse(text);
            assert_eq!(found.map(|parent| parent.sampled), expected, "{text}");
        };
        check(&format!("00-{TRACE}-{SPAN}-01"), Some(true));
        check(&format!("00-{TRACE}-{SPAN}-00"), Some(false));
        check(&format!("01-{TRACE}-{SPAN}-03-more"), Some(true));
        check(&format!("00-{TRACE}-{SPAN}-01-more"), None);
        check(&format!("ff-{TRACE}-{SPAN}-01"), None);
        check(&format!("00-{}-{SPAN}-01", "0".repeat(32)), None);
        check(&format!("00-{TRACE}-{}-01", "0".repeat(16)), None);
        check(&format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None);
        check(&format!("00-{TRACE}-{SPAN}"), None);
        check(&format!("00-{TRACE}-{SPAN}-+1"), None);
        check("", None);
    }

    #[test]
    fn which_decisions_become_spans() {
        let parent = |flags: &str| Parent::parse(&format!("00-{TRACE}-{SPAN}-{flags}"));
        let span = Span::of(parent("01"), 0.001).unwrap();
        assert_eq!((span.trace[0], span.parent.unwrap()[0]), (0x0a, 0xb7));
        assert_ne!(span.span, span.parent.unwrap());
        assert_eq!(
            Span::of(parent("00"), 1.0),
            None,
            "the caller does not want it"
        );
        assert_eq!(
            Span::of(parent("01"), 0.0),
            None,
            "no traces are wanted here"
        );
        assert!(Span::of(None, 1.0).is_some_and(|span| span.parent.is_none()));
        let some = (0..1_000).filter(|_| Span::of(None, 0.5).is_some()).count();
        assert!((300..700).contains(&some), "{some}");
    }
}
