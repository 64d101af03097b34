//! Compares every kernel that this machine supports with the plain one: all layouts, depths and colours, lengths that
//! aren't multiples of a vector, unaligned starts, constant and noisy data, transparent pixels, random tables.

use proptest::prelude::*;
use proptest::sample::select;

use super::fused;
use super::sample::{Le16, Sample};
use super::{Engine, Kernel, Scalar};
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::{Recipe, output_layout};
use crate::pixels::Layout;

const LAYOUTS: [Layout; 5] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba, Layout::Cmyk];
const COLORS: [Color; 6] = Color::ALL;

/// Distribution of the samples.
#[derive(Debug, Clone, Copy)]
enum Texture {
    Constant(u16),
    Noise,
    /// A few levels at both ends of the range, alpha included.
    Extremes,
    /// Runs of equal samples.
    Runs,
}

/// A run of whole pixels, and its offset in memory from an aligned address, in bytes.
#[derive(Debug, Clone)]
struct Case {
    layout: Layout,
    color: Color,
    offset: usize,
    bytes: Vec<u8>,
    seed: u64,
}

impl Case {
    /// Copies the samples to `room`, `offset` bytes after a 64-byte boundary.
    fn place<'a>(&self, room: &'a mut Vec<u8>) -> &'a mut [u8] {
        room.clear();
        room.resize(self.bytes.len() + 128, 0xaa);
        let start = room.as_ptr().align_offset(64) + self.offset;
        let placed = &mut room[start..start + self.bytes.len()];
        placed.copy_from_slice(&self.bytes);
        placed
    }

    fn recipe(&self) -> Recipe {
        Recipe::global(self.color)
    }

    /// Returns three tables of random entries for samples of this depth.
    fn tables<S: Sample>(&self) -> Vec<S::Entry> {
        let mut random = random(self.seed ^ 0x5eed);
        (0..3 * S::LEVELS).map(|_| S::entry((random() >> 16) as u32 & (S::LEVELS as u32 - 1))).collect()
    }
}

/// Marsaglia's xorshift.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn texture() -> impl Strategy<Value = Texture> {
    prop_oneof![
        any::<u16>().prop_map(Texture::Constant),
        Just(Texture::Noise),
        Just(Texture::Extremes),
        Just(Texture::Runs)
    ]
}

/// Lengths around those of vectors and blocks: mostly short, some longer than two blocks.
fn case() -> impl Strategy<Value = Case> {
    let pixels = prop_oneof![8 => 0usize..200, 4 => 200usize..2_100, 1 => 4_000usize..9_000];
    (select(&LAYOUTS[..]), select(&COLORS[..]), 0usize..64, pixels, texture(), any::<u64>()).prop_map(
        |(layout, color, offset, pixels, texture, seed)| {
            // Inks by themselves have a loop of their own, as bands do.
            let color = if (layout, color) == (Layout::Cmyk, Color::Channels) { Color::Luma } else { color };
            let mut random = random(seed);
            let mut last = 0u16;
            let samples = (0..pixels * layout.channels()).map(|_| {
                last = match texture {
                    Texture::Constant(sample) => sample,
                    Texture::Noise => (random() >> 20) as u16,
                    Texture::Extremes => [0, 0, 1, 254, 255, 256, 0xff00, 0xffff][(random() >> 20) as usize % 8],
                    Texture::Runs if random() >> 20 & 7 > 0 => last,
                    Texture::Runs => (random() >> 20) as u16,
                };
                last
            });
            let bytes = samples.flat_map(u16::to_le_bytes).collect();
            Case { layout, color, offset, bytes, seed }
        },
    )
}

/// Runs an engine on samples; returns the bins, the result in place, and the result of [`fused::apply_into`].
fn run<S: Sample>(engine: impl Engine<S>, case: &Case, samples: &mut [S]) -> (Vec<u64>, Vec<S>, Vec<S>) {
    let entries = case.tables::<S>();
    let planes = [0, 1, 2].map(|plane| S::table(&entries[plane * S::LEVELS..][..S::LEVELS]).unwrap());
    let intensity = Intensity::of(case.color, case.layout);
    let mut bins = vec![0; intensity.planes() * S::LEVELS];
    fused::count(engine, intensity, case.layout, samples, &mut bins);

    let pixels = samples.len() / case.layout.channels();
    let mut elsewhere = vec![S::default(); pixels * output_layout(&case.recipe(), case.layout).channels()];
    fused::apply_into(engine, case.color, case.layout, planes, samples, &mut elsewhere);
    let kept = fused::apply(engine, case.color, case.layout, planes, samples);
    (bins, samples[..kept].to_vec(), elsewhere)
}

