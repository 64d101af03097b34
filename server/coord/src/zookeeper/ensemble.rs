//! An ensemble of ZooKeeper servers: its address, its chroot, and whether it still has its history.

use std::time::Duration;

use zookeeper_client::{Acls, Client, CreateMode, MultiWriteResult};

use super::super::{Error, Invalid, Result, limits};
use super::{errors, probe};

/// An ensemble of ZooKeeper servers, and a chroot in its tree.
#[derive(Debug, Clone)]
pub struct ZooKeeper {
    pub(super) servers: String,
    pub(super) chroot: String,
    pub(super) session_timeout: Duration,
}

impl ZooKeeper {
    /// Parses `host:port,host:port…[/chroot]`. `session_timeout` is the requested timeout; the servers may grant another.
    ///
    /// # Errors
    /// [`Invalid::Address`].
    pub fn new(servers: &str, session_timeout: Duration) -> Result<Self> {
        let (hosts, chroot) = match servers.find('/') {
            Some(at) => servers.split_at(at),
            None => (servers, "/"),
        };
        let wrong = || Error::from(Invalid::Address(servers.to_owned()));
        if !hosts.split(',').all(is_address) {
            return Err(wrong());
        }
        let chroot = if chroot == "/" { chroot } else { chroot.trim_end_matches('/') };
        limits::path(chroot).map_err(|_| wrong())?;
        Ok(Self { servers: hosts.to_owned(), chroot: chroot.to_owned(), session_timeout })
    }

    /// Recreates the chroot after it was deleted.
    pub(super) async fn restore_chroot(&self) -> Result<()> {
        let client = Client::connector().with_session_timeout(self.session_timeout).connect(&self.servers).await;
        let client = client.map_err(|error| errors::from_client("/", error))?;
        self.enter_chroot(client).await.map(drop)
    }

    /// Whether the servers have lost their history: their latest transaction is older than `seen`, one that was observed
    /// before. Then all sessions of that history are gone, and the servers refuse the client without telling it why (it has
    /// "seen" transactions that they haven't) until it stops trying.
    ///
    /// The check commits a transaction of its own that leaves nothing behind; its zxid is the ensemble's latest. Zxids never
    /// decrease within one history, so servers that merely lag or are partitioned can't be mistaken for wiped ones.
    pub(super) async fn is_wiped(&self, seen: i64) -> Result<bool> {
        let client = Client::connector()
            .with_session_timeout(self.session_timeout)
            .connect(&probe::answering(&self.servers).await)
            .await
            .map_err(|error| errors::from_client("/", error))?;
        let path = format!("/evenlight-probe-{}", uuid::Uuid::new_v4().simple());
        let mut writer = client.new_multi_writer();
        let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        // The zxid is that of the write in between: before 3.8.2, a multi doesn't return a created node's (ZOOKEEPER-4667).
        let added = writer
            .add_create(&path, b"", &options)
            .and_then(|()| writer.add_set_data(&path, b"", None))
            .and_then(|()| writer.add_delete(&path, None));
        added.map_err(|error| errors::from_client(&path, error))?;
        let written = writer.commit().await.map_err(|error| Error::Unknown(error.into()))?;
        let latest = written.iter().find_map(|result| match result {
            MultiWriteResult::SetData { stat } => Some(stat.mzxid),
            _ => None,
        });
        Ok(latest.is_some_and(|zxid| zxid < seen))
    }

    pub(super) async fn enter_chroot(&self, client: Client) -> Result<Client> {
        let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.mkdir(&self.chroot, &persistent).await.map_err(|error| errors::from_client(&self.chroot, error))?;
        client.chroot(self.chroot.as_str()).map_err(|_| Invalid::Chroot(self.chroot.clone()).into())
    }
}

/// Whether `text` has the form `host:port`.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_connect_string_is_servers_and_a_chroot() {
        let of =
            |text| ZooKeeper::new(text, Duration::from_secs(4)).map(|zookeeper| (zookeeper.servers, zookeeper.chroot));
        let servers = "a:2181,10.0.0.1:2182".to_owned();
        assert_eq!(of("a:2181,10.0.0.1:2182"), Ok((servers.clone(), "/".into())));
        assert_eq!(of("a:2181,10.0.0.1:2182/x/y/"), Ok((servers, "/x/y".into())));
    }

    #[test]
    fn a_wrong_connect_string_is_refused_with_what_was_expected() {
        for wrong in ["", "a", "a:", "a:x", "a:0", ":2181", "a:2181,", "a:2181//", "a:2181/x//y", "a b:1"] {
            let error = ZooKeeper::new(wrong, Duration::from_secs(4)).unwrap_err();
            assert_eq!(error.to_string(), format!("expected host:port,host:port…[/chroot], got {wrong:?}"));
        }
    }
}
