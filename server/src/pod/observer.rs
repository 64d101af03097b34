//! The observer: what this process shows of the array.
//!
//! It follows the znodes on a session of its own, which is no member and no candidate, so that the page lives on when
//! every pod of its process is killed. Without a coordinator it goes on showing what it last saw, and says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::{Clock, Moment, Stamp};
use shared::cluster::{ClusterView, Failure, Fault, Health, Labels, Leader, Member, PodState, PodView, Reign};
use shared::event::{Event, Message, What};
use shared::id::PodName;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::changes::changes;
use super::mirror::{Mirror, Nodes};
use super::{now, pulse};
use crate::backoff::Backoff;
use crate::coord::{Connector, Coordinator, SessionState, doorbell};
use crate::pipeline::gauge::Gauge;

/// Browsers get a new view at most this often.
const THROTTLE: Duration = Duration::from_millis(200);
/// Unexpected znodes that are shown.
const SHOWN: usize = 50;
/// Pods that left are shown for this long.
const REMEMBER: Duration = Duration::from_secs(600);

/// What an observer is told.
pub struct Observer {
    /// Whose process this is: in this pod's name it says what happens to the process itself.
    pub name: PodName,
    /// That pod's clock.
    pub clock: Arc<Clock>,
    /// Where its sessions come from.
    pub connector: Arc<dyn Connector>,
    /// What is known of the backlog and of the store's room.
    pub gauge: Gauge,
    /// Fewer live pods than this, and work waits.
    pub min_pods: usize,
    /// Pods of this process.
    pub local: Vec<PodName>,
    /// Whether the page lets faults be played on pods.
    pub faults: bool,
    /// Told when this process accepted something: the doorbell is rung, if there is a connection; if not, the
    /// master finds the row by polling.
    pub accepted: Arc<Notify>,
    /// What the labels of Kubernetes' pods say; `None` without Kubernetes.
    pub labels: watch::Receiver<Option<Labels>>,
    /// The faults that are played on pods of this process.
    pub played: watch::Receiver<BTreeMap<PodName, Fault>>,
    /// What failed last.
    pub failures: watch::Receiver<Vec<Failure>>,
    /// What an operator has to decide.
    pub alert: watch::Receiver<Option<String>>,
}

/// Where what is seen goes.
struct Shown<'a> {
    view: watch::Sender<Arc<ClusterView>>,
    publish: &'a (dyn Fn(Message) + Send + Sync),
}

/// What an observer knows beside the znodes.
struct Known {
    pods: BTreeMap<PodName, (PodView, Option<Instant>)>,
    connected: bool,
    /// Since when it isn't connected, in ms since 1970.
    cut_off: Option<i64>,
    /// The election node of a master that was killed here. It stays until its lease ends, even if its pod is started again.
    dead: Option<String>,
    /// The election node of a master in another process, which doesn't answer.
    silent: Option<String>,
}

impl Observer {
    /// A view of an array of which nothing is known yet.
    pub fn unknown(&self) -> ClusterView {
        self.view(&Nodes::default(), &mut self.known())
    }

    /// Observes for ever; `publish` takes what happens.
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
                    tracing::warn!(%error, "the page can't reach the coordinator; trying again");
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
        // Ends when it is dropped.
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
            // Nothing is known of the array, and of its clocks, before it has been read.
            self.note_connection(page, known, state == SessionState::Connected && seen.loaded);
            if seen.loaded {
                // What happened while nothing was seen isn't known: the view tells what is now.
                if shown.loaded {
                    changes(shown, &seen, &|| self.moment()).into_iter().for_each(page.publish);
                }
                seen.unexpected.log_new(&shown.unexpected);
                *shown = seen;
            }
            self.show(page, shown, known);
            if state.is_terminal() {
                break;
            }
            tokio::time::sleep(THROTTLE).await;
        }
        self.note_connection(page, known, false);
        self.show(page, shown, known);
    }

    /// Rings the doorbell when something was accepted, for ever. Beside the view, which takes its time.
    async fn ring(&self, coordinator: Arc<dyn Coordinator>) {
        loop {
            self.accepted.notified().await;
            if let Err(error) = doorbell::ring(&*coordinator, &self.moment()).await {
                tracing::debug!(%error, "the doorbell wasn't rung; the master polls");
            }
        }
    }

    fn known(&self) -> Known {
        let pods = self.local.iter().map(|pod| (pod.clone(), (self.absent(pod), None)));
        Known { pods: pods.collect(), connected: false, cut_off: Some(now()), dead: None, silent: None }
    }

    /// Something happens to this process, or is found out here.
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
        // One look after the other: see there.
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
            unexpected: nodes.unexpected.shown(SHOWN),
            cut_off: known.cut_off,
            alert: self.alert.borrow().clone(),
        }
    }

    /// Whether a master does its work, as far as this process can tell: its election node stays until its lease ends.
    fn is_heard(&self, leader: &Leader, known: &mut Known) -> bool {
        let fault = self.played.borrow().get(&leader.pod).copied();
        if fault == Some(Fault::Killed) {
            known.dead = Some(leader.node.clone());
        }
        let node = Some(&leader.node);
        fault.is_none() && known.dead.as_ref() != node && known.silent.as_ref() != node
    }

    /// Takes in the live pods; those that left stay for a while, those of this process for ever.
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
            self.local.contains(pod) || left.is_none_or(|left| left.elapsed() < REMEMBER)
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

    /// A pod of this process that hasn't joined.
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

/// Masters before the one that leads, or all of them while nobody does.
fn past(nodes: &Nodes) -> Vec<Reign> {
    let now = nodes.led.as_ref().map(|led| if led.gone.is_some() { led.past() } else { led.record.past.clone() });
    now.unwrap_or_default()
}
