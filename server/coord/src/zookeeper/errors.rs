//! Mapping of the client's errors: only a reply of the server is definite.

use zookeeper_client::{Error as ClientError, MultiWriteError};

use super::super::{Error, Invalid, Op};

/// Maps the error of an operation on one node.
pub(super) fn from_client(path: &str, error: ClientError) -> Error {
    let path = || path.to_owned();
    match error {
        ClientError::NoNode => Error::NoNode(path()),
        ClientError::NodeExists => Error::NodeExists(path()),
        ClientError::BadVersion => Error::BadVersion(path()),
        ClientError::NotEmpty => Error::NotEmpty(path()),
        ClientError::NoAuth => Error::Forbidden(path()),
        ClientError::NoChildrenForEphemerals => Error::NoChildrenForEphemerals(path()),
        ClientError::SessionExpired | ClientError::AuthFailed | ClientError::ClientClosed => Error::Expired,
        // Rejected by the client before it sent anything, or by a reply of the server.
        ClientError::BadArguments(_)
        | ClientError::InvalidAcl
        | ClientError::QuotaExceeded
        | ClientError::NotReadOnly
        | ClientError::Unimplemented
        | ClientError::Throttled => Invalid::Refused { path: path(), cause: error.into() }.into(),
        other => Error::Unknown(other.into()),
    }
}

/// Maps the error of a multi.
pub(super) fn from_multi(ops: &[Op], error: MultiWriteError) -> Error {
    match error {
        MultiWriteError::RequestFailed { source } => from_client("a multi", source),
        MultiWriteError::OperationFailed { index, source } => {
            let path = match ops.get(index) {
                Some(
                    Op::Check { path, .. } | Op::Create { path, .. } | Op::Set { path, .. } | Op::Delete { path, .. },
                ) => path,
                None => "",
            };
            Error::Multi { index, source: Box::new(from_client(path, source)) }
        }
    }
}
