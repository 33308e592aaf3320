use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use http::request::Parts as Head;
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::current::Current;
use crate::error::Error;
use crate::listen::{Answer, Limits, Listener};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::ready::Ready;
use crate::reply::{Reply, text, with};
use crate::tls::Tls;

/// Health, readiness and metrics, for whoever runs the program: `/healthz`, `/readyz`, `/metrics`.
pub struct Operations {
    /// Whether questions are answered.
    pub ready: Ready,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The state that is asked.
    pub current: Arc<Current>,
    /// TLS of the doors, where there is any.
    pub tls: Option<Arc<Tls>>,
}

impl Operations {
    /// Listens, without TLS: nothing that is told here is about anybody.
    pub async fn bind(address: SocketAddr) -> Result<Listener, Error> {
        Listener::bind_anywhere(address, None).await
    }

    /// Answers until `end` becomes true.
    pub async fn run(self, listener: Listener, end: watch::Receiver<bool>) {
        let limits = Limits {
            connections: 64,
            drain: std::time::Duration::from_secs(1),
            ..Limits::default()
        };
        // Its own connections are not counted among the callers'.
        let uncounted = Arc::new(Metrics::new());
        listener.run(Arc::new(self), limits, uncounted, end).await;
    }

    /// What keeps questions from being answered as they should be.
    fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<String> = self
            .ready
            .waiting()
            .iter()
            .map(ToString::to_string)
            .collect();
        if self.current.state().is_some() && self.current.is_stale() {
            let age = self.current.age().as_secs();
            troubles.push(format!(
                "roles and policies were last confirmed {age} s ago"
            ));
        }
        troubles
    }
}

impl Answer for Operations {
    async fn answer(self: Arc<Self>, _peer: Arc<Peer>, head: Box<Head>, _: Incoming) -> Reply {
        let troubles = self.troubles();
        match head.uri.path() {
            "/healthz" => text(StatusCode::OK, "ok"),
            "/readyz" if troubles.is_empty() => {
                let mut lines = vec!["ok".to_owned()];
                lines.extend(self.current.refused());
                // Whoever is connected is answered; so nobody is better off without us.
                let tls = self.tls.as_ref();
                lines.extend(tls.and_then(|tls| tls.trouble(SystemTime::now())));
                text(StatusCode::OK, &lines.join("\n"))
            }
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, &troubles.join("\n")),
            "/metrics" => {
                self.metrics.ready.set(i64::from(troubles.is_empty()));
                let refused = self.current.refused().len();
                let refused = i64::try_from(refused).unwrap_or(i64::MAX);
                self.metrics.documents_refused.set(refused);
                self.metrics.state_age.set(self.current.age().as_secs_f64());
                if let Some((file, end)) = self.tls.as_ref().and_then(|tls| tls.ends()) {
                    self.metrics.certificate_ends(file, end);
                }
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                with(StatusCode::OK, kind, self.metrics.text().into_bytes())
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "ask for /healthz, /readyz or /metrics",
            ),
        }
    }
}
