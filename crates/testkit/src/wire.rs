//! A connection to a server that a test can cut.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Passes on what comes, until it is cut or stopped.
pub struct Wire {
    /// Where to connect to: `https://` and an address of this machine.
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    streams: Vec<TcpStream>,
}

impl Wire {
    /// To a server, `https://HOST:PORT`.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub fn to(server: &str) -> io::Result<Self> {
        let target = server.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let wire = Self {
            address: format!("https://{}", listener.local_addr()?),
            state: Arc::default(),
        };
        let state = Arc::clone(&wire.state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut state = lock(&state);
                if state.cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                        thread::spawn(move || pass_on(from, to));
                    }
                }
                state.streams.extend([near, far]);
            }
        });
        Ok(wire)
    }

    /// Ends all connections, and takes no new ones.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.cut = true;
        for stream in state.streams.drain(..) {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes new connections again.
    pub fn mend(&self) {
        lock(&self.state).cut = false;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read) else {
            break;
        };
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
