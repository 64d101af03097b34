//! Times the kernels on one image, one measurement a line of standard input, for `scripts/bench/kernels.py`.
//!
//! `kernel_times IMAGE WIDTH HEIGHT CHANNELS BITS [KERNEL]`: the image is raw, little-endian. Each line `TASK THREADS`
//! is answered by the seconds that it took; `write PATH` writes the last result.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use rayon::prelude::*;
use shared::equalize::clahe::{self, Clahe, TileHistograms, TileTables};
use shared::equalize::{Color, Histogram, Kernel, Lut, Recipe, apply_le_bytes, apply_le_bytes_into};
use shared::pixels::{Depth, Layout};

struct Image {
    layout: Layout,
    depth: Depth,
    row: usize,
    bytes: Vec<u8>,
}

struct Bench {
    kernel: Kernel,
    image: Image,
    out: Vec<u8>,
}

impl Bench {
    /// Runs a task; returns how many seconds it took.
    fn run(&mut self, task: &str, threads: usize) -> f64 {
        let recipe = |color| Recipe::global(color);
        let (luma, hsv, channels) = (recipe(Color::Luma), recipe(Color::Hsv), recipe(Color::Channels));
        let began = Instant::now();
        match task {
            "memcpy" => self.each_strip(threads, |from, to| to.copy_from_slice(from)),
            "histogram" => drop(std::hint::black_box(self.count(&luma, threads))),
            "look-up" => self.look_up(threads),
            "look-up in place" => {
                let lut = self.some_table();
                let (kernel, layout) = (self.kernel, self.image.layout);
                apply_le_bytes(kernel, &luma, &lut, layout, &mut self.out);
            }
            "equalize" => self.equalize(&luma, threads),
            "equalize hsv" => self.equalize(&hsv, threads),
            "clahe" => self.clahe(threads),
            "equalize channels" => self.equalize(&channels, threads),
            other => panic!("no task {other}"),
        }
        began.elapsed().as_secs_f64()
    }

    /// Splits the rows into as many strips as threads.
    fn each_strip(&mut self, threads: usize, work: impl Fn(&[u8], &mut [u8]) + Sync) {
        let strip = self.strip(threads);
        let (from, to) = (self.image.bytes.chunks(strip), self.out.chunks_mut(strip));
        if threads == 1 {
            return from.zip(to).for_each(|(from, to)| work(from, to));
        }
        in_threads(from.zip(to).map(|(from, to)| || work(from, to)));
    }

    fn strip(&self, threads: usize) -> usize {
        (self.image.bytes.len() / self.image.row).div_ceil(threads) * self.image.row
    }

    fn count(&self, recipe: &Recipe, threads: usize) -> Histogram {
        let Image { layout, depth, bytes, .. } = &self.image;
        let count = |bytes: &[u8]| {
            let mut histogram = Histogram::new(recipe, *layout, *depth);
            histogram.count_le_bytes(self.kernel, *layout, bytes);
            histogram
        };
        if threads == 1 {
            return count(bytes);
        }
        let strips = in_threads(bytes.chunks(self.strip(threads)).map(|strip| move || count(strip)));
        let sum = strips.into_iter().reduce(|mut sum, strip| {
            sum.merge(&strip).unwrap();
            sum
        });
        sum.unwrap()
    }

    fn equalize(&mut self, recipe: &Recipe, threads: usize) {
        let lut = Lut::from_histogram(&self.count(recipe, threads));
        let (kernel, layout) = (self.kernel, self.image.layout);
        self.each_strip(threads, |from, to| apply_le_bytes_into(kernel, recipe, &lut, layout, from, to));
    }

    fn clahe(&mut self, threads: usize) {
        let Image { layout, depth, row, bytes } = &self.image;
        let (clahe, kernel, row) = (Clahe::default(), self.kernel, *row);
        let (width, height) = ((row / layout.channels() / depth.bytes()) as u32, (bytes.len() / row) as u32);
        let strip = self.strip(threads);
        let firsts = (0..height).step_by(strip / row);
        let count = |first: u32, strip: &[u8]| {
            let mut histograms = TileHistograms::new(&clahe, Color::Luma, *layout, *depth, width, height).unwrap();
            histograms.count_le_bytes(kernel, first, strip);
            histograms
        };
        let strips = || firsts.clone().zip(bytes.chunks(strip));
        let counted = if threads == 1 {
            strips().map(|(first, strip)| count(first, strip)).collect()
        } else {
            in_threads(strips().map(|(first, strip)| move || count(first, strip)))
        };
        let histograms = counted.into_iter().reduce(|mut sum, strip| {
            sum.merge(&strip).unwrap();
            sum
        });
        let tables = TileTables::from_histograms(&clahe, &histograms.unwrap());
        let apply = |first: u32, from: &[u8], to: &mut [u8]| {
            clahe::apply_le_bytes_into(kernel, Color::Luma, &tables, *layout, first, from, to);
        };
        let pairs = strips().zip(self.out.chunks_mut(strip));
        if threads == 1 {
            pairs.for_each(|((first, from), to)| apply(first, from, to));
        } else {
            in_threads(pairs.map(|((first, from), to)| move || apply(first, from, to)));
        }
    }

    /// A table that reverses the levels, made without counting them.
    fn some_table(&self) -> Lut {
        let mut bytes =
            Lut::from_histogram(&Histogram::new(&Recipe::default(), self.image.layout, self.image.depth)).to_bytes();
        bytes[8..].reverse();
        Lut::from_bytes(&bytes).unwrap()
    }

    fn look_up(&mut self, threads: usize) {
        let lut = self.some_table();
        let (kernel, layout) = (self.kernel, self.image.layout);
        self.each_strip(threads, |from, to| apply_le_bytes_into(kernel, &Recipe::default(), &lut, layout, from, to));
    }
}

/// Runs pieces of work in threads that wait for it, as the program's and OpenCV's do.
fn in_threads<T: Send>(work: impl Iterator<Item = impl FnOnce() -> T + Send>) -> Vec<T> {
    let work: Vec<_> = work.collect();
    work.into_par_iter().map(|work| work()).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, width, height, channels, bits, kernel @ ..] = &arguments[..] else {
        panic!("usage: kernel_times IMAGE WIDTH HEIGHT CHANNELS BITS [KERNEL]")
    };
    let [width, height, channels]: [usize; 3] = [width, height, channels].map(|number| number.parse().unwrap());
    let layout = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba][channels - 1];
    let depth = Depth::try_from(bits.parse::<u8>().unwrap()).unwrap();
    let kernel = match kernel {
        [name] => Kernel::available().into_iter().find(|kernel| kernel.name() == name).unwrap(),
        _ => Kernel::best(),
    };
    let row = width * channels * depth.bytes();
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes.len(), row * height, "the image has another size");
    let out = vec![1; bytes.len()];
    let mut bench = Bench { kernel, image: Image { layout, depth, row, bytes }, out };
    println!("{}", kernel.name());
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.rsplit_once(' ').unwrap() {
            ("write", path) => {
                std::fs::write(path, &bench.out).unwrap();
                println!("0");
            }
            (task, threads) => println!("{}", bench.run(task, threads.parse().unwrap())),
        }
    }
}
