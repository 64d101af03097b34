//! What operators can do to processes of the real binary: misconfigure them, wipe ZooKeeper, restore a backup.
#![allow(clippy::unwrap_used)]

mod misconfigured;
mod restored;

use testkit::Evenlight;

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));
