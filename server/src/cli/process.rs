//! A running process: starts and connects the coordinator, store, catalog, pods, observer and web server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use catalog::Gallery;
use kubernetes::Kubernetes;
use logs::OwnLog;
use pipeline::compute::pixels::Pixels;
use pipeline::intake::accept::Accept;
use pipeline::intake::gauge::{Figures, Gauge};
use pipeline::intake::inspection;
use pipeline::intake::measure::measure;
use pipeline::orphans;
use pipeline::stages::context::TaskContext;
use pod::array::Array;
use pod::installation::Installation;
use pod::observer::Observer;
use pod::renderer::Renderer;
use pod::slots::Slots;
use pod::{Pod, PodConfig};
use shared::clock::Clock;
use shared::cluster::{ClusterView, Failure, Fault};
use shared::event::{Event, Message, What};
use shared::gallery::{Image, ImageQuery};
use shared::id::PodName;
use shared::job::JobState;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::{Clients, CutOff, EventHub, FaultError, Faults, PodLogs, Renders, WebState, listen, router};

use super::backends::Backends;
use super::locks::Locks;
use super::serve::{ServeArgs, UseKubernetes};

/// Memory for rendered pictures, in bytes.
const RENDER_CACHE_BYTES: usize = 64 << 20;

/// A process that serves requests and runs pods.
pub struct Process {
    /// Address it listens on, with the actual port if 0 was requested.
    pub address: SocketAddr,
    /// Names of its pods.
    pub pods: Vec<PodName>,
    /// `embedded` or `zookeeper`.
    pub coordinator: &'static str,
    array: Arc<Array>,
    server: JoinHandle<()>,
    rendering: JoinHandle<()>,
    /// Tasks that are aborted when the process stops.
    background: Vec<JoinHandle<()>>,
    events: EventHub,
    logs: PodLogs,
    linger: Duration,
    installation: Arc<Installation>,
    /// Held until the end.
    _locks: Locks,
    /// Labels pods and reads their logs until the end.
    _kubernetes: Option<Kubernetes>,
    stop_pods: CancellationToken,
    stop_web: CancellationToken,
}

impl Process {
    /// As [`Process::start_logged`], without keeping this process's own log.
    ///
    /// # Errors
    /// With what was tried and why it failed.
    pub async fn start(args: ServeArgs) -> anyhow::Result<Self> {
        Self::start_logged(args, OwnLog::default()).await
    }

    /// Starts everything. Fails if it can't listen on the address, reach the catalog or open the store. It doesn't wait for a
    /// coordinator or a store that doesn't answer.
    ///
    /// # Errors
    /// With what was tried and why it failed.
    pub async fn start_logged(args: ServeArgs, log: OwnLog) -> anyhow::Result<Self> {
        base::crypto::install();
        let names = args.pod_names().map_err(anyhow::Error::msg)?;
        log.belongs_to(&names);
        let listener =
            TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        std::fs::create_dir_all(&args.data)
            .with_context(|| format!("can't create the data folder {}", args.data.display()))?;
        let backends = Backends::open(&args, &address).await?;
        let beating = tokio::spawn(backends.installation.clone().beat());

        let threads =
            args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let pixels = Pixels::new(threads, args.memory.as_u64());
        let task_context = TaskContext { store: backends.store.clone(), pixels, limits: args.limits() };
        let clocks: Vec<_> = names.iter().map(|name| (name.clone(), Arc::new(Clock::new()))).collect();
        let leadership = watch::Sender::new(None);
        let kubernetes = kubernetes(&args, &names, leadership.subscribe()).await;
        let stop_pods = CancellationToken::new();
        let array = Arc::new(Array::new(stop_pods.clone()));
        let pods = Pods { args: &args, address, leadership, task_context: &task_context, slots: Slots::new(threads) };
        pods.add_to(&array, &backends, &clocks).await?;

        let (gauge, measuring) = gauge(&args, &backends);
        let accepted = Arc::new(Notify::new());
        let observation = observe(&args, &backends, &clocks, &array, kubernetes.as_ref(), &gauge, &accepted);
        let renders = Renders::new(RENDER_CACHE_BYTES);
        let renderer = Renderer {
            catalog: backends.catalog.clone(),
            task_context: task_context.clone(),
            view: observation.view.clone(),
            wishes: renders.wishes(),
            time: args.task_time,
            stop: stop_pods.clone(),
        };
        let rendering = tokio::spawn(renderer.run());
        let logs = PodLogs::new(log.book().clone(), kubernetes.as_ref().map(Kubernetes::logs));
        let accept = Accept {
            store: backends.store.clone(),
            catalog: backends.catalog.clone(),
            pixels: inspection::pool(args.memory.as_u64()),
            limits: args.limits(),
            max_upload_bytes: args.max_upload.as_u64(),
            doorbell: Arc::new(move || accepted.notify_one()),
            gauge,
        };
        let state = WebState {
            cut_off: CutOff::default(),
            catalog: backends.catalog,
            store: backends.store,
            accept,
            pixels: task_context.pixels,
            view: observation.view,
            events: observation.events.clone(),
            faults: args.allow_faults.then(|| Arc::new(LocalFaults(array.clone())) as Arc<dyn Faults>),
            renders,
            logs: logs.clone(),
            clients: Clients::new(args.client_timeout, args.max_downloads),
        };
        let stop_web = CancellationToken::new();
        let connections = args.max_connections.unwrap_or_else(listen::connections_by_descriptors);
        let limits = listen::Limits { connections, timeout: args.client_timeout };
        let server = tokio::spawn(listen::serve(listener, router(state), limits, stop_web.clone()));
        let mut background = observation.tasks;
        background.extend([measuring, beating]);
        Ok(Self {
            address,
            pods: names,
            coordinator: backends.connector.kind(),
            array,
            server,
            rendering,
            background,
            installation: backends.installation,
            _locks: backends.locks,
            events: observation.events,
            logs,
            linger: args.linger,
            _kubernetes: kubernetes,
            stop_pods,
            stop_web,
        })
    }

