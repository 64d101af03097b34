//! A running process: starts and connects the coordinator, store, catalog, pods, observer and web server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use catalog::Gallery;
use coord::{Connector, FaultLink, embedded, zookeeper};
use kubernetes::Kubernetes;
use logs::OwnLog;
use pipeline::accept::Accept;
use pipeline::gauge::{Figures, Gauge, measure};
use pipeline::inspection;
use pipeline::orphans;
use pipeline::pixels::Pixels;
use pipeline::stage::TaskContext;
use pod::array::Array;
use pod::installation::{Installation, Places};
use pod::observer::Observer;
use pod::renderer::Renderer;
use pod::slots::Slots;
use pod::{Pod, PodConfig};
use shared::clock::Clock;
use shared::cluster::{Failure, Fault};
use shared::event::{Event, Message, What};
use shared::gallery::{Image, ImageQuery};
use shared::id::PodName;
use shared::job::JobState;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use web::{Clients, CutOff, EventHub, FaultError, Faults, PodLogs, Renders, WebState, listen, router};

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
    server: tokio::task::JoinHandle<()>,
    observer: tokio::task::JoinHandle<()>,
    measuring: tokio::task::JoinHandle<()>,
    rendering: tokio::task::JoinHandle<()>,
    collecting: tokio::task::JoinHandle<()>,
    alerting: tokio::task::JoinHandle<()>,
    beating: tokio::task::JoinHandle<()>,
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
    pub async fn start_logged(args: ServeArgs, said: OwnLog) -> anyhow::Result<Self> {
        base::crypto::install();
        let names = args.pod_names().map_err(anyhow::Error::msg)?;
        said.belongs_to(&names);
        let listener =
            TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        std::fs::create_dir_all(&args.data)
            .with_context(|| format!("can't create the data folder {}", args.data.display()))?;
        let in_data = |name: &str| args.data.join(name).display().to_string();
        let store_url = args.store.clone().unwrap_or_else(|| in_data("store"));
        let store = Store::open(&store_url).with_context(|| format!("can't open the store {store_url}"))?;
        let catalog_url = args.catalog.clone().unwrap_or_else(|| in_data("catalog.sqlite"));
        let mut locks = Locks::take(&args.data, &catalog_url, args.zookeeper.is_none())?;
        let catalog = catalog::open(&catalog_url).await.context("can't open the catalog")?;
        let threads =
            args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let pixels = Pixels::new(threads, args.memory.as_u64());
        let coordination = Coordination::of(&args)?;
        let places = Places {
            catalog: without_password(&catalog_url),
            coordinator: coordination.place(&args, &address),
            store: without_password(&store_url),
        };
        let own = if args.zookeeper.is_none() { Some(locks.coordinator()?) } else { None };
        let installation = Installation::of(catalog.clone(), places, own, locks.keep_others_from_catalog()).await?;
        check_store(&installation, &store).await?;
        let beating = tokio::spawn(installation.clone().beat());
        let connector = installation.guard(coordination.connector());
        let coordinator = connector.kind();
        let task_context = TaskContext { store: store.clone(), pixels: pixels.clone(), limits: args.limits() };

        let leadership = watch::Sender::new(None);
        let kubernetes = kubernetes(&args, &names, leadership.subscribe()).await;
        let stop_pods = CancellationToken::new();
        let array = Arc::new(Array::new(stop_pods.clone()));
        let slots = Slots::new(threads);
        let advertised = args.advertise.clone().unwrap_or_else(|| address.to_string());
        let clocks: Vec<Arc<Clock>> = names.iter().map(|_| Arc::new(Clock::new())).collect();
        for (name, clock) in names.iter().zip(clocks.clone()) {
            let config = PodConfig {
                address: advertised.clone(),
                // With --advertise, other processes reach this one in another way than by its socket.
                listens: args.advertise.as_ref().map_or_else(|| address.to_string(), |_| String::new()),
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
                leadership: if names.len() == 1 { leadership.clone() } else { watch::Sender::new(None) },
                ..PodConfig::named(name.clone())
            };
            let (catalog, task_context, slots) = (catalog.clone(), task_context.clone(), slots.clone());
            let link = if args.allow_faults { Some(coordination.link().await?) } else { None };
            let connector =
                link.clone().map_or_else(|| connector.clone(), |link| installation.guard(link as Arc<dyn Connector>));
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

        let (send_figures, figures) = watch::channel(Figures::default());
        let gauge = Gauge::new(args.capacity(), figures);
        let measuring = tokio::spawn(measure(gauge.clone(), send_figures, catalog.clone(), store.clone()));
        let accepted = Arc::new(Notify::new());
        let (send_failures, failures) = watch::channel(Vec::new());
        let (send_alert, alert) = watch::channel(None);
        let alerting = tokio::spawn(orphans::follow_alert(catalog.clone(), send_alert));
        let ended = Arc::new(Notify::new());
        let collecting = tokio::spawn(collect_failures(catalog.clone(), send_failures, ended.clone()));
        let observer = Observer {
            name: names[0].clone(),
            clock: clocks[0].clone(),
            connector,
            gauge: gauge.clone(),
            min_pods: args.min_pods,
            local: names.clone(),
            faults: args.allow_faults,
            accepted: accepted.clone(),
            labels: kubernetes.as_ref().map_or_else(|| watch::channel(None).1, Kubernetes::labels),
            played: array.faults(),
            failures,
            alert,
        };
        let (send_view, view) = watch::channel(Arc::new(observer.unknown()));
        let events = EventHub::new(view.clone());
        let hub = events.clone();
        let observer = tokio::spawn(observer.run(send_view, move |message| {
            if let Message::Event(Event { what: What::JobEnded { .. } | What::GalleryChanged, .. }) = &message {
                ended.notify_one();
            }
            hub.publish(message);
        }));

        let faults = args.allow_faults.then(|| Arc::new(LocalFaults(array.clone())) as Arc<dyn Faults>);
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels: inspection::pool(args.memory.as_u64()),
            limits: args.limits(),
            max_upload_bytes: args.max_upload.as_u64(),
            doorbell: Arc::new(move || accepted.notify_one()),
            gauge,
        };
        let streams = events.clone();
        let logs = PodLogs::new(said.book().clone(), kubernetes.as_ref().map(Kubernetes::logs));
        let renders = Renders::new(RENDER_CACHE_BYTES);
        let renderer = Renderer {
            catalog: catalog.clone(),
            task_context: task_context.clone(),
            view: view.clone(),
            wishes: renders.wishes(),
            time: args.task_time,
            stop: stop_pods.clone(),
        };
        let rendering = tokio::spawn(renderer.run());
        let state = WebState {
            cut_off: CutOff::default(),
            catalog,
            store,
            accept,
            pixels,
            view,
            events,
            faults,
            renders,
            logs: logs.clone(),
            clients: Clients::new(args.client_timeout, args.max_downloads),
        };
        let stop_web = CancellationToken::new();
        let stopped = stop_web.clone();
        let connections = args.max_connections.unwrap_or_else(listen::connections_by_descriptors);
        let limits = listen::Limits { connections, timeout: args.client_timeout };
        let server = tokio::spawn(listen::serve(listener, router(state), limits, stopped));
        Ok(Self {
            address,
            pods: names,
            coordinator,
            array,
            server,
            observer,
            measuring,
            rendering,
            collecting,
            alerting,
            beating,
            installation,
            _locks: locks,
            events: streams,
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
        self.observer.abort();
        self.measuring.abort();
        self.collecting.abort();
        self.alerting.abort();
        self.beating.abort();
        self.events.close();
        self.logs.close();
        // A download may still be running, and browsers keep connections open.
        if tokio::time::timeout(patience, self.server).await.is_err() {
            tracing::debug!("closing the connections that are still open");
        }
    }
}

/// Checks that the store belongs to this installation before anything is accepted. If the store doesn't answer in time,
/// continues the check in the background.
async fn check_store(installation: &Arc<Installation>, store: &Store) -> anyhow::Result<()> {
    /// How long startup waits for a store that doesn't answer.
    const PATIENCE: Duration = Duration::from_secs(2);
    match tokio::time::timeout(PATIENCE, installation.check_store(store)).await {
        Ok(checked) => checked.map_err(anyhow::Error::msg),
        Err(_) => {
            let (installation, store) = (installation.clone(), store.clone());
            tokio::spawn(async move {
                if let Err(why) = installation.check_store(&store).await {
                    installation.refuse(&why);
                }
            });
            Ok(())
        }
    }
}

/// Removes the password and query from an address, for display.
fn without_password(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(mut url) if url.has_host() => {
            // Fails only for URLs that can't have a password.
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        }
        _ => address.to_owned(),
    }
}

