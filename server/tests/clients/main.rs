//! Clients that read nothing, send slowly or come in crowds, against a process of the real binary: their cost is bounded, and
//! others are served meanwhile.
#![allow(clippy::unwrap_used, missing_docs)]

mod crowds;
mod raw;
mod reading;
mod sending;
mod unfinished;

use testkit::Evenlight;

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));
