//! Whole: a small image in one task, by the same code as `evenlight equalize`.

use shared::job::{Job, Pointer};

use super::stage::{Failure, Workshop};
