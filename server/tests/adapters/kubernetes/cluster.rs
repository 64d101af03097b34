//! The cluster: its pods with their labels and logs, the changes that watches report, and the rules for requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// What happens to a request.
#[derive(Clone)]
pub enum Meets {
    /// It is answered with this status.
    Status(u16),
    /// It isn't carried out, and never answered.
    Silence,
    /// It is carried out once there is a permit, whether or not its client still waits.
    Hold(Arc<Semaphore>),
    /// The stream breaks after this many items.
    Break(usize),
    /// The stream stalls after this many items.
    Stall(usize),
}

pub struct Rule {
    pub method: Method,
    /// End of the path, or part of the query.
    pub part: &'static str,
    pub times: usize,
    pub meets: Meets,
}

#[derive(Clone)]
pub struct Line {
    pub at: String,
    pub text: String,
}

#[derive(Default)]
pub struct Log {
    pub starts: Vec<Vec<Line>>,
}

#[derive(Default)]
pub struct State {
    pub version: u64,
    /// Watches can't start before this version.
    pub forgotten: u64,
    pub pods: BTreeMap<String, Value>,
    pub events: Vec<(u64, &'static str, Value)>,
    pub logs: BTreeMap<String, Log>,
    pub rules: Vec<Rule>,
    pub requests: Vec<String>,
    /// The pods labelled master after each change, with their epochs.
    pub history: Vec<Vec<(String, u64)>>,
}

/// The cluster. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    state: Arc<Mutex<State>>,
    pub changed: watch::Sender<u64>,
}

impl Cluster {
    pub fn new() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(0) }
    }

    /// Applies `meets` to the next `times` requests of this method whose path or query matches.
    pub fn next(&self, times: usize, method: Method, part: &'static str, meets: Meets) {
        self.state().rules.push(Rule { method, part, times, meets });
    }

    /// Removes all rules.
    pub fn calm(&self) {
        self.state().rules.clear();
    }

    pub fn add(&self, name: &str, role: &str) {
        let uid = format!("{name}-{}", self.state().version);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "ns", "uid": uid, "labels": { "app": "evenlight", "role": role } },
            "spec": { "containers": [{ "name": "evenlight" }] },
            "status": { "containerStatuses": [container(0, json!({}))] },
        });
        self.state().logs.insert(name.to_owned(), Log { starts: vec![Vec::new()] });
        self.write(name, "ADDED", |kept| *kept = pod);
    }

    pub fn delete(&self, name: &str) {
        {
            let mut state = self.state();
            let pod = state.pods.remove(name).unwrap();
            state.logs.remove(name);
            state.note("DELETED", pod);
        }
        self.wake();
    }

    /// Updates a pod, as the kubelet does all the time.
    pub fn touch(&self, name: &str) {
        self.write(name, "MODIFIED", |pod| pod["status"]["phase"] = json!("Running"));
    }

    /// Labels a pod by hand.
    pub fn label(&self, name: &str, role: &str) {
        self.write(name, "MODIFIED", |pod| pod["metadata"]["labels"]["role"] = json!(role));
    }

    /// Ends the container and starts it again.
    pub fn restart(&self, name: &str, code: i32) {
        let starts = {
            let mut state = self.state();
            let log = state.logs.get_mut(name).unwrap();
            log.starts.push(Vec::new());
            log.starts.len() - 1
        };
        let ended =
            json!({ "terminated": { "exitCode": code, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z" } });
        self.write(name, "MODIFIED", |pod| pod["status"]["containerStatuses"] = json!([container(starts, ended)]));
    }

    /// Adds a line to a pod's log, at this many ms after the hour.
    pub fn say(&self, name: &str, ms: u64, text: &str) {
        let at = format!("2026-01-01T00:{:02}:{:02}.{:03}000000Z", ms / 60_000, ms / 1_000 % 60, ms % 1_000);
        let line = Line { at, text: text.to_owned() };
        self.state().logs.get_mut(name).unwrap().starts.last_mut().unwrap().push(line);
        self.wake();
    }

    /// Forgets old versions: watches from them are refused as too old, and running ones end.
    pub fn forget_versions(&self) {
        {
            let mut state = self.state();
            state.version += 1;
            state.forgotten = state.version;
            state.events.clear();
        }
        self.wake();
    }

    /// Returns `name: role epoch` for every pod.
    pub fn roles(&self) -> Vec<String> {
        let state = self.state();
        let epoch = |pod: &Value| pod["metadata"]["annotations"]["evenlight/epoch"].as_str().unwrap_or("-").to_owned();
        let role = |pod: &Value| pod["metadata"]["labels"]["role"].as_str().unwrap_or("-").to_owned();
        state.pods.iter().map(|(name, pod)| format!("{name}: {} {}", role(pod), epoch(pod))).collect()
    }

    /// Waits until the roles are these.
    pub async fn until(&self, roles: &[&str]) {
        let mut changed = self.changed.subscribe();
        let wait = changed.wait_for(|_| self.roles() == roles);
        if tokio::time::timeout(Duration::from_secs(300), wait).await.is_err() {
            panic!("expected {roles:?}, got {:?} after {:?}", self.roles(), self.requests());
        }
    }

    /// Returns the pods labelled master after each change, with their epochs.
    pub fn history(&self) -> Vec<Vec<(String, u64)>> {
        self.state().history.clone()
    }

    /// Returns `METHOD path` for every request.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Waits until there were this many matching requests.
    pub async fn asked(&self, like: &str, times: usize) {
        let mut changed = self.changed.subscribe();
        let enough = |_: &u64| self.requests().iter().filter(|request| request.contains(like)).count() >= times;
        let wait = changed.wait_for(enough);
        tokio::time::timeout(Duration::from_secs(300), wait).await.expect("no such request came").unwrap();
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn wake(&self) {
        self.changed.send_modify(|times| *times += 1);
    }

    pub fn write(&self, name: &str, kind: &'static str, change: impl FnOnce(&mut Value)) -> Value {
        let pod = {
            let mut state = self.state();
            let mut pod = state.pods.get(name).cloned().unwrap_or_default();
            change(&mut pod);
            pod["metadata"]["resourceVersion"] = json!((state.version + 1).to_string());
            state.pods.insert(name.to_owned(), pod.clone());
            state.note(kind, pod.clone());
            pod
        };
        self.wake();
        pod
    }
}

impl State {
    fn note(&mut self, kind: &'static str, pod: Value) {
        self.version += 1;
        self.events.push((self.version, kind, pod));
        let masters = self.pods.iter().filter(|(_, pod)| pod["metadata"]["labels"]["role"] == "master");
        let epoch =
            |pod: &Value| pod["metadata"]["annotations"]["evenlight/epoch"].as_str().unwrap_or("0").parse().unwrap();
        let masters: Vec<_> = masters.map(|(name, pod)| (name.clone(), epoch(pod))).collect();
        self.history.push(masters);
    }
}

fn container(restarts: usize, last: Value) -> Value {
    json!({ "name": "evenlight", "restartCount": restarts, "ready": true, "image": "", "imageID": "",
        "state": { "running": {} }, "lastState": last })
}
