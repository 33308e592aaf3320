//! Where an authority and what is told to it are kept: a folder, or a Secret that replicas share.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bailiwick_audit::Log;
use bailiwick_identity::TrustDomain;
use bailiwick_identity::rules::Bans;
use bailiwick_identity::shared::SharedValues;
use bailiwick_kube::{Cluster, StateSecret, state_secret_role};
use bailiwick_spiffe::{Embedded, Evidence, private_folder};
use bailiwick_store::Store;

use crate::cli::Global;
use crate::cluster::connect_options;
use crate::console::Console;

/// The domain of a machine that was given no name. RFC 6761 keeps `localhost` from ever being anybody else's.
const LOCAL_DOMAIN: &str = "localhost";
/// The file in a folder that says which Secret holds what would be there otherwise.
const MARK: &str = "state-secret";
/// The file in a folder that says where the log is of the program that signs, where it has been given another.
const LOG_MARK: &str = "log-directory";

/// Where an authority is kept.
#[derive(clap::Args, Debug)]
pub(crate) struct PlaceOptions {
    /// Trust domain of the authority
    #[arg(long, value_name = "DOMAIN", default_value = LOCAL_DOMAIN)]
    trust_domain: TrustDomain,
    /// Folder of the authority; `$XDG_STATE_HOME/bailiwick/DOMAIN` where it is not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File with the key that seals what is stored, made where it is not there; `seal.key` in the folder otherwise
    #[arg(long, value_name = "FILE")]
    seal_key: Option<PathBuf>,
    /// Secret of the cluster that holds state, keys, bans and join tokens in place of the folder, sealed with the same
    /// `--seal-key` by every replica
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "seal_key", value_parser = namespaced)]
    state_secret: Option<(String, String)>,
}

/// A server, by a name or an address; one of IPv6 stands in brackets.
pub(crate) fn server_address(text: &str) -> Result<String, String> {
    let named = text.rsplit_once(':').filter(|(host, port)| {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host_fits = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => bailiwick_core::dns::is_dns_subdomain(&host.to_ascii_lowercase()),
        };
        host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let named = named.map(|_| text.to_owned());
    named.ok_or_else(|| "write HOST:PORT, such as identity.bailiwick:8443".to_owned())
}

/// Whether it can be listened there, before anything is made that a wrong address would leave behind.
pub(crate) fn check_address(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address);
    let listener = listener.with_context(|| format!("`{address}` cannot be listened on"));
    listener.map(drop)
}

/// An object in a namespace.
pub(crate) fn namespaced(text: &str) -> Result<(String, String), String> {
    let named = bailiwick_core::dns::namespaced(text);
    let (namespace, name) = named.ok_or("write NAMESPACE/NAME")?;
    Ok((namespace.to_owned(), name.to_owned()))
}

