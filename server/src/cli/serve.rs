//! Options of `evenlight serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use codec::Limits;
use pipeline::intake::gauge::Capacity;
use shared::id::PodName;

use super::limits::LimitArgs;

/// Serve the pages and the API, and process images: one process of the array.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = "EVENLIGHT_LISTEN", default_value = "127.0.0.1:3000", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,

    /// Address at which other processes reach this one, if it isn't the one it listens on
    #[arg(long, env = "EVENLIGHT_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,

    /// Folder for everything that --store and --catalog don't place elsewhere
    #[arg(long, env = "EVENLIGHT_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,

    /// Number of pods in this process [default: 5, or 1 with --zookeeper]
    #[arg(long, env = "EVENLIGHT_PODS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub pods: Option<u16>,

    /// Name of the pod; with several pods, -1, -2, … are appended [default: pod, or the host name with --zookeeper]
    #[arg(long, env = "EVENLIGHT_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<PodName>,

    /// ZooKeeper servers; without them, the pods of this process coordinate among themselves
    #[arg(long, env = "EVENLIGHT_ZOOKEEPER", value_name = "HOST:PORT,…[/CHROOT]")]
    pub zookeeper: Option<String>,

    /// Store of pixels and files: a folder or s3://bucket/prefix [default: DATA/store]
    #[arg(long, env = "EVENLIGHT_STORE", value_name = "URL")]
    pub store: Option<String>,

    /// Catalog of images and jobs: an SQLite file or postgres://… [default: DATA/catalog.sqlite]
    #[arg(long, env = "EVENLIGHT_CATALOG", value_name = "URL")]
    pub catalog: Option<String>,

    /// Session timeout: how long a pod that went silent keeps its locks and its leadership
    #[arg(long, env = "EVENLIGHT_SESSION_TIMEOUT", default_value = "4s", value_name = "TIME", value_parser = session_timeout)]
    pub session_timeout: Duration,

    /// Start no jobs with fewer live pods than this; uploads are accepted and wait
    #[arg(long, env = "EVENLIGHT_MIN_PODS", default_value_t = 1, value_name = "N")]
    pub min_pods: usize,

    /// Process images smaller than this as a single task; 0 runs the map and reduce phases for every image
    #[arg(long, env = "EVENLIGHT_WHOLE_BELOW", default_value_t = 1_000_000, value_name = "PIXELS")]
    pub whole_below: u64,

    /// Parts per task, about 1 MiB of pixels each [default: few enough that every pod gets some, at most about 16 MiB]
    #[arg(long, env = "EVENLIGHT_PARTS_PER_TASK", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub parts_per_task: Option<u32>,

    /// Maximum number of jobs in progress; others wait
    #[arg(long, env = "EVENLIGHT_MAX_ACTIVE_JOBS", default_value_t = 8, value_name = "N", value_parser = at_least_one)]
    pub max_active_jobs: usize,

    /// Maximum number of waiting jobs; beyond it, uploads are answered 503 with Retry-After
    #[arg(long, env = "EVENLIGHT_MAX_BACKLOG", default_value_t = Capacity::default().max_backlog, value_name = "N")]
    pub max_backlog: u64,

    /// Disk space to keep free if the store is a folder; below it, uploads are answered 503 with Retry-After
    #[arg(long, env = "EVENLIGHT_MIN_FREE", default_value = "1GiB", value_name = "BYTES")]
    pub min_free: ByteSize,

    /// Maximum number of uploads that this process receives at a time, each of which takes some memory; others wait for
    /// their turn
    #[arg(long, env = "EVENLIGHT_MAX_UPLOADS", default_value_t = Capacity::default().max_uploads, value_name = "N", value_parser = at_least_one)]
    pub max_uploads: usize,

    /// Maximum number of unfinished resumable uploads, in all processes together
    #[arg(long, env = "EVENLIGHT_MAX_UNFINISHED", default_value_t = Capacity::default().max_unfinished, value_name = "N")]
    pub max_unfinished: u64,

    /// Maximum number of concurrent downloads from this process; others wait up to 20 s for their turn
    #[arg(long, env = "EVENLIGHT_MAX_DOWNLOADS", default_value_t = 256, value_name = "N", value_parser = at_least_one)]
    pub max_downloads: usize,

    /// Maximum number of client connections [default: half of the process's file descriptors, at most 10,000]
    #[arg(long, env = "EVENLIGHT_MAX_CONNECTIONS", value_name = "N", value_parser = at_least_one)]
    pub max_connections: Option<usize>,

    /// Give up on a client that sends less than 4 KiB, or reads less than 32 KiB, while the server waits for it this
    /// long
    #[arg(long, env = "EVENLIGHT_CLIENT_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub client_timeout: Duration,

    /// Number of threads for pixel work, shared by the process's pods [default: the number of cores]
    #[arg(long, env = "EVENLIGHT_THREADS", value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,

    /// Memory for pixel work, shared by the process's pods
    #[arg(long, env = "EVENLIGHT_MEMORY", default_value = "1GiB", value_name = "BYTES")]
    pub memory: ByteSize,

    /// Limits of an image's size.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Maximum size of an upload; larger ones are refused
    #[arg(long, env = "EVENLIGHT_MAX_UPLOAD", default_value = "16GiB", value_name = "BYTES")]
    pub max_upload: ByteSize,

    /// Abandon an upload after this long without data (a resumable one that has some, after a day at least)
    #[arg(long, env = "EVENLIGHT_ABANDON_AFTER", default_value = "15min", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub abandon_after: Duration,

    /// Keep deleted images this long, so that deletion can be undone
    #[arg(long, env = "EVENLIGHT_KEEP_DELETED", default_value = "1day", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub keep_deleted: Duration,

    /// Time limit for the work on a task; an attempt that exceeds it fails, and after three of them the job
    #[arg(long, env = "EVENLIGHT_TASK_TIME", default_value = "30min", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub task_time: Duration,

    /// Time limit for the work on an image, all of its tasks together; a job that exceeds it fails
    #[arg(long, env = "EVENLIGHT_IMAGE_TIME", default_value = "12h", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub image_time: Duration,

    /// Interval at which the store is searched for objects that are no longer needed
    #[arg(long, env = "EVENLIGHT_SWEEP_EVERY", default_value = "10min", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub sweep_every: Duration,

    /// Keep an object in the store that the catalog doesn't know this long, as after restoring a backup
    /// (see `evenlight orphans`)
    #[arg(long, env = "EVENLIGHT_ORPHAN_GRACE", default_value = "1day", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub orphan_grace: Duration,

    /// On shutdown, wait this long for running tasks to finish
    #[arg(long, env = "EVENLIGHT_DRAIN", default_value = "20s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// On shutdown, answer requests for at least this long, until no more are routed to this process
    #[arg(long, env = "EVENLIGHT_LINGER", default_value = "0s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub linger: Duration,

    /// Whether to label the master's pod and read pods' logs through Kubernetes [auto: in a cluster, or if KUBECONFIG
    /// is set]
    #[arg(long, env = "EVENLIGHT_KUBERNETES", value_enum, default_value_t = UseKubernetes::Auto)]
    pub kubernetes: UseKubernetes,

    /// Label selector of this array's pods in the namespace
    #[arg(
        long,
        env = "EVENLIGHT_POD_SELECTOR",
        default_value = "app.kubernetes.io/name=evenlight",
        value_name = "LABELS"
    )]
    pub pod_selector: String,

    /// Container whose log is shown, in each of those pods
    #[arg(long, env = "EVENLIGHT_CONTAINER", default_value = "evenlight", value_name = "NAME")]
    pub container: String,

    /// Allow anyone who can reach the page to kill, freeze, cut off and start pods
    #[arg(long, env = "EVENLIGHT_ALLOW_FAULTS")]
    pub allow_faults: bool,
}

