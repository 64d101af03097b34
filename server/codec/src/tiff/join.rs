//! The bytes before and after the parts: the header, and the directories of all pages.

use shared::decode::tiff::{Order, tag};
use shared::job::Overview;

use super::super::{Envelope, PartIndex, Result, refuse};
use super::field::{self, Field};
use super::header::{header, header_bytes};
use super::{Head, Pieces, overview};

impl Head {
    /// Returns the number of bytes before the parts, without a switch to BigTIFF; `None` if that depends on all parts.
    pub(in super::super) fn begin_bytes(&self) -> Option<usize> {
        (!self.cloud).then(|| header_bytes(self.structure.tiff.big))
    }
}

/// Returns the bytes around the parts of all pages, in order.
pub(in super::super) fn join(pages: &[(&Head, &[PartIndex])]) -> Result<Envelope> {
    // Classic TIFF if 32-bit offsets suffice and the original isn't a BigTIFF, otherwise BigTIFF.
    let big = pages.iter().any(|(head, _)| head.structure.tiff.big);
    let joiner = if big { None } else { with_offsets(pages, false)? };
    match joiner {
        Some(joiner) => Ok(joiner),
        None => match with_offsets(pages, true)? {
            Some(joiner) => Ok(joiner),
            None => refuse("The result is too large for a TIFF."),
        },
    }
}

/// Returns `None` if 32-bit offsets don't suffice.
fn with_offsets(pages: &[(&Head, &[PartIndex])], big: bool) -> Result<Option<Envelope>> {
    let Some((first, _)) = pages.first() else { return refuse("A TIFF has at least one page.") };
    let order = first.structure.tiff.order;
    let mut end = header_bytes(big) as u64;
    let mut places = Vec::new();
    for (head, index) in pages {
        let page = head.places(end, index)?;
        end = page.end;
        places.push(page);
    }
    if !big && end > u64::from(u32::MAX) {
        return Ok(None);
    }
    let mut back = vec![0; (end % 2) as usize];
    let mut chain = Chain { order, big, base: end, first: None };
    for ((head, _), places) in pages.iter().zip(&places) {
        let mut fields = head.structural(&head.structure, &places.own, big);
        fields.extend(head.fields.iter().cloned());
        let overviews = head.overviews.iter().zip(&places.overviews);
        let (below, behind): (Vec<_>, Vec<_>) = overviews.partition(|(overview, _)| overview.below);
        let of_overview = |(overview, (rows, places)): (&Overview, &(u32, Pieces))| {
            head.of_overview(&overview::structure(&head.structure, overview, *rows), places, big)
        };
        let mut pointers = Vec::with_capacity(below.len());
        for overview in below {
            pointers.push(field::directory(order, big, of_overview(overview), end, &mut back));
        }
        if !pointers.is_empty() {
            let kind = if big { field::LONG8 } else { field::LONG };
            fields.push(Field::numbers(order, tag::SUB_IFDS, kind, &pointers));
        }
        chain.add(fields, &mut back);
        if let Some(mask) = &head.mask {
            let fields = mask.put(&head.structure, big, end, &mut back);
            chain.add(fields, &mut back);
        }
        for overview in behind {
            chain.add(of_overview(overview), &mut back);
        }
        for mask in &head.small_masks {
            let fields = mask.put(&head.structure, big, end, &mut back);
            chain.add(fields, &mut back);
        }
    }
    if !big && end + back.len() as u64 > u64::from(u32::MAX) {
        return Ok(None);
    }
    Ok(chain.first.map(|(directory, _)| Envelope { begin: header(order, big, directory), end: back }))
}

/// A linked list of directories.
struct Chain {
    order: Order,
    big: bool,
    /// File offset of the bytes that directories are appended to.
    base: u64,
    /// File offset of the first directory, and the position of the last directory's next pointer within the bytes.
    first: Option<(u64, usize)>,
}

impl Chain {
    fn add(&mut self, fields: Vec<Field>, file: &mut Vec<u8>) {
        let size = if self.big { 8 } else { 4 };
        let at = field::directory(self.order, self.big, fields, self.base, file);
        let pointer = file.len() - size;
        self.first = Some(match self.first {
            None => (at, pointer),
            Some((first, last)) => {
                let mut bytes = Vec::new();
                self.order.put(&mut bytes, at, size);
                file[last..last + size].copy_from_slice(&bytes);
                (first, pointer)
            }
        });
    }
}
