//! The observer: builds what this process shows of the array.
//!
//! It mirrors the znodes on a session of its own that is neither member nor candidate, so the page keeps working when every pod
//! of the process is killed. Without a coordinator it keeps showing the last known state, marked as disconnected.

mod changes;
mod pulse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use base::wall::now;
use coord::{Connector, Coordinator, SessionState, doorbell};
use pipeline::intake::gauge::Gauge;
use shared::clock::{Clock, Moment, Stamp};
use shared::cluster::{ClusterView, Failure, Fault, Health, Labels, Leader, Member, PodState, PodView, Reign};
use shared::event::{Event, Message, What};
use shared::id::PodName;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::changes::{changes, own_joins};
use super::mirror::{Mirror, Nodes};

/// Minimum interval between two views sent to browsers.
const VIEW_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum number of unexpected znodes shown.
const MAX_UNEXPECTED_SHOWN: usize = 50;
/// How long departed pods are shown.
const LEFT_POD_RETENTION: Duration = Duration::from_secs(600);

/// Observer configuration and inputs.
pub struct Observer {
    /// Pod in whose name the observer reports events of the process itself.
    pub name: PodName,
    /// That pod's clock.
    pub clock: Arc<Clock>,
    /// Opens the observer's sessions.
    pub connector: Arc<dyn Connector>,
    /// Size of the backlog and free space of the store.
    pub gauge: Gauge,
    /// Minimum number of live pods; with fewer, work waits.
    pub min_pods: usize,
    /// Pods of this process.
    pub local: Vec<PodName>,
    /// Whether the page offers fault injection.
    pub faults: bool,
    /// Notified when this process accepted an upload. The observer then rings the doorbell if it is connected; if not, the
    /// master finds the row by polling.
    pub accepted: Arc<Notify>,
    /// Labels of the Kubernetes pods; `None` outside Kubernetes.
    pub labels: watch::Receiver<Option<Labels>>,
    /// Active faults of this process's pods.
    pub played: watch::Receiver<BTreeMap<PodName, Fault>>,
    /// Latest failures.
    pub failures: watch::Receiver<Vec<Failure>>,
    /// Alert for a decision that an operator has to make.
    pub alert: watch::Receiver<Option<String>>,
}

/// Outputs of the observer.
struct Shown<'a> {
    view: watch::Sender<Arc<ClusterView>>,
    publish: &'a (dyn Fn(Message) + Send + Sync),
}

/// The observer's state besides the znodes.
struct Known {
    pods: BTreeMap<PodName, (PodView, Option<Instant>)>,
    connected: bool,
    /// Since when it is disconnected, in ms since 1970.
    cut_off: Option<i64>,
    /// Election node of a master that was killed in this process. It stays until its session ends, even if its pod is started
    /// again.
    dead: Option<String>,
    /// Election node of a master in another process that doesn't answer.
    silent: Option<String>,
}

impl Observer {
    /// Returns the view of an array before anything is known of it.
    pub fn unknown(&self) -> ClusterView {
        self.view(&Nodes::default(), &mut self.known())
    }

