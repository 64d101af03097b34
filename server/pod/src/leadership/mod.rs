//! Leadership: a pod's candidacy, the witness that evicts a leader whose process is gone, and the record of former masters.

pub(crate) mod candidate;
pub(crate) mod peer;
pub(crate) mod succession;
mod witness;
