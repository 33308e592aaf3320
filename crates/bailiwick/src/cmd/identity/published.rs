//! What everybody may read of an authority: its bundle, for other trust domains, and its issuer of tokens, for
//! verifiers that know OpenID Connect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bailiwick_identity::jwt::IssuerUrl;
use bailiwick_identity::rotation::KeyId;
use bailiwick_server::{Document, Documents, Listener, Publication, Tls, TlsFiles};
use bailiwick_spiffe::{Authority, Embedded, Evidence, ListOptions, OwnSvid, pem};
use tokio::sync::watch;

use super::place::check_address;

const JSON: &str = "application/json";
/// Copies of lists are used no longer.
const LIST_AGE: Duration = Duration::from_secs(60);

/// Where it is published.
#[derive(clap::Args, Debug)]
pub(super) struct PublishedOptions {
    /// Address at which other trust domains read the bundle of this one: by its SVID (https_spiffe), or by a
    /// certificate of the web where one is given (https_web)
    #[arg(long, value_name = "ADDRESS")]
    bundle_endpoint: Option<SocketAddr>,
    /// Certificate of the web for it, in PEM, with what leads to its authority; read again when it changes
    #[arg(long, value_name = "FILE", requires_all = ["bundle_endpoint_key", "bundle_endpoint"])]
    bundle_endpoint_certificate: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "bundle_endpoint_certificate")]
    bundle_endpoint_key: Option<PathBuf>,
    /// Address at which lists of revoked certificates are served, over plain HTTP since they are signed: `/KEY.crl` each,
    /// `/all.pem` all of them. The keys of intermediate authorities are then stored while their certificates live
    #[arg(long, value_name = "ADDRESS")]
    crl_endpoint: Option<SocketAddr>,
    /// URL under which clients find these lists, for the certificates to name it
    #[arg(long, value_name = "URL", requires = "crl_endpoint", value_parser = list_url)]
    crl_url: Option<String>,
    /// Address at which OpenID Connect discovery of the issuer of tokens is served; without a certificate a loopback
    /// address, for something before it that has one
    #[arg(long, value_name = "ADDRESS", requires = "jwt_issuer")]
    oidc_endpoint: Option<SocketAddr>,
    /// Certificate of the web for it, in PEM, with what leads to its authority; read again when it changes
    #[arg(long, value_name = "FILE", requires_all = ["oidc_key", "oidc_endpoint"])]
    oidc_certificate: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "oidc_certificate")]
    oidc_key: Option<PathBuf>,
}

fn list_url(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let rest = text.strip_prefix("http://");
    let rest = rest.filter(|rest| plain && !rest.is_empty() && !rest.starts_with('/'));
    let named = rest.filter(|_| text.len() <= 500 && !text.contains(['?', '#', '@']));
    named.map(|_| text.to_owned()).ok_or_else(|| {
        "write http://HOST/PATH: whoever fetches a list to check a certificate cannot check another one for it".to_owned()
    })
}

/// Lists of revoked certificates as they are served.
#[derive(Debug, Default)]
pub(super) struct Lists {
    by_key: BTreeMap<String, Vec<u8>>,
    all: String,
}

impl Lists {
    pub(super) fn of(lists: Vec<(KeyId, Vec<u8>)>) -> Self {
        let all = lists.iter().map(|(_, der)| pem::encode("X509 CRL", der));
        Self {
            all: all.map(|pem| pem.to_string()).collect(),
            by_key: lists
                .into_iter()
                .map(|(key, der)| (key.to_string(), der))
                .collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn document(&self, path: &str) -> Option<Document> {
        let (kind, body) = match path {
            "/all.pem" => ("application/x-pem-file", self.all.clone().into_bytes()),
            path => {
                let key = path.strip_prefix('/')?.strip_suffix(".crl")?;
                ("application/pkix-crl", self.by_key.get(key)?.clone())
            }
        };
        Some(Document {
            kind,
            max_age: LIST_AGE,
            body,
        })
    }
}

fn files(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Ok(None);
    };
    let files = TlsFiles {
        certificate: certificate.clone(),
        key: key.clone(),
        client_ca: None,
    };
    Ok(Some(Arc::new(Tls::load(files)?)))
}

impl PublishedOptions {
    /// What is wrong with them can be said before anything is opened.
    pub(super) fn check(&self, issuer: Option<&str>) -> Result<()> {
        if self.oidc_endpoint.is_some() {
            issuer.map(IssuerUrl::parse).transpose()?;
        }
        if self.bundle_endpoint.is_some() && self.bundle_endpoint == self.oidc_endpoint {
            bail!("the bundle endpoint and the one of OpenID Connect need addresses of their own");
        }
        let addresses = [self.crl_endpoint, self.bundle_endpoint, self.oidc_endpoint];
        addresses
            .into_iter()
            .flatten()
            .try_for_each(check_address)?;
        Ok(())
    }