impl PlaceOptions {
    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The folder of the authority.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => Ok(state_home()?
                .join("bailiwick")
                .join(self.trust_domain.as_str())),
        }
    }

    /// The directory of the log of an authority that was given no other.
    pub(crate) fn log(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join("log"))
    }

    /// Whether replicas share what is kept.
    pub(crate) fn is_shared(&self) -> bool {
        self.state_secret.is_some()
    }

    /// The cluster that holds what is kept, where one does.
    pub(crate) fn cluster(
        &self,
        global: &Global,
        console: &Console,
    ) -> Result<Option<Arc<Cluster>>> {
        if !self.is_shared() {
            return Ok(None);
        }
        let cluster = Cluster::connect(&connect_options(global, console))?;
        Ok(Some(Arc::new(cluster)))
    }

    /// What the service account `NAMESPACE/NAME` needs to keep it in the cluster; nothing where it is elsewhere.
    pub(super) fn role(&self, account: (&str, &str)) -> String {
        let secret = self.state_secret.as_ref();
        let role = secret.map(|(namespace, name)| state_secret_role((namespace, name), account));
        role.unwrap_or_default()
    }

    /// Folder or Secret, with keys in files.
    pub(super) fn embedded(&self, cluster: Option<&Arc<Cluster>>) -> Result<Embedded> {
        let folder = self.folder()?;
        let mut shared: Option<Arc<dyn SharedValues>> = None;
        if let Some((namespace, name)) = &self.state_secret {
            let cluster = cluster.context("--state-secret is for programs that work for a cluster: `identity server` and `identity signer`")?;
            let secret = StateSecret::new(Arc::clone(cluster), namespace, name);
            shared = Some(Arc::new(secret));
        } else if let Ok(secret) = fs::read_to_string(folder.join(MARK)) {
            bail!(
                "what belongs to this authority is not in `{}` but in a Secret: add --state-secret {} and --seal-key",
                folder.display(),
                bailiwick_report::inert(secret.trim())
            );
        }
        Ok(Embedded {
            shared,
            ..self.in_folder()?
        })
    }

    /// What is in the folder in any case.
    pub(super) fn in_folder(&self) -> Result<Embedded> {
        Ok(Embedded {
            folder: self.folder()?,
            seal_key: self.seal_key.clone(),
            pkcs11: None,
            shared: None,
        })
    }

    /// Sees to it that nobody puts anything into the folder that a program with a Secret would never read.
    pub(super) fn mark(&self) -> Result<()> {
        let Some((namespace, name)) = &self.state_secret else {
            return Ok(());
        };
        let folder = self.folder()?;
        private_folder(&folder)?;
        if self.in_folder()?.bans()?.load()? != Bans::default() {
            bail!(
                "`{}` has bans that replicas do not read: ban them with --state-secret, and remove the file",
                folder.join("bans").display()
            );
        }
        let mark = folder.join(MARK);
        let written = fs::write(&mark, format!("{namespace}/{name}\n"));
        written.with_context(|| format!("`{}` cannot be written", mark.display()))
    }

    /// Has those who change the authority from elsewhere find the log of the program that signs.
    pub(super) fn keep_log(&self, log: &Path) -> Result<()> {
        let mark = self.folder()?.join(LOG_MARK);
        let kept = if log == self.log()? {
            fs::remove_file(&mark).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        } else {
            std::path::absolute(log).and_then(|log| fs::write(&mark, log.as_os_str().as_bytes()))
        };
        kept.with_context(|| format!("`{}` cannot be written", mark.display()))
    }

    /// The directory of the log that the last program wrote that signed.
    fn kept_log(&self) -> Result<PathBuf> {
        let mark = self.folder()?.join(LOG_MARK);
        match fs::read(&mark) {
            Ok(log) => Ok(OsString::from_vec(log).into()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.log(),
            Err(error) => {
                Err(error).with_context(|| format!("`{}` cannot be read", mark.display()))
            }
        }
    }

    /// The log of the authority, for a change that a person makes; nothing where a program runs that has the log open, or
    /// that sees the change in a Secret: that program writes it.
    pub(super) fn open_log(&self) -> Result<Option<(Evidence, Arc<Store>)>> {
        if self.is_shared() {
            return Ok(None);
        }
        private_folder(&self.folder()?)?;
        match Store::open(&self.kept_log()?, Default::default()) {
            Ok(store) => {
                let store = Arc::new(store);
                let log = Arc::clone(&store) as Arc<dyn Log>;
                Ok(Some((Evidence::new(log, Arc::new(|_, _| ())), store)))
            }
            Err(bailiwick_store::Error::Locked(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn state_home() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = set("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    state.context("no HOME to keep the authority in: name a folder with --data")
}

/// The socket of `bailiwick agent` of this user.
pub(crate) fn default_socket() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let folder = match runtime {
        Some(folder) => PathBuf::from(folder).join("bailiwick"),
        None => state_home()
            .unwrap_or_else(|_| "/tmp".into())
            .join("bailiwick/run"),
    };
    folder.join("agent.sock")
}

#[cfg(test)]
mod tests {
    use super::server_address;

    #[test]
    fn servers_have_a_host_and_a_port() {
        let check = |text: &str, expected: bool| {
            assert_eq!(server_address(text).is_ok(), expected, "{text}");
        };
        for good in [
            "127.0.0.1:1",
            "identity.bailiwick:8443",
            "[::1]:8443",
            "Host:80",
        ] {
            check(good, true);
        }
        for bad in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "::1:80",
            "[x]:80",
            "https://host:80",
            "a b:80",
        ] {
            check(bad, false);
        }
    }
}