/// Use of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum UseKubernetes {
    /// In a cluster, or if KUBECONFIG is set.
    Auto,
    /// Never.
    Off,
}

impl ServeArgs {
    /// Limits of an image's size.
    pub fn limits(&self) -> Limits {
        Limits::from(&self.limits)
    }

    /// Limits of the backlog and of uploads, and the disk space to keep free.
    pub fn capacity(&self) -> Capacity {
        let min_free = self.min_free.as_u64();
        Capacity {
            max_backlog: self.max_backlog,
            min_free,
            max_uploads: self.max_uploads,
            max_unfinished: self.max_unfinished,
        }
    }

    /// Returns the names of the process's pods.
    ///
    /// # Errors
    /// A sentence, if a name isn't a valid pod name or the host name is unknown.
    pub fn pod_names(&self) -> Result<Vec<PodName>, String> {
        let base = match (&self.pod_name, &self.zookeeper) {
            (Some(name), _) => name.to_string(),
            (None, None) => "pod".to_owned(),
            (None, Some(_)) => host_name().ok_or("expected --pod-name, because HOSTNAME is not set")?,
        };
        let pods = self.pods.unwrap_or(if self.zookeeper.is_some() { 1 } else { 5 });
        if pods == 1 && (self.pod_name.is_some() || self.zookeeper.is_some()) {
            return Ok(vec![base.parse().map_err(|error: shared::id::IdError| error.to_string())?]);
        }
        let name =
            |index: u16| format!("{base}-{index}").parse().map_err(|error: shared::id::IdError| error.to_string());
        (1..=pods).map(name).collect()
    }
}

fn host_name() -> Option<String> {
    let named = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    named.or_else(|| std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()))
}

fn session_timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}; expected a time like 4s or 500ms"))?;
    let range = Duration::from_millis(200)..=Duration::from_secs(300);
    if range.contains(&time) { Ok(time) } else { Err("expected 200ms to 5min".to_owned()) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(args: &[&str]) -> Result<ServeArgs, String> {
        let all = ["evenlight"].iter().chain(args);
        Cli::try_parse_from(all).map(|cli| cli.serve).map_err(|error| error.to_string())
    }

    #[test]
    fn five_pods_in_one_process_are_the_default() {
        let names = parse(&[]).unwrap().pod_names().unwrap();
        assert_eq!(
            names.iter().map(PodName::as_str).collect::<Vec<_>>(),
            ["pod-1", "pod-2", "pod-3", "pod-4", "pod-5"]
        );
    }

    #[test]
    fn one_pod_with_zookeeper_bears_its_name() {
        let names = parse(&["--zookeeper", "127.0.0.1:2181", "--pod-name", "web-0"]).unwrap().pod_names().unwrap();
        assert_eq!(names.iter().map(PodName::as_str).collect::<Vec<_>>(), ["web-0"]);
    }

    #[test]
    fn wrong_values_are_refused_with_what_was_expected() {
        for (args, expected) in [
            (vec!["--session-timeout", "1ms"], "expected 200ms to 5min"),
            (vec!["--session-timeout", "soon"], "expected a time like 4s or 500ms"),
            (vec!["--threads", "0"], "expected a whole number of at least 1"),
            (vec!["--pod-name", "Pod/1"], "1 to 63 characters of a-z"),
            (vec!["--listen", "3000"], "invalid socket address"),
            (vec!["--memory", "lots"], "--memory"),
            (vec!["--pods", "0"], "1..=100"),
        ] {
            let error = parse(&args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
    }
}
