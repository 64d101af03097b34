//! ZooKeeper, through the zookeeper-client crate (0.11.2). Hazards of that client, and how they are handled:
//! - It queues operations submitted while disconnected and sends them after the reconnect: a disconnected session submits
//!   nothing.
//! - It doesn't restore persistent watches after a reconnect (it sends empty lists): they end at the disconnect.
//! - The server keeps one watch per path, whatever modes were requested: each session has a single recursive watch on the root
//!   and dispatches its events itself.
//! - Operations may wait for a reply as long as the session lives: each is bounded by the session timeout.

mod connector;
mod ensemble;
mod errors;
mod fault_connector;
mod probe;
mod session;

pub use self::ensemble::ZooKeeper;
pub use self::fault_connector::FaultConnector;
