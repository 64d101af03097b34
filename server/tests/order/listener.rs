//! Records a process's stream of events.

use shared::event::{Event, What};
use testkit::wait::PATIENCE;
use tokio::sync::watch;

/// Records every event that a process lists, in order of arrival, until dropped or the process ends.
pub struct Listener {
    name: String,
    heard: watch::Receiver<Vec<Event>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Starts to record the process at this address.
    pub fn new(name: &str, address: String) -> Self {
        let (hears, heard) = watch::channel(Vec::new());
        let task = tokio::spawn(listen(address, hears));
        Self { name: name.to_owned(), heard, task }
    }

    /// Returns the process's name and its events.
    pub fn heard(&self) -> (String, Vec<Event>) {
        (self.name.clone(), self.heard.borrow().clone())
    }

    /// Waits until a matching event was recorded.
    pub async fn until(&self, what: &str, found: impl Fn(&What) -> bool) {
        let mut heard = self.heard.clone();
        let wait = heard.wait_for(|events| events.iter().any(|event| found(&event.what)));
        let came = matches!(tokio::time::timeout(PATIENCE, wait).await, Ok(Ok(_)));
        assert!(came, "{} didn't hear of {what}: {:#?}", self.name, self.heard());
    }
}

async fn listen(address: String, heard: watch::Sender<Vec<Event>>) {
    let stream = format!("http://{address}/api/events?recent=2000");
    let mut answer = reqwest::get(stream).await.unwrap();
    let mut text = Vec::new();
    // The death of the process breaks the stream; the list then ends.
    while let Ok(Some(chunk)) = answer.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let message = String::from_utf8(text.drain(..end + 2).collect()).unwrap();
            let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            match field("event:") {
                Some("event") => {
                    let event = serde_json::from_str(field("data:").unwrap()).unwrap();
                    heard.send_modify(|heard| heard.push(event));
                }
                Some("gap") => panic!("events were lost on the way: the test is too slow for its ring"),
                _ => {}
            }
        }
    }
}
