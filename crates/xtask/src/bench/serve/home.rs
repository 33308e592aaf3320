//! A directory with the full set, certificates and a configuration.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use bailiwick_model::Snapshot;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::bench::full_set::{Asks, POLICIES, TYPES, policy, tuples};

pub(super) const API_VERSION: &str = "bailiwick.dev/v1alpha1";

/// Who asks, by the common name of the certificate.
pub(super) const CALLER: &str = "bench";

/// Teams, each with three policies in a file; the last has fewer.
pub(super) const TEAMS: usize = POLICIES.div_ceil(3);

/// Tuples of a document, and documents of a file.
const TUPLES_EACH: usize = 1_000;
const DOCUMENTS_EACH: usize = 20;

/// The directory.
pub(super) struct Home(PathBuf);

impl Home {
    /// Makes the certificates and the full set anew.
    pub(super) fn make() -> Result<Self> {
        let home = Self(crate::root().canonicalize()?.join("target/bench/serve"));
        if home.0.exists() {
            fs::remove_dir_all(&home.0)?;
        }
        fs::create_dir_all(&home.0)?;
        home.certificates()?;
        home.policies()?;
        home.relations()?;
        fs::create_dir(home.path("revocations"))?;
        Ok(home)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Puts a whole file where another may be.
    pub(super) fn replace(&self, name: &str, text: &str) -> Result<()> {
        self.write("new", text)?;
        fs::rename(self.path("new"), self.path(name)).context("cannot rename")
    }

    pub(super) fn cluster(&self, snapshot: &Snapshot) -> Result<()> {
        let file = fs::File::create(self.path("cluster.bwk"))?;
        Ok(bailiwick_input::snapshot::write(snapshot, file)?)
    }

    /// Writes a configuration, and gives where it is.
    pub(super) fn configure(&self, name: &str, log: &str, rest: &str) -> Result<PathBuf> {
        let text = format!(
            "listen:
  address: 127.0.0.1:0
  tls: {{certificate: server.crt, key: server.key, clientCa: ca.crt}}
log: {{directory: {log}}}
callers:
- name: bench
  certificate: CN={CALLER}
  doors: [accessReview, evaluation, extAuthz]
  application: shop
accessReview: {{mode: authority}}
authzen: {{base: 'https://localhost'}}
extAuthz: {{routes: [{{path: '/records/{{id}}', type: record, actions: {{GET: read}}}}]}}
policies: [policies, relations, revocations]
{rest}"
        );
        self.write(name, &text)?;
        Ok(self.path(name))
    }

    /// What a client comes with.
    pub(super) fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.crt"))?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate =
            CertificateDer::from_pem_file(self.path(&format!("{CALLER}.crt")))?.into_owned();
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{CALLER}.key")))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    fn certificates(&self) -> Result<()> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "bench authority");
        let key = KeyPair::generate()?;
        self.write("ca.crt", &params.self_signed(&key)?.pem())?;
        let authority = Issuer::new(params, key);
        for (name, usage) in [
            ("server", ExtendedKeyUsagePurpose::ServerAuth),
            (CALLER, ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = vec![
                SanType::DnsName("localhost".try_into()?),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &authority)?;
            self.write(&format!("{name}.crt"), &certificate.pem())?;
            self.write(&format!("{name}.key"), &key.serialize_pem())?;
        }
        Ok(())
    }

    fn policies(&self) -> Result<()> {
        for version in [Version::First, Version::Second] {
            fs::create_dir(self.path(version.directory()))?;
            self.policies_in(version.directory(), version)?;
        }
        Ok(())
    }

    fn policies_in(&self, directory: &str, version: Version) -> Result<()> {
        for team in 0..TEAMS {
            let path = format!("{directory}/{}", file(team));
            self.write(&path, &policies_of(team, version))?;
        }
        Ok(())
    }

    /// Puts the first version of all policies back, for a server that starts anew.
    pub(super) fn as_at_first(&self) -> Result<()> {
        self.policies_in(Version::First.directory(), Version::First)
    }

    /// Puts the second version of all policies where the first is, file by file.
    pub(super) fn exchange(&self) -> Result<()> {
        for team in 0..TEAMS {
            let name = file(team);
            let from = self.path(Version::Second.directory()).join(&name);
            fs::rename(from, self.path(Version::First.directory()).join(&name))?;
        }
        Ok(())
    }

    fn relations(&self) -> Result<()> {
        fs::create_dir(self.path("relations"))?;
        let types = TYPES.map(|(name, relations, actions)| {
            let map = |pairs: &[(&str, &str)]| -> Value {
                let pairs = pairs.iter().map(|(key, value)| (*key, json!(value)));
                pairs.collect()
            };
            (
                name,
                json!({"relations": map(relations), "actions": map(actions)}),
            )
        });
        let spec = json!({"types": types.into_iter().collect::<Value>()});
        self.write(
            "relations/schema.json",
            &document("RelationSchema", "records", &spec),
        )?;
        self.write("policies/shop.cedar", SHOP)?;
        let all: Vec<String> = tuples().collect();
        for (number, of_file) in all.chunks(TUPLES_EACH * DOCUMENTS_EACH).enumerate() {
            let documents = of_file.chunks(TUPLES_EACH).zip(0..).map(|(tuples, part)| {
                let name = format!("tuples-{number}-{part}");
                let spec = json!({"tuples": tuples});
                document("ClusterRelations", &name, &spec)
            });
            let text: Vec<String> = documents.collect();
            self.write(
                &format!("relations/tuples-{number}.yaml"),
                &text.join("\n---\n"),
            )?;
        }
        Ok(())
    }
}

/// What the gateway's application allows: one policy that Cedar evaluates.
const SHOP: &str = "permit (principal is app::Subject, action, resource is app::Resource)
when { principal.type == \"workload\" && context.action == \"read\" && !(resource.id like \"*.secret\") };
";

/// A version of all policies. The second denies members of every team what the first allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    First,
    Second,
}

impl Version {
    fn directory(self) -> &'static str {
        match self {
            Self::First => "policies",
            Self::Second => "next",
        }
    }
}

pub(super) fn file(team: usize) -> String {
    format!("team-{team}.yaml")
}

/// The policies of a team, a document each.
pub(super) fn policies_of(team: usize, version: Version) -> String {
    let numbers = (3 * team..3 * team + 3).filter(|number| *number < POLICIES);
    let documents = numbers.map(|number| {
        let mut cedar = policy(number, Asks::More);
        if version == Version::Second {
            cedar = cedar
                .replace("\"frozen-*\"", "\"w*b\"")
                .replace("\"*-frozen\"", "\"*-frozen-*\"");
        }
        document(
            "ClusterPolicy",
            &format!("policy-{number}"),
            &json!({"cedar": cedar}),
        )
    });
    documents.collect::<Vec<_>>().join("\n---\n")
}

/// A document, as JSON, which is YAML too.
pub(super) fn document(kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}
