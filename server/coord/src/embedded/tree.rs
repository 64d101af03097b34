//! The tree of znodes: pure and synchronous. Every write belongs to one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{CreateMode, Error, NodeData, Op, Result, SessionId, Stat};
use super::journal::{Became, Change};

/// One znode.
#[derive(Debug, Clone)]
struct Node {
    data: Vec<u8>,
    czxid: i64,
    mzxid: i64,
    version: i32,
    owner: Option<SessionId>,
    children: BTreeSet<String>,
    /// Number of children ever created: the next sequence.
    created: u32,
}

impl Node {
    fn new(data: Vec<u8>, zxid: i64, owner: Option<SessionId>) -> Self {
        Self { data, czxid: zxid, mzxid: zxid, version: 0, owner, children: BTreeSet::new(), created: 0 }
    }

    fn stat(&self) -> Stat {
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            version: self.version,
            owner: self.owner,
            children: u32::try_from(self.children.len()).unwrap_or(u32::MAX),
        }
    }
}

/// How to undo one write.
#[derive(Debug, Clone)]
enum Undo {
    Create(String),
    Set { path: String, data: Vec<u8>, mzxid: i64 },
    Delete(String, Node),
}

/// All znodes, as of one transaction.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    zxid: i64,
    /// Undo log of the current transaction, oldest first.
    undo: Vec<Undo>,
    /// Nodes that the current transaction created, changed or deleted.
    changed: Vec<String>,
}

impl Tree {
    /// Creates a tree with only the root.
    pub(super) fn new() -> Self {
        let root = Node::new(Vec::new(), 0, None);
        Self { nodes: BTreeMap::from([("/".to_owned(), root)]), zxid: 0, undo: Vec::new(), changed: Vec::new() }
    }

    /// Returns a node's data and metadata.
    pub(super) fn get(&self, path: &str) -> Result<NodeData> {
        self.node(path).map(|node| (node.data.clone(), node.stat()))
    }

    /// Returns a node's metadata.
    pub(super) fn stat(&self, path: &str) -> Option<Stat> {
        self.nodes.get(path).map(Node::stat)
    }

    /// Returns the names of a node's children, sorted.
    pub(super) fn children(&self, path: &str) -> Result<Vec<String>> {
        self.node(path).map(|node| node.children.iter().cloned().collect())
    }

    /// Runs writes as one transaction, atomically. Returns their result and the paths of the changed nodes.
    pub(super) fn transaction<T>(
        &mut self,
        writes: impl FnOnce(&mut Writer<'_>) -> Result<T>,
    ) -> Result<(T, Vec<String>)> {
        self.undo.clear();
        self.changed.clear();
        self.zxid += 1;
        match writes(&mut Writer { tree: self }) {
            Ok(value) => Ok((value, std::mem::take(&mut self.changed))),
            Err(error) => {
                self.take_back();
                Err(error)
            }
        }
    }

    /// Returns the changes of the last transaction, in order. A node written twice has its final data in both.
    pub(super) fn last_changes(&self) -> Vec<Change> {
        let data = |path: &str| self.nodes.get(path).map(|node| node.data.clone()).unwrap_or_default();
        let change = |undo: &Undo| match undo {
            Undo::Create(path) => {
                let owner = self.nodes.get(path).and_then(|node| node.owner);
                Change { path: path.clone(), became: Became::Created { data: data(path), owner } }
            }
            Undo::Set { path, .. } => Change { path: path.clone(), became: Became::Set { data: data(path) } },
            Undo::Delete(path, _) => Change { path: path.clone(), became: Became::Deleted },
        };
        self.undo.iter().map(change).collect()
    }

    fn take_back(&mut self) {
        self.zxid -= 1;
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Create(path) => {
                    self.nodes.remove(&path);
                    if let Some((parent, name)) = self.parent_mut(&path) {
                        parent.children.remove(&name);
                        parent.created -= 1;
                    }
                }
                Undo::Set { path, data, mzxid } => {
                    if let Some(node) = self.nodes.get_mut(&path) {
                        node.data = data;
                        node.mzxid = mzxid;
                        node.version -= 1;
                    }
                }
                Undo::Delete(path, node) => {
                    if let Some((parent, name)) = self.parent_mut(&path) {
                        parent.children.insert(name);
                    }
                    self.nodes.insert(path, node);
                }
            }
        }
    }

    /// Removes a session's ephemeral nodes in one transaction and returns their paths.
    pub(super) fn end_session(&mut self, session: SessionId) -> Vec<String> {
        let owned = self.nodes.iter().filter(|(_, node)| node.owner == Some(session));
        let paths: Vec<String> = owned.map(|(path, _)| path.clone()).collect();
        self.transaction(|writer| paths.iter().try_for_each(|path| writer.delete(path, None)))
            .map(|((), changed)| changed)
            .expect("ephemeral nodes exist and have no children, so nothing keeps them from being deleted")
    }

    fn node(&self, path: &str) -> Result<&Node> {
        self.nodes.get(path).ok_or_else(|| Error::NoNode(path.to_owned()))
    }

    /// Returns a node's parent and the node's name.
    fn parent_mut(&mut self, path: &str) -> Option<(&mut Node, String)> {
        let (parent, name) = split(path);
        self.nodes.get_mut(parent).map(|node| (node, name.to_owned()))
    }
}

/// Writes of one transaction.
pub(super) struct Writer<'a> {
    tree: &'a mut Tree,
}

