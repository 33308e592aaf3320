//! What identities need of a cluster: pods and what they stand on, requests of pods for certificates, trust bundles and
//! tokens.

mod bundle;
mod request;
mod role;
mod token;
mod wire;

use std::sync::Arc;

use bailiwick_identity::UnixTime;
use bailiwick_identity::pods::{Object, ObjectKind};
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::error::RequestError;
use crate::feed::{Ear, Feeds, News};

pub use bundle::Published;
pub use request::{Condition, Issued, PodRequest, RequestedKey};
pub(crate) use role::binding;
pub use role::{issuer_role, signer_role};

/// What is told of a cluster as it changes.
#[derive(Clone, Debug)]
pub enum Told {
    /// An object as it is now.
    Put(Object),
    /// An object that is gone.
    Gone(ObjectKind, String, String),
    /// Everything of a kind up to this state of the cluster was told.
    UpTo(ObjectKind, u64),
    /// A request as it is now.
    Request(Box<PodRequest>),
    /// A request that is gone, by namespace and name.
    RequestGone(String, String),
    /// A trust bundle as it is now, in PEM, or that there is none.
    Bundle(Option<String>),
    /// Something cannot be told at the moment, or could not be read.
    Trouble(String),
}

/// Who is told. Called on a thread of the cluster: it must not wait.
pub type Listener = Arc<dyn Fn(Told) + Send + Sync>;

/// A version of the API of certificates that serves requests of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificatesApi(&'static str);

impl CertificatesApi {
    fn path(self, rest: &str) -> String {
        format!("/apis/certificates.k8s.io/{}/{rest}", self.0)
    }
}

impl Cluster {
    /// The newest version of the API that serves PodCertificateRequests and ClusterTrustBundles: v1 since Kubernetes
    /// 1.37, before that v1beta1 where the cluster has it on.
    ///
    /// # Errors
    /// When the server serves neither, or cannot be asked.
    pub fn certificates_api(&self) -> Result<CertificatesApi, RequestError> {
        #[derive(Deserialize)]
        struct List {
            resources: Vec<Resource>,
        }
        #[derive(Deserialize)]
        struct Resource {
            name: String,
        }
        const WANTED: [&str; 2] = ["podcertificaterequests/status", "clustertrustbundles"];
        for version in ["v1", "v1beta1"] {
            let api = CertificatesApi(version);
            let path = format!("/apis/certificates.k8s.io/{version}");
            let answer = self
                .threads
                .block_on(self.transport.get(&path, "application/json"));
            let answer = match answer {
                Err(RequestError::NotFound { .. }) => continue,
                answer => answer?,
            };
            let list: List = self.transport.parse(&answer)?;
            let served = |wanted: &&str| list.resources.iter().any(|known| known.name == **wanted);
            if WANTED.iter().all(served) {
                return Ok(api);
            }
        }
        Err(RequestError::NotFound {
            path: "podcertificaterequests and clustertrustbundles of certificates.k8s.io: they are on since Kubernetes \
                   1.37, and behind feature gates before"
                .to_owned(),
        })
    }

    /// Follows pods, service accounts, nodes and namespaces.
    pub fn follow_pods(&self, listener: &Listener) -> Feeds {
        let feeds = ObjectKind::ALL.map(|kind| {
            let listener = Arc::clone(listener);
            let ear: Ear = Arc::new(move |news| listener(of_object(kind, &news)));
            (format!("/api/v1/{}?", resource(kind)), ear)
        });
        self.feeds(feeds.into())
    }

    /// Follows the requests to one signer.
    pub fn follow_requests(
        &self,
        api: CertificatesApi,
        signer: &str,
        listener: &Listener,
    ) -> Feeds {
        let listener = Arc::clone(listener);
        let ear: Ear = Arc::new(move |news| {
            let told = match news {
                News::Put(json) => match PodRequest::parse(json) {
                    Ok(request) => Told::Request(Box::new(request)),
                    Err(error) => Told::Trouble(format!("a request that cannot be read: {error}")),
                },
                News::Gone { namespace, name } => {
                    Told::RequestGone(namespace.to_owned(), name.to_owned())
                }
                News::UpTo(_) => return,
                News::Trouble(error) => Told::Trouble(format!("requests: {error}")),
            };
            listener(told);
        });
        // Names of signers are DNS names with a slash, which a query takes as they are.
        let path = format!("podcertificaterequests?fieldSelector=spec.signerName%3D{signer}");
        self.feeds(vec![(api.path(&path), ear)])
    }

    /// An object as it is at this moment, by the word of the whole cluster; `None` where there is none.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn object_now(
        &self,
        kind: ObjectKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, RequestError> {
        let path = match kind {
            ObjectKind::Pod | ObjectKind::ServiceAccount => {
                format!("/api/v1/namespaces/{namespace}/{}/{name}", resource(kind))
            }
            ObjectKind::Node | ObjectKind::Namespace => {
                format!("/api/v1/{}/{name}", resource(kind))
            }
        };
        match self
            .threads
            .block_on(self.transport.get(&path, "application/json"))
        {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer);
                let object = wire::object(kind, &text);
                let object = object.map_err(|error| self.transport.malformed(error.to_string()))?;
                Ok(Some(object))
            }
            Err(RequestError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what becomes of a request, if it still is as it was seen.
    ///
    /// # Errors
    /// When the server refuses it: a status of 409 where somebody changed it in between, 422 where the server finds
    /// fault with it.
    pub fn settle(
        &self,
        api: CertificatesApi,
        request: &PodRequest,
        condition: &Condition,
        now: UnixTime,
    ) -> Result<(), RequestError> {
        let PodRequest {
            namespace,
            name,
            version,
            ..
        } = request;
        let path = format!("namespaces/{namespace}/podcertificaterequests/{name}/status");
        let patch = condition.patch(*version, now).to_string().into_bytes();
        let path = api.path(&path);
        let written = self.transport.merge(&path, patch);
        self.threads.block_on(written).map(|_| ())
    }
}

fn resource(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pod => "pods",
        ObjectKind::ServiceAccount => "serviceaccounts",
        ObjectKind::Node => "nodes",
        ObjectKind::Namespace => "namespaces",
    }
}

fn of_object(kind: ObjectKind, news: &News<'_>) -> Told {
    match news {
        News::Put(json) => match wire::object(kind, json) {
            Ok(object) => Told::Put(object),
            Err(error) => Told::Trouble(format!("{} that cannot be read: {error}", resource(kind))),
        },
        News::Gone { namespace, name } => {
            Told::Gone(kind, (*namespace).to_owned(), (*name).to_owned())
        }
        News::UpTo(version) => Told::UpTo(kind, *version),
        News::Trouble(error) => Told::Trouble(format!("{}: {error}", resource(kind))),
    }
}
