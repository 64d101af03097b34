//! What the binary does: one module for each subcommand.

pub mod equalize;
