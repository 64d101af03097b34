//! What several test suites of the server (`server/tests`) share: images and their expected results, real servers to test
//! against, network and store faults, processes of the real binary, and pods in the test's own process.
//!
//! Servers are started once per test binary, when the first test asks for them; each test gets its own chroot, database or
//! bucket on them. They end with the test process, however that ends: see [`keeper`].
//!
//! Everything panics instead of returning errors: a failed helper fails its test.
#![allow(clippy::unwrap_used)]

pub mod array;
pub mod balancer;
pub mod client;
pub mod deployment;
pub mod dice;
pub mod evenlight;
pub mod faulty_store;
pub mod folder;
pub mod forwarder;
pub mod images;
mod keeper;
mod ports;
pub mod postgres;
pub mod proxy;
pub mod s3;
pub mod statements;
pub mod store_faults;
pub mod wait;
pub mod zookeeper;

pub use array::TestArray;
pub use client::Client;
pub use deployment::Deployment;
pub use dice::Dice;
pub use evenlight::{Evenlight, Server};
pub use ports::free_port;
pub use postgres::Postgres;
pub use s3::S3;
pub use wait::{elapse, eventually, eventually_blocking, ok_if, stays, within};
pub use zookeeper::Ensemble;
