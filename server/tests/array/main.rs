//! The server in this process: its HTTP API alone, and a whole array.
#![allow(clippy::unwrap_used)]

mod api;
mod formats;
mod freezing;
mod jobs;
mod methods;
mod outliers;
