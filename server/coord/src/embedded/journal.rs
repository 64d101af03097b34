//! The journal: every committed transaction with its session, in order, for checks after a test run.

use tokio::time::Instant;

use super::super::SessionId;

/// Cause of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The session's write.
    Write,
    /// The session's end, which removes its ephemeral nodes.
    End,
}

/// What happened to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// It was created, with an owner if it is ephemeral.
    Created {
        /// Its data.
        data: Vec<u8>,
        /// The session whose end removes it.
        owner: Option<SessionId>,
    },
    /// Its data were set.
    Set {
        /// Its data.
        data: Vec<u8>,
    },
    /// It was deleted.
    Deleted,
}

/// One node's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The node.
    pub path: String,
    /// What happened to it.
    pub became: Became,
}

/// Changes that took effect together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Time of the commit.
    pub at: Instant,
    /// Session that caused it.
    pub session: SessionId,
    /// Cause.
    pub cause: Cause,
    /// Changes, in the order of the operations.
    pub changes: Vec<Change>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Embedded, EmbeddedConfig};
    use super::*;
    use crate::{CreateMode, Op};

    #[tokio::test(start_paused = true)]
    async fn every_write_that_took_effect_is_in_the_journal_and_nothing_else() {
        let embedded = Embedded::new(EmbeddedConfig::default());
        embedded.keep_journal();
        let session = embedded.connector().connect().await.unwrap();
        session.create("/a", b"1", CreateMode::Ephemeral).await.unwrap();
        let set = |version| Op::Set { path: "/a".into(), data: b"2".to_vec(), version: Some(version) };
        session.multi(vec![set(0), set(7)]).await.unwrap_err();
        embedded.lose_reply(session.session());
        session.multi(vec![set(0)]).await.unwrap_err();
        session.close().await;
        let created = Became::Created { data: b"1".to_vec(), owner: Some(session.session()) };
        let became: Vec<_> = embedded.journal().into_iter().map(|txn| (txn.cause, txn.changes)).collect();
        let change = |became| vec![Change { path: "/a".into(), became }];
        assert_eq!(
            became,
            [
                (Cause::Write, change(created)),
                (Cause::Write, change(Became::Set { data: b"2".to_vec() })),
                (Cause::End, change(Became::Deleted)),
            ]
        );
    }
}
