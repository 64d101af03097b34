//! Kubernetes client: credentials of the pod inside a cluster, of `KUBECONFIG` outside.

use std::env;
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};

/// Why no client could be made although credentials exist.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The files of the pod's ServiceAccount are missing or invalid.
    #[error("can't use this pod's ServiceAccount: {0}")]
    InCluster(#[from] kube::config::InClusterError),
    /// The file named by `KUBECONFIG` can't be read.
    #[error("can't use KUBECONFIG: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// No configuration could be inferred from either.
    #[error("{0}")]
    Infer(#[from] InferConfigError),
    /// TLS failed, or the address is invalid.
    #[error("can't create a Kubernetes client: {0}")]
    Client(#[from] kube::Error),
}

/// Returns a client and whether this process runs inside the cluster; `None` without Kubernetes.
///
/// `~/.kube/config` isn't read: a user who tries out Evenlight on a machine with access to a cluster doesn't mean that cluster.
///
/// # Errors
/// Fails if credentials exist but can't be used.
pub async fn connect() -> Result<Option<(Client, bool)>, ConnectError> {
    let named = |variable: &str| env::var_os(variable).is_some_and(|value| !value.is_empty());
    let inside = named("KUBERNETES_SERVICE_HOST");
    let mut config = if inside {
        Config::incluster()?
    } else if named("KUBECONFIG") {
        Config::from_kubeconfig(&KubeConfigOptions::default()).await?
    } else {
        return Ok(None);
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(Some((Client::try_from(config)?, inside)))
}
