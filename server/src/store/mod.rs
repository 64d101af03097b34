//! Pixels and files, over `object_store`: a local folder or S3.
//!
//! Keys are never reused ([`keys`]), so a late write of a deposed or paused pod is garbage, never damage,
//! and the store needs no fence.

pub mod keys;
