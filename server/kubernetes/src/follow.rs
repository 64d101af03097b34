//! Follows the logs of all pods of the array and keeps them in a [`LogBook`].
//!
//! Every pod follows every pod, so that each can show any log, even after that log's pod is gone. This takes pods squared
//! streams, most of them silent; beyond [`MAX_PODS`] pods, the others' logs aren't shown.
//!
//! A restarted container begins a new log; Kubernetes keeps the previous one. A stream doesn't say to which start it belongs,
//! so the pod is read before and after the stream is opened: if the restart count is the same, the stream belongs to that
//! start.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use futures::AsyncBufRead;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::LogParams;
use logs::LogBook;
use shared::id::PodName;
use shared::log::{LogId, LogKind};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::{Trouble, answered};
use super::join::Join;
use super::lines;
use super::pods::{Instance, Seen, Sibling};
use super::settings::Settings;

/// Maximum number of pods whose logs are followed.
const MAX_PODS: usize = 50;
/// Number of lines to fetch from before this process began to read.
const TAIL_LINES: i64 = 500;
/// A stream silent for this long may be dead: it is reopened, which repeats no lines.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Follows all pods, including later ones, indefinitely.
pub(super) async fn all(api: Api<Pod>, settings: Arc<Settings>, mut seen: watch::Receiver<Seen>, book: LogBook) {
    let mut followers: JoinSet<String> = JoinSet::new();
    let mut followed: BTreeSet<String> = BTreeSet::new();
    loop {
        let pods = seen.borrow_and_update().pods.clone().unwrap_or_default();
        let ours = settings.inside || pods.contains_key(&settings.pod);
        for pod in pods.values().filter(|_| ours) {
            let Ok(name) = pod.name.parse::<PodName>() else { continue };
            if followed.len() < MAX_PODS && followed.insert(pod.uid.clone()) {
                let follower = Follower::new(name, pod.uid.clone(), &api, &settings, &seen, &book);
                followers.spawn(follower.run());
            }
        }
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return },
            Some(ended) = followers.join_next() => match ended {
                Ok(uid) => {
                    followed.remove(&uid);
                }
                Err(error) => tracing::error!(%error, "reading a pod's log failed"),
            }
        }
    }
}

/// Follower of one pod's log.
struct Follower {
    name: PodName,
    uid: String,
    api: Api<Pod>,
    settings: Arc<Settings>,
    seen: watch::Receiver<Seen>,
    book: LogBook,
    join: Join,
    /// Restart count of the container that was last read.
    start: Option<u32>,
    /// The last trouble noted in the log.
    noted: Option<String>,
}

/// What a connection delivered.
enum Brought {
    Something,
    Nothing,
}

impl Follower {
    fn new(
        name: PodName,
        uid: String,
        api: &Api<Pod>,
        settings: &Arc<Settings>,
        seen: &watch::Receiver<Seen>,
        book: &LogBook,
    ) -> Self {
        let (api, settings, seen, book) = (api.clone(), settings.clone(), seen.clone(), book.clone());
        Self { name, uid, api, settings, seen, book, join: Join::default(), start: None, noted: None }
    }