    /// How lists of revoked certificates are signed, where they are served.
    pub(super) fn lists(&self, embedded: &Embedded) -> Result<Option<ListOptions>> {
        let Some(_) = self.crl_endpoint else {
            return Ok(None);
        };
        Ok(Some(ListOptions {
            issuers: embedded.issuers()?,
            listed: embedded.revoked()?,
            url: self.crl_url.clone(),
        }))
    }

    /// Publishes until `ending` says so.
    pub(super) async fn serve(
        &self,
        authority: &Arc<Authority>,
        evidence: &Evidence,
        issuer: Option<&str>,
        lists: watch::Receiver<Arc<Lists>>,
        ending: &watch::Receiver<bool>,
    ) -> Result<()> {
        if let Some(address) = self.crl_endpoint {
            let documents: Documents = Arc::new(move |path| lists.borrow().document(path));
            let address = publish(address, None, documents, ending).await?;
            tracing::info!(%address, "lists of revoked certificates");
        }
        if let Some(address) = self.bundle_endpoint {
            let web = files(
                self.bundle_endpoint_certificate.as_ref(),
                self.bundle_endpoint_key.as_ref(),
            )?;
            let profile = if web.is_some() {
                "https_web"
            } else {
                "https_spiffe"
            };
            let tls = match web {
                Some(tls) => tls,
                None => {
                    let authority = Arc::clone(authority);
                    let own = OwnSvid::new(authority, evidence.clone(), Vec::new()).await?;
                    let tls = Tls::resolved(own.resolver())?;
                    tokio::spawn(own.renew());
                    Arc::new(tls)
                }
            };
            let address = publish(address, Some(tls), bundle(authority), ending).await?;
            tracing::info!(%address, profile, "bundle endpoint");
        }
        if let (Some(address), Some(issuer)) = (self.oidc_endpoint, issuer) {
            let tls = files(self.oidc_certificate.as_ref(), self.oidc_key.as_ref())?;
            let documents = openid(authority, IssuerUrl::parse(issuer)?);
            let address = publish(address, tls, documents, ending).await?;
            tracing::info!(%address, issuer, "discovery of OpenID Connect");
        }
        Ok(())
    }
}

async fn publish(
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    documents: Documents,
    ending: &watch::Receiver<bool>,
) -> Result<SocketAddr> {
    let listener = Listener::bind(address, tls.clone()).await;
    let listener = listener.with_context(|| format!("cannot publish at {address}"))?;
    let address = listener.address();
    if let Some(tls) = tls {
        tokio::spawn(tls.watch(ending.clone()));
    }
    tokio::spawn(Publication::new(documents).run(listener, ending.clone()));
    Ok(address)
}

/// For how long copies of the bundle count: as long as it says itself.
fn max_age(bundle: &bailiwick_identity::Bundle) -> Duration {
    Duration::from_secs(bundle.refresh_hint.unwrap_or(60))
}

/// The bundle at `/`, where other implementations have it too.
fn bundle(authority: &Arc<Authority>) -> Documents {
    let authority = Arc::clone(authority);
    Arc::new(move |path| {
        let bundle = (path == "/").then(|| authority.bundle())?;
        Some(Document {
            kind: JSON,
            max_age: max_age(&bundle),
            body: bundle.to_json().to_string().into_bytes(),
        })
    })
}

/// Discovery document and keys.
fn openid(authority: &Arc<Authority>, issuer: IssuerUrl) -> Documents {
    let authority = Arc::clone(authority);
    Arc::new(move |path| {
        let bundle = authority.bundle();
        let document = match path {
            path if path == issuer.discovery_path() => issuer.discovery(&bundle),
            path if path == issuer.keys_path() => bundle.to_oidc_json(),
            _ => return None,
        };
        Some(Document {
            kind: JSON,
            max_age: max_age(&bundle),
            body: document.to_string().into_bytes(),
        })
    })
}
