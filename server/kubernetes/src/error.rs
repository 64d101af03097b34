//! Errors of the Kubernetes API, as sentences and by the reaction they require.

use std::future::Future;
use std::time::Duration;

use base::causes::SharedError;

/// Time limit of a request, until its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Failure of a request, as a sentence for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Another client wrote in between: read again.
    #[error("another client changed a pod at the same time")]
    Conflict,
    /// The pod doesn't exist (any more).
    #[error("no such pod")]
    Gone,
    /// The ServiceAccount lacks the permission.
    #[error("Kubernetes forbids it: {0}")]
    Forbidden(String),
    /// No answer in time; the request may have run.
    #[error("Kubernetes' API doesn't answer")]
    Silent,
    /// The API answered with another code; possibly transient.
    #[error("Kubernetes' API answered {code}: {message}")]
    Answered {
        /// HTTP status.
        code: u16,
        /// The API's message.
        message: String,
    },
    /// The API can't be reached; possibly transient. The innermost cause is the reason.
    #[error("Kubernetes' API can't be reached: {}", .0.root())]
    Unreachable(#[source] SharedError),
    /// A text of Kubernetes in place of a line of the log.
    #[error("{0}")]
    Text(String),
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                409 => Trouble::Conflict,
                404 | 410 => Trouble::Gone,
                401 | 403 => Trouble::Forbidden(status.message.clone()),
                code => Trouble::Answered { code, message: status.message.clone() },
            },
            other => Trouble::Unreachable(other.into()),
        }
    }
}

/// Returns the innermost cause: what happened. The outer ones only add where.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Awaits the answer of a request; fails with [`Trouble::Silent`] if it takes too long.
pub(super) async fn answered<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Silent),
    }
}
