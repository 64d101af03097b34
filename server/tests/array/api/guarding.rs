//! Errors are problem documents, headers are strict, and cross-site requests are rejected.

use testkit::images::sample;

use super::harness::{Api, Field};

const NOBODY: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn every_error_of_the_api_is_a_problem() {
    let server = Api::new().await;
    for path in [
        "/api".to_owned(),
        "/api/".into(),
        "/api/nothing/here".into(),
        format!("/api/images/{NOBODY}"),
        format!("/api/images/{NOBODY}/original"),
        format!("/api/images/{NOBODY}/thumbnail"),
        format!("/api/jobs/{NOBODY}"),
        "/api/images/not-an-id".into(),
        "/api/jobs/..%2f..".into(),
    ] {
        let sentence = server.get_with(&path, &[("accept", "text/html")]).await.problem(404);
        assert!(!sentence.is_empty(), "{path}");
    }
    let wrong = server.call("PUT", "/api/images", &[], "").await;
    assert!(wrong.problem(405).contains("PUT is not allowed here"));
    assert!(wrong.header("allow").contains("POST"));
    server.call("POST", "/api/cluster", &[], "").await.problem(405);
    server.get("/nothing").await.problem(404);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_a_problem_too() {
    let server = Api::new().await;
    let (image, _) = server.upload("moon.png", &sample("moon.png")).await;
    let long = vec![b' '; 3 << 20];
    server.call("POST", &format!("/api/images/{image}/jobs"), &[], long).await.problem(413);
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    for header in [("origin", "http://evil.test"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        server.post(&[Field::image("moon.png", &moon)], &[header]).await.problem(403);
        server.call("POST", "/api/pods/pod-1/kill", &[header], "").await.problem(403);
        server.call("DELETE", &format!("/api/images/{NOBODY}"), &[header], "").await.problem(403);
    }
    let own = [("origin", "http://evenlight.test"), ("sec-fetch-site", "same-origin")];
    assert_eq!(server.post(&[Field::image("moon.png", &moon)], &own).await.status, 202);
}

#[tokio::test]
async fn pages_are_rendered_with_a_policy_that_names_their_scripts() {
    let server = Api::new().await;
    server.upload("moon.png", &sample("moon.png")).await;
    for path in ["/", "/cluster", "/status"] {
        let page = server.get_with(path, &[("accept", "text/html")]).await;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy");
        let text = String::from_utf8_lossy(&page.body);
        if let Some(nonce) = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            assert!(policy.contains(&format!("'nonce-{nonce}'")), "{path}: {policy}");
        }
        assert!(!policy.contains("script-src 'unsafe-inline'") && policy.contains("object-src 'none'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
    }
    let missing = server.get_with("/no/such/page", &[("accept", "text/html")]).await;
    assert_eq!(missing.status, 404);
    assert!(missing.header("content-type").starts_with("text/html"));
    let image = server.get_with(&format!("/images/{NOBODY}"), &[("accept", "text/html")]).await;
    assert_eq!(image.status, 404);
}

#[tokio::test]
async fn bytes_of_a_stranger_can_run_nothing() {
    let server = Api::new().await;
    let (image, _) = server.upload("moon.png", &sample("moon.png")).await;
    let original = server.get(&format!("/api/images/{image}/original")).await;
    assert_eq!(original.header("x-content-type-options"), "nosniff");
    assert!(original.header("content-security-policy").contains("sandbox"));
    assert!(original.header("content-disposition").starts_with("attachment"));
}
