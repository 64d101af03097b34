//! Group membership: a pod is a member of the array as long as its ephemeral node exists.

use shared::cluster::Member;

use super::settle::read_back;
use super::{Coordinator, CreateMode, Error, NodeData, Result, paths, record};

/// The path of a member's node.
pub fn path(member: &Member) -> String {
    format!("{}/{}-{}", paths::NODES, member.pod, member.uuid)
}

/// Registers this session's pod as a member and returns its node's path. Idempotent.
///
/// # Errors
/// - [`Error::NodeExists`]: another session owns the node of this pod and uuid. Take a new uuid.
/// - [`Error::Expired`]: the session is over.
/// - [`Error::Disconnected`], [`Error::Invalid`], [`Error::NoNode`] (no skeleton): nothing was written.
///
/// # Cancellation
/// The node may exist until the session ends. Call again with the same uuid.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the node exists and belongs to this session.
pub async fn join(coordinator: &dyn Coordinator, member: &Member) -> Result<String> {
    let path = path(member);
    let data = record::to_bytes(member)?;
    loop {
        match coordinator.create(&path, &data, CreateMode::Ephemeral).await {
            Ok(_) => return Ok(path),
            Err(Error::Unknown(_) | Error::NodeExists(_)) => {}
            Err(error) => return Err(error),
        }
        match read_back(coordinator, || coordinator.stat(&path)).await? {
            Some(stat) if stat.owner == Some(coordinator.session()) => return Ok(path),
            Some(_) => return Err(Error::NodeExists(path)),
            None => {}
        }
    }
}

/// Marks a member of this session as leaving (it received a request to stop).
///
/// # Errors
/// Those of a write.
///
/// # Cancellation, On connection loss
/// The mark may or may not have been written; repeating is harmless.
pub async fn say_leaving(coordinator: &dyn Coordinator, member: &Member) -> Result<()> {
    let data = record::to_bytes(&Member { leaving: true, ..member.clone() })?;
    coordinator.set(&path(member), &data, None).await.map(|_| ())
}

/// Lists the live members, sorted by pod. Skips nodes that hold no member's record.
///
/// # Errors
/// Those of a read.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// Call again after the reconnect.
pub async fn list(coordinator: &dyn Coordinator) -> Result<Vec<Member>> {
    let names = coordinator.children(paths::NODES).await?;
    let paths: Vec<String> = names.iter().map(|name| format!("{}/{name}", paths::NODES)).collect();
    let nodes = coordinator.get_many(&paths).await?;
    // A persistent node belongs to no session, so it would never disappear: not a member.
    let ephemeral = |node: Option<NodeData>| node.filter(|(_, stat)| stat.owner.is_some());
    let members = paths.iter().zip(nodes).filter_map(|(path, node)| record::from_bytes(path, &ephemeral(node)?.0));
    Ok(members.collect())
}
