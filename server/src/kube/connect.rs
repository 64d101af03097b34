//! Credentials: a pod's own inside a cluster, those that `KUBECONFIG` names outside.

use std::env;
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};

/// Why there is no client although there should be one.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The files of a pod's ServiceAccount are missing or wrong.
    #[error("this pod's ServiceAccount can't be used: {0}")]
    InCluster(#[from] kube::config::InClusterError),
    /// What `KUBECONFIG` names can't be read.
    #[error("KUBECONFIG can't be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// Neither.
    #[error("{0}")]
    Infer(#[from] InferConfigError),
    /// TLS, or an address that is none.
    #[error("no client for Kubernetes can be made: {0}")]
    Client(#[from] kube::Error),
}

/// A client with the credentials that are there, and whether this is inside the cluster. `None` without Kubernetes.
///
/// `~/.kube/config` isn't read: whoever tries Evenlight out on a machine with access to a cluster doesn't mean that
/// cluster.
///
/// # Errors
/// Credentials are there and can't be used.
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
