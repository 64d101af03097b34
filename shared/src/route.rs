//! Addresses, so that server and pages can't disagree on them.

use crate::id::{ImageId, JobId, PodName};

/// The gallery.
pub const GALLERY: &str = "/";
/// The cluster page.
pub const CLUSTER: &str = "/cluster";
/// The status page that needs no JavaScript.
pub const STATUS: &str = "/status";
/// Uploads (POST) and the list of images (GET).
pub const API_IMAGES: &str = "/api/images";
/// Uploads that can be resumed, by tus 1.0 (POST begins one).
pub const API_UPLOADS: &str = "/api/uploads";
/// The shapes of all images of a listing.
pub const API_SECTIONS: &str = "/api/images/sections";
/// Deletes several images, in a way that can be undone (POST).
pub const API_DELETE: &str = "/api/images/delete";
/// Undoes that (POST).
pub const API_RESTORE: &str = "/api/images/restore";
/// Originals or results of several images in one file (GET, or POST of a form).
pub const API_ZIP: &str = "/api/images/zip";
/// What [`API_DELETE`] does, for a form (POST).
pub const DELETE_FORM: &str = "/images/delete";
/// Queues all failed jobs again that a query finds (POST).
pub const API_RETRY: &str = "/api/jobs/retry";
/// The same of all failed jobs, for a form (POST).
pub const RETRY_FORM: &str = "/jobs/retry";
/// The cluster as JSON.
pub const API_CLUSTER: &str = "/api/cluster";
/// Server-sent events.
pub const API_EVENTS: &str = "/api/events";

/// The page of an image.
pub fn image_page(image: &ImageId) -> String {
    format!("/images/{image}")
}

/// The API's image.
pub fn image(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}")
}

/// The API's job.
pub fn job(job: &JobId) -> String {
    format!("/api/jobs/{job}")
}

/// The bytes as they were uploaded.
pub fn original(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/original")
}

/// The latest result; `?job=` names another.
pub fn result(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/result")
}

/// The original as a browser can show it: at most 2,048 pixels, 8-bit sRGB, upright.
pub fn view(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/view")
}

/// The result as a browser can show it.
pub fn result_view(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/result/view")
}

/// What a deep zoom of the original begins with; `?job=` names a result instead.
pub fn pyramid(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/pyramid")
}

/// The images beside one.
pub fn neighbours(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/neighbours")
}

/// How the tasks of a job that has ended went.
pub fn timeline(job: &JobId) -> String {
    format!("/api/jobs/{job}/timeline")
}

/// Another recipe on an image that is there (POST).
pub fn jobs(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/jobs")
}

/// The same for a form (POST).
pub fn jobs_form(image: &ImageId) -> String {
    format!("{}/jobs", image_page(image))
}

/// Queues a failed latest job again (POST).
pub fn retry(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/retry")
}

/// A small picture: of the result where there is one, else of the original.
pub fn thumbnail(image: &ImageId) -> String {
    format!("{API_IMAGES}/{image}/thumbnail")
}

/// Plays a fault on a pod ([`Fault::verb`](crate::cluster::Fault::verb)), or undoes it (`start`). Only with `--allow-faults`.
pub fn pod_act(pod: &PodName, verb: &str) -> String {
    format!("/api/pods/{pod}/{verb}")
}

/// Ends a pod as a crash would. Only with `--allow-faults`.
pub fn kill(pod: &PodName) -> String {
    pod_act(pod, "kill")
}

/// Starts a killed pod again, or undoes whatever is played on it. Only with `--allow-faults`.
pub fn start(pod: &PodName) -> String {
    pod_act(pod, "start")
}

/// Queues a failed latest job again, for a form (POST).
pub fn retry_form(image: &ImageId) -> String {
    format!("{}/retry", image_page(image))
}

/// What a pod says, as server-sent events.
pub fn logs(pod: &PodName) -> String {
    format!("/api/pods/{pod}/logs")
}
