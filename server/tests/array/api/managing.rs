//! Deletions, retries, killing pods, and health.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use server::web::{FaultError, Faults};
use shared::cluster::Fault;
use shared::id::PodName;
use testkit::images::sample;

use super::harness::Api;

const NOBODY: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_deleted_image_is_gone_for_everyone() {
    let server = Api::new().await;
    let (image, job) = server.upload("moon.png", &sample("moon.png")).await;
    let path = format!("/api/images/{image}");
    assert_eq!(server.call("DELETE", &path, &[], "").await.status, 204);
    for gone in [path.clone(), format!("{path}/original"), format!("{path}/thumbnail")] {
        server.get(&gone).await.problem(404);
    }
    assert!(server.get("/api/images").await.json()["items"].as_array().unwrap().is_empty());
    assert!(server.catalog.queued(10, 0, u64::MAX).await.unwrap().iter().all(|row| row.job != job));
    server.call("DELETE", &path, &[], "").await.problem(404);
}

#[tokio::test]
async fn all_failed_jobs_that_a_query_finds_are_tried_again_at_once() {
    let server = Api::new().await;
    let epoch = server.catalog.take_epoch("somebody").await.unwrap();
    let mut images = Vec::new();
    for name in ["moon.png", "cell.png", "coffee.png"] {
        let (image, job) = server.upload(name, &sample(name)).await;
        let run = NOBODY.replace('0', &images.len().to_string()).parse().unwrap();
        server.catalog.activate(&epoch, &job, &run).await.unwrap();
        server.catalog.fail(&epoch, &job, &run, "The store was away.", None).await.unwrap();
        images.push(image);
    }
    let (waiting, _) = server.upload("brick.png", &sample("brick.png")).await;
    let retry = async |path: &str, body: String| server.call("POST", path, &[], body).await.json()["retried"].clone();
    assert_eq!(retry("/api/jobs/retry?q=moon", String::new()).await, 1);
    assert_eq!(retry("/api/jobs/retry?q=moon", String::new()).await, 0, "it waits already");
    let named = serde_json::json!({"images": [images[1], waiting, NOBODY]}).to_string();
    assert_eq!(retry("/api/jobs/retry", named).await, 1);
    assert_eq!(retry("/api/jobs/retry?state=done", String::new()).await, 0);
    let form = server.call("POST", "/jobs/retry", &[], "").await;
    assert_eq!(form.status, 303);
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 4);
    server.call("POST", "/api/jobs/retry", &[], "{}").await.problem(400);
    server.call("POST", "/api/jobs/retry?state=lost", &[], "").await.problem(400);
}

#[tokio::test]
async fn several_deleted_images_are_gone_and_come_back_when_it_is_undone() {
    let server = Api::new().await;
    let (moon, _) = server.upload("moon.png", &sample("moon.png")).await;
    let (cell, _) = server.upload("cell.png", &sample("cell.png")).await;
    let json = [("content-type", "application/json")];
    let chosen = serde_json::json!({"images": [moon, cell, NOBODY]}).to_string();
    let both = serde_json::json!({"images": [moon, cell]});
    let sorted = |answer: super::harness::Answer| {
        let mut images: Vec<String> = serde_json::from_value(answer.json()["images"].clone()).unwrap();
        images.sort();
        images
    };
    let mut expected: Vec<String> = serde_json::from_value(both["images"].clone()).unwrap();
    expected.sort();
    let rings = server.rings.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(sorted(server.call("POST", "/api/images/delete", &json, chosen.clone()).await), expected);
    assert_eq!(server.get("/api/images/sections").await.json()["total"], 0);
    assert_eq!(sorted(server.call("POST", "/api/images/restore", &json, chosen).await), expected);
    assert_eq!(server.get(&format!("/api/images/{moon}/original")).await.body, sample("moon.png"));
    assert_eq!(server.rings.load(std::sync::atomic::Ordering::SeqCst), rings + 2, "both are told to whoever looks");

    for (nothing, says) in
        [("{\"images\":[]}", "at least one"), ("{}", "images"), ("{\"images\":[\"../x\"]}", "hexadecimal")]
    {
        let sentence = server.call("POST", "/api/images/delete", &json, nothing).await.problem(400);
        assert!(sentence.contains(says), "{sentence}");
    }
    let many = serde_json::json!({"images": vec![NOBODY; 1_001]}).to_string();
    assert!(server.call("POST", "/api/images/delete", &json, many).await.problem(400).contains("at most 1000"));
}

