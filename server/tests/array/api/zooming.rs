//! Deep zoom: pyramids made by the renderer of a process.

use std::time::Duration;

use serde_json::Value;
use server::catalog::PyramidState;
use server::pipeline::stages::context::TaskContext;
use server::pod::renderer::Renderer;
use shared::id::ImageId;
use testkit::images::sample;
use testkit::{eventually, ok_if};
use tokio_util::sync::CancellationToken;

use super::harness::Api;

/// Time limit for a pyramid.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a renderer while the test runs.
fn render(server: &Api, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let state = &server.state;
    let task_context =
        TaskContext { store: server.store.clone(), pixels: state.pixels.clone(), limits: state.accept.limits };
    let renderer = Renderer {
        catalog: server.catalog.clone(),
        task_context,
        view: state.view.clone(),
        wishes: state.renders.wishes(),
        time: Duration::from_secs(60),
        stop: stop.clone(),
    };
    tokio::spawn(renderer.run())
}

/// Waits for the deep zoom's description and returns it.
async fn description(server: &Api, path: &str) -> Value {
    eventually("a pyramid or a reason", LIMIT, async || {
        let zoom = server.get(path).await.json();
        if zoom["pyramid"] == Value::Null && zoom["reason"] == Value::Null { Err(zoom) } else { Ok(zoom) }
    })
    .await
}

/// Returns the golden colours of a profile as a PNG with alpha, whose views are compressed losslessly, and their expected
/// appearance.
fn in_display_p3() -> (Vec<u8>, Vec<u8>) {
    let golden: Value = serde_json::from_slice(&sample("made/colors.json")).unwrap();
    let golden = golden.as_array().unwrap().iter().find(|one| one["name"] == "Display P3").unwrap();
    let bytes = |name: &str| -> Vec<u8> { serde_json::from_value(golden[name].clone()).unwrap() };
    let profile = golden["profile"].as_str().unwrap();
    let profile = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, profile).unwrap();
    let mut info = png::Info::with_size((bytes("from").len() / 3) as u32, 1);
    info.color_type = png::ColorType::Rgba;
    info.icc_profile = Some(profile.into());
    let mut file = Vec::new();
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    let pixels: Vec<u8> = bytes("from").chunks(3).flat_map(|color| [color, &[128]].concat()).collect();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    (file, bytes("to"))
}

#[tokio::test]
async fn the_thumbnail_the_view_and_the_tiles_show_the_colours_of_the_files_profile() {
    let server = Api::new().await;
    let (file, expected) = in_display_p3();
    let (image, _) = server.upload("p3.png", &file).await;
    let stop = CancellationToken::new();
    let renderer = render(&server, &stop);
    let path = format!("/api/images/{image}");
    let zoom = description(&server, &format!("{path}/pyramid")).await;
    assert_eq!(zoom["reason"], Value::Null);
    for picture in ["thumbnail", "view", "pyramid/0/0/0"] {
        let answer = server.get(&format!("{path}/{picture}")).await;
        assert_eq!(answer.status, 200, "{picture}");
        let shown = image::load_from_memory(&answer.body).unwrap().into_rgb8();
        let apart = shown.as_raw().iter().zip(&expected).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(shown.as_raw().len() == expected.len() && apart <= Some(1), "{picture}: {apart:?}");
    }
    stop.cancel();
    renderer.await.unwrap();
}

/// Returns how many more attempts to make an original's pyramid are left.
async fn tries_left(server: &Api, image: &ImageId) -> usize {
    let mut left = 0;
    let counting = async {
        while !matches!(server.catalog.pyramid(image, None).await.unwrap(), Some(PyramidState::Refused(_))) {
            // A claim id that no other test uses.
            let claim = format!("{image}{left}");
            let claimed = server.catalog.claim_pyramid(&claim, Some((image, None)), Duration::ZERO).await.unwrap();
            left += usize::from(claimed.is_some());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), counting).await.unwrap();
    left
}

#[tokio::test]
async fn trouble_of_the_store_costs_no_try_at_a_pyramid_and_an_original_that_is_gone_does() {
    let server = Api::new().await;
    let mut images = Vec::new();
    for name in ["troubled.png", "gone.png", "well.png"] {
        images.push(server.upload(name, &sample("moon.png")).await.0);
    }
    let [troubled, gone, well] = images.try_into().unwrap();
    let objects = server.folder.path().join("objects");
    for image in [&troubled, &gone] {
        std::fs::remove_dir_all(objects.join(image.as_str())).unwrap();
    }
    // A folder that can't be read isn't the same as a missing one.
    std::fs::write(objects.join(troubled.as_str()), "").unwrap();
    // The latest wish is served first.
    for image in [&well, &gone, &troubled] {
        server.get(&format!("/api/images/{image}/pyramid")).await;
    }
    let stop = CancellationToken::new();
    let renderer = render(&server, &stop);
    // Not through the page's address: requesting it would add a wish, and put it before the others.
    eventually("the last pyramid", LIMIT, async || {
        let state = server.catalog.pyramid(&well, None).await.unwrap();
        ok_if(matches!(state, Some(PyramidState::There(_))), state)
    })
    .await;
    stop.cancel();
    renderer.await.unwrap();
    assert_eq!(tries_left(&server, &troubled).await, 3);
    assert_eq!(tries_left(&server, &gone).await, 2);
}

#[tokio::test]
async fn a_process_that_stops_gives_back_the_pyramid_that_it_was_making() {
    let server = Api::new().await;
    let image: ImageId = server.upload("moon.png", &sample("moon.png")).await.0;
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    // All threads are busy, so it can't be made.
    for _ in 0..server.state.pixels.threads() {
        let (pixels, held) = (server.state.pixels.clone(), held.clone());
        tokio::spawn(async move { pixels.run(1, move || drop(held.lock().map(|held| held.recv()))).await });
    }
    let making = async || !server.catalog.in_use(std::slice::from_ref(&image)).await.unwrap().pyramids.is_empty();
    let stop = CancellationToken::new();
    let renderer = render(&server, &stop);
    server.get(&format!("/api/images/{image}/pyramid")).await;
    eventually("a claim of the pyramid", LIMIT, async || ok_if(making().await, ())).await;
    stop.cancel();
    renderer.await.unwrap();
    assert!(!making().await);
    assert_eq!(tries_left(&server, &image).await, 3);
    drop(go_on);
}