    /// Observes forever; passes events to `publish`.
    pub async fn run(self, view: watch::Sender<Arc<ClusterView>>, publish: impl Fn(Message) + Send + Sync) {
        let shown = Shown { view, publish: &publish };
        let mut known = self.known();
        let mut nodes = Arc::new(Nodes::default());
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            match self.connector.connect().await {
                Ok(coordinator) => {
                    backoff.reset();
                    tokio::select! {
                        () = self.session(coordinator.clone(), &shown, &mut known, &mut nodes) => {}
                        () = self.ring(coordinator) => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "observing the coordinator failed; retrying");
                    self.show(&shown, &nodes, &mut known);
                    backoff.wait().await;
                }
            }
        }
    }

    async fn session(
        &self,
        coordinator: Arc<dyn Coordinator>,
        page: &Shown<'_>,
        known: &mut Known,
        shown: &mut Arc<Nodes>,
    ) {
        let mirror = Mirror::start(coordinator.clone(), self.clock.clone());
        let (mut nodes, mut states) = (mirror.nodes(), coordinator.states());
        let mut figures = self.gauge.figures();
        let mut labels = self.labels.clone();
        let (mut played, mut failures, mut alert) = (self.played.clone(), self.failures.clone(), self.alert.clone());
        let (pulse, mut silent) = watch::channel(None);
        // Aborted when dropped.
        let mut tasks = JoinSet::new();
        tasks.spawn(pulse::follow(mirror.nodes(), pulse));
        loop {
            tokio::select! {
                changed = nodes.changed() => if changed.is_err() { break },
                changed = states.changed() => if changed.is_err() { break },
                changed = figures.changed() => if changed.is_err() { break },
                Ok(()) = labels.changed() => {}
                Ok(()) = played.changed() => {}
                Ok(()) = failures.changed() => {}
                Ok(()) = silent.changed() => {}
                Ok(()) = alert.changed() => {}
            }
            known.silent.clone_from(&silent.borrow_and_update());
            let state = *states.borrow_and_update();
            let seen = nodes.borrow_and_update().clone();
            // Before the first read, nothing is known of the array and its clocks.
            self.note_connection(page, known, state == SessionState::Connected && seen.loaded);
            if seen.loaded {
                let news = match shown.loaded {
                    true => changes(shown, &seen, &|| self.moment()),
                    // What happened before is unknown; the view shows the current state.
                    false => own_joins(&seen, &self.local),
                };
                news.into_iter().for_each(page.publish);
                seen.unexpected.log_new(&shown.unexpected);
                *shown = seen;
            }
            self.show(page, shown, known);
            if state.is_terminal() {
                break;
            }
            tokio::time::sleep(VIEW_INTERVAL).await;
        }
        self.note_connection(page, known, false);
        self.show(page, shown, known);
    }

    /// Rings the doorbell after each acceptance, forever. Separate from the view, which is throttled.
    async fn ring(&self, coordinator: Arc<dyn Coordinator>) {
        loop {
            self.accepted.notified().await;
            if let Err(error) = doorbell::ring(&*coordinator, &self.moment()).await {
                tracing::debug!(error = %chain(&error), "ringing the doorbell failed; the master polls instead");
            }
        }
    }

    fn known(&self) -> Known {
        let pods = self.local.iter().map(|pod| (pod.clone(), (self.absent(pod), None)));
        Known { pods: pods.collect(), connected: false, cut_off: Some(now()), dead: None, silent: None }
    }

    /// Returns a new stamp and time for an event that happens to, or is detected by, this process.
    fn moment(&self) -> Moment {
        Moment { stamp: Stamp { clock: self.clock.tick(), pod: self.name.clone() }, at: now() }
    }

    fn note_connection(&self, page: &Shown<'_>, known: &mut Known, connected: bool) {
        if std::mem::replace(&mut known.connected, connected) != connected {
            known.cut_off = (!connected).then(now);
            let Moment { stamp, at } = self.moment();
            (page.publish)(Message::Event(Event { stamp, at, what: What::Connection { connected } }));
        }
    }

    fn show(&self, page: &Shown<'_>, nodes: &Nodes, known: &mut Known) {
        let fresh = self.view(nodes, known);
        let same = |old: &ClusterView| {
            let times = ClusterView { at: old.at, seen: old.seen.clone(), ..fresh.clone() };
            *old == times
        };
        if !same(&page.view.borrow()) {
            let fresh = Arc::new(fresh);
            page.view.send_replace(fresh.clone());
            (page.publish)(Message::Cluster(Box::new((*fresh).clone())));
        }
    }

    fn view(&self, nodes: &Nodes, known: &mut Known) -> ClusterView {
        let leader = nodes.candidates.first().map(|(node, candidate)| Leader {
            pod: candidate.pod.clone(),
            address: candidate.address.clone(),
            epoch: candidate.epoch,
            since: candidate.since,
            node: node.clone(),
            label: self.labels.borrow().as_ref().map(|labels| labels.of(&candidate.pod)),
        });
        self.remember(nodes, leader.as_ref(), known);
        let pods: Vec<PodView> = known.pods.values().map(|(pod, _)| pod.clone()).collect();
        let live = pods.iter().filter(|pod| pod.state == PodState::Up).count();
        let leads = leader.as_ref().is_some_and(|leader| leader.epoch.is_some() && self.is_heard(leader, known));
        let health = match (known.connected, leads) {
            (false, _) => Health::Disconnected,
            (true, false) => Health::NoMaster,
            (true, true) if live < self.min_pods => Health::TooFewPods,
            (true, true) => Health::Ok,
        };
        let mut jobs: Vec<_> = nodes.jobs.values().map(|job| job.view()).collect();
        jobs.sort_by(|a, b| a.started.cmp(&b.started).then_with(|| a.job.cmp(&b.job)));
        // In sequence, never nested: two borrows of the watch at once can deadlock with a measurement between them.
        let backlog = self.gauge.backlog();
        let room = self.gauge.view();
        ClusterView {
            seen: Stamp { clock: self.clock.now(), pod: self.name.clone() },
            at: now(),
            health,
            min_pods: self.min_pods,
            coordinator: self.connector.kind().to_owned(),
            leader,
            pods,
            jobs,
            backlog,
            room,
            past: past(nodes),
            failed: self.failures.borrow().clone(),
            unexpected: nodes.unexpected.shown(MAX_UNEXPECTED_SHOWN),
            cut_off: known.cut_off,
            alert: self.alert.borrow().clone(),
        }
    }

    /// Returns whether a master appears to be working, as far as this process can tell: its election node alone stays until its
    /// session ends.
    fn is_heard(&self, leader: &Leader, known: &mut Known) -> bool {
        let fault = self.played.borrow().get(&leader.pod).copied();
        if fault == Some(Fault::Killed) {
            known.dead = Some(leader.node.clone());
        }
        let node = Some(&leader.node);
        fault.is_none() && known.dead.as_ref() != node && known.silent.as_ref() != node
    }

    /// Updates the pods from the live members. Departed pods are kept for a while, those of this process forever.
    fn remember(&self, nodes: &Nodes, leader: Option<&Leader>, known: &mut Known) {
        for (pod, left) in known.pods.values_mut() {
            if !nodes.members.iter().any(|member| member.pod == pod.pod) {
                (pod.state, pod.leads, pod.holds) = (PodState::Down, false, 0);
                left.get_or_insert_with(Instant::now);
            }
        }
        for member in &nodes.members {
            let mut view = self.present(member);
            view.leads = leader.is_some_and(|leader| leader.pod == member.pod);
            let locks = nodes.jobs.values().flat_map(|job| job.phases.values().flat_map(BTreeMap::values));
            view.holds = locks.filter(|task| task.lock.as_ref().is_some_and(|lock| lock.pod == member.pod)).count();
            known.pods.insert(member.pod.clone(), (view, None));
        }
        for (pod, (view, _)) in &mut known.pods {
            view.fault = self.played.borrow().get(pod).copied();
        }
        let kept = |pod: &PodName, left: &Option<Instant>| {
            self.local.contains(pod) || left.is_none_or(|left| left.elapsed() < LEFT_POD_RETENTION)
        };
        known.pods.retain(|pod, (_, left)| kept(pod, left));
    }

    fn present(&self, member: &Member) -> PodView {
        PodView {
            pod: member.pod.clone(),
            state: PodState::Up,
            leads: false,
            session: member.session.clone(),
            lease_ms: member.lease_ms,
            address: member.address.clone(),
            cores: member.cores,
            version: member.version.clone(),
            started: member.started,
            holds: 0,
            leaving: member.leaving,
            faults: self.faults && member.faults,
            fault: None,
        }
    }

    /// Returns the view of a pod of this process that hasn't joined.
    fn absent(&self, pod: &PodName) -> PodView {
        PodView {
            pod: pod.clone(),
            state: PodState::Down,
            leads: false,
            session: String::new(),
            lease_ms: 0,
            address: String::new(),
            cores: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: 0,
            holds: 0,
            leaving: false,
            faults: self.faults,
            fault: None,
        }
    }
}

/// Returns the masters before the current one, or all of them if none leads.
fn past(nodes: &Nodes) -> Vec<Reign> {
    let now = nodes.led.as_ref().map(|led| if led.gone.is_some() { led.past() } else { led.record.past.clone() });
    now.unwrap_or_default()
}