#[tokio::test]
async fn an_image_deleted_for_ever_does_not_come_back() {
    let server = Api::new().await;
    let (image, _) = server.upload("moon.png", &sample("moon.png")).await;
    assert_eq!(server.call("DELETE", &format!("/api/images/{image}?forever=true"), &[], "").await.status, 204);
    let chosen = serde_json::json!({"images": [image]}).to_string();
    let json = [("content-type", "application/json")];
    let back = server.call("POST", "/api/images/restore", &json, chosen).await.json();
    assert_eq!(back, serde_json::json!({"images": []}));
}

#[tokio::test]
async fn only_a_failed_job_can_be_tried_again() {
    let server = Api::new().await;
    let (image, job) = server.upload("moon.png", &sample("moon.png")).await;
    let path = format!("/api/images/{image}/retry");
    assert!(server.call("POST", &path, &[], "").await.problem(409).contains("queued"));
    server.fail(&job, "The file ends early.").await;
    let shown = server.get(&format!("/api/images/{image}")).await.json();
    assert_eq!((&shown["state"], &shown["reason"]), (&"failed".into(), &"The file ends early.".into()));
    let again = server.call("POST", &path, &[], "").await;
    assert_eq!((again.status.as_u16(), &again.json()["state"]), (202, &"queued".into()));
    server.call("POST", &format!("/api/images/{NOBODY}/retry"), &[], "").await.problem(404);
}

#[tokio::test]
async fn forms_without_scripts_delete_and_try_again() {
    let server = Api::new().await;
    let (image, job) = server.upload("moon.png", &sample("moon.png")).await;
    server.fail(&job, "Torn.").await;
    let again = server.call("POST", &format!("/images/{image}/retry"), &[], "").await;
    assert_eq!((again.status.as_u16(), again.header("location")), (303, format!("/images/{image}").as_str()));
    let html = [("accept", "text/html,application/xhtml+xml")];
    let early = server.call("POST", &format!("/images/{image}/retry"), &html, "").await;
    assert_eq!((early.status.as_u16(), early.header("content-type")), (409, "text/html; charset=utf-8"));
    assert!(String::from_utf8_lossy(&early.body).contains("Only a failed job can be tried again"));
    let gone = server.call("POST", &format!("/images/{image}/delete"), &[], "").await;
    assert_eq!((gone.status.as_u16(), gone.header("location")), (303, "/"));
}

/// Two pods, of which the first can be killed once.
#[derive(Default)]
struct Pods(Mutex<bool>);

#[async_trait]
impl Faults for Pods {
    async fn play(&self, pod: &PodName, fault: Fault) -> Result<(), FaultError> {
        if fault != Fault::Killed {
            return Err(FaultError::NotHere(pod.clone()));
        }
        if pod.as_str() != "pod-1" {
            return Err(FaultError::Unknown(pod.clone()));
        }
        let mut dead = self.0.lock().unwrap();
        if std::mem::replace(&mut *dead, true) { Err(FaultError::Dead(pod.clone())) } else { Ok(()) }
    }

    async fn start(&self, pod: &PodName) -> Result<(), FaultError> {
        let mut dead = self.0.lock().unwrap();
        if std::mem::replace(&mut *dead, false) { Ok(()) } else { Err(FaultError::Alive(pod.clone())) }
    }
}

#[tokio::test]
async fn pods_are_killed_only_where_faults_are_allowed() {
    let server = Api::new().await;
    for what in ["kill", "freeze", "disconnect", "start"] {
        let sentence = server.call("POST", &format!("/api/pods/pod-1/{what}"), &[], "").await.problem(403);
        assert!(sentence.contains("--allow-faults"));
    }
}

#[tokio::test]
async fn a_pod_is_killed_and_started_once() {
    let server = Api::with_faults(Some(Arc::new(Pods::default()))).await;
    let post = |path: &'static str| server.call("POST", path, &[], "");
    post("/api/pods/pod-1/start").await.problem(409);
    assert_eq!(post("/api/pods/pod-1/kill").await.status, 204);
    post("/api/pods/pod-1/kill").await.problem(409);
    assert_eq!(post("/api/pods/pod-1/start").await.status, 204);
    assert!(post("/api/pods/pod-1/freeze").await.problem(409).contains("can only be killed"));
    assert!(post("/api/pods/pod-1/tickle").await.problem(404).contains("Expected kill, freeze, disconnect or start"));
    assert!(post("/api/pods/pod-9/kill").await.problem(404).contains("No pod pod-9 has been seen"));
    post("/api/pods/NOT_A_POD/kill").await.problem(404);
}

#[tokio::test]
async fn a_server_with_its_catalog_is_ready_though_nobody_leads() {
    let server = Api::new().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    assert_eq!(server.get("/api/cluster").await.json()["health"], "no-master");
}
