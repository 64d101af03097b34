//! An `object_store` that injects faults into any other one (`InMemory`, a folder): it fails, loses replies, hangs, is slow or
//! full, tears objects, and stores or returns altered bytes.
//!
//! ```ignore
//! let faults = Faults::seeded(7);
//! let store = Store::over(faults.over(Arc::new(InMemory::new())), impatient());
//! faults.play(Rule::on(Act::Get, Fault::Hang).keys("/histograms/").times(2));
//! faults.play(Rule::on(Act::Put, Fault::LoseReply).chance(100));
//! ```
//!
//! The [rules](crate::store_faults) decide. A hang ends only with the caller's timeout, on tokio's clock. Pixel threads read through
//! [`Store::reader`](store::Store::reader), which passes through here as well.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use store::Patience;

use crate::store_faults::{Act, Fault, Faults};
use crate::wait::elapse;

/// Timeouts and retries for tests: short, but long enough for a loaded machine.
pub fn impatient() -> Patience {
    Patience::new(Duration::from_millis(1_500), 3, Duration::from_millis(10))
}

fn error(what: &'static str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

fn full() -> Error {
    Error::Generic { store: "faulty", source: Box::new(std::io::Error::from_raw_os_error(28)) }
}

/// Returns the bytes as a lying store stores or returns them.
fn spoiled(bytes: Bytes, fault: Fault) -> Bytes {
    match fault {
        Fault::Tear => bytes.slice(..bytes.len() / 2),
        Fault::Flip | Fault::FlipFirst | Fault::FlipLast if !bytes.is_empty() => {
            let mut bytes = bytes.to_vec();
            let at = match fault {
                Fault::FlipFirst => 0,
                Fault::FlipLast => bytes.len() - 1,
                _ => bytes.len() / 2,
            };
            bytes[at] ^= 0x10;
            bytes.into()
        }
        Fault::Explode => Bytes::from_owner(Bomb(bytes)),
        _ => bytes,
    }
}

/// Bytes that panic when they are dropped.
struct Bomb(Bytes);

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        // Not while already panicking, which would abort the process.
        if !std::thread::panicking() {
            panic!("a panic was played");
        }
    }
}

/// Returns what was read with its bytes altered.
///
/// # Errors
/// If the bytes can't be read.
pub async fn altered(got: GetResult, alter: impl FnOnce(Bytes) -> Bytes) -> Result<GetResult> {
    let (meta, range, attributes, extensions) =
        (got.meta.clone(), got.range.clone(), got.attributes.clone(), got.extensions.clone());
    let bytes = alter(got.bytes().await?);
    let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
    Ok(GetResult { payload, meta, range, attributes, extensions })
}

/// Performs an operation with a fault that doesn't concern its bytes.
async fn played<T>(fault: Option<Fault>, work: impl Future<Output = Result<T>>) -> Result<T> {
    match fault {
        None
        | Some(Fault::Tear | Fault::Flip | Fault::FlipFirst | Fault::FlipLast | Fault::Forget | Fault::Explode) => {
            work.await
        }
        Some(Fault::Fail) => Err(error("a fault was played")),
        Some(Fault::Full) => Err(full()),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Slow(pause)) => {
            elapse(pause).await;
            work.await
        }
        Some(Fault::LoseReply) => {
            work.await?;
            Err(error("the reply was lost"))
        }
        Some(Fault::HangDone) => {
            work.await?;
            std::future::pending().await
        }
    }
}

impl Faults {
    /// Wraps a store.
    pub fn over(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(FaultyStore { inner: store, faults: self.clone() })
    }
}

#[derive(Debug)]
struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.faults.fault(Act::Put, location.as_ref());
        if fault == Some(Fault::Forget) {
            return Ok(PutResult { e_tag: None, version: None, extensions: Default::default() });
        }
        let payload = match fault {
            Some(fault) => spoiled(payload.into(), fault).into(),
            None => payload,
        };
        played(fault, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.faults.fault(Act::Begin, location.as_ref());
        let upload = played(fault, self.inner.put_multipart_opts(location, options)).await?;
        Ok(Box::new(FaultyUpload { inner: upload, faults: self.faults.clone(), key: location.to_string() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            let fault = self.faults.fault(Act::Head, location.as_ref());
            return played(fault, self.inner.get_opts(location, options)).await;
        }
        let fault = self.faults.fault(Act::Get, location.as_ref());
        let got = played(fault, self.inner.get_opts(location, options)).await?;
        let Some(fault @ (Fault::Tear | Fault::Flip | Fault::FlipFirst | Fault::FlipLast | Fault::Explode)) = fault
        else {
            return Ok(got);
        };
        altered(got, |bytes| spoiled(bytes, fault)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            all.push(self.get_range(location, range.clone()).await?);
        }
        Ok(all)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, faults) = (self.inner.clone(), self.faults.clone());
        locations
            .then(move |location| {
                let (inner, faults) = (inner.clone(), faults.clone());
                async move {
                    let location = location?;
                    let fault = faults.fault(Act::Delete, location.as_ref());
                    played(fault, inner.delete(&location)).await.map(|()| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (faults, asked) = (self.faults.clone(), prefix.map(ToString::to_string).unwrap_or_default());
        self.with_listing_faults(faults, asked, self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (faults, asked) = (self.faults.clone(), prefix.map(ToString::to_string).unwrap_or_default());
        self.with_listing_faults(faults, asked, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl FaultyStore {
    /// Injects a fault before the first object of a listing; `Tear` ends the listing with an error in the middle.
    fn with_listing_faults(
        &self,
        faults: Faults,
        asked: String,
        listing: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let begun = async move {
            let fault = faults.fault(Act::List, &asked);
            match played(fault, async { Ok(()) }).await {
                Err(error) => stream::once(async { Err(error) }).boxed(),
                Ok(()) if fault == Some(Fault::Tear) => {
                    let all: Vec<_> = listing.collect().await;
                    let half = all.len() / 2;
                    stream::iter(all.into_iter().take(half))
                        .chain(stream::once(async { Err(error("the listing broke off")) }))
                        .boxed()
                }
                Ok(()) => listing,
            }
        };
        stream::once(begun).flatten().boxed()
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    faults: Faults,
    key: String,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.faults.fault(Act::Part, &self.key) {
            None => self.inner.put_part(data),
            Some(fault) => {
                let part = self.inner.put_part(spoiled(data.into(), fault).into());
                Box::pin(played(Some(fault), part))
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.faults.fault(Act::Complete, &self.key);
        played(fault, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
