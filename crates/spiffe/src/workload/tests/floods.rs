//! What a caller of the socket sends who speaks HTTP/2 by hand, as clients that wore other servers out did.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wire::X509svidRequest;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A header as it is, with a name of its own (RFC 7541 6.2.2).
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// What a request for certificates starts with.
fn request_of(path: &str) -> Vec<u8> {
    let post_over_http = vec![0x83, 0x86];
    let headers = [
        header(":path", path),
        header(":authority", "localhost"),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
        header("workload.spiffe.io", "true"),
    ];
    [post_over_http, headers.concat()].concat()
}

/// A connection on which both sides have said hello.
async fn connect(house: &House) -> UnixStream {
    let mut stream = UnixStream::connect(&house.socket).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&settings).await.unwrap();
    stream
}

/// Sends one thing again and again until the server ends the connection; how many bytes it took.
async fn until_closed(house: &House, mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    const MOST: usize = 64 * 1024 * 1024;
    let (mut read, mut write) = connect(house).await.into_split();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = (&mut read).take(1 << 20).read_to_end(&mut all).await;
    });
    let (mut sent, mut turn) = (0, 0);
    while sent < MOST && !reading.is_finished() {
        let bytes = next(turn);
        turn += 1;
        sent += bytes.len();
        match soon(write.write_all(&bytes)).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => {
                let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(kinds.contains(&error.kind()), "{error}");
                break;
            }
        }
    }
    assert!(sent < MOST, "it is never too much");
    sent
}

/// The head of the next frame of the server, if one comes.
async fn next_frame(stream: &mut UnixStream) -> Option<[u8; 9]> {
    let mut head = [0; 9];
    soon(stream.read_exact(&mut head)).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    soon(stream.read_exact(&mut vec![0; length])).await.ok()?;
    Some(head)
}

/// The kinds of the frames that answer the one stream, until it ends.
async fn answer(stream: &mut UnixStream) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some(head) = next_frame(stream).await {
        if head[8] == 1 {
            kinds.push(head[3]);
            if head[3] == RST_STREAM || head[4] & END_STREAM != 0 {
                break;
            }
        }
    }
    kinds
}

async fn serves_on(house: &House) {
    soon(house.client().await.fetch_x509()).await.unwrap();
}

#[tokio::test]
async fn v_3_headers_without_end_are_not_collected() {
    let house = house(vec![rule("r", json!({}))]).await;
    let filler = header("filler", &"x".repeat(120)).repeat(100);
    let sent = until_closed(&house, |turn| match turn {
        0 => frame(
            HEADERS,
            0,
            1,
            &request_of("/SpiffeWorkloadAPI/FetchX509SVID"),
        ),
        _ => frame(CONTINUATION, 0, 1, &filler),
    });
    let sent = sent.await;
    assert!(sent < 8 * 1024 * 1024, "{sent} bytes of headers were read");
    serves_on(&house).await;
}

#[tokio::test]
async fn v_3_streams_that_are_opened_and_reset_end_the_connection() {
    let house = house(vec![rule("r", json!({}))]).await;
    let headers = request_of("/SpiffeWorkloadAPI/FetchX509SVID");
    // As fast as they can be sent.
    until_closed(&house, |turn| {
        let streams = (turn * 500..(turn + 1) * 500).map(|number| 2 * number + 1);
        let open_and_reset = streams.flat_map(|stream| {
            let open = frame(HEADERS, END_HEADERS, stream, &headers);
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [open, reset].concat()
        });
        open_and_reset.collect()
    })
    .await;
    serves_on(&house).await;
    let said = house.said();
    assert!(said.matches("Issue(").count() < 100, "{said}");
}

#[tokio::test]
async fn v_3_streams_that_are_reset_after_the_server_took_them_end_the_connection() {
    let house = house(vec![rule("r", json!({}))]).await;
    let headers = request_of("/SpiffeWorkloadAPI/FetchX509SVID");
    let mut stream = connect(&house).await;
    let mut reset = 0;
    // Each waits for its message when it is reset, so that no rate of requests counts it.
    for turn in 0..2_000 {
        let streams = (turn * 10..(turn + 1) * 10).map(|number| 2 * number + 1);
        let open = streams
            .clone()
            .flat_map(|stream| frame(HEADERS, END_HEADERS, stream, &headers));
        let ping = frame(PING, 0, 0, &[7; 8]);
        let opened = [open.collect(), ping].concat();
        if stream.write_all(&opened).await.is_err() || !is_answered(&mut stream).await {
            break;
        }
        let resets = streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        if stream
            .write_all(&resets.collect::<Vec<u8>>())
            .await
            .is_err()
        {
            break;
        }
        reset += 10;
    }
    assert!(
        (1_000..20_000).contains(&reset),
        "{reset} streams were reset"
    );
    assert!(!house.said().contains("Issue("), "{}", house.said());
    serves_on(&house).await;
}

/// Whether the server answers a PING.
async fn is_answered(stream: &mut UnixStream) -> bool {
    const ACK: u8 = 1;
    while let Some(head) = next_frame(stream).await {
        if head[3] == PING && head[4] & ACK != 0 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn v_4_a_path_that_is_almost_one_is_served_nothing() {
    let house = house(vec![rule("r", json!({}))]).await;
    let ask = async |path: &str| {
        let mut stream = connect(&house).await;
        let open = frame(HEADERS, END_HEADERS, 1, &request_of(path));
        let empty = frame(DATA, END_STREAM, 1, &[0; 5]);
        stream.write_all(&[open, empty].concat()).await.unwrap();
        let mut kinds = answer(&mut stream).await;
        kinds.dedup();
        kinds
    };
    for path in [
        "SpiffeWorkloadAPI/FetchJWTSVID",
        "//SpiffeWorkloadAPI/FetchJWTSVID",
        "/./SpiffeWorkloadAPI/FetchJWTSVID",
        "/spiffeworkloadapi/FetchJWTSVID",
        "/SpiffeWorkloadAPI/FetchJWTSVID/",
        "/SpiffeWorkloadAPI%2fFetchJWTSVID",
        "",
    ] {
        let kinds = ask(path).await;
        assert!(!kinds.contains(&DATA), "`{path}` is answered: {kinds:?}");
    }
    assert!(!house.said().contains("Issue("), "{}", house.said());
    // Told by the same hand, the path itself is answered.
    assert_eq!(ask("/SpiffeWorkloadAPI/ValidateJWTSVID").await, [HEADERS]);
    serves_on(&house).await;
}

#[tokio::test]
async fn v_10_a_length_that_is_said_is_not_waited_for() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut stream = connect(&house).await;
    let open = frame(
        HEADERS,
        END_HEADERS,
        1,
        &request_of("/SpiffeWorkloadAPI/FetchX509SVID"),
    );
    let message = frame(DATA, 0, 1, &[0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    stream.write_all(&[open, message].concat()).await.unwrap();
    let kinds = answer(&mut stream).await;
    assert!(!kinds.is_empty() && !kinds.contains(&DATA), "{kinds:?}");
    // Nor is one that is really sent.
    let long = request(crate::wire::ValidateJwtsvidRequest {
        audience: "x".repeat(crate::listen::MAX_REQUEST),
        svid: String::new(),
    });
    let mut raw = house.raw().await;
    let status = raw.validate_jwtsvid(long).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status}");
    let mut streaming = raw
        .fetch_x509svid(request(X509svidRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert!(soon(streaming.message()).await.unwrap().is_some());
}
