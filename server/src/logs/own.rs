//! What this process says itself: a layer of `tracing` that writes into a [`LogBook`].

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

/// Lines that are kept until it is known which pods the process has.
const EARLY: usize = 200;

/// The logs of this process's pods. What names a pod (`pod = …`) is that pod's; what names none is the process's, and
/// so every pod's. Clones are the same.
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
    /// Where the lines are.
    pub fn book(&self) -> &LogBook {
        &self.book
    }

    /// The process has these pods. What it said before is theirs too.
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

/// ns since 1970.
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
        // Writing to a string doesn't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        if field.name() == "pod" {
            self.pod = Some(format!("{value:?}"));
        }
    }
}
