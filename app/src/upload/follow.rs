//! Tracks the jobs of accepted uploads.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::gallery::Accepted;
use shared::id::JobId;
use shared::job::JobState;
use shared::route;

use super::{Stage, Uploads};
use crate::api;
use crate::live::Live;
use crate::runtime::json::Json;

/// Poll interval in seconds, without notifications.
const POLL_SECONDS: i64 = 20;

/// Fetches a job's state when its upload is accepted, when its end is announced, and periodically in case an announcement was
/// missed.
pub fn follow(uploads: Uploads) {
    let live = Live::expect();
    let accepted = Memo::new(move |_| {
        let items = uploads.items.read();
        let accepted =
            |stage: &Stage| if let Stage::Accepted(accepted) = stage { Some(accepted.clone()) } else { None };
        items.iter().filter_map(|upload| Some((upload.id, accepted(&upload.stage)?))).collect::<Vec<_>>()
    });
    let turn = Memo::new(move |_| live.now.get().unwrap_or_default() / 1_000 / POLL_SECONDS);
    let mut looked: BTreeMap<u32, (i64, u32)> = BTreeMap::new();
    Effect::new(move || {
        let (turn, ended) = (turn.get(), live.ended.read());
        let mut looks = BTreeMap::new();
        for (id, accepted) in accepted.get() {
            let mark = (turn, ended.get(&accepted.image_id).copied().unwrap_or(0));
            if looked.get(&id) != Some(&mark) {
                leptos::task::spawn_local(look(uploads, id, accepted));
            }
            looks.insert(id, mark);
        }
        looked = looks;
    });
}

async fn look(uploads: Uploads, id: u32, accepted: Accepted) {
    let Ok(image) = api::json(&route::image(&accepted.image_id)).await else { return };
    let Json::List(jobs) = image.field("jobs") else { return };
    let Some(job) = jobs.iter().find(|job| job.field("id").to::<JobId>().as_ref() == Some(&accepted.job_id)) else {
        return;
    };
    let stage = match job.field("state").to() {
        Some(JobState::Done) => Stage::Done(accepted),
        Some(JobState::Failed) => Stage::Failed(accepted, job.field("reason").text().unwrap_or_default().to_owned()),
        _ => return,
    };
    if uploads.with(id, |upload| upload.stage = stage).is_some() {
        uploads.items.notify();
    }
}
