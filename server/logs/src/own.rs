//! This process's own log: a `tracing` layer that writes to a [`LogBook`].

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use shared::id::PodName;
use shared::log::LogKind;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::LogBook;

/// Lines buffered until the process's pods are known.
const EARLY: usize = 200;

/// The logs of this process's pods. An event with a field `pod` goes to that pod's log; any other belongs to the
/// process, and goes to the logs of all its pods. Clones share the logs.
#[derive(Clone, Default)]
pub struct OwnLog {
    book: LogBook,
    pods: Arc<Mutex<Pods>>,
}

#[derive(Default)]
struct Pods {
    names: Vec<PodName>,
    early: VecDeque<(i64, String)>,
}

impl OwnLog {
    /// Returns the book with the lines.
    pub fn book(&self) -> &LogBook {
        &self.book
    }

    /// Sets the process's pods. Their logs also get the lines buffered so far.
    pub fn belongs_to(&self, names: &[PodName]) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            self.book.open(name);
            for (at, line) in &pods.early {
                self.book.say(name, *at, LogKind::Line, line);
            }
        }
        (pods.names, pods.early) = (names.to_vec(), VecDeque::new());
    }

    fn take(&self, at: i64, pod: Option<&str>, line: &str) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if pods.names.is_empty() {
            pods.early.push_back((at, line.to_owned()));
            if pods.early.len() > EARLY {
                pods.early.pop_front();
            }
            return;
        }
        let named = pods.names.iter().find(|name| Some(name.as_str()) == pod);
        for name in named.map_or(pods.names.as_slice(), std::slice::from_ref) {
            self.book.say(name, at, LogKind::Line, line);
        }
    }
}

impl<S: Subscriber> Layer<S> for OwnLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let text = format!("{:>5} {}: {}{}", metadata.level(), metadata.target(), line.message, line.fields);
        self.take(now_ns(), line.pod.as_deref(), &text);
    }
}

/// Returns the time in ns since 1970.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// An event as text.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    pod: Option<String>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        if field.name() == "pod" {
            self.pod = Some(format!("{value:?}"));
        }
    }
}
