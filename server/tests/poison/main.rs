//! Poison: images that exceed their time or memory limit, or are bombs. Each ends in a sentence, and no other job is
//! disturbed.
#![allow(clippy::unwrap_used)]

mod bombs;
mod door;
mod files;
mod memory;
mod time;

use testkit::Evenlight;

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));
