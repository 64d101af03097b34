//! How the API's answers are read: the names of their fields.

use shared::gallery::Accepted;
use shared::job::JobState;

use crate::json::{records, words};

words! { JobState { "queued" => Queued, "running" => Running, "done" => Done, "failed" => Failed } }

records! { Accepted { image_id, job_id, state } }
