//! What the tests of this crate share: options, and a server that answers as a test says, for what a real API server
//! cannot be made to do.

pub(crate) mod connect;
pub(crate) mod load;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bailiwick_kube::ConnectOptions;

/// A request as it arrived: the request line and the headers, one a line.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// Status and body in answer to a path with its query; `None` leaves the request without an answer.
pub(crate) type Answer = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// An HTTP server without TLS on a loopback port. Ends with the test process.
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) seen: Seen,
}

impl Fake {
    pub(crate) fn start(
        answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let (log, answer) = (seen.clone(), Arc::new(answer) as Arc<Answer>);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(&stream, &log, &*answer));
            }
        });
        Self { address, seen }
    }

    /// Options that lead here, past every kubeconfig of this machine.
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: Some("/dev/null".into()),
            server: Some(self.address.clone()),
            ..ConnectOptions::default()
        }
    }
}

fn serve(stream: &TcpStream, log: &Seen, answer: &Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let path = head
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        log.lock().unwrap().push(head);
        match answer(&path) {
            None => thread::park(),
            Some((status, body)) => {
                let head = format!(
                    "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                (&mut &*stream).write_all((head + &body).as_bytes()).ok()?;
            }
        }
    }
}

/// The answer to `/version`, with which every connection starts.
pub(crate) fn version(path: &str) -> Option<(u16, String)> {
    (path == "/version").then(|| (200, r#"{"major":"1","minor":"37"}"#.to_owned()))
}
