//! The API server of a cluster in memory, and the pods that run Evenlight against it. A request that was sent is carried out, whether
//! or not its client still waits.

use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use server::kube::{Kubernetes, Leadership, Settings};
use shared::cluster::Labels;
use tokio::sync::watch;

use super::cluster::{Cluster, Meets, Rule};

/// A pod of the cluster that runs Evenlight.
pub struct Pod {
    pub kubernetes: Kubernetes,
    pub leads: watch::Sender<Leadership>,
}

impl Pod {
    /// Waits until the labels shown satisfy `good`, and returns them.
    pub async fn shows(&self, good: impl Fn(&Labels) -> bool) -> Labels {
        let mut labels = self.kubernetes.labels();
        let wait = labels.wait_for(|labels| labels.as_ref().is_some_and(&good));
        let shown = tokio::time::timeout(Duration::from_secs(300), wait).await;
        shown.unwrap_or_else(|_| panic!("it shows {:?}", self.kubernetes.labels().borrow())).unwrap().clone().unwrap()
    }
}

impl Cluster {
    /// Creates a cluster with these pods, and runs Evenlight in each.
    pub fn with(names: &[&str]) -> (Self, Vec<Pod>) {
        let cluster = Self::new();
        names.iter().for_each(|name| cluster.add(name, "worker"));
        let pods = names.iter().map(|name| cluster.run(name, true)).collect();
        (cluster, pods)
    }

    /// Runs Evenlight in the pod of this name.
    pub fn run(&self, name: &str, inside: bool) -> Pod {
        let leads = watch::Sender::new(None);
        let settings = Settings {
            pod: name.to_owned(),
            selector: "app=evenlight".to_owned(),
            container: "evenlight".to_owned(),
            inside,
        };
        Pod { kubernetes: Kubernetes::start(self.client(), settings, leads.subscribe()), leads }
    }

