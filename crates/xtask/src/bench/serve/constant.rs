//! A server that gives everybody the same answer, and writes the same record before it does: what a decision point
//! with no decision to make would cost on the same stack.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use bailiwick_audit::{
    DecisionId, DecisionRecord, Door, Durability, Encoded, Event, Input, Log as _, SubjectRef,
};
use bailiwick_core::{Effect, Reason, ResourceRequest};
use bailiwick_store::{Options, Store};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tracing::subscriber::NoSubscriber;

/// Runs until somebody ends it, with the certificates of a directory.
pub(in crate::bench) fn run(home: &Path) -> Result<()> {
    // Nobody listens to what its stack tells, as nobody listens to that of the program. Without this word each message is
    // made for the facade `log`, in case somebody listens there.
    tracing::subscriber::set_global_default(NoSubscriber::new())?;
    let store = Store::open(&home.join("constant-log"), Options::default())?;
    let constant = Arc::new(Constant {
        store,
        record: record()?,
    });
    let acceptor = TlsAcceptor::from(Arc::new(tls(home)?));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(constant, acceptor))
}

struct Constant {
    store: Store,
    record: Encoded,
}

const ANSWER: &str = r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":true,"reason":"RBAC: allowed by RoleBinding \"namespace-17/binding-4711\" of Role \"role-42\" to User \"user-1\" (decision 00c5f2a19d03e8b7-1f)"}}"#;

/// As long as those of the decision point.
fn record() -> Result<Encoded> {
    let groups = [
        "group-1",
        "group-2",
        "group-3",
        "group-4",
        "system:authenticated",
    ];
    let request = ResourceRequest::new("update", "apps", "deployments")
        .in_namespace("namespace-17")
        .named("app-4711");
    let record = DecisionRecord {
        id: DecisionId {
            run: u64::MAX,
            number: 1,
        },
        door: Door::AccessReview,
        caller: "bench".to_owned(),
        request_id: None,
        subject: SubjectRef {
            kind: String::new(),
            name: "user-17".to_owned(),
            groups: groups.map(str::to_owned).to_vec(),
        },
        input: Input::Kubernetes {
            request: request.into(),
        },
        effect: Effect::Allow,
        answered: None,
        reason: Reason::Masters,
        problems: Vec::new(),
        revision: "0123456789ab".to_owned(),
        micros: 42,
    };
    Ok(Event::Decision(Box::new(record)).encode()?)
}

fn tls(home: &Path) -> Result<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(home.join("ca.crt"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(home.join("server.crt"))?.into_owned()],
            PrivateKeyDer::from_pem_file(home.join("server.key"))?,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

#[allow(clippy::print_stderr, reason = "whoever started it reads where it is")]
async fn serve(constant: Arc<Constant>, acceptor: TlsAcceptor) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening address={} ", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        let (constant, acceptor) = (Arc::clone(&constant), acceptor.clone());
        // How a client hangs up is its own business.
        tokio::spawn(async move { connection(constant, acceptor, stream).await });
    }
}

async fn connection(
    constant: Arc<Constant>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let stream = acceptor.accept(stream).await.ok()?;
    let service = service_fn(move |request| {
        let constant = Arc::clone(&constant);
        async move { Ok::<_, Infallible>(constant.answer(request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256);
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok()
}

impl Constant {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // The question has to arrive, whatever it is.
        let _ = request.into_body().collect().await;
        let _ = self
            .store
            .append(self.record.clone(), Durability::Written)
            .await;
        let mut answer = Response::new(Full::from(ANSWER));
        let kind = http::HeaderValue::from_static("application/json");
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        answer
    }
}
