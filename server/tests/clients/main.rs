//! Clients that read nothing, send slowly or come in crowds, against a process of the real binary: their cost is bounded, and
//! others are served meanwhile.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../support/client.rs"]
mod client;
#[path = "../support/images.rs"]
mod images;
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/s3.rs"]
mod s3;

mod crowds;
mod raw;
mod reading;
mod sending;
mod unfinished;