    /// Returns a client of this server.
    pub fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let cluster = cluster.clone();
            let done = tokio::spawn(async move { cluster.serve(request).await });
            async move { Ok::<_, std::convert::Infallible>(done.await.unwrap()) }
        });
        Client::new(service, "ns")
    }

    async fn serve(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
        let meets = {
            let mut state = self.state();
            state.requests.push(format!("{} {path}?{query}", parts.method));
            let like = |rule: &&mut Rule| {
                rule.times > 0
                    && rule.method == parts.method
                    && (path.ends_with(rule.part) || query.contains(rule.part))
            };
            state.rules.iter_mut().find(like).map(|rule| {
                rule.times -= 1;
                rule.meets.clone()
            })
        };
        self.wake();
        match meets {
            Some(Meets::Status(code)) => return status(code, "as the scenario says"),
            Some(Meets::Silence) => pending().await,
            Some(Meets::Hold(gate)) => gate.acquire().await.unwrap().forget(),
            Some(Meets::Break(items)) => return self.answer(&parts.method, &path, &query, &body, End::Broken(items)),
            Some(Meets::Stall(items)) => return self.answer(&parts.method, &path, &query, &body, End::Silent(items)),
            None => {}
        }
        self.answer(&parts.method, &path, &query, &body, End::Never)
    }

    fn answer(&self, method: &Method, path: &str, query: &str, body: &[u8], end: End) -> Response<Body> {
        let query = Query(query);
        let name = path.strip_prefix("/api/v1/namespaces/ns/pods").expect("only pods are asked for").trim_matches('/');
        match (method.as_str(), name.split_once('/')) {
            ("GET", Some((name, "log"))) => self.log(name, &query, end),
            ("GET", None) if name.is_empty() && query.is("watch") => self.watch(query.number("resourceVersion"), end),
            ("GET", None) if name.is_empty() => {
                assert_eq!(query.get("labelSelector").as_deref(), Some("app%3Devenlight"));
                let state = self.state();
                let items: Vec<&Value> = state.pods.values().collect();
                let metadata = json!({ "resourceVersion": state.version.to_string() });
                ok(json!({ "apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items }))
            }
            ("GET", None) => {
                self.state().pods.get(name).map_or_else(|| status(404, "no such pod"), |pod| ok(pod.clone()))
            }
            ("PATCH", None) => self.patch(name, &serde_json::from_slice(body).unwrap()),
            other => panic!("not played: {other:?}"),
        }
    }

    fn patch(&self, name: &str, patch: &Value) -> Response<Body> {
        let Some(kept) = self.state().pods.get(name).cloned() else { return status(404, "no such pod") };
        let metadata = &patch["metadata"];
        let expected = &metadata["resourceVersion"];
        if !expected.is_null() && *expected != kept["metadata"]["resourceVersion"] {
            return status(409, "the object has been modified");
        }
        let pod = self.write(name, "MODIFIED", |pod| {
            for part in ["labels", "annotations"] {
                for (key, value) in metadata[part].as_object().into_iter().flatten() {
                    pod["metadata"][part][key] = value.clone();
                }
            }
        });
        ok(pod)
    }

    fn watch(&self, from: u64, end: End) -> Response<Body> {
        let cluster = self.clone();
        self.stream(end, move |given| {
            let state = cluster.state();
            let from = if given == 0 { from } else { given };
            if from < state.forgotten {
                let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired",
                    "status": "Failure", "message": "too old resource version" } });
                return Next::Last(gone.to_string() + "\n");
            }
            let event = state.events.iter().find(|(version, ..)| *version > from);
            match event {
                Some((version, kind, pod)) => {
                    Next::Item(*version, json!({ "type": kind, "object": pod }).to_string() + "\n")
                }
                None => Next::Wait,
            }
        })
    }

    fn log(&self, name: &str, query: &Query<'_>, end: End) -> Response<Body> {
        assert_eq!(query.get("container").as_deref(), Some("evenlight"), "a pod may have other containers");
        assert!(query.is("timestamps"));
        let start = {
            let state = self.state();
            let Some(log) = state.logs.get(name) else { return status(404, "no such pod") };
            let last = log.starts.len() - 1;
            match (query.is("previous"), last) {
                (true, 0) => return status(400, "previous terminated container not found"),
                (true, last) => last - 1,
                (false, last) => last,
            }
        };
        let since = query.get("sinceTime").map(|time| time.replace("%3A", ":").parse::<Timestamp>().unwrap());
        assert!(since.is_none_or(|since| since.subsec_nanosecond() == 0), "the API takes whole seconds");
        let (cluster, name, follow) = (self.clone(), name.to_owned(), query.is("follow"));
        self.stream(end, move |given| {
            let state = cluster.state();
            let Some(log) = state.logs.get(&name) else { return Next::End };
            let mut lines = log.starts[start]
                .iter()
                .filter(|line| since.is_none_or(|since| line.at.parse::<Timestamp>().unwrap() >= since));
            match lines.nth(given as usize) {
                Some(line) => Next::Item(given + 1, format!("{} {}\n", line.at, line.text)),
                None if follow && start + 1 == log.starts.len() => Next::Wait,
                None => Next::End,
            }
        })
    }

    /// Returns a body whose items are sent as they arise; `next` gets the number that the item before had.
    fn stream(&self, end: End, next: impl Fn(u64) -> Next + Send + 'static) -> Response<Body> {
        let mut changed = self.changed.subscribe();
        let body = async_stream::stream! {
            let (mut given, mut items) = (0, 0);
            loop {
                changed.borrow_and_update();
                match end {
                    End::Broken(most) if items == most => {
                        yield Err(std::io::Error::other("the connection broke"));
                        return;
                    }
                    End::Silent(most) if items == most => pending().await,
                    _ => {}
                }
                match next(given) {
                    Next::Item(number, text) => {
                        (given, items) = (number, items + 1);
                        yield Ok(text);
                    }
                    Next::Last(text) => {
                        yield Ok(text);
                        return;
                    }
                    Next::End => return,
                    Next::Wait => changed.changed().await.unwrap(),
                }
            }
        };
        Response::new(Body::from_stream(body))
    }
}

#[derive(Clone, Copy)]
enum End {
    Never,
    Broken(usize),
    Silent(usize),
}

enum Next {
    Item(u64, String),
    Last(String),
    Wait,
    End,
}

/// The query of a request.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, key: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }

    fn is(&self, key: &str) -> bool {
        self.get(key).as_deref() == Some("true")
    }

    fn number(&self, key: &str) -> u64 {
        self.get(key).map_or(0, |value| value.parse().unwrap())
    }
}

fn ok(body: Value) -> Response<Body> {
    Response::new(Body::from(body.to_string()))
}

fn status(code: u16, message: &str) -> Response<Body> {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "Told" });
    Response::builder().status(code).body(Body::from(body.to_string())).unwrap()
}
