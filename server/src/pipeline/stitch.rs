//! Stitch: join the parts to the result file. The join copies bytes; the pixels were encoded where they were equalized.

use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};
use shared::equalize::output_layout;
use shared::job::{Format, Job, Pointer};

use super::stage::{Failure, Inputs, Opener, Workshop, hex, part_bytes};
use crate::codec::{self, BundleIndex};

/// Writes the result file.
pub(super) async fn stitch(shop: &Workshop, job: &Job, inputs: &Inputs, key: String) -> Result<Pointer, Failure> {
    let original = shop.opener(&job.original);
    let bundles: Vec<_> = inputs.equalized.iter().map(|pointer| (pointer.clone(), shop.opener(&pointer.key))).collect();
    let (info, recipe) = (job.info.clone(), job.recipe);
    // A JPEG is encoded by its join; the others only pass through.
    let memory = if info.format == Format::Jpeg { 2 * info.raw_bytes() } else { 8 * part_bytes(job) };
    shop.write(key, memory, move |emit| {
        let head = codec::head(&mut original.open()?, &info, output_layout(&recipe, info.layout))?;
        let open = |(pointer, opener): (Pointer, Opener)| Bundle::open(pointer, opener.open()?);
        let bundles: Vec<_> = bundles.into_iter().map(open).collect::<io::Result<_>>()?;
        let index: Vec<_> = bundles.iter().flat_map(|bundle| bundle.parts.iter().cloned()).collect();
        let mut join = codec::join(&head, &index)?;
        emit(join.begin()?)?;
        for mut bundle in bundles {
            for part in std::mem::take(&mut bundle.parts) {
                emit(join.part(bundle.read(part.bytes)?)?)?;
            }
            bundle.verify()?;
        }
        emit(join.end()?)?;
        Ok(())
    })
    .await
}

/// A task's parts as they lie in the store, hashed while they are read.
struct Bundle<R> {
    pointer: Pointer,
    parts: Vec<codec::PartIndex>,
    reader: R,
    hash: Sha256,
}

impl<R: Read + Seek> Bundle<R> {
    /// Reads the index at the object's start.
    fn open(pointer: Pointer, reader: R) -> io::Result<Self> {
        let mut bundle = Self { pointer, parts: Vec::new(), reader, hash: Sha256::new() };
        let mut start = Vec::new();
        loop {
            match codec::bundle_index(&start).map_err(|error| bundle.corrupt(&error.to_string()))? {
                BundleIndex::Complete(found) => {
                    bundle.parts = found.parts;
                    return Ok(bundle);
                }
                BundleIndex::Needs(length) if length <= bundle.pointer.bytes => {
                    start.extend(bundle.read(length - start.len() as u64)?);
                }
                BundleIndex::Needs(_) => return Err(bundle.corrupt("its index is longer than itself")),
            }
        }
    }

    fn read(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length > self.pointer.bytes {
            return Err(self.corrupt("a part is longer than the whole"));
        }
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(self.corrupt("it ends too early"));
        }
        self.hash.update(&bytes);
        Ok(bytes)
    }

    /// What was read must be what was committed; called once all of it was read.
    fn verify(self) -> io::Result<()> {
        let found = hex(&self.hash.clone().finalize());
        if found == self.pointer.sha256 { Ok(()) } else { Err(self.corrupt("its SHA-256 is another")) }
    }

    /// Damage of the store, not of the image: repeating the equalize task would mend it.
    fn corrupt(&self, what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("the parts under {} are damaged: {what}", self.pointer.key))
    }
}
