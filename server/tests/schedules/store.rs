//! One object store with injected faults, as seen by one life of a pod.
//!
//! Pixel threads read lengths and ranges through it, and time stands still while they do. So faults that wait (a pause, a
//! stall) hit only other operations; these reads fail at once, return other bytes, or succeed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use testkit::elapse;
use testkit::faulty_store::altered;

use crate::faults::{Effect, Faults, Operation, Play, Port};
use crate::history::History;
use crate::life::Life;

/// Operations that pixel threads wait for.
const PIXEL_READS: [&str; 2] = ["head", "get_range"];

/// The store as seen by one life.
#[derive(Clone)]
pub struct FaultyStore {
    pub inner: Arc<dyn ObjectStore>,
    pub life: Arc<Life>,
    pub faults: Arc<Faults>,
    pub history: Arc<History>,
}

impl FaultyStore {
    async fn pass<T: Send + 'static>(
        &self,
        name: &'static str,
        effect: Effect,
        key: &str,
        run: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(T, Option<Play>)> {
        self.history.operation();
        let operation = Operation { port: Port::Store, name, effect, what: key.to_owned() };
        if PIXEL_READS.contains(&name) {
            return self.at_once(&operation, run).await;
        }
        self.life.beat().await;
        let play = self.faults.play(&self.life, &operation);
        let result = match &play {
            Some(Play::Fail) => failed("it wasn't sent"),
            Some(Play::LoseReply) => {
                tokio::spawn(run).await.map_or_else(|_| failed("it broke"), |_| failed("no reply"))
            }
            Some(Play::Late(length)) => {
                let length = *length;
                tokio::spawn(async move {
                    elapse(length).await;
                    let _ = run.await;
                });
                failed("no reply yet")
            }
            other => {
                match other {
                    Some(Play::Stall(length)) => elapse(*length).await,
                    Some(Play::PauseBefore(length)) => self.life.pause(*length),
                    Some(Play::CrashBefore) => self.life.crash(),
                    Some(Play::Expire) => self.life.expire(),
                    Some(Play::Disconnect(length)) => self.life.disconnect(*length),
                    Some(Play::Lag(length)) => self.life.lag(*length),
                    _ => {}
                }
                self.life.beat().await;
                run.await
            }
        };
        match play {
            Some(Play::PauseAfter(length)) => self.life.pause(length),
            Some(Play::CrashAfter) => self.life.crash(),
            _ => {}
        }
        self.life.beat().await;
        if effect == Effect::Writes {
            let outcome = result.as_ref().err().map(|error| format!(": {error}")).unwrap_or_default();
            self.history.tell(&self.life.label(), || format!("{name} {key}{outcome}"));
        }
        Ok((result?, play))
    }

    /// Runs an operation that a pixel thread may wait for, so it must not wait for the clock.
    async fn at_once<T>(
        &self,
        operation: &Operation,
        run: impl Future<Output = Result<T>>,
    ) -> Result<(T, Option<Play>)> {
        if self.life.is_dead() {
            return failed("the pod is dead");
        }
        match self.faults.play(&self.life, operation) {
            None => Ok((run.await?, None)),
            Some(Play::Corrupt) => Ok((run.await?, Some(Play::Corrupt))),
            Some(Play::CrashBefore | Play::CrashAfter) => {
                self.life.crash();
                failed("the pod is dead")
            }
            Some(Play::Expire) => {
                self.life.expire();
                Ok((run.await?, None))
            }
            Some(_) => failed("no answer"),
        }
    }
}

fn failed<T>(why: &'static str) -> Result<T> {
    Err(Error::Generic { store: "faulty", source: why.into() })
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.inner, self.life.label())
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (inner, path) = (self.inner.clone(), location.clone());
        let run = async move { inner.put_opts(&path, payload, options).await };
        Ok(self.pass("put", Effect::Writes, location.as_ref(), run).await?.0)
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented {
            operation: "put_multipart".into(),
            implementer: "the schedules' images are small".into(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let name = match &options {
            options if options.head => "head",
            options if options.range.is_some() => "get_range",
            _ => "get",
        };
        let (inner, path) = (self.inner.clone(), location.clone());
        let run = async move { inner.get_opts(&path, options).await };
        let (got, play) = self.pass(name, Effect::Reads, location.as_ref(), run).await?;
        // Originals have no hash with which a reader of some of their rows could detect it.
        let checked = name != "head" && !location.as_ref().contains("/original/");
        if play != Some(Play::Corrupt) || !checked {
            return Ok(got);
        }
        altered(got, |bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x10;
            }
            Bytes::from(bytes)
        })
        .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            all.push(self.get_range(location, range.clone()).await?);
        }
        Ok(all)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let (inner, path) = (store.inner.clone(), location.clone());
                    let run = async move { inner.delete(&path).await };
                    store.pass("delete", Effect::Writes, location.as_ref(), run).await.map(|_| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let inner = store.inner.clone();
            let what = prefix.as_ref().map(ToString::to_string).unwrap_or_default();
            let run = async move { inner.list(prefix.as_ref()).try_collect::<Vec<_>>().await };
            Ok::<_, Error>(stream::iter(store.pass("list", Effect::Reads, &what, run).await?.0.into_iter().map(Ok)))
        };
        stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (inner, path) = (self.inner.clone(), prefix.cloned());
        let what = path.as_ref().map(ToString::to_string).unwrap_or_default();
        let run = async move { inner.list_with_delimiter(path.as_ref()).await };
        Ok(self.pass("list", Effect::Reads, &what, run).await?.0)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
