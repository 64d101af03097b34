//! How many rows a PNG has whose image data end too early.

use std::io::{BufRead, BufReader, Read, Seek};

use flate2::{Decompress, FlushDecompress, Status};

use super::super::error::{Error, Result};
use super::chunks::{Header, begin, header};

/// Returns the number of whole rows in the first run of image data: all of them if the image is interlaced and has as many bytes
/// as it needs, otherwise none.
pub(super) fn rows_there<R: Read + Seek>(source: &mut R, of: &Header) -> Result<u32> {
    let mut source = BufReader::with_capacity(64 << 10, source);
    header(&mut source)?;
    let (mut inflate, mut in_data) = (Decompress::new(true), false);
    let needed = of.data_bytes() + u64::from(of.height);
    loop {
        let (length, kind) = match begin(&mut source) {
            Ok(begun) => begun,
            Err(Error::Refused(_)) => break,
            Err(error) => return Err(error),
        };
        match (&kind == b"IDAT", in_data) {
            // Further bytes would be too many.
            (true, _) if inflate.total_out() > needed => break,
            (true, _) => {
                in_data = true;
                if !inflated(&mut source, length, &mut inflate)? {
                    break;
                }
                source.seek_relative(4)?;
            }
            (false, true) => break,
            (false, false) => source.seek_relative(i64::from(length) + 4)?,
        }
    }
    let rows = match of.interlaced {
        // Its passes have at least these bytes.
        true if inflate.total_out() >= of.data_bytes() => of.height.into(),
        true => 0,
        false => inflate.total_out() / (of.data_bytes() / u64::from(of.height) + 1),
    };
    Ok(u32::try_from(rows).unwrap_or(u32::MAX).min(of.height))
}

/// Inflates a chunk's data; returns whether it is whole and more may follow.
fn inflated(source: &mut impl BufRead, length: u32, inflate: &mut Decompress) -> Result<bool> {
    let (mut left, mut out) = (length as usize, vec![0; 64 << 10]);
    while left > 0 {
        let bytes = source.fill_buf()?;
        let bytes = &bytes[..bytes.len().min(left)];
        if bytes.is_empty() {
            return Ok(false);
        }
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(bytes, &mut out, FlushDecompress::None);
        let read = (inflate.total_in() - before.0) as usize;
        match status {
            Ok(Status::Ok | Status::BufError) if read > 0 || inflate.total_out() > before.1 => {
                source.consume(read);
                left -= read;
            }
            _ => return Ok(false),
        }
    }
    Ok(true)
}
