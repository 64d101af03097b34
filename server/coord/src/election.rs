//! Leader election over ephemeral sequential znodes.
//!
//! Each candidacy is a node `<uuid>-<sequence>`. The lowest sequence leads, and each candidate watches only its predecessor, so
//! that a resignation wakes one pod. Hazards, and how they are handled:
//! - The reply of a create is lost: the candidacy adopts the lowest node with its uuid and deletes the others.
//! - Names begin with a uuid, so their lexical order is meaningless: candidates are sorted by sequence.
//! - A node outlives its session for a while: a node belongs to this candidacy only if its owner is the current session.
//! - A leader may not know yet that it was deposed: the [`Fence`] rejects its writes.

use std::sync::Arc;

use base::causes::chain;
use shared::cluster::Candidate;
use uuid::Uuid;

use super::fence::Fence;
use super::settle::{connected, read_back, settle};
use super::{Coordinator, CreateMode, Error, NodeData, Result, Scope, SessionState, Watch, paths, record};

/// One attempt to lead, on one session.
///
/// Dropping it leaves its node in place: call [`Candidacy::resign`], or end the session.
pub struct Candidacy {
    coordinator: Arc<dyn Coordinator>,
    uuid: String,
    node: String,
}

impl Candidacy {
    /// Enters the election with a new uuid.
    ///
    /// # Errors
    /// - [`Error::Expired`]: the session is over.
    /// - [`Error::Disconnected`], [`Error::Invalid`], [`Error::NoNode`] (no skeleton): nothing was written.
    ///
    /// # Cancellation
    /// A node may remain and block its successors until the session ends: end the session.
    ///
    /// # On connection loss
    /// Waits for the reconnect, then adopts the lowest node with its uuid and deletes the others.
    pub async fn enter(coordinator: Arc<dyn Coordinator>, candidate: &Candidate) -> Result<Self> {
        let uuid = Uuid::new_v4().simple().to_string();
        let data = record::to_bytes(candidate)?;
        let prefix = format!("{}/{uuid}-", paths::LEADER);
        loop {
            match coordinator.create(&prefix, &data, CreateMode::EphemeralSequential).await {
                Ok((node, _)) => return Ok(Self { coordinator, uuid, node }),
                Err(Error::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
            if let Some(node) = adopt(&*coordinator, &uuid).await? {
                return Ok(Self { coordinator, uuid, node });
            }
        }
    }

    /// This candidacy's uuid, with which it takes the catalog's epoch.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The path of this candidacy's node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The fence for this candidacy's writes; valid while its node exists.
    pub fn fence(&self) -> Fence {
        Fence::new(self.node.clone())
    }

    /// Waits until this candidacy leads: its node exists, belongs to this session, and is the lowest.
    ///
    /// # Errors
    /// - [`Error::Expired`]: the session is over.
    /// - [`Error::NoNode`]: this candidacy's node is gone (evicted); enter the election again.
    ///
    /// # Cancellation
    /// Safe: the candidacy keeps its place.
    ///
    /// # On connection loss
    /// Waits for the reconnect and checks again.
    pub async fn wait_to_lead(&self) -> Result<()> {
        loop {
            match self.look().await {
                Ok(Standing::First) => return Ok(()),
                Ok(Standing::Behind(watches)) => self.hint(watches).await,
                Err(Error::Unknown(_) | Error::Disconnected) => settle(&*self.coordinator).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until this candidacy is over: its node is gone or its session has ended.
    ///
    /// # Cancellation
    /// Safe.
    ///
    /// # On connection loss
    /// Watches again after the reconnect.
    pub async fn lost(&self) {
        loop {
            match self.watch_own().await {
                Ok(Some(watch)) => self.hint(vec![watch]).await,
                Ok(None) => return,
                Err(Error::Unknown(_) | Error::Disconnected) => {
                    if settle(&*self.coordinator).await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Deletes this candidacy's node, so that a successor leads at once.
    ///
    /// # Errors
    /// [`Error::Expired`]: the session is over, which has the same effect.
    ///
    /// # Cancellation
    /// The node may exist until the session ends.
    ///
    /// # On connection loss
    /// Waits for the reconnect and deletes again: the path is never reused.
    pub async fn resign(self) -> Result<()> {
        remove(&*self.coordinator, &self.node).await
    }

    /// Returns the candidates ahead of this one, nearest first; the last one leads. Skips persistent nodes of any name, because
    /// the array only creates ephemeral candidates.
    ///
    /// # Errors
    /// Those of a read; [`Error::NoNode`] if this candidacy's node is gone.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn before(&self) -> Result<Vec<String>> {
        let candidates = candidates(&*self.coordinator).await?;
        let at = candidates.iter().position(|path| *path == self.node);
        let at = at.ok_or_else(|| Error::NoNode(self.node.clone()))?;
        let ahead = &candidates[..at];
        let nodes = self.coordinator.get_many(ahead).await?;
        let may_lead = |node: &Option<NodeData>| !matches!(node, Some((_, stat)) if stat.owner.is_none());
        Ok(ahead.iter().zip(&nodes).filter(|(_, node)| may_lead(node)).map(|(path, _)| path.clone()).rev().collect())
    }

    async fn look(&self) -> Result<Standing> {
        connected(&*self.coordinator).await?;
        // Watches its own node too: if it is deleted, the candidate must enter again at once, and not only when its turn comes.
        let own = self.coordinator.watch(&self.node, Scope::Node).await?;
        while let Some(predecessor) = self.before().await?.into_iter().next() {
            let watch = self.coordinator.watch(&predecessor, Scope::Node).await?;
            self.coordinator.sync().await?;
            if self.is_forged(&predecessor).await? {
                tracing::warn!(node = predecessor, "election node without a candidate's record; deleting it");
                // Harmless if wrong, like any eviction. The next iteration sees whether it took effect.
                let evicted = self.fence().evict(&*self.coordinator, &predecessor).await;
                match evicted {
                    Ok(_) => continue,
                    Err(error) => tracing::warn!(node = predecessor, error = %chain(&error), "deleting it failed"),
                }
            }
            if self.coordinator.stat(&predecessor).await?.is_some() {
                return Ok(Standing::Behind(vec![watch, own]));
            }
        }
        self.coordinator.sync().await?;
        if self.owns_node().await? { Ok(Standing::First) } else { Err(Error::NoNode(self.node.clone())) }
    }

    /// Whether a candidate's node holds data that no version of the array wrote. Node and record are created in one write, so a
    /// record can't be missing merely because it is late.
    async fn is_forged(&self, path: &str) -> Result<bool> {
        match self.coordinator.get(path).await {
            Ok((data, _)) => Ok(record::read::<Candidate>(&data).is_err_and(|why| why.is_foreign())),
            Err(Error::NoNode(_)) => Ok(false),
            Err(Error::Forbidden(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn watch_own(&self) -> Result<Option<Watch>> {
        connected(&*self.coordinator).await?;
        let watch = self.coordinator.watch(&self.node, Scope::Node).await?;
        self.coordinator.sync().await?;
        Ok(self.owns_node().await?.then_some(watch))
    }

    async fn owns_node(&self) -> Result<bool> {
        let stat = self.coordinator.stat(&self.node).await?;
        Ok(stat.is_some_and(|stat| stat.owner == Some(self.coordinator.session())))
    }

    /// Waits for a hint of any of the watches, for a disconnect, or for the session's end.
    async fn hint(&self, mut watches: Vec<Watch>) {
        let mut states = self.coordinator.states();
        let hints = watches.iter_mut().map(|watch| Box::pin(watch.changed()));
        tokio::select! {
            _ = futures::future::select_all(hints) => {}
            _ = states.wait_for(|state| state.is_terminal() || *state == SessionState::Disconnected) => {}
        }
    }
}

enum Standing {
    First,
    Behind(Vec<Watch>),
}

/// Returns the current leader: the lowest candidate's path and record. It may not have taken its epoch yet.
///
/// # Errors
/// Those of a read.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// Call again after the reconnect.
pub async fn leader(coordinator: &dyn Coordinator) -> Result<Option<(String, Candidate)>> {
    for path in candidates(coordinator).await? {
        match coordinator.get(&path).await {
            Ok((data, stat)) => {
                let candidate = record::from_bytes(&path, &data).filter(|_| stat.owner.is_some());
                if let Some(candidate) = candidate {
                    return Ok(Some((path, candidate)));
                }
            }
            Err(Error::NoNode(_) | Error::Forbidden(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Paths of all candidates, sorted by sequence.
async fn candidates(coordinator: &dyn Coordinator) -> Result<Vec<String>> {
    let names = coordinator.children(paths::LEADER).await?;
    Ok(by_sequence(names).into_iter().map(|name| paths::candidate(&name)).collect())
}

/// Parses the sequence from a candidate's name, `<uuid>-<sequence>`; `None` for other names.
pub fn sequence(name: &str) -> Option<i64> {
    name.split_once('-')?.1.parse().ok()
}

/// Sorts candidates' names by sequence; drops other names.
fn by_sequence(names: Vec<String>) -> Vec<String> {
    let mut numbered: Vec<(i64, String)> =
        names.into_iter().filter_map(|name| Some((sequence(&name)?, name))).collect();
    numbered.sort_unstable();
    numbered.into_iter().map(|(_, name)| name).collect()
}

/// Returns the lowest node with this uuid that belongs to this session; deletes the others.
async fn adopt(coordinator: &dyn Coordinator, uuid: &str) -> Result<Option<String>> {
    let all = read_back(coordinator, || Box::pin(candidates(coordinator))).await?;
    let prefix = format!("{}/{uuid}-", paths::LEADER);
    let mut adopted = None;
    for node in all.into_iter().filter(|node| node.starts_with(&prefix)) {
        let stat = read_back(coordinator, || {
            let node = node.clone();
            Box::pin(async move { coordinator.stat(&node).await })
        })
        .await?;
        let mine = stat.is_some_and(|stat| stat.owner == Some(coordinator.session()));
        if mine && adopted.is_none() {
            adopted = Some(node);
        } else {
            remove(coordinator, &node).await?;
        }
    }
    Ok(adopted)
}

/// Deletes a node whose path is never reused; retries until the outcome is definite.
async fn remove(coordinator: &dyn Coordinator, node: &str) -> Result<()> {
    loop {
        match coordinator.delete(node, None).await {
            Ok(()) | Err(Error::NoNode(_)) => return Ok(()),
            Err(Error::Unknown(_) | Error::Disconnected) => settle(coordinator).await?,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::embedded::{Embedded, EmbeddedConfig};
    use crate::ensure_skeleton;

    #[tokio::test]
    async fn the_lowest_node_of_a_uuid_is_adopted_and_the_others_are_deleted() {
        let embedded = Embedded::new(EmbeddedConfig::default());
        let session = embedded.connector().connect().await.unwrap();
        let stranger = embedded.connector().connect().await.unwrap();
        ensure_skeleton(&*session).await.unwrap();
        let mut nodes = Vec::new();
        for (owner, prefix) in [(&stranger, "u-"), (&session, "v-"), (&session, "u-"), (&session, "u-")] {
            let prefix = format!("{}/{prefix}", paths::LEADER);
            nodes.push(owner.create(&prefix, b"", CreateMode::EphemeralSequential).await.unwrap().0);
        }
        assert_eq!(adopt(&*session, "u").await, Ok(Some(nodes[2].clone())));
        assert_eq!(candidates(&*session).await.unwrap(), [nodes[1].clone(), nodes[2].clone()]);
        assert_eq!(adopt(&*session, "w").await, Ok(None));
    }

    #[test]
    fn candidates_are_sorted_by_sequence_and_never_by_name() {
        let names = ["ffff-0000000002", "0000-0000000010", "aaaa-0000000009", "stray", "b-x"];
        let sorted = by_sequence(names.map(str::to_owned).to_vec());
        assert_eq!(sorted, ["ffff-0000000002", "aaaa-0000000009", "0000-0000000010"]);
    }
}
