//! Results in another format or with fewer bits than their originals.

use std::io::Cursor;

use image::DynamicImage;
use shared::equalize::{Color, Recipe, Target};
use shared::job::{Format, JobState};
use shared::pixels::Depth;
use shared::route;
use testkit::images::{float_tiff, gray8_tiff, oracle, pages_tiff, rgb16_tiff, rgba_png, rgba_webp, sample};
use tiff::decoder::DecodingResult;

use crate::jobs::{halfway_with, luma, start};

fn to(format: Format) -> Target {
    Target { format: Some(format), depth: None }
}

const EIGHT: Target = Target { format: None, depth: Some(Depth::Eight) };

fn with(target: Target, recipe: &Recipe) -> Recipe {
    Recipe { target, ..recipe.clone() }
}

/// An original's name, bytes, format, and whether its samples have 16 bits.
type Original = (&'static str, Vec<u8>, Format, bool);

fn originals() -> Vec<Original> {
    vec![
        ("gray8.tif", gray8_tiff(300, 900), Format::Tiff, false),
        ("rgb16.tif", rgb16_tiff(500, 700), Format::Tiff, true),
        ("rgba.png", rgba_png(500, 400), Format::Png, false),
        ("rgba.webp", rgba_webp(300, 400), Format::Webp, false),
        ("rocket.jpg", sample("rocket.jpg"), Format::Jpeg, false),
    ]
}

/// The pixels of a file as RGBA of 8 bits, by the `image`, `image-webp` and `tiff` crates. 16 bits are rounded.
fn pixels(file: &[u8], format: Format) -> Vec<u8> {
    match format {
        Format::Png | Format::Jpeg => match image::load_from_memory(file).unwrap() {
            DynamicImage::ImageLuma16(image) => rgba(&rounded(image.as_raw()), 1),
            DynamicImage::ImageRgb16(image) => rgba(&rounded(image.as_raw()), 3),
            image => image.into_rgba8().into_raw(),
        },
        Format::Webp => {
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).unwrap();
            let mut samples = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut samples).unwrap();
            rgba(&samples, if decoder.has_alpha() { 4 } else { 3 })
        }
        Format::Tiff => {
            let mut decoder = tiff::decoder::Decoder::new(Cursor::new(file)).unwrap();
            let channels = decoder.colortype().unwrap().num_samples().into();
            match decoder.read_image().unwrap() {
                DecodingResult::U8(samples) => rgba(&samples, channels),
                DecodingResult::U16(samples) => rgba(&rounded(&samples), channels),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn rounded(samples: &[u16]) -> Vec<u8> {
    samples.iter().map(|sample| (f64::from(*sample) / 257.0).round() as u8).collect()
}

fn rgba(samples: &[u8], channels: usize) -> Vec<u8> {
    let pixel = |pixel: &[u8]| match *pixel {
        [gray] => [gray, gray, gray, 255],
        [gray, alpha] => [gray, gray, gray, alpha],
        [red, green, blue] => [red, green, blue, 255],
        [red, green, blue, alpha] => [red, green, blue, alpha],
        _ => unreachable!(),
    };
    samples.chunks_exact(channels).flat_map(pixel).collect()
}

async fn equals_the_oracle(more: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), more).await;
    let mut uploads = Vec::new();
    for (name, bytes, own, wide) in originals() {
        let targets = Format::ALL.map(to).into_iter().chain([EIGHT]);
        for recipe in [luma(), Recipe::global(Color::Gray)] {
            for target in targets.clone() {
                let recipe = with(target, &recipe);
                let accepted = client.upload(name, bytes.clone(), &recipe).await.unwrap();
                uploads.push((accepted, name, bytes.clone(), own, wide, recipe));
            }
        }
    }
    for (accepted, name, bytes, own, wide, recipe) in uploads {
        let case = format!("{name} with {recipe:?}");
        assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done, "{case}");
        let format = recipe.target.format_of(own);
        let file = client.download(&route::result(&accepted.image_id)).await;
        assert!(file.bytes == oracle(&bytes, &recipe), "{case} differs");
        assert_eq!(file.media_type, format.media_type(), "{case}");
        let stem = name.split_once('.').unwrap().0;
        let saved = format!("filename=\"{stem}-equalized.{}\"", format.extension());
        assert!(file.disposition.contains(&saved), "{case}: {}", file.disposition);

        let alike = with(Target::SAME, &recipe);
        let (ours, expected) = (pixels(&file.bytes, format), pixels(&oracle(&bytes, &alike), own));
        if [format, own].contains(&Format::Jpeg) {
            let off: f64 =
                ours.chunks(4).zip(expected.chunks(4)).map(|(one, other)| f64::from(one[1].abs_diff(other[1]))).sum();
            assert!(off < 8.0 * (ours.len() / 4) as f64, "{case}: {off}");
        } else {
            assert!(ours == expected, "{case}: other pixels");
        }

        let notes = client.timeline(&accepted.job_id).await.notes.join(" ");
        let said = |words: &str| notes.contains(words);
        let narrowed = wide && (recipe.target.depth.is_some() || matches!(format, Format::Jpeg | Format::Webp));
        assert_eq!(said("Samples of 16 bits became 8 bits."), narrowed, "{case}: {notes}");
        assert_eq!(said("lossy"), format == Format::Jpeg && own != Format::Jpeg, "{case}: {notes}");
        assert_eq!(said("alpha"), format == Format::Jpeg && name.starts_with("rgba"), "{case}: {notes}");
        assert!(format != own || narrowed || notes.is_empty(), "{case}: {notes}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_in_tasks_equals_evenlight_equalize() {
    equals_the_oracle(&["--parts-per-task", "1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_in_one_task_equals_evenlight_equalize() {
    equals_the_oracle(&["--whole-below", "10000000", "--pods", "3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_samples_become_sixteen_or_eight_bits() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let names = ["packed_gdal12_rgb_planes.tif", "packed_gdal14_nodata_ovr.tif", "packed_gdal15_bigtiff_rgba.tif"];
    let targets = [(to(Format::Png), 16), (to(Format::Webp), 8), (to(Format::Jpeg), 8), (EIGHT, 8), (Target::SAME, 0)];
    for (name, bits) in names.into_iter().zip([12, 14, 15]) {
        let original = sample(&format!("tiff/{name}"));
        let mut lossless = Vec::new();
        for (target, wanted) in targets {
            let recipe = with(target, &luma());
            let accepted = client.upload(name, original.clone(), &recipe).await.unwrap();
            let ended = client.ended(&accepted.image_id).await;
            assert_eq!(ended.state, JobState::Done, "{name}, {target:?}: {:?}", ended.reason);
            let file = client.result(&accepted.image_id).await;
            assert!(file == oracle(&original, &recipe), "{name}, {target:?} differs");
            let notes = client.timeline(&accepted.job_id).await.notes;
            if target == Target::SAME {
                assert_eq!(notes, [""; 0], "{name}");
                continue;
            }
            let sentence = format!("Samples of {bits} bits became {wanted} bits.");
            assert!(notes.contains(&sentence), "{name}, {target:?}: {notes:?}");
            if target != to(Format::Jpeg) {
                lossless.push(pixels(&file, target.format_of(Format::Tiff)));
            }
        }
        assert!(lossless.windows(2).all(|pair| pair[0] == pair[1]), "{name}: the same pixels in every format");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_in_another_format_survives_its_master() {
    let original = rgb16_tiff(1_600, 1_600);
    for format in [Format::Jpeg, Format::Png, Format::Webp] {
        let data = tempfile::tempdir().unwrap();
        let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
        let recipe = with(to(format), &luma());
        let (master, _) = client.master(None).await;
        let accepted = halfway_with(&client, &original, &recipe).await;
        assert_eq!(client.post(&route::kill(&master)).await / 100, 2);
        assert!(client.result(&accepted.image_id).await == oracle(&original, &recipe), "{format:?}");
        let notes = client.timeline(&accepted.job_id).await.notes;
        let narrowed = notes.iter().filter(|note| *note == "Samples of 16 bits became 8 bits.").count();
        assert_eq!(narrowed, usize::from(format != Format::Png), "{notes:?}");
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_results_in_several_formats() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let original = rgb16_tiff(300, 300);
    let first = client.upload("a.tif", original.clone(), &luma()).await.unwrap();
    client.ended(&first.image_id).await;
    let mut jobs = vec![(first.job_id, luma(), Format::Tiff)];
    for format in [Format::Webp, Format::Jpeg] {
        let recipe = with(to(format), &luma());
        let job = client.add_job(&first.image_id, &recipe).await;
        client.ended(&first.image_id).await;
        jobs.push((job.job_id, recipe, format));
    }
    for (job, recipe, format) in jobs {
        let file = client.download(&format!("{}?job={job}", route::result(&first.image_id))).await;
        assert_eq!(file.media_type, format.media_type());
        assert!(file.bytes == oracle(&original, &recipe), "{format:?}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_format_cannot_hold_is_refused_before_there_is_a_job() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--max-whole-decode", "2MiB"]).await;
    let deep = Recipe { color: Color::Channels, ..luma() };
    let cases = [
        (float_tiff(30, 30), with(to(Format::Png), &luma()), "floating-point samples, whose range isn't that of a PNG"),
        (float_tiff(30, 30), with(EIGHT, &luma()), "floating-point samples, whose range isn't that of a TIFF"),
        (
            sample("tiff/h_extra_unspec.tif"),
            with(to(Format::Webp), &deep),
            "bands, which a WebP can't hold; a TIFF can.",
        ),
        (pages_tiff(), with(to(Format::Jpeg), &luma()), "This TIFF has 3 pages, which can only be kept as they are."),
        (gray8_tiff(66_000, 1), with(to(Format::Jpeg), &luma()), "66000 × 1 pixels; a JPEG has at most 65535 a side."),
        (gray8_tiff(700, 700), with(to(Format::Webp), &luma()), "A WebP must be encoded at once"),
    ];
    for (original, recipe, words) in cases {
        let problem = client.upload("odd.tif", original.clone(), &recipe).await.unwrap_err();
        assert!(problem.status == 422 && problem.to_string().contains(words), "{words}: {problem}");
        // The same image in its own format, and then in the other by a further job.
        let accepted = client.upload("odd.tif", original, &with(Target::SAME, &recipe)).await.unwrap();
        assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done, "{words}");
        let problem = client.try_add_job(&accepted.image_id, &recipe).await.unwrap_err();
        assert!(problem.status == 422 && problem.to_string().contains(words), "{words}: {problem}");
        assert_eq!(client.image(&accepted.image_id).await.unwrap().jobs.len(), 1, "{words}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_would_lose_bits_fail_with_the_same_sentence() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    // The first page has 8 bits already; the second doesn't, which only shows when it is read.
    let accepted = client.upload("pages.tif", pages_tiff(), &with(EIGHT, &luma())).await.unwrap();
    let failed = client.ended(&accepted.image_id).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.reason.unwrap().starts_with("This TIFF has 3 pages, which can only be kept as they are."));
    process.stop().await;
}
