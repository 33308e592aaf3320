use bailiwick_model::Value;
use thiserror::Error;
use x509_parser::pem::Pem;

use super::{EndpointProfile, EndpointUrl, Relationship};
use crate::rules::{API_VERSION, Fields, Problem, metadata};
use crate::{Bundle, SpiffeId, TrustDomain};

/// The kind of documents that name another trust domain.
pub const FEDERATION_KIND: &str = "FederatedTrustDomain";
/// The kind of the SPIRE Controller Manager's documents of the same meaning.
pub const IMPORTED_FEDERATION_KIND: &str = "ClusterFederatedTrustDomain";

const WEB: &str = "https_web";
const SPIFFE: &str = "https_spiffe";

/// Why a document names no relationship.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FederationDecodeError {
    /// Another kind of document.
    #[error(
        "{0} is no relationship: write `apiVersion: {API_VERSION}` and `kind: {FEDERATION_KIND}`"
    )]
    Kind(String),
    /// Something in it is wrong.
    #[error("the relationship `{name}` has {problem}")]
    Relationship {
        /// Its name, as far as it has one.
        name: String,
        /// What is wrong.
        #[source]
        problem: Problem,
    },
}

/// Whether a document is meant to name a relationship.
pub fn is_relationship(document: &Value) -> bool {
    let kind = document.get("kind").and_then(Value::as_str);
    matches!(kind, Some(FEDERATION_KIND | IMPORTED_FEDERATION_KIND))
}

/// Reads a relationship: a `FederatedTrustDomain`, or a `ClusterFederatedTrustDomain` of the SPIRE Controller Manager.
///
/// # Errors
/// When the document is neither, or has anything that cannot be followed to the letter.
pub fn decode(document: &Value) -> Result<Relationship, FederationDecodeError> {
    let text = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let read = match (text("apiVersion"), text("kind")) {
        (API_VERSION, FEDERATION_KIND) => own(document),
        (version, IMPORTED_FEDERATION_KIND) if version.starts_with("spire.spiffe.io/") => {
            imported(document)
        }
        (version, kind) => {
            let what = format!("`{version}` `{kind}`").chars().take(120).collect();
            return Err(FederationDecodeError::Kind(what));
        }
    };
    let name = document.get("metadata").and_then(|meta| meta.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or("without a name");
    read.map_err(|problem| FederationDecodeError::Relationship {
        name: name.chars().take(80).collect(),
        problem,
    })
}

const ROOT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

fn own(document: &Value) -> Result<Relationship, Problem> {
    let root = Fields::of(document, "", &ROOT)?;
    if metadata(&root)?.namespace.is_some() {
        let message = "a relationship is the whole cluster's: leave the namespace out";
        return Err(root.problem("metadata.namespace", message));
    }
    let spec = root.mapping("spec", &["trustDomain", "endpoint", "bundle"])?;
    let endpoint = spec.mapping("endpoint", &["url", "profile", "spiffeID", "roots"])?;
    let roots = endpoint.text("roots")?;
    let roots = roots
        .map(|pem| certificates(&endpoint, "roots", pem))
        .transpose()?;
    Ok(Relationship {
        domain: domain(&spec)?,
        url: url(&endpoint, "url")?,
        profile: profile(&endpoint, ("profile", "spiffeID"), roots, (&spec, "bundle"))?,
    })
}

fn imported(document: &Value) -> Result<Relationship, Problem> {
    let root = Fields::of(document, "", &ROOT)?;
    metadata(&root)?;
    let known = [
        "trustDomain",
        "bundleEndpointURL",
        "bundleEndpointProfile",
        "trustDomainBundle",
        "className",
    ];
    let spec = root.mapping("spec", &known)?;
    let endpoint = spec.mapping("bundleEndpointProfile", &["type", "endpointSPIFFEID"])?;
    let names = ("type", "endpointSPIFFEID");
    Ok(Relationship {
        domain: domain(&spec)?,
        url: url(&spec, "bundleEndpointURL")?,
        profile: profile(&endpoint, names, None, (&spec, "trustDomainBundle"))?,
    })
}

fn domain(spec: &Fields<'_>) -> Result<TrustDomain, Problem> {
    let text = spec.required("trustDomain")?;
    TrustDomain::parse(text).map_err(|error| spec.problem("trustDomain", error))
}

fn url(fields: &Fields<'_>, key: &str) -> Result<EndpointUrl, Problem> {
    let text = fields.required(key)?;
    text.parse().map_err(|error| fields.problem(key, error))
}

fn profile(
    endpoint: &Fields<'_>,
    (profile, id): (&str, &str),
    roots: Option<Vec<Vec<u8>>>,
    (outer, bundle): (&Fields<'_>, &str),
) -> Result<EndpointProfile, Problem> {
    let json = outer.text(bundle)?.filter(|json| !json.trim().is_empty());
    match endpoint.required(profile)? {
        WEB if endpoint.text(id)?.is_some() => {
            Err(endpoint.problem(id, format!("belongs to {SPIFFE} alone")))
        }
        WEB if json.is_some() => Err(outer.problem(bundle, format!("belongs to {SPIFFE} alone"))),
        WEB => Ok(EndpointProfile::Web {
            roots: roots.unwrap_or_default(),
        }),
        SPIFFE if roots.is_some() => {
            Err(endpoint.problem("roots", format!("belong to {WEB} alone")))
        }
        SPIFFE => {
            let text = endpoint.required(id)?;
            let parsed = SpiffeId::parse(text).map_err(|error| endpoint.problem(id, error))?;
            if parsed.path().is_empty() {
                return Err(endpoint.problem(id, "has no path, as nobody can show it"));
            }
            let wrong = |error| outer.problem(bundle, error);
            let read = |json: &str| Bundle::from_json(parsed.trust_domain(), json.as_bytes());
            let bootstrap = json.map(read).transpose().map_err(wrong)?;
            Ok(EndpointProfile::Spiffe {
                id: parsed,
                bootstrap,
            })
        }
        _ => Err(endpoint.problem(profile, format!("write {WEB} or {SPIFFE}"))),
    }
}

/// Certificates in PEM.
fn certificates(fields: &Fields<'_>, key: &str, pem: &str) -> Result<Vec<Vec<u8>>, Problem> {
    let wrong = || fields.problem(key, "certificates in PEM belong here, at least one");
    let mut ders = Vec::new();
    for block in Pem::iter_from_buffer(pem.as_bytes()) {
        let block = block.map_err(|_| wrong())?;
        if block.label != "CERTIFICATE" || crate::x509::readable(&block.contents).is_err() {
            return Err(wrong());
        }
        ders.push(block.contents);
    }
    match ders.is_empty() {
        true => Err(wrong()),
        false => Ok(ders),
    }
}
