//! The list of images.

use testkit::images::sample;

use super::harness::Api;

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    for n in 0..5 {
        server.upload(&format!("moon-{n}.png"), &moon).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/images?limit=2&sort=oldest".to_owned();
    loop {
        let page = server.get(&path).await;
        assert_eq!(page.header("cache-control"), "no-store");
        let page = page.json();
        names.extend(page["items"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/images?limit=2&sort=oldest&cursor={next}");
    }
    assert_eq!(names, ["moon-0.png", "moon-1.png", "moon-2.png", "moon-3.png", "moon-4.png"]);
}

#[tokio::test]
async fn the_list_can_be_searched_and_narrowed() {
    let server = Api::new().await;
    let (image, job) = server.upload("Moon.png", &sample("moon.png")).await;
    server.upload("cell.png", &sample("cell.png")).await;
    server.finish(&image, &job, b"result").await;
    let names = |json: serde_json::Value| {
        let items = json["items"].as_array().unwrap().clone();
        items.iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(server.get("/api/images?q=moo").await.json()), ["Moon.png"]);
    assert_eq!(names(server.get("/api/images?state=done").await.json()), ["Moon.png"]);
    assert_eq!(names(server.get("/api/images?state=queued&q=&cursor=&sort=name").await.json()), ["cell.png"]);
    assert_eq!(names(server.get("/api/images").await.json()), ["cell.png", "Moon.png"]);
}

#[tokio::test]
async fn the_list_can_be_narrowed_by_what_the_images_are() {
    let server = Api::new().await;
    server.upload("moon.png", &sample("moon.png")).await;
    server.upload("rocket.jpg", &sample("rocket.jpg")).await;
    for (query, names) in [
        ("format=jpeg", vec!["rocket.jpg"]),
        ("format=png&depth=8&method=global", vec!["moon.png"]),
        ("depth=16", vec![]),
        ("method=clahe", vec![]),
        ("format=&depth=&method=&sort=name", vec!["moon.png", "rocket.jpg"]),
    ] {
        let page = server.get(&format!("/api/images?{query}")).await.json();
        let found: Vec<&str> =
            page["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
    }
}

#[tokio::test]
async fn sections_tell_how_many_images_there_are_and_their_shapes() {
    let server = Api::new().await;
    server.upload("moon.png", &sample("moon.png")).await;
    server.upload("rocket.jpg", &sample("rocket.jpg")).await;
    let answer = server.get("/api/images/sections?sort=name").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    // The moon is a square, the rocket 640 × 427.
    let expected = serde_json::json!({"total": 2, "sections": [{"key": null, "count": 2, "shapes": "T@"}]});
    assert_eq!(answer.json(), expected);
    assert_eq!(server.get("/api/images/sections?q=nowhere").await.json()["total"], 0);
    server.get("/api/images/sections?sort=size").await.problem(400);
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_told_why() {
    let server = Api::new().await;
    for (query, says) in [
        ("limit=0", "1 to 200"),
        ("limit=201", "1 to 200"),
        ("limit=many", "1 to 200"),
        ("state=lost", "queued, running, done or failed"),
        ("format=bmp", "png"),
        ("depth=deep", "a number of bits"),
        ("method=magic", "global, clahe, match, stretch"),
        ("sort=size", "newest, oldest or name"),
        ("cursor=nonsense", ""),
    ] {
        let sentence = server.get(&format!("/api/images?{query}")).await.problem(400);
        assert!(sentence.contains(says), "{query}: {sentence}");
    }
}
