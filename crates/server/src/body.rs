use bytes::Bytes;
use http_body_util::BodyExt as _;

/// The body of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Whole(Bytes),
    TooLarge,
}

impl Body {
    /// All of a body of at most so many bytes. Most come in one piece, which is not copied.
    pub(crate) async fn arrived<B>(mut body: B, most: usize) -> Result<Self, B::Error>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let (mut first, mut joined) = (Bytes::new(), Vec::new());
        while !body.is_end_stream()
            && let Some(frame) = body.frame().await
        {
            let Ok(piece) = frame?.into_data() else {
                continue;
            };
            if first.len().max(joined.len()) + piece.len() > most {
                return Ok(Self::TooLarge);
            }
            if first.is_empty() {
                first = piece;
            } else {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&piece);
            }
        }
        Ok(Self::Whole(match joined.is_empty() {
            true => first,
            false => joined.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http::HeaderMap;
    use hyper::body::Frame;

    use super::*;

    /// Frames, the last first.
    struct Frames(Vec<Frame<Bytes>>);

    impl hyper::body::Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop().map(Ok))
        }
    }

    #[tokio::test]
    async fn pieces_are_joined_as_far_as_they_may() {
        let of = async |pieces: &[&'static str], most| {
            let data = |piece: &&'static str| Frame::data(Bytes::from_static(piece.as_bytes()));
            let mut frames: Vec<_> = pieces.iter().map(data).collect();
            frames.push(Frame::trailers(HeaderMap::new()));
            frames.reverse();
            Body::arrived(Frames(frames), most).await.unwrap()
        };
        let whole = |text: &'static str| Body::Whole(Bytes::from_static(text.as_bytes()));
        assert_eq!(of(&[], 4).await, whole(""));
        assert_eq!(of(&["abcd"], 4).await, whole("abcd"));
        assert_eq!(of(&["abcde"], 4).await, Body::TooLarge);
        assert_eq!(of(&["", "a", "", "bc", "d"], 4).await, whole("abcd"));
        assert_eq!(of(&["a", "bc", "de"], 4).await, Body::TooLarge);
    }
}
