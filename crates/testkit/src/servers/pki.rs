//! The certificates of one test cluster.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::ServersError;

/// The certificate authority of a cluster: signs the API server and client certificates.
pub(super) struct Pki {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A key and its certificate, as files in PEM form.
#[derive(Clone, Debug)]
pub(super) struct KeyFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pki {
    /// Makes the authority, the API server's certificate (`server`) and the key pair for service
    /// account tokens (`service-accounts`).
    pub(super) fn create(dir: PathBuf) -> Result<Self, ServersError> {
        fs::create_dir_all(&dir).map_err(|source| ServersError::file(&dir, source))?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "bailiwick test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key)?;
        let key_pem = key.serialize_pem();
        let pki = Self {
            dir,
            issuer: Issuer::new(params, key),
        };
        pki.write("ca.crt", &certificate.pem())?;
        pki.write("ca.key", &key_pem)?;

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.issue("server", &server)?;

        let tokens = KeyPair::generate()?;
        pki.write("service-accounts.key", &tokens.serialize_pem())?;
        pki.write("service-accounts.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    /// Issues a client certificate for a user in at most one group.
    pub(super) fn client(&self, user: &str, group: Option<&str>) -> Result<KeyFiles, ServersError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&format!("client-{}", super::file_name(user)), &params)
    }

    fn issue(&self, name: &str, params: &CertificateParams) -> Result<KeyFiles, ServersError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        self.hold(name, &certificate.pem(), &key.serialize_pem())
    }

    /// Writes a certificate and its key, both in PEM form.
    pub(super) fn hold(
        &self,
        name: &str,
        certificate: &str,
        key: &str,
    ) -> Result<KeyFiles, ServersError> {
        Ok(KeyFiles {
            certificate: self.write(&format!("{name}.crt"), certificate)?,
            key: self.write(&format!("{name}.key"), key)?,
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, ServersError> {
        let path = self.dir.join(name);
        let written: io::Result<()> = fs::write(&path, text);
        written.map_err(|source| ServersError::file(&path, source))?;
        Ok(path)
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The authority itself, with which the controller-manager signs certificate requests.
    pub(super) fn authority(&self) -> KeyFiles {
        self.pair("ca.crt", "ca.key")
    }

    pub(super) fn server(&self) -> KeyFiles {
        self.pair("server.crt", "server.key")
    }

    /// The public half stands in for the certificate: tokens are checked against the bare key.
    pub(super) fn service_accounts(&self) -> KeyFiles {
        self.pair("service-accounts.pub", "service-accounts.key")
    }

    fn pair(&self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> KeyFiles {
        KeyFiles {
            certificate: self.dir.join(certificate),
            key: self.dir.join(key),
        }
    }
}
