//! Geometry and coefficients of a frame (T.81, A.1 and A.2).

use super::super::segments::{Component, Header};

/// Quantized coefficients of 8 × 8 samples, in row-major order.
pub(super) type Block = [i16; 64];

/// Lowest bit of a coefficient that no scan contained.
pub(super) const NO_SCAN: u8 = u8::MAX;

/// Bytes that decoding holds for a block: its coefficients and samples.
const BLOCK_BYTES: u64 = 64 * 3;

/// Sizes of a frame in MCUs and blocks.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    width: usize,
    height: usize,
    /// Greatest sampling factors of all components.
    across: usize,
    down: usize,
}

impl Geometry {
    /// Returns the geometry of the header's frame.
    pub fn of(header: &Header) -> Self {
        let most = |factor: fn(&Component) -> u8| header.components.iter().map(factor).max().unwrap_or(1).into();
        Self {
            width: header.width.into(),
            height: header.height.into(),
            across: most(|component| component.horizontal),
            down: most(|component| component.vertical),
        }
    }

    /// Number of MCUs per row, and of rows of MCUs, in scans of several components.
    pub(super) fn mcus(&self) -> (usize, usize) {
        (self.width.div_ceil(8 * self.across), self.height.div_ceil(8 * self.down))
    }

    /// Returns the bytes that decoding holds besides file and result.
    pub fn memory(&self, components: &[Component]) -> u64 {
        let (mcus, rows) = self.mcus();
        let blocks: usize = components.iter().map(|one| usize::from(one.horizontal) * usize::from(one.vertical)).sum();
        (mcus * rows * blocks) as u64 * BLOCK_BYTES
    }
}

/// Coefficients of a component.
pub(super) struct Coefficients {
    pub(super) id: u8,
    /// Number of the component's quantization table.
    pub(super) table: u8,
    /// Quantization table at the component's first scan, in row-major order.
    pub(super) steps: Option<[u16; 64]>,
    /// Sampling factors.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Pixels per sample, horizontally and vertically.
    pub(super) pixels: (usize, usize),
    /// Size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks per row, with those that complete an MCU.
    pub(super) stride: usize,
    pub(super) blocks: Vec<Block>,
    /// For each coefficient in zig-zag order, the lowest bit that a scan contained; [`NO_SCAN`] without a scan.
    pub(super) lowest: [u8; 64],
}

impl Coefficients {
    /// Allocates the coefficients of a component, all 0. `None` if its factors don't divide the greatest ones.
    pub(super) fn new(component: &Component, geometry: &Geometry) -> Option<Self> {
        let (across, down) = (usize::from(component.horizontal), usize::from(component.vertical));
        let divides = geometry.across.is_multiple_of(across) && geometry.down.is_multiple_of(down);
        let (mcus, rows) = geometry.mcus();
        divides.then(|| Self {
            id: component.id,
            table: component.table,
            steps: None,
            across,
            down,
            pixels: (geometry.across / across, geometry.down / down),
            width: (geometry.width * across).div_ceil(geometry.across),
            height: (geometry.height * down).div_ceil(geometry.down),
            stride: mcus * across,
            blocks: vec![[0; 64]; mcus * across * rows * down],
            lowest: [NO_SCAN; 64],
        })
    }

    /// Number of blocks per row and column that contain samples of the image.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.width.div_ceil(8), self.height.div_ceil(8))
    }
}
