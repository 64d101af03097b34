//! Reasons for which a job fails although its image isn't at fault: lost runs, and records that can't be kept.

use coord::Invalid;
use pipeline::job::cause::Cause;

/// A job fails after this many consecutive runs that were lost with the whole array without finishing another task: the job may
/// be the cause, since the last of them were lost although it was worked on alone at first.
pub const MAX_LOSSES: u32 = 4;

/// After this many lost runs a job is worked on alone. It takes more than one further loss to fail it: kills from outside hit a
/// job that is alone by chance too, but then it comes first of all, and hitting it again takes another chance.
pub const MAX_LOSSES_IN_COMPANY: u32 = MAX_LOSSES - 2;

/// Returns the failure reason of a job with a znode that was overwritten by someone else.
pub(super) fn spoiled(path: &str, why: &str) -> String {
    format!("A record of this job in the coordinator ({path}) was changed from outside: {why}. Retry the job.")
}

/// Returns the failure reason of a job with a znode whose access control list keeps the array out.
pub(super) fn forbidden(path: &str) -> String {
    format!(
        "An access control list set from outside locks the array out of a node of this job in the coordinator ({path}). Retry the job."
    )
}

/// Returns the failure reason of a job whose record can't be stored.
pub(super) fn refusal(invalid: Invalid) -> String {
    Cause::Record(invalid.into()).to_string()
}
