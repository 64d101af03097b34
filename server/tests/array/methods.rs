//! Every method, run by five pods, gives the same bytes as `evenlight equalize`.

use serde_json::json;
use shared::equalize::Recipe;
use shared::id::ImageId;
use testkit::Client;
use testkit::images::{gray8_tiff, mask_png, oracle_with, rgb16_tiff, rgba_png, sample};

use crate::jobs::{luma, start};

fn recipe(fields: serde_json::Value) -> Recipe {
    serde_json::from_value(fields).unwrap()
}

/// The uploaded companion images, each with its id and bytes.
struct Others {
    reference: (ImageId, Vec<u8>),
    mask: (ImageId, Vec<u8>),
}

async fn upload(client: &Client, name: &str, bytes: Vec<u8>) -> (ImageId, Vec<u8>) {
    let accepted = client.upload(name, bytes.clone(), &luma()).await.unwrap();
    (accepted.image_id, bytes)
}

/// Returns recipes that cover every method, colour and kind of mask at least once.
fn recipes(others: &Others) -> Vec<Recipe> {
    let (reference, mask) = (&others.reference.0, &others.mask.0);
    vec![
        recipe(json!({"method": "global", "color": "oklab", "strength": 0.4})),
        recipe(json!({"method": "stretch", "color": "luma", "low": 1, "high": 97.5, "nodata": 0})),
        recipe(json!({"method": "stretch", "color": "channels", "strength": 0.75, "mask": mask})),
        recipe(json!({"method": "clahe", "color": "luma", "clip_limit": 3, "tiles": [3, 4]})),
        recipe(json!({"method": "clahe", "color": "oklab", "tiles": [5, 2], "strength": 0.5, "mask": mask})),
        recipe(json!({"method": "clahe", "color": "gray", "tiles": [8, 8], "nodata": 0})),
        recipe(json!({"method": "match", "color": "channels", "reference": reference})),
        recipe(json!({"method": "match", "color": "hsv", "reference": reference, "strength": 0.3, "mask": mask})),
    ]
}

async fn equals_the_oracle(more: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), more).await;
    let (width, height) = (900, 700);
    let others = Others {
        reference: upload(&client, "coffee.png", sample("coffee.png")).await,
        mask: upload(&client, "mask.png", mask_png(width, height)).await,
    };
    let originals = [
        ("gray8.tif", gray8_tiff(width, height)),
        ("rgb16.tif", rgb16_tiff(width, height)),
        ("rgba.png", rgba_png(width, height)),
    ];
    let mut uploads = Vec::new();
    for (name, bytes) in originals {
        for recipe in recipes(&others) {
            let accepted = client.upload(name, bytes.clone(), &recipe).await.unwrap();
            uploads.push((accepted.image_id, name, bytes.clone(), recipe));
        }
    }
    for (image, name, bytes, recipe) in uploads {
        let expected = oracle_with(&bytes, &recipe, Some(&others.reference.1), Some(&others.mask.1));
        assert!(client.result(&image).await == expected, "{name} with {recipe:?} differs");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_mask_in_tasks_gives_the_very_files_of_evenlight_equalize() {
    equals_the_oracle(&["--parts-per-task", "1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_mask_in_one_task_gives_the_very_files_of_evenlight_equalize() {
    equals_the_oracle(&["--whole-below", "10000000"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_and_a_mask_may_be_sent_with_the_image() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let (image, reference, mask) = (rgb16_tiff(300, 200), sample("coffee.png"), mask_png(300, 200));
    let others = [("reference", reference.clone()), ("mask", mask.clone())];
    let accepted = client.upload_with("a.tif", image.clone(), r#"{"method":"match"}"#, &others).await.unwrap();
    let result = client.result(&accepted.image_id).await;
    let kept = client.ended(&accepted.image_id).await.recipe;
    assert!(result == oracle_with(&image, &kept, Some(&reference), Some(&mask)), "{kept:?}");
    // They are ordinary images that another recipe can name.
    for named in [kept.reference().unwrap(), kept.mask.as_ref().unwrap()] {
        assert!(client.image(named).await.is_some(), "{named}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_a_recipe_names_must_be_there_and_fit() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let (mask, _) = upload(&client, "mask.png", mask_png(50, 40)).await;
    let image = rgba_png(60, 40);
    let nobody = "0123456789abcdef0123456789abcdef";
    for (fields, words) in [
        (json!({"method": "match", "reference": nobody}), "doesn't exist or was deleted"),
        (json!({"method": "global", "mask": nobody}), "doesn't exist or was deleted"),
        (json!({"method": "global", "mask": mask}), "60 × 40 pixels as stored; it is 50 × 40"),
        (json!({"method": "clahe", "tiles": [60_000, 2]}), "take more than 64 MiB"),
        (json!({"method": "global", "nodata": 256}), "a whole number from 0 to 255; got 256"),
    ] {
        let problem = client.upload("a.png", image.clone(), &recipe(fields.clone())).await.unwrap_err();
        assert!(problem.status == 422 && problem.to_string().contains(words), "{fields}: {problem}");
    }
    process.stop().await;
}
