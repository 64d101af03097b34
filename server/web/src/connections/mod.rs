//! Client connections: the accept loop, and the limits on what one client may hold and how slow it may be.

pub(crate) mod clients;
pub mod listen;

pub(crate) mod connection;
mod pace;
mod paced;
