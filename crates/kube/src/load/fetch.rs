//! Reads the pages of one kind, one after the other, and hands them over while the next one is under way.

use bailiwick_core::Kind;
use tokio::sync::mpsc::Sender;

use super::kinds::{list_path, may_be_unserved, page_size, selection};
use super::page::{Form, Page};
use super::served::versions;
use crate::error::RequestError;
use crate::followed::Followed;
use crate::transport::Transport;

/// How often a list is started again because the server has forgotten its continuation.
const RESTARTS: usize = 3;

/// What a reader reports.
pub(crate) enum Event<K> {
    /// A page, in the order of the list.
    Page(K, Page),
    /// Forget all pages of this kind: it is read once more from the start.
    Restart(K),
    /// Nothing more comes of this kind.
    End(K, Coverage),
}

/// How far a kind was read.
pub(crate) enum Coverage {
    /// In the whole cluster.
    Whole,
    /// In the one namespace only, because the rest is refused.
    Namespace(RequestError),
    /// Not at all, for the server does not serve it, and need not.
    Unserved(RequestError),
    /// Not, or not to the end.
    Failed(RequestError),
}

/// One kind to read.
#[derive(Clone)]
pub(crate) struct Reader<K> {
    pub(crate) kind: K,
    /// The namespace to be content with where the whole cluster is refused; empty for none.
    pub(crate) namespace: String,
    /// Objects a page, instead of what suits the kind.
    pub(crate) page_size: Option<u32>,
}

impl<K: Followed> Reader<K> {
    /// Reads until the end. Stops early when nobody listens any more.
    pub(crate) async fn run(self, transport: &Transport, events: &Sender<Event<K>>) {
        let kind = self.kind;
        let path = list_path(kind, kind.version(), "");
        let mut coverage = Coverage::Unserved(RequestError::NotFound { path });
        for api in versions(kind, transport).await {
            coverage = self.read(transport, api, events).await;
            if !matches!(coverage, Coverage::Unserved(_)) {
                break;
            }
        }
        let _ = events.send(Event::End(kind, coverage)).await;
    }

    /// Reads what a version of the API group shows.
    async fn read(
        &self,
        transport: &Transport,
        api: &'static str,
        events: &Sender<Event<K>>,
    ) -> Coverage {
        let kind = self.kind;
        match self.list(transport, (api, ""), events).await {
            Ok(()) => Coverage::Whole,
            Err(refused @ RequestError::Forbidden { .. })
                if kind.namespaced()
                    && kind.known().and_then(Kind::only).is_none()
                    && !self.namespace.is_empty() =>
            {
                match self.list(transport, (api, &self.namespace), events).await {
                    Ok(()) => Coverage::Namespace(refused),
                    Err(RequestError::Forbidden { .. }) => Coverage::Failed(refused),
                    Err(error) => Coverage::Failed(error),
                }
            }
            Err(missing @ RequestError::NotFound { .. }) if may_be_unserved(kind) => {
                Coverage::Unserved(missing)
            }
            Err(error) => Coverage::Failed(error),
        }
    }

    async fn list(
        &self,
        transport: &Transport,
        place: (&'static str, &str),
        events: &Sender<Event<K>>,
    ) -> Result<(), RequestError> {
        let mut limit = self.page_size.unwrap_or_else(|| page_size(self.kind));
        let mut restarts = 0;
        loop {
            match self.pages(transport, place, limit, events).await {
                Err(RequestError::Expired) if restarts < RESTARTS => restarts += 1,
                Err(RequestError::TooLarge { .. }) if limit > 1 => limit = (limit / 8).max(1),
                end => return end,
            }
            if events.send(Event::Restart(self.kind)).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn pages(
        &self,
        transport: &Transport,
        (api, namespace): (&'static str, &str),
        limit: u32,
        events: &Sender<Event<K>>,
    ) -> Result<(), RequestError> {
        let form = Form::of(self.kind);
        let path = list_path(self.kind, api, namespace);
        let selection = selection(self.kind.known());
        let mut uri = format!("{path}?limit={limit}{selection}");
        loop {
            let body = transport.get(&uri, form.accept()).await?;
            let mut page =
                Page::parse(&body, form).map_err(|reason| transport.malformed(reason))?;
            page.api = api;
            drop(body);
            let next = page.next.clone();
            if events.send(Event::Page(self.kind, page)).await.is_err() {
                return Ok(());
            }
            match next {
                Some(token) => {
                    let token = query(&token);
                    uri = format!("{path}?limit={limit}{selection}&continue={token}");
                }
                None => return Ok(()),
            }
        }
    }
}

/// A value for a query (RFC 3986 section 2.3: everything but unreserved characters is escaped).
pub(crate) fn query(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut query, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    query.push(char::from(byte));
                }
                _ => query.push_str(&format!("%{byte:02X}")),
            }
            query
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_survives_the_query() {
        assert_eq!(query("eyJ2Ijoi_-.~"), "eyJ2Ijoi_-.~");
        assert_eq!(query("a+b/c=&ü"), "a%2Bb%2Fc%3D%26%C3%BC");
    }
}
