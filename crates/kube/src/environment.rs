use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What of the process's environment says how to connect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `$KUBECONFIG`: files in the order of precedence.
    pub(crate) kubeconfig: Option<OsString>,
    /// The home directory.
    pub(crate) home: Option<PathBuf>,
    /// `$HTTPS_PROXY`.
    pub(crate) https_proxy: Option<String>,
    /// `$NO_PROXY`.
    pub(crate) no_proxy: Option<String>,
    /// Host and port of `$KUBERNETES_SERVICE_HOST` and `$KUBERNETES_SERVICE_PORT`, in a pod.
    pub(crate) service: Option<(String, String)>,
    /// Where a pod finds its service account's token, namespace and authority.
    pub(crate) service_account: PathBuf,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        let text = |upper: &str| {
            let lower = upper.to_lowercase();
            [upper, &lower]
                .into_iter()
                .filter_map(|name| std::env::var(name).ok())
                .find(|value| !value.is_empty())
        };
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            home: std::env::home_dir(),
            https_proxy: text("HTTPS_PROXY"),
            no_proxy: text("NO_PROXY"),
            service: set("KUBERNETES_SERVICE_HOST").zip(set("KUBERNETES_SERVICE_PORT")),
            service_account: Path::new("/var/run/secrets/kubernetes.io/serviceaccount").to_owned(),
        }
    }

    /// The files to read a kubeconfig from, the most important first. Missing ones are passed over.
    pub(crate) fn kubeconfig_files(&self) -> Vec<PathBuf> {
        match &self.kubeconfig {
            Some(list) => {
                let mut files: Vec<PathBuf> = Vec::new();
                for file in std::env::split_paths(list) {
                    if !file.as_os_str().is_empty() && !files.contains(&file) {
                        files.push(file);
                    }
                }
                files
            }
            None => self
                .home
                .iter()
                .map(|home| home.join(".kube/config"))
                .collect(),
        }
    }

    /// Whether this is a pod with a service account
    /// (`client-go/tools/clientcmd/client_config.go`, `inClusterClientConfig.Possible`).
    pub(crate) fn is_pod(&self) -> bool {
        self.service.is_some() && self.service_account.join("token").is_file()
    }

    /// The namespace of the pod.
    pub(crate) fn pod_namespace(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.service_account.join("namespace")).ok()?;
        Some(text.trim().to_owned()).filter(|name| !name.is_empty())
    }
}
