//! A server behind an APIService that answers in place of the API server: it shows objects that a test makes up, says
//! yes to every write, and remembers what it was asked.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::servers::ServersError;

/// Listens on a port of this machine until the process ends. Nobody has signed its certificate.
pub struct Impostor {
    /// Where it listens.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, without what follows a question mark.
    pub path: String,
    /// Its headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its body, JSON or protobuf.
    pub body: Vec<u8>,
    is_watch: bool,
}

#[derive(Default)]
struct State {
    lists: Vec<List>,
    statuses: Vec<(String, Value)>,
    asked: Vec<Asked>,
}

/// What there is of a kind.
#[derive(Clone)]
struct List {
    path: String,
    api_version: String,
    kind: String,
    objects: Vec<Value>,
}

/// What is sent back at once.
struct Answer {
    status: &'static str,
    kind: String,
    body: Vec<u8>,
}

impl Impostor {
    /// Starts one that has no objects.
    ///
    /// # Errors
    /// When no port or certificate is to be had.
    pub fn start() -> Result<Self, ServersError> {
        let failed = |source| ServersError::Process {
            name: "an impostor",
            source,
        };
        let tls = Arc::new(tls()?.map_err(|error| failed(io::Error::other(error)))?);
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, state) = (Arc::clone(&tls), Arc::clone(&shared));
                // How a connection ends is the client's business.
                thread::spawn(move || drop(serve(stream, tls, &state)));
            }
        });
        Ok(Self { port, state })
    }

    /// Has it show these objects of a kind, of every namespace, where they are listed: `/apis/GROUP/VERSION/RESOURCE`.
    pub fn show(&self, path: &str, kind: &str, objects: Vec<Value>) {
        let mut words = path.split('/').skip(2);
        let (group, version) = (words.next(), words.next());
        let api_version = match (group, version) {
            (Some(group), Some(version)) if path.starts_with("/apis/") => {
                format!("{group}/{version}")
            }
            (version, _) => version.unwrap_or_default().to_owned(),
        };
        let typed = objects.into_iter().map(|mut object| {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("apiVersion".to_owned(), json!(api_version));
                fields.insert("kind".to_owned(), json!(kind));
            }
            object
        });
        let list = List {
            path: path.to_owned(),
            kind: kind.to_owned(),
            objects: typed.collect(),
            api_version,
        };
        let mut state = lock(&self.state);
        state.lists.retain(|list| list.path != path);
        state.lists.push(list);
    }

    /// Has it give what is sent to this path in JSON this status.
    pub fn judge(&self, path: &str, status: Value) {
        lock(&self.state).statuses.push((path.to_owned(), status));
    }

    /// What it was asked so far, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }
}

impl Asked {
    /// The first header of this name, which is in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(own, _)| own == name)?;
        Some(value)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tls() -> Result<Result<ServerConfig, rustls::Error>, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.and_then(|config| {
        let config = config.with_no_client_auth();
        config.with_single_cert(vec![certificate.der().clone()], key)
    }))
}

/// Answers what comes on one connection, in HTTP/1.1: no other protocol was agreed on.
fn serve(stream: TcpStream, tls: Arc<ServerConfig>, state: &Mutex<State>) -> io::Result<()> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(asked) = read(&mut reader)? {
        let (lists, status) = {
            let mut state = lock(state);
            state.asked.push(asked.clone());
            let mut statuses = state.statuses.iter().rev();
            let status = statuses.find(|(path, _)| *path == asked.path);
            (
                state.lists.clone(),
                status.map(|(_, status)| status.clone()),
            )
        };
        let list = lists.iter().find(|list| list.path == asked.path);
        match list.filter(|_| asked.is_watch) {
            Some(list) => watch(reader.get_mut(), list)?,
            None => answer(&lists, judged(asked, status)).send(reader.get_mut())?,
        }
    }
    Ok(())
}

/// What was sent, with this status where it is JSON.
fn judged(mut asked: Asked, status: Option<Value>) -> Asked {
    let object = serde_json::from_slice::<Value>(&asked.body).ok();
    if let (Some(Value::Object(mut object)), Some(status)) = (object, status) {
        object.insert("status".to_owned(), status);
        asked.body = Value::Object(object).to_string().into_bytes();
    }
    asked
}

fn answer(lists: &[List], asked: Asked) -> Answer {
    if asked.method != "GET" {
        let kind = asked.header("content-type").unwrap_or("application/json");
        return Answer {
            status: "200 OK",
            kind: kind.to_owned(),
            body: asked.body,
        };
    }
    let (status, body) = match lists.iter().find_map(|list| list.at(&asked.path)) {
        Some(Some(found)) => ("200 OK", found),
        Some(None) => {
            let gone = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            ("404 Not Found", gone)
        }
        None => {
            let group = asked.path.trim_start_matches("/apis/");
            let empty = json!({"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": group, "resources": []});
            ("200 OK", empty)
        }
    };
    Answer {
        status,
        kind: "application/json".to_owned(),
        body: body.to_string().into_bytes(),
    }
}

impl List {
    /// What is at a path of this kind, if it is one.
    fn at(&self, path: &str) -> Option<Option<Value>> {
        let (version, resource) = self.path.rsplit_once('/')?;
        if path == self.path || path.ends_with(&format!("/{resource}")) && path.starts_with(version)
        {
            return Some(Some(json!({
                "apiVersion": self.api_version,
                "kind": format!("{}List", self.kind),
                "metadata": {"resourceVersion": "1"},
                "items": self.objects,
            })));
        }
        let (collection, name) = path.rsplit_once('/')?;
        let is_own =
            collection.starts_with(version) && collection.ends_with(&format!("/{resource}"));
        let object = self
            .objects
            .iter()
            .find(|own| own.pointer("/metadata/name").is_some_and(|own| own == name));
        is_own.then(|| object.cloned())
    }
}

/// The objects as if they had just been made, then the end of the beginning, then silence with signs of life.
fn watch(out: &mut impl Write, list: &List) -> io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    out.write_all(head.as_bytes())?;
    let mut event = |kind: &str, object: &Value| {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        write!(out, "{:x}\r\n{line}\r\n", line.len())?;
        out.flush()
    };
    for object in &list.objects {
        event("ADDED", object)?;
    }
    let mark = |metadata: Value| {
        let (version, kind) = (&list.api_version, &list.kind);
        json!({"apiVersion": version, "kind": kind, "metadata": metadata})
    };
    let end = json!({"k8s.io/initial-events-end": "true"});
    event(
        "BOOKMARK",
        &mark(json!({"resourceVersion": "1", "annotations": end})),
    )?;
    loop {
        thread::sleep(Duration::from_secs(1));
        event("BOOKMARK", &mark(json!({"resourceVersion": "1"})))?;
    }
}

impl Answer {
    fn send(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { status, kind, body } = self;
        let length = body.len();
        write!(
            out,
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        )?;
        out.write_all(body)?;
        out.flush()
    }
}

/// The next request; `None` at the end of the connection.
fn read(reader: &mut BufReader<impl Read>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut asked = Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        is_watch: query.split('&').any(|word| word.starts_with("watch=")),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        asked
            .headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = asked.header("content-length").map(str::parse);
    let length = length.transpose().map_err(io::Error::other)?;
    asked.body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut asked.body)?;
    Ok(Some(asked))
}
