//! Results open everywhere: other programs decode exactly what was encoded.

use std::path::{Path, PathBuf};
use std::process::Command;

use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{LAYOUTS, carry, make, read, sample};

/// Writes a result of an original, and what other programs must decode from it.
fn put(folder: &Path, name: &str, original: &[u8]) {
    let result = carry(original, 2);
    let (_, rows) = read(&result, u32::MAX).unwrap();
    let Rows { width, layout, samples } = &rows;
    let (height, channels, depth) = (rows.height(), layout.channels(), samples.depth().bits());
    let told = serde_json::json!({"width": width, "height": height, "channels": channels, "depth": depth});
    std::fs::write(folder.join(format!("{name}.json")), told.to_string()).unwrap();
    std::fs::write(folder.join(format!("{name}.raw")), rows.to_le_bytes()).unwrap();
    std::fs::write(folder.join(name), result).unwrap();
}

/// Returns ways of storing a TIFF, with a name for each.
fn tiffs() -> Vec<(&'static str, make::Tiff)> {
    let plain = make::Tiff::default;
    vec![
        ("plain", make::Tiff { piece: (0, 5), ..plain() }),
        ("lzw-tiled-big-endian", make::Tiff { compression: 5, little: false, piece: (16, 16), ..plain() }),
        ("deflate-predictor", make::Tiff { compression: 8, predictor: true, piece: (0, 5), ..plain() }),
        ("deflate-bigtiff", make::Tiff { compression: 8, big: true, piece: (16, 16), ..plain() }),
        ("packbits", make::Tiff { compression: 32_773, piece: (0, 5), ..plain() }),
        ("planes", make::Tiff { compression: 8, planar: true, piece: (0, 5), ..plain() }),
    ]
}

fn name(layout: Layout, depth: Depth) -> String {
    format!("{layout:?}-{}", depth.bits()).to_lowercase()
}

#[test]
fn results_of_each_format_layout_and_depth_open_in_libvips_imagemagick_pillow_and_opencv() {
    let folder = tempfile::tempdir().unwrap();
    for layout in LAYOUTS {
        for depth in [Depth::Eight, Depth::Sixteen, Depth::Float] {
            let rows = make::pixels(layout, depth, 37, 29);
            let name = name(layout, depth);
            if !matches!(rows.samples, Samples::F32(_)) {
                put(folder.path(), &format!("{name}.png"), &make::png(&rows));
            }
            for (way, store) in tiffs() {
                // A single channel has a single plane.
                if !store.planar || layout.channels() > 1 {
                    put(folder.path(), &format!("{name}-{way}.tif"), &store.file(&rows));
                }
            }
        }
    }
    for name in ["pillow_lossy.webp", "pillow_lossy_alpha.webp", "pillow_lossless_alpha.webp"] {
        put(folder.path(), name, &sample(&format!("made/{name}")));
    }
    put(folder.path(), "rocket.jpg", &sample("rocket.jpg"));
    put(folder.path(), "progressive.jpg", &sample("made/progressive.jpg"));

    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "Pillow and OpenCV are missing: `make test` installs them into .venv");
    let opened = Command::new(python).arg(root.join("scripts/golden/opens.py")).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&opened.stdout);
    println!("{said}");
    assert!(opened.status.success(), "{said}{}", String::from_utf8_lossy(&opened.stderr));
}
