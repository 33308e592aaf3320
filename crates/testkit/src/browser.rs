//! A real Chromium, where one is installed, driven over the DevTools protocol.
//!
//! The protocol runs over a pair of pipes (`--remote-debugging-pipe`), so that there is no port for anybody else to
//! find, and Chromium ends when the pipes do: with its owner, or with the test process.

#![allow(
    clippy::indexing_slicing,
    reason = "all are JSON values, which give null for what is not there"
)]

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Names under which distributions install it.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the browser did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// It cannot be started, or its pipe is broken.
    #[error("cannot talk to Chromium")]
    Io(#[from] io::Error),
    /// It is gone or stuck.
    #[error("Chromium did not answer `{method}`")]
    Silent {
        /// What it was asked.
        method: String,
    },
    /// It refused, or the script threw.
    #[error("Chromium answered `{method}` with {answer}")]
    Refused {
        /// What it was asked.
        method: String,
        /// What it said.
        answer: String,
    },
}

/// The program, or nothing where it is not installed. `BAILIWICK_CHROMIUM` names another one.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    if let Some(named) = env::var_os("BAILIWICK_CHROMIUM") {
        return Some(named.into());
    }
    let paths = env::var_os("PATH")?;
    let mut places = env::split_paths(&paths).flat_map(|dir| PROGRAMS.map(|name| dir.join(name)));
    places.find(|path| path.is_file())
}

/// A browser with one page, 1280 by 800 pixels.
pub struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    asked: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub fn start(program: &Path) -> Result<Self, BrowserError> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        // The protocol is read from 3 and written to 4.
        let pipes = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        command.args(["-c", pipes]).arg(program).args([
            "--headless=new",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--no-first-run",
            "--window-size=1280,800",
            // The pages are the test's own, and a container has no room for the sandbox.
            "--no-sandbox",
        ]);
        let data = format!("--user-data-dir={}", profile.path().display());
        let mut process = command
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let broken = || io::Error::other("no pipe");
        let input = process.stdin.take().ok_or_else(broken)?;
        let output = process.stdout.take().ok_or_else(broken)?;
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            process,
            input,
            messages,
            session: None,
            asked: 0,
            events: Vec::new(),
            _profile: profile,
        };
        browser.attach()?;
        Ok(browser)
    }

    fn attach(&mut self) -> Result<(), BrowserError> {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let page = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &page)?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(())
    }

    /// Calls a method of the protocol.
    ///
    /// # Errors
    /// When it does not answer in a minute, or refuses.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, BrowserError> {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes)?;
        loop {
            let mut message = self.message(method)?;
            if message["id"] != json!(self.asked) {
                self.events.push(message);
            } else if message.get("error").is_some() {
                let (method, answer) = (method.to_owned(), message["error"].to_string());
                return Err(BrowserError::Refused { method, answer });
            } else {
                return Ok(message["result"].take());
            }
        }
    }

    fn message(&mut self, method: &str) -> Result<Value, BrowserError> {
        let answer = self.messages.recv_timeout(PATIENCE);
        answer.map_err(|_: RecvTimeoutError| BrowserError::Silent {
            method: method.to_owned(),
        })
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// As [`Browser::call`].
    pub fn open(&mut self, url: &str) -> Result<(), BrowserError> {
        self.events.clear();
        self.call("Page.navigate", &json!({"url": url}))?;
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events.iter().any(loaded) {
            let event = self.message("Page.loadEventFired")?;
            self.events.push(event);
        }
        Ok(())
    }

    /// The value of an expression in the page; a promise is waited for.
    ///
    /// # Errors
    /// As [`Browser::call`], and when the expression throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, BrowserError> {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", &parameters)?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(BrowserError::Refused {
                method: expression.to_owned(),
                answer: thrown.to_string(),
            }),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until the page of a graph is at rest: no node moves, and the last picture is painted. Gives the milliseconds
    /// since the page began.
    ///
    /// # Errors
    /// As [`Browser::evaluate`].
    pub fn settle(&mut self) -> Result<Value, BrowserError> {
        self.evaluate(
            "new Promise((done) => { const look = () => \
             document.getElementById('canvas').getAttribute('aria-busy') === 'false' \
             ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))) \
             : setTimeout(look, 5); look(); })",
        )
    }

    /// Clicks at a point of the page.
    ///
    /// # Errors
    /// As [`Browser::call`].
    pub fn click(&mut self, x: f64, y: f64) -> Result<(), BrowserError> {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Presses a key: a letter, or a name such as `Escape`.
    ///
    /// # Errors
    /// As [`Browser::call`].
    pub fn press(&mut self, key: &str) -> Result<(), BrowserError> {
        let mut event = json!({"type": "keyDown", "key": key});
        if key.chars().count() == 1 {
            event["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", &event)?;
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyUp", "key": key}),
        )?;
        Ok(())
    }

    /// What happened of these methods of the protocol since the page was opened.
    pub fn events<'a>(&'a self, methods: &'a [&str]) -> impl Iterator<Item = &'a Value> {
        let of = |event: &&Value| methods.iter().any(|method| event["method"] == *method);
        self.events.iter().filter(of)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
