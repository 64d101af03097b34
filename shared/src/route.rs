//! URL paths, shared so that server and pages can't disagree on them.

use crate::id::{ImageId, JobId, PodName};

/// Gallery page.
pub const GALLERY: &str = "/";
/// Cluster page.
pub const CLUSTER: &str = "/cluster";
/// Status page, which works without JavaScript.
pub const STATUS: &str = "/status";
/// Upload (POST) and list of images (GET).
pub const API_IMAGES: &str = "/api/images";
/// Resumable uploads by tus 1.0 (POST creates one).
pub const API_UPLOADS: &str = "/api/uploads";
/// Shapes of all images in a listing.
pub const API_SECTIONS: &str = "/api/images/sections";
/// Deletes several images; can be undone (POST).
pub const API_DELETE: &str = "/api/images/delete";
/// Undoes [`API_DELETE`] (POST).
pub const API_RESTORE: &str = "/api/images/restore";
/// Originals or results of several images as one ZIP file (GET, or POST of a form).
pub const API_ZIP: &str = "/api/images/zip";
/// [`API_DELETE`] for an HTML form (POST).
pub const DELETE_FORM: &str = "/images/delete";
/// Requeues all failed jobs that match a query (POST).
pub const API_RETRY: &str = "/api/jobs/retry";
/// Requeues all failed jobs, for an HTML form (POST).
pub const RETRY_FORM: &str = "/jobs/retry";
/// State of the cluster as JSON.
pub const API_CLUSTER: &str = "/api/cluster";
/// Server-sent events.
pub const API_EVENTS: &str = "/api/events";

/// Page of an image.
pub fn image_page(image: &ImageId) -> String {
    format!("/images/{image}")
}

/// Image as JSON.
pub fn image(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}")
}

/// Job as JSON.
pub fn job(job: &JobId) -> String {
    format!("/api/jobs/{job}")
}

/// The original's bytes, as uploaded.
pub fn original(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/original")
}

/// The latest result's bytes; `?job=` selects another.
pub fn result(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/result")
}

/// View of the original for browsers: at most 2,048 pixels a side, 8-bit sRGB, upright.
pub fn view(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/view")
}

/// View of the result for browsers.
pub fn result_view(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/result/view")
}

/// Base path of the original's pyramid; `?job=` selects a result instead.
pub fn pyramid(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/pyramid")
}

/// The image's neighbours in the gallery.
pub fn neighbours(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/neighbours")
}

/// Timeline of an ended job's tasks.
pub fn timeline(job: &JobId) -> String {
    format!("/api/jobs/{job}/timeline")
}

/// Applies another recipe to an existing image (POST).
pub fn jobs(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/jobs")
}

/// [`jobs`] for an HTML form (POST).
pub fn jobs_form(image: &ImageId) -> String {
    format!("{}/jobs", image_page(image))
}

/// Requeues the latest job if it failed (POST).
pub fn retry(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/retry")
}

/// Thumbnail: of the result if there is one, else of the original.
pub fn thumbnail(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/thumbnail")
}

/// Injects a fault into a pod ([`Fault::verb`](crate::cluster::Fault::verb)), or undoes it (`start`). Only with
/// `--allow-faults`.
pub fn pod_act(pod: &PodName, verb: &str) -> String {
    format!("/api/pods/{pod}/{verb}")
}

/// Terminates a pod as a crash would. Only with `--allow-faults`.
pub fn kill(pod: &PodName) -> String {
    pod_act(pod, "kill")
}

/// Restarts a killed pod, or undoes any other injected fault. Only with `--allow-faults`.
pub fn start(pod: &PodName) -> String {
    pod_act(pod, "start")
}

/// [`retry`] for an HTML form (POST).
pub fn retry_form(image: &ImageId) -> String {
    format!("{}/retry", image_page(image))
}

/// A pod's log as server-sent events.
pub fn logs(pod: &PodName) -> String {
    format!("/api/pods/{pod}/logs")
}