    /// Waits until it turns out that this process must not run, because its coordinator or store belongs to another
    /// installation. Returns the reason.
    pub async fn refused(&self) -> String {
        let mut refused = self.installation.refused();
        match refused.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            _ => std::future::pending().await,
        }
    }

    /// Hands over leadership, finishes running work, and stops.
    pub async fn stop(self) {
        self.stop_pods.cancel();
        let patience = Duration::from_secs(2);
        // A pyramid claim that isn't released by then expires.
        let rendering = tokio::time::timeout(patience, self.rendering);
        // The linger is for load balancers, which learn with a delay that this pod is about to stop.
        let _ = tokio::join!(self.array.ended(), tokio::time::sleep(self.linger), rendering);
        self.stop_web.cancel();
        self.background.iter().for_each(JoinHandle::abort);
        self.events.close();
        self.logs.close();
        // A download may still be running, and browsers keep connections open.
        if tokio::time::timeout(patience, self.server).await.is_err() {
            tracing::debug!("closing the connections that are still open");
        }
    }
}

/// What the pods of a process have in common.
struct Pods<'a> {
    args: &'a ServeArgs,
    address: SocketAddr,
    leadership: watch::Sender<kubernetes::Leadership>,
    task_context: &'a TaskContext,
    slots: Slots,
}

impl Pods<'_> {
    /// Starts a pod for each name, with its clock.
    async fn add_to(&self, array: &Array, backends: &Backends, clocks: &[(PodName, Arc<Clock>)]) -> anyhow::Result<()> {
        for (name, clock) in clocks {
            let (link, connector) = backends.connection(self.args.allow_faults).await?;
            // Several pods in one process are no pods of Kubernetes, so none of them reports its leadership.
            let leadership = if clocks.len() == 1 { self.leadership.clone() } else { watch::Sender::new(None) };
            let config = self.config(name.clone(), leadership);
            let (catalog, task_context) = (backends.catalog.clone(), self.task_context.clone());
            let (slots, clock) = (self.slots.clone(), clock.clone());
            array.add(name.clone(), link, move || {
                Arc::new(Pod {
                    config: config.clone(),
                    connector: connector.clone(),
                    catalog: catalog.clone(),
                    task_context: task_context.clone(),
                    slots: slots.clone(),
                    clock: clock.clone(),
                })
            });
        }
        Ok(())
    }

    fn config(&self, name: PodName, leadership: watch::Sender<kubernetes::Leadership>) -> PodConfig {
        let (args, address) = (self.args, self.address.to_string());
        PodConfig {
            address: args.advertise.clone().unwrap_or_else(|| address.clone()),
            // With --advertise, other processes reach this one in another way than by its socket.
            listens: if args.advertise.is_some() { String::new() } else { address },
            min_pods: args.min_pods,
            whole_below: args.whole_below,
            parts_per_task: args.parts_per_task,
            max_active_jobs: args.max_active_jobs,
            abandon_after: args.abandon_after,
            keep_deleted: args.keep_deleted,
            task_time: args.task_time,
            image_time: args.image_time,
            sweep_every: args.sweep_every,
            orphan_grace: args.orphan_grace,
            drain: args.drain,
            faults: args.allow_faults,
            leadership,
            ..PodConfig::named(name)
        }
    }
}

