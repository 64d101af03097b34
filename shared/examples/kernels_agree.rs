//! Runs every kernel that this machine has against the plain one, on noise, and panics if any of them differs.
//!
//! The property tests do more of this, but they don't run in WebAssembly; this does: `scripts/wasm-kernels.sh`.

use shared::equalize::clahe::{Clahe, TileHistograms, TileTables, apply_le_bytes_into as apply_clahe};
use shared::equalize::{Color, Histogram, Kernel, Lut, Recipe, apply_le_bytes, apply_le_bytes_into, output_layout};
use shared::pixels::{Depth, Layout};

const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];
const COLORS: [Color; 6] = Color::ALL;

/// Noise, of which many bytes are 0.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if state & 0x700 == 0 { 0 } else { state as u8 }
    };
    (0..bytes).map(|_| next()).collect()
}

/// All that a kernel makes of some rows.
fn all_of(kernel: Kernel, color: Color, layout: Layout, depth: Depth, width: u32, height: u32) -> Vec<Vec<u8>> {
    let recipe = Recipe::global(color);
    let pixels = width as usize * height as usize;
    // Not at the beginning of an allocation.
    let bytes = &noise(pixels * layout.channels() * depth.bytes() + 1)[1..];
    let mut histogram = Histogram::new(&recipe, layout, depth);
    histogram.count_le_bytes(kernel, layout, bytes);
    let lut = Lut::from_histogram(&histogram);
    let mut in_place = bytes.to_vec();
    apply_le_bytes(kernel, &recipe, &lut, layout, &mut in_place);
    let mut elsewhere = vec![0; pixels * output_layout(&recipe, layout).channels() * depth.bytes()];
    apply_le_bytes_into(kernel, &recipe, &lut, layout, bytes, &mut elsewhere);

    let clahe = Clahe { columns: 2, rows: 2, ..Clahe::default() };
    let mut tiles = TileHistograms::new(&clahe, color, layout, depth, width, height).expect("the grid is a small one");
    tiles.count_le_bytes(kernel, 0, bytes);
    let tables = TileTables::from_histograms(&clahe, &tiles);
    let mut by_tiles = vec![0; elsewhere.len()];
    apply_clahe(kernel, color, &tables, layout, 0, bytes, &mut by_tiles);
    vec![histogram.to_bytes(), in_place, elsewhere, by_tiles]
}

fn main() {
    let kernels = Kernel::available();
    for (layout, color) in LAYOUTS.into_iter().flat_map(|layout| COLORS.map(|color| (layout, color))) {
        for depth in [Depth::Eight, Depth::Sixteen] {
            for (width, height) in [(1, 1), (67, 3), (301, 29)] {
                let plain = all_of(Kernel::SCALAR, color, layout, depth, width, height);
                for kernel in &kernels[1..] {
                    let made = all_of(*kernel, color, layout, depth, width, height);
                    assert!(made == plain, "{} {layout:?} {color:?} {depth:?}", kernel.name());
                }
            }
        }
    }
    // In WebAssembly there is one besides the plain one: this is compiled with it.
    assert!(kernels.len() > usize::from(cfg!(target_arch = "wasm32")), "no kernel to compare");
}
