//! Deletions by the master: deleted images and abandoned uploads.

use std::sync::Arc;

use shared::id::ImageId;
use shared::job::Progress;

use super::master::{Office, Setback};
use super::mirror::Nodes;
use crate::catalog::Write;
use crate::coord::{paths, settle};
use crate::store::keys;

/// Maximum number of images per round.
const BATCH: u32 = 100;

/// Cancels the jobs of images that are marked for deletion, waits until their nodes are gone, then deletes the bytes, then the
/// rows. Returns the marked images.
pub(super) async fn delete_images(office: &Arc<Office>, seen: &Nodes) -> Result<Vec<ImageId>, Setback> {
    let images = office.pod.catalog.deleting(BATCH).await?;
    for image in &images {
        let mut active = false;
        for job in office.pod.catalog.jobs_of(image).await? {
            if office.is_aside(&job) {
                continue;
            }
            if let Some(nodes) = seen.jobs.get(&job) {
                active = true;
                if nodes.job.progress == Progress::Active {
                    match office.finish(&nodes.job, nodes.version).await {
                        Err(Setback::Forbidden(why) | Setback::Refused(why)) => office.set_aside(&job, &why),
                        finished => finished?,
                    }
                    office.mirror.refresh(&job).await;
                }
            } else {
                // The mirror may be stale: a job activated just now exists although the mirror doesn't show it.
                settle::settle(&*office.coordinator).await?;
                active |= office.coordinator.stat(&paths::job(&job)).await?.is_some();
            }
        }
        if !active {
            let gone = office.pod.shop.store.delete_prefix(&keys::image(image)).await;
            gone.map_err(|error| Setback::Later(error.to_string()))?;
            let write = office.pod.catalog.forget(&office.epoch(), image).await?;
            if office.mine(write).await? {
                tracing::info!(%image, "deleted");
            }
        }
    }
    Ok(images)
}

/// Deletes trashed images for good after the time for undoing has passed.
pub(super) async fn empty_trash(office: &Arc<Office>) -> Result<(), Setback> {
    let kept = office.pod.config.keep_deleted;
    let write = office.pod.catalog.empty_trash(&office.epoch(), kept).await?;
    office.mine(write).await.map(drop)
}

/// Deletes the objects of abandoned uploads. It takes over the upload's row first: from then on, a late completion of the
/// upload has no effect.
pub(super) async fn sweep_uploads(office: &Arc<Office>) -> Result<(), Setback> {
    let untouched = office.pod.config.abandon_after;
    let Some(all) = office.pod.catalog.abandon(&office.epoch(), untouched).await? else {
        // An idle master learns here that it is deposed.
        return office.mine(Write::NotMine).await.map(drop);
    };
    for abandoned in all {
        // A writer's unfinished temporary files in a folder store are left to the sweeper.
        let gone = office.pod.shop.store.delete(&keys::original(&abandoned.image, &abandoned.upload)).await;
        gone.map_err(|error| Setback::Later(error.to_string()))?;
        let gone = office.pod.shop.store.delete_prefix(&keys::parts(&abandoned.image, &abandoned.upload)).await;
        gone.map_err(|error| Setback::Later(error.to_string()))?;
        let write = office.pod.catalog.forget_upload(&office.epoch(), &abandoned.upload).await?;
        if office.mine(write).await? {
            tracing::info!(upload = %abandoned.upload, image = %abandoned.image, "an upload that nobody finished is removed");
        }
    }
    Ok(())
}