impl Writer<'_> {
    /// Creates a node and returns its path.
    pub(super) fn create(
        &mut self,
        session: SessionId,
        path: &str,
        data: &[u8],
        mode: CreateMode,
    ) -> Result<(String, Stat)> {
        let (parent_path, _) = split(path);
        let parent = self.tree.node(parent_path).map_err(|_| Error::NoNode(path.to_owned()))?;
        let path = match mode {
            CreateMode::EphemeralSequential => format!("{path}{:010}", parent.created),
            CreateMode::Persistent | CreateMode::Ephemeral => path.to_owned(),
        };
        if self.tree.nodes.contains_key(&path) {
            return Err(Error::NodeExists(path));
        }
        if parent.owner.is_some() {
            return Err(Error::NoChildrenForEphemerals(path));
        }
        let owner = match mode {
            CreateMode::Persistent => None,
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => Some(session),
        };
        let node = Node::new(data.to_vec(), self.tree.zxid, owner);
        let stat = node.stat();
        if let Some((parent, name)) = self.tree.parent_mut(&path) {
            parent.children.insert(name);
            parent.created += 1;
        }
        self.tree.nodes.insert(path.clone(), node);
        self.tree.undo.push(Undo::Create(path.clone()));
        self.tree.changed.push(path.clone());
        Ok((path, stat))
    }

    /// Sets a node's data.
    pub(super) fn set(&mut self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat> {
        self.check(path, version)?;
        let zxid = self.tree.zxid;
        let node = self.tree.nodes.get_mut(path).ok_or_else(|| Error::NoNode(path.to_owned()))?;
        let before = std::mem::replace(&mut node.data, data.to_vec());
        let undo = Undo::Set { path: path.to_owned(), data: before, mzxid: node.mzxid };
        node.version += 1;
        node.mzxid = zxid;
        let stat = node.stat();
        self.tree.undo.push(undo);
        self.tree.changed.push(path.to_owned());
        Ok(stat)
    }

    /// Deletes a node that has no children.
    pub(super) fn delete(&mut self, path: &str, version: Option<i32>) -> Result<()> {
        self.check(path, version)?;
        let node = self.tree.node(path)?;
        if !node.children.is_empty() {
            return Err(Error::NotEmpty(path.to_owned()));
        }
        if let Some((parent, name)) = self.tree.parent_mut(path) {
            parent.children.remove(&name);
        }
        if let Some(node) = self.tree.nodes.remove(path) {
            self.tree.undo.push(Undo::Delete(path.to_owned(), node));
        }
        self.tree.changed.push(path.to_owned());
        Ok(())
    }

    /// Checks that a node exists and, if a version is given, has this version.
    pub(super) fn check(&self, path: &str, version: Option<i32>) -> Result<()> {
        let node = self.tree.node(path)?;
        if version.is_some_and(|version| version != node.version) {
            return Err(Error::BadVersion(path.to_owned()));
        }
        Ok(())
    }

    /// Runs several writes; the error names the first that fails.
    pub(super) fn multi(&mut self, session: SessionId, ops: &[Op]) -> Result<()> {
        for (index, op) in ops.iter().enumerate() {
            let done = match op {
                Op::Check { path, version } => self.check(path, *version),
                Op::Create { path, data, mode } => self.create(session, path, data, *mode).map(drop),
                Op::Set { path, data, version } => self.set(path, data, *version).map(drop),
                Op::Delete { path, version } => self.delete(path, *version),
            };
            done.map_err(|source| Error::Multi { index, source: Box::new(source) })?;
        }
        Ok(())
    }
}

/// Splits a path into parent and name.
fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
        None => ("/", path),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ME: SessionId = SessionId(1);

    fn create(tree: &mut Tree, path: &str, mode: CreateMode) -> Result<String> {
        tree.transaction(|writer| writer.create(ME, path, b"", mode)).map(|((path, _), _)| path)
    }

    #[test]
    fn a_failed_transaction_leaves_every_node_and_counter_as_it_was() {
        let mut tree = Tree::new();
        create(&mut tree, "/a", CreateMode::Persistent).unwrap();
        create(&mut tree, "/a/b", CreateMode::Persistent).unwrap();
        let before = format!("{:?} {}", tree.nodes, tree.zxid);
        let ops = [
            Op::Set { path: "/a".into(), data: b"x".to_vec(), version: Some(0) },
            Op::Set { path: "/a".into(), data: b"y".to_vec(), version: Some(1) },
            Op::Create { path: "/a/c".into(), data: vec![], mode: CreateMode::Persistent },
            Op::Delete { path: "/a/c".into(), version: None },
            Op::Delete { path: "/a/b".into(), version: None },
            Op::Check { path: "/nowhere".into(), version: None },
        ];
        let error = tree.transaction(|writer| writer.multi(ME, &ops)).unwrap_err();
        assert_eq!(error, Error::Multi { index: 5, source: Box::new(Error::NoNode("/nowhere".into())) });
        assert_eq!(format!("{:?} {}", tree.nodes, tree.zxid), before);
    }

    #[test]
    fn sequences_rise_and_are_not_reused() {
        let mut tree = Tree::new();
        let first = create(&mut tree, "/s-", CreateMode::EphemeralSequential).unwrap();
        tree.transaction(|writer| writer.delete(&first, None)).unwrap();
        let second = create(&mut tree, "/a-", CreateMode::EphemeralSequential).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("/s-0000000000", "/a-0000000001"));
    }

    #[test]
    fn the_end_of_a_session_takes_its_ephemerals_and_nothing_else() {
        let mut tree = Tree::new();
        create(&mut tree, "/keep", CreateMode::Persistent).unwrap();
        create(&mut tree, "/keep/gone", CreateMode::Ephemeral).unwrap();
        assert_eq!(tree.end_session(ME), ["/keep/gone"]);
        assert_eq!(tree.children("/keep").unwrap(), Vec::<String>::new());
    }
}
