//! Keys that an issuer tells over HTTPS, by itself or by the way of OpenID Connect Discovery 1.0.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::sync::{Notify, watch};

use super::Keyed;
use super::keys::{Loaded, MOST_BYTES};
use crate::client::{Place, PlaceError};
use crate::error::Error;

/// Where an issuer tells its keys, and how old they may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKeys {
    /// Where.
    pub address: KeyAddress,
    /// The authorities that sign for who is there, in PEM.
    pub ca: PathBuf,
    /// A file with a token to ask with, where the issuer does not tell everybody. It is read again each time.
    pub credential: Option<PathBuf>,
    /// How often to ask.
    pub refresh: Duration,
    /// How long keys count after the issuer has last told them.
    pub max_age: Duration,
}

/// Where keys are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAddress {
    /// The address of the key set itself.
    Keys(String),
    /// The address below which `/.well-known/openid-configuration` says where the key set is; `None` is the issuer.
    Discovery(Option<String>),
}

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The most of a file with a token.
const MOST_CREDENTIAL: usize = 16 << 10;
/// How long to wait after a failure, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A token with a key that is not known has the issuer asked no more often.
const ONCE_IN: Duration = Duration::from_secs(10);
/// How long the caller with such a token waits.
const PATIENCE: Duration = Duration::from_secs(2);

impl RemoteKeys {
    /// Whether the address and the authorities can be used.
    pub(super) fn check(&self, issuer: &str) -> Result<(), Error> {
        let address = match &self.address {
            KeyAddress::Keys(address) => address,
            KeyAddress::Discovery(address) => address.as_deref().unwrap_or(issuer),
        };
        self.place(address).map(drop).map_err(|why| Error::Keys {
            issuer: issuer.to_owned(),
            why,
        })
    }

    fn place(&self, address: &str) -> Result<Place, String> {
        if !address.starts_with("https://") {
            return Err(format!("`{address}` does not begin with https://"));
        }
        let ca = read(&self.ca, MOST_BYTES)?;
        Place::new(address, Some(&ca)).map_err(|error| match error {
            PlaceError::Address | PlaceError::Plaintext => {
                format!("`{address}` is no address to ask")
            }
            PlaceError::Authority(why) => {
                format!("`{}` holds no usable authority: {why}", self.ca.display())
            }
        })
    }

    /// Asks for the keys.
    pub(super) async fn fetch(&self, issuer: &str) -> Result<Loaded, String> {
        let credential = self.credential.as_deref();
        let bytes = match &self.address {
            KeyAddress::Keys(address) => {
                let place = self.place(address)?;
                ask(&place, &place.path, credential).await?
            }
            KeyAddress::Discovery(address) => {
                let place = self.place(address.as_deref().unwrap_or(issuer))?;
                let path = format!("{}/.well-known/openid-configuration", place.path);
                let told = discovered(&ask(&place, &path, credential).await?, issuer)?;
                let keys = self.place(&told)?;
                // Nobody but who was named gets to see the token.
                let same = (&keys.host, keys.port) == (&place.host, place.port);
                ask(&keys, &keys.path, credential.filter(|_| same)).await?
            }
        };
        Loaded::of(bytes.to_vec())
    }
}

/// Where an issuer says that its keys are, if it is the right one (OpenID Connect Discovery 1.0, sections 3 and 4.3).
fn discovered(bytes: &[u8], issuer: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Configuration {
        issuer: String,
        jwks_uri: String,
    }
    let read: Configuration = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if read.issuer != issuer {
        return Err(format!(
            "its issuer is `{}`, and not `{issuer}`",
            read.issuer.chars().take(200).collect::<String>()
        ));
    }
    Ok(read.jwks_uri)
}

async fn ask(place: &Place, path: &str, credential: Option<&Path>) -> Result<Bytes, String> {
    let path = if path.is_empty() { "/" } else { path };
    let mut request = Request::new(Full::new(Bytes::new()));
    let headers = request.headers_mut();
    let json = HeaderValue::from_static("application/json, application/jwk-set+json");
    headers.insert(header::ACCEPT, json);
    if let Some(file) = credential {
        let token = String::from_utf8(read(file, MOST_CREDENTIAL)?);
        let token = token.map_err(|_| format!("`{}` holds no token", file.display()))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut bearer = bearer.map_err(|_| format!("`{}` holds no token", file.display()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    let answer = tokio::time::timeout(LIMIT, place.send(path, request, MOST_BYTES)).await;
    match answer.map_err(|_| format!("no answer within {LIMIT:?}"))?? {
        (StatusCode::OK, body) => Ok(body),
        (status, _) => Err(format!("`{}{path}` answers {status}", place.host)),
    }
}

fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("`{}` cannot be read: {why}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
    if bytes.len() > most {
        return Err(wrong(&"it is too large"));
    }
    Ok(bytes)
}

/// Has an issuer asked for its keys, and tells when it was.
#[derive(Debug)]
pub(super) struct Refresher {
    wanted: Notify,
    /// How often it was asked.
    asked: watch::Sender<u64>,
    /// When it was last asked for a key that is not known, and how often it had been asked then.
    once: Mutex<Option<(Instant, u64)>>,
}

impl Default for Refresher {
    fn default() -> Self {
        Self {
            wanted: Notify::new(),
            asked: watch::Sender::new(0),
            once: Mutex::default(),
        }
    }
}

impl Refresher {
    /// Has the issuer asked, if that was not done of late for the same reason. Says whether it was.
    pub(super) async fn once(&self) -> bool {
        let mut asked = self.asked.subscribe();
        let now = *asked.borrow_and_update();
        {
            let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
            match *once {
                // Somebody waits for the answer already.
                Some((_, since)) if since == now => {}
                Some((at, _)) if at.elapsed() < ONCE_IN => return false,
                _ => {
                    *once = Some((Instant::now(), now));
                    self.wanted.notify_one();
                }
            }
        }
        let answer = tokio::time::timeout(PATIENCE, asked.changed()).await;
        matches!(answer, Ok(Ok(())))
    }
}

/// Asks an issuer for its keys every so often, after a failure sooner. Keys that were told stay until others are, or
/// until they are too old.
pub(super) async fn follow(keyed: Arc<Keyed>, remote: RemoteKeys) {
    let issuer = &keyed.issuer.issuer;
    let (mut again, mut told) = (AGAIN.0, String::new());
    loop {
        let pause = match remote.fetch(issuer).await {
            Ok(loaded) => {
                keyed.take(loaded);
                (again, told) = (AGAIN.0, String::new());
                remote.refresh
            }
            Err(error) => {
                if told != error {
                    tracing::warn!(issuer, error, "its keys cannot be had");
                    told = error;
                }
                let pause = again.min(remote.refresh);
                again = (2 * again).min(AGAIN.1);
                pause
            }
        };
        keyed.refresher.asked.send_modify(|asked| *asked += 1);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = keyed.refresher.wanted.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
