//! Deletions by the master: deleted images and abandoned uploads.

use std::sync::Arc;

use catalog::Write;
use coord::{paths, settle};
use shared::id::ImageId;
use shared::job::Progress;
use store::keys;

use super::context::MasterContext;
use super::error::MasterError;
use super::job_end;
use crate::mirror::Nodes;

/// Maximum number of images per round.
const IMAGES_PER_ROUND: u32 = 100;

/// Cancels the jobs of images that are marked for deletion, waits until their nodes are gone, then deletes the bytes, then the
/// rows. Returns the marked images.
pub(super) async fn delete_images(context: &Arc<MasterContext>, seen: &Nodes) -> Result<Vec<ImageId>, MasterError> {
    let images = context.pod.catalog.deleting(IMAGES_PER_ROUND).await?;
    for image in &images {
        let mut active = false;
        for job in context.pod.catalog.jobs_of(image).await? {
            if context.is_aside(&job) {
                continue;
            }
            if let Some(nodes) = seen.jobs.get(&job) {
                active = true;
                if nodes.job.progress == Progress::Active {
                    job_end::cancel(context, nodes).await?;
                }
            } else {
                // The mirror may be stale: a job activated just now exists although the mirror doesn't show it.
                settle::settle(&*context.coordinator).await?;
                active |= context.coordinator.stat(&paths::job(&job)).await?.is_some();
            }
        }
        if !active {
            context.pod.task_context.store.delete_prefix(&keys::image(image)).await?;
            let write = context.pod.catalog.forget(&context.epoch(), image).await?;
            if context.mine(write).await? {
                tracing::info!(%image, "image deleted");
            }
        }
    }
    Ok(images)
}

/// Deletes trashed images for good after the time for undoing has passed.
pub(super) async fn empty_trash(context: &Arc<MasterContext>) -> Result<(), MasterError> {
    let kept = context.pod.config.keep_deleted;
    let write = context.pod.catalog.empty_trash(&context.epoch(), kept).await?;
    context.mine(write).await.map(drop)
}

/// Deletes the objects of abandoned uploads. It takes over the upload's row first: from then on, a late completion of the
/// upload has no effect.
pub(super) async fn sweep_uploads(context: &Arc<MasterContext>) -> Result<(), MasterError> {
    let untouched = context.pod.config.abandon_after;
    let Some(all) = context.pod.catalog.abandon(&context.epoch(), untouched).await? else {
        // An idle master learns here that it is deposed.
        return context.mine(Write::NotMine).await.map(drop);
    };
    for abandoned in all {
        // A writer's unfinished temporary files in a folder store are left to the sweeper.
        let store = &context.pod.task_context.store;
        store.delete(&keys::original(&abandoned.image, &abandoned.upload)).await?;
        store.delete_prefix(&keys::parts(&abandoned.image, &abandoned.upload)).await?;
        let write = context.pod.catalog.forget_upload(&context.epoch(), &abandoned.upload).await?;
        if context.mine(write).await? {
            tracing::info!(upload = %abandoned.upload, image = %abandoned.image, "unfinished upload deleted");
        }
    }
    Ok(())
}
