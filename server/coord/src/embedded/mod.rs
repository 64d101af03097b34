//! A coordinator inside this process, for `evenlight serve` without a server and for fault injection.
//!
//! It reproduces ZooKeeper's inconvenient behavior: sessions expire before their client knows, watches end at a disconnect,
//! replies get lost, writes run late, reads lag. It is not a distributed system of its own. It uses tokio's clock, so that
//! tests can pause time.

mod connector;
mod coordinator;
mod fault_connector;
mod faults;
pub mod journal;
mod session;
mod state;
mod tree;

pub use self::coordinator::{Embedded, EmbeddedConfig};
pub use self::fault_connector::FaultConnector;