/// The coordinator, as configured.
enum Coordination {
    Embedded(Arc<embedded::Embedded>),
    ZooKeeper(zookeeper::ZooKeeper),
}

impl Coordination {
    fn of(args: &ServeArgs) -> anyhow::Result<Self> {
        let session_timeout = args.session_timeout;
        Ok(match &args.zookeeper {
            None => Self::Embedded(embedded::Embedded::new(embedded::EmbeddedConfig { session_timeout })),
            Some(servers) => Self::ZooKeeper(zookeeper::ZooKeeper::new(servers, session_timeout)?),
        })
    }

    /// Describes where the coordinator is, for display.
    fn place(&self, args: &ServeArgs, address: &SocketAddr) -> String {
        match &args.zookeeper {
            Some(servers) => format!("ZooKeeper {servers}"),
            None => format!("embedded in the process at {address} with the data folder {}", args.data.display()),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        match self {
            Self::Embedded(embedded) => embedded.connector(),
            Self::ZooKeeper(zookeeper) => Arc::new(zookeeper.clone()),
        }
    }

    /// Creates a connector for one pod, which can be cut off without affecting the others.
    async fn link(&self) -> anyhow::Result<Arc<dyn FaultLink>> {
        Ok(match self {
            Self::Embedded(embedded) => embedded::FaultConnector::new(embedded),
            Self::ZooKeeper(zookeeper) => {
                let leashed = zookeeper::FaultConnector::new(zookeeper).await;
                leashed.context("no free port for a pod's connection to ZooKeeper")?
            }
        })
    }
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
