//! Errors of the API as sentences, and what they ask for.

use std::future::Future;
use std::time::Duration;

/// How long a request may take, from its sending to its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What didn't work out, as a sentence for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Another wrote in between: read again.
    #[error("somebody else changed a pod at the same time")]
    Conflict,
    /// There is no such pod (any more).
    #[error("there is no such pod")]
    Gone,
    /// The ServiceAccount may not do it.
    #[error("Kubernetes forbids it: {0}")]
    Forbidden(String),
    /// It wasn't answered in time; it may be done all the same.
    #[error("Kubernetes' API doesn't answer")]
    Silent,
    /// Everything else; it may pass.
    #[error("{0}")]
    Other(String),
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                409 => Trouble::Conflict,
                404 | 410 => Trouble::Gone,
                401 | 403 => Trouble::Forbidden(status.message.clone()),
                code => Trouble::Other(format!("Kubernetes' API answered {code}: {}", status.message)),
            },
            other => Trouble::Other(format!("Kubernetes' API can't be reached: {}", root(&other))),
        }
    }
}

/// The innermost cause, which says what happened; those around it only say where.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The answer of a request, or [`Trouble::Silent`] when it takes too long.
pub(super) async fn answered<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Silent),
    }
}