/// Starts to measure the room for uploads.
fn gauge(args: &ServeArgs, backends: &Backends) -> (Gauge, JoinHandle<()>) {
    let (send, figures) = watch::channel(Figures::default());
    let gauge = Gauge::new(args.capacity(), figures);
    let measuring = tokio::spawn(measure(gauge.clone(), send, backends.catalog.clone(), backends.store.clone()));
    (gauge, measuring)
}

/// What the pages show, and the tasks that keep it up to date.
struct Observation {
    view: watch::Receiver<Arc<ClusterView>>,
    events: EventHub,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts to observe the array for the pages. `accepted` reports each accepted upload.
fn observe(
    args: &ServeArgs,
    backends: &Backends,
    clocks: &[(PodName, Arc<Clock>)],
    array: &Array,
    kubernetes: Option<&Kubernetes>,
    gauge: &Gauge,
    accepted: &Arc<Notify>,
) -> Observation {
    let (send_failures, failures) = watch::channel(Vec::new());
    let (send_alert, alert) = watch::channel(None);
    let ended = Arc::new(Notify::new());
    let alerting = tokio::spawn(orphans::follow_alert(backends.catalog.clone(), send_alert));
    let collecting = tokio::spawn(collect_failures(backends.catalog.clone(), send_failures, ended.clone()));
    let (name, clock) = clocks[0].clone();
    let observer = Observer {
        name,
        clock,
        connector: backends.connector.clone(),
        gauge: gauge.clone(),
        min_pods: args.min_pods,
        local: clocks.iter().map(|(name, _)| name.clone()).collect(),
        faults: args.allow_faults,
        accepted: accepted.clone(),
        labels: kubernetes.map_or_else(|| watch::channel(None).1, Kubernetes::labels),
        played: array.faults(),
        failures,
        alert,
    };
    let (send_view, view) = watch::channel(Arc::new(observer.unknown()));
    let events = EventHub::new(view.clone());
    let hub = events.clone();
    let observing = tokio::spawn(observer.run(send_view, move |message| {
        if let Message::Event(Event { what: What::JobEnded { .. } | What::GalleryChanged, .. }) = &message {
            ended.notify_one();
        }
        hub.publish(message);
    }));
    Observation { view, events, tasks: vec![observing, alerting, collecting] }
}

/// Keeps the latest failed images up to date for pages: reads them when a job has ended or the gallery has changed, and
/// otherwise every 30 s.
async fn collect_failures(catalog: Arc<dyn Gallery>, failures: watch::Sender<Vec<Failure>>, ended: Arc<Notify>) {
    /// Number of failures shown.
    const SHOWN: u32 = 8;
    let newest = ImageQuery { limit: Some(SHOWN), state: Some(JobState::Failed), ..ImageQuery::default() };
    loop {
        if let Ok(page) = catalog.images(&newest).await {
            let fresh: Vec<Failure> = page.items.into_iter().map(failure).collect();
            failures.send_if_modified(|known| std::mem::replace(known, fresh.clone()) != fresh);
        }
        // A failed read keeps the last list; a catalog outage is reported elsewhere.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = tokio::time::timeout(Duration::from_secs(30), ended.notified()).await;
    }
}

fn failure(image: Image) -> Failure {
    let at = image.finished.unwrap_or(image.created);
    Failure { image: image.id, name: image.name, reason: image.reason.unwrap_or_default(), at }
}

/// Connects to Kubernetes; `None` if there is no cluster, or this process isn't a single pod. Kubernetes is optional:
/// unusable credentials only cause a warning.
async fn kubernetes(
    args: &ServeArgs,
    names: &[PodName],
    leadership: watch::Receiver<kubernetes::Leadership>,
) -> Option<Kubernetes> {
    // Several pods in one process aren't pods of Kubernetes.
    let [name] = names else { return None };
    if args.kubernetes == UseKubernetes::Off {
        return None;
    }
    let (client, inside) = match kubernetes::connect().await {
        Ok(found) => found?,
        Err(error) => {
            tracing::warn!(%error, "Kubernetes found but unusable; master's pod not labelled");
            return None;
        }
    };
    let (selector, container) = (args.pod_selector.clone(), args.container.clone());
    let settings = kubernetes::Settings { pod: name.to_string(), selector, container, inside };
    tracing::info!(pod = %name, inside, "using Kubernetes for labels and logs");
    Some(Kubernetes::start(client, settings, leadership))
}

/// Injects faults into the pods of this process.
struct LocalFaults(Arc<Array>);

#[async_trait]
impl Faults for LocalFaults {
    async fn play(&self, pod: &PodName, fault: Fault) -> Result<(), FaultError> {
        self.0.play(pod, fault)
    }

    async fn start(&self, pod: &PodName) -> Result<(), FaultError> {
        self.0.start(pod)
    }
}