    /// Follows the pod until it is gone; returns its uid.
    async fn run(mut self) -> String {
        self.book.open(&self.name);
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
        while let Some(instance) = self.there() {
            if instance.begun {
                match self.connect().await {
                    Ok(Brought::Something) => backoff.reset(),
                    // The pod no longer exists, or not yet; the watch will tell.
                    Ok(Brought::Nothing) | Err(Trouble::Gone) => {}
                    Err(trouble) => self.note_trouble(&trouble),
                }
            }
            tokio::select! {
                () = self.changed(&instance) => {}
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
        self.book.gone(&self.name);
        self.uid
    }

    /// State of the pod's container, as last watched; `None` when the pod is gone.
    fn there(&self) -> Option<Instance> {
        let seen = self.seen.borrow();
        seen.pod(self.name.as_str()).filter(|pod| pod.uid == self.uid).map(|pod| pod.container.clone())
    }

    /// Waits until the container's state changes or the pod is gone.
    async fn changed(&mut self, instance: &Instance) {
        let (name, uid) = (self.name.as_str(), &self.uid);
        let other = |seen: &Seen| {
            let pod = seen.pod(name).filter(|pod| pod.uid == *uid);
            pod.map(|pod| &pod.container) != Some(instance)
        };
        // The watch has ended: leave it to the caller's timer.
        if self.seen.wait_for(other).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs one connection to its end.
    async fn connect(&mut self) -> Result<Brought, Trouble> {
        let instance = self.instance().await?;
        self.catch_up(&instance).await?;
        let stream = self.open(false).await?;
        if self.instance().await?.restarts != instance.restarts {
            return Ok(Brought::Something);
        }
        self.read(stream).await
    }

    /// Fetches the current state of the container.
    async fn instance(&self) -> Result<Instance, Trouble> {
        let pod = answered(self.api.get(self.name.as_str())).await?;
        let pod = Sibling::of(&pod, &self.settings.container);
        if pod.uid == self.uid { Ok(pod.container) } else { Err(Trouble::Gone) }
    }

    /// Once per restart, completes the previous start's log and notes the restart.
    async fn catch_up(&mut self, instance: &Instance) -> Result<(), Trouble> {
        let restarts = instance.restarts;
        let unread = match self.start {
            Some(start) => restarts.saturating_sub(start),
            None => restarts.min(1),
        };
        if unread > 0 {
            if unread > 1 {
                self.note(0, &format!("The logs of {} starts in between are lost.", unread - 1));
            }
            match self.open(true).await {
                Ok(stream) => {
                    self.read(stream).await?;
                }
                Err(trouble @ (Trouble::Gone | Trouble::Answered { .. } | Trouble::Unreachable(_))) => {
                    self.note(1, &format!("The end of the previous log can't be read: {trouble}."));
                }
                Err(trouble) => return Err(trouble),
            }
            let how = instance.before.as_ref().map_or("for an unknown reason", |end| &end.how);
            self.note(2, &format!("The container ended ({how}) and was started again, {} so far.", times(restarts)));
        }
        self.start = Some(restarts);
        Ok(())
    }

    /// Opens the log from the last line on.
    async fn open(&self, previous: bool) -> Result<impl AsyncBufRead + Unpin + use<>, Trouble> {
        let since = self.join.since();
        let params = LogParams {
            container: Some(self.settings.container.clone()),
            follow: !previous,
            previous,
            timestamps: true,
            since_time: since.and_then(|second| Timestamp::from_second(second).ok()),
            tail_lines: since.is_none().then_some(TAIL_LINES),
            ..LogParams::default()
        };
        Ok(Box::pin(answered(self.api.log_stream(self.name.as_str(), &params)).await?))
    }

    /// Reads lines until the stream ends, breaks, or is silent for too long.
    async fn read(&mut self, mut stream: impl AsyncBufRead + Unpin) -> Result<Brought, Trouble> {
        self.join.begin();
        let (mut bytes, mut brought) = (Vec::new(), Brought::Nothing);
        loop {
            match tokio::time::timeout(IDLE_TIMEOUT, lines::next(&mut stream, &mut bytes)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => return Ok(brought),
                Ok(Err(error)) => return self.broken(&error, brought),
            }
            let text = String::from_utf8_lossy(&bytes);
            let Some(line) = lines::parse(&text) else {
                self.note_trouble(&Trouble::Text(text.into_owned()));
                continue;
            };
            if let Some(id) = self.join.take(line.at) {
                self.book.add(&self.name, id, LogKind::Line, line.text);
                (brought, self.noted) = (Brought::Something, None);
            }
        }
    }

    /// Handles a broken connection: it will be reopened, without loss.
    fn broken(&self, error: &io::Error, brought: Brought) -> Result<Brought, Trouble> {
        tracing::debug!(pod = %self.name, %error, "log stream broke; reopening it");
        Ok(brought)
    }

    /// Adds a note to the log, right after the last line.
    fn note(&self, nth: u32, text: &str) {
        let at = self.join.last().unwrap_or(0);
        self.book.add(&self.name, LogId { at, nth: u32::MAX - 9 + nth }, LogKind::Note, text);
    }

    /// Notes a trouble, once.
    fn note_trouble(&mut self, trouble: &Trouble) {
        let text = format!("The log can't be read at the moment: {trouble}.");
        if self.noted.as_ref() != Some(&text) {
            self.note(3, &text);
            self.noted = Some(text);
        }
    }
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}
