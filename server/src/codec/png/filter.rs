//! PNG's row filters, chosen by the standard's own heuristic (PNG third edition, 12.7): the least sum of absolute
//! differences. A part's first row may not look at the row above, which another worker has.

/// The filters by their number in the file.
const NONE: u8 = 0;
const SUB: u8 = 1;
const UP: u8 = 2;
const AVERAGE: u8 = 3;
const PAETH: u8 = 4;

/// Rows with the number of their filter before each. `step` is the distance to the pixel on the left, in bytes.
pub(super) fn filter(bytes: &[u8], row_bytes: usize, step: usize) -> Vec<u8> {
    let mut filtered = Vec::with_capacity(bytes.len() + bytes.len() / row_bytes);
    let mut best = vec![0; row_bytes];
    let mut candidate = vec![0; row_bytes];
    let mut above: Option<&[u8]> = None;
    for row in bytes.chunks_exact(row_bytes) {
        best.copy_from_slice(row);
        let (mut chosen, mut least) = (NONE, cost(row));
        let kinds: &[u8] = if above.is_some() { &[SUB, UP, AVERAGE, PAETH] } else { &[SUB] };
        for &kind in kinds {
            apply(kind, row, above.unwrap_or(&[]), step, &mut candidate);
            let cost = cost(&candidate);
            if cost < least {
                (chosen, least) = (kind, cost);
                std::mem::swap(&mut best, &mut candidate);
            }
        }
        filtered.push(chosen);
        filtered.extend_from_slice(&best);
        above = Some(row);
    }
    filtered
}

/// The sum of the bytes' distances to 0, taken as signed.
fn cost(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from((*byte as i8).unsigned_abs())).sum()
}

fn apply(kind: u8, row: &[u8], above: &[u8], step: usize, out: &mut [u8]) {
    let step = step.min(row.len());
    match kind {
        SUB => {
            out[..step].copy_from_slice(&row[..step]);
            for ((out, byte), left) in out[step..].iter_mut().zip(&row[step..]).zip(row) {
                *out = byte.wrapping_sub(*left);
            }
        }
        UP => {
            for ((out, byte), up) in out.iter_mut().zip(row).zip(above) {
                *out = byte.wrapping_sub(*up);
            }
        }
        AVERAGE => {
            for ((out, byte), up) in out[..step].iter_mut().zip(row).zip(above) {
                *out = byte.wrapping_sub(up / 2);
            }
            for (((out, byte), left), up) in out[step..].iter_mut().zip(&row[step..]).zip(row).zip(&above[step..]) {
                *out = byte.wrapping_sub(((u16::from(*left) + u16::from(*up)) / 2) as u8);
            }
        }
        _ => {
            for ((out, byte), up) in out[..step].iter_mut().zip(row).zip(above) {
                *out = byte.wrapping_sub(*up);
            }
            let beside = row.iter().zip(&above[step..]).zip(above);
            for ((out, byte), ((left, up), up_left)) in out[step..].iter_mut().zip(&row[step..]).zip(beside) {
                *out = byte.wrapping_sub(paeth(*left, *up, *up_left));
            }
        }
    }
}

/// Whichever of left, up and up-left is nearest to left + up − up-left (PNG third edition, 9.4).
fn paeth(left: u8, up: u8, up_left: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(up_left));
    let (to_a, to_b, to_c) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_a <= to_b && to_a <= to_c {
        left
    } else if to_b <= to_c {
        up
    } else {
        up_left
    }
}