/// Runs a check with each engine that this machine supports; a failure names the kernel.
macro_rules! each_engine {
    ($engine:ident => $check:expr) => {
        for kernel in Kernel::available() {
            super::with_engine!(kernel, $engine => {
                let check: Result<(), TestCaseError> = (|| { $check; Ok(()) })();
                check.map_err(|error| TestCaseError::fail(format!("{}: {error}", kernel.name())))?;
            });
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_kernel_does_8_bits_as_the_plain_one(case in case()) {
        let mut room = Vec::new();
        let plain = run::<u8>(Scalar, &case, case.place(&mut room));
        prop_assert_eq!(&plain.1, &plain.2);
        each_engine!(engine => prop_assert_eq!(&run::<u8>(engine, &case, case.place(&mut room)), &plain));
    }

    #[test]
    fn every_kernel_does_16_bits_as_the_plain_one(case in case()) {
        let mut room = Vec::new();
        let whole = |bytes: &mut [u8]| -> Vec<Le16> { bytes.as_chunks::<2>().0.to_vec() };
        let plain = run::<Le16>(Scalar, &case, &mut whole(case.place(&mut room)));
        prop_assert_eq!(&plain.1, &plain.2);
        each_engine!(engine => {
            let samples = case.place(&mut room).as_chunks_mut::<2>().0;
            prop_assert_eq!(&run::<Le16>(engine, &case, samples), &plain)
        });
    }

    #[test]
    fn native_samples_give_what_those_of_the_store_give(case in case()) {
        let bytes = case.bytes.as_chunks::<2>().0;
        let mut native: Vec<u16> = bytes.iter().map(|sample| u16::from_le_bytes(*sample)).collect();
        let (bins, result, _) = run::<u16>(Scalar, &case, &mut native);
        let stored = run::<Le16>(Scalar, &case, &mut bytes.to_vec());
        prop_assert_eq!(bins, stored.0);
        prop_assert_eq!(result, stored.1.iter().map(|sample| u16::from_le_bytes(*sample)).collect::<Vec<u16>>());
    }
}

/// Interpolates values between four tables of random entries, in the form chosen for `worth` values.
fn blend<S: Sample>(engine: impl Engine<S>, case: &Case, down: f32, worth: usize, values: &mut [S]) -> Vec<S> {
    let entries = [case.tables::<S>(), case.tables::<S>()].concat();
    let tables = [0, 1, 2, 4].map(|plane| S::table(&entries[plane * S::LEVELS..][..S::LEVELS]).unwrap());
    let mut random = random(case.seed ^ 0xf32);
    let across: Vec<f32> = values.iter().map(|_| (random() >> 40) as f32 / (1u32 << 24) as f32).collect();
    engine.blend(&S::corners(tables, worth), down, &across, values);
    values.to_vec()
}

proptest! {
    #[test]
    fn every_kernel_blends_as_the_plain_one(case in case(), down in 0f32..1.0) {
        let mut room = Vec::new();
        let plain = blend::<u8>(Scalar, &case, down, 0, case.place(&mut room));
        each_engine!(engine => prop_assert_eq!(&blend::<u8>(engine, &case, down, 0, case.place(&mut room)), &plain));
        let plain = blend::<Le16>(Scalar, &case, down, 0, case.place(&mut room).as_chunks_mut::<2>().0);
        // With separate and with interleaved tables.
        for worth in [0, usize::MAX] {
            each_engine!(engine => {
                let values = case.place(&mut room).as_chunks_mut::<2>().0;
                prop_assert_eq!(&blend::<Le16>(engine, &case, down, worth, values), &plain)
            });
        }
    }
}

#[test]
fn the_plain_histogram_is_the_number_of_times_each_value_occurs() {
    let mut random = random(7);
    let values: Vec<u8> = (0..1_001).map(|_| (random() >> 20) as u8 & 31).collect();
    let mut bins = [0; 256];
    Scalar.tally(&values, &mut bins);
    for (level, count) in bins.iter().enumerate() {
        assert_eq!(*count, values.iter().filter(|value| usize::from(**value) == level).count() as u64);
    }
}

#[test]
fn every_kernel_looks_up_what_no_cache_holds() {
    let mut random = random(3);
    let from: Vec<u8> = (0..(4 << 20) + 77).map(|_| (random() >> 20) as u8).collect();
    let table: [u8; 256] = std::array::from_fn(|_| (random() >> 20) as u8);
    let expected: Vec<u8> = from.iter().map(|value| table[usize::from(*value)]).collect();
    for kernel in Kernel::available() {
        let mut to = vec![0; from.len() + 1];
        super::with_engine!(kernel, engine => engine.look_up_into(&table, &from, &mut to[1..]));
        assert!(to[1..] == expected[..], "{}", kernel.name());
    }
}

#[test]
fn a_machine_has_the_plain_kernel_and_takes_the_last_of_its_list() {
    let available = Kernel::available();
    assert_eq!(available[0], Kernel::SCALAR);
    assert_eq!(Some(&Kernel::best()), available.last());
}
