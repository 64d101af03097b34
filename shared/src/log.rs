//! Log entries of pods, as streamed to browsers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::PodName;

/// Entry of a pod's log: the data of a server-sent event whose name is `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Kind of entry.
    pub kind: LogKind,
    /// When it was logged, in ms since 1970, by the clock of the pod's machine.
    pub at: i64,
    /// The log line, or the note.
    pub text: String,
}

/// Kind of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Line logged by the pod.
    Line,
    /// Note about the log itself: it was restarted, or lines are missing.
    Note,
}

impl LogKind {
    /// Returns the server-sent event's name.
    pub const fn name(self) -> &'static str {
        match self {
            LogKind::Line => "line",
            LogKind::Note => "note",
        }
    }
}

/// Entry of one pod's log within a stream of several: a message `log` of `GET /api/events?logs=true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLine {
    /// The pod that logged it.
    pub pod: PodName,
    /// Id of the entry in the pod's log. A note has the id of the preceding line.
    pub id: LogId,
    /// Kind of entry.
    pub kind: LogKind,
    /// When it was logged, in ms since 1970.
    pub at: i64,
    /// The log line, or the note.
    pub text: String,
}

/// Id of an entry in a pod's log, the same whichever pod relays it: its time, and its index among the entries of that time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogId {
    /// Time in ns since 1970.
    pub at: i64,
    /// Index, from 0.
    pub nth: u32,
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.nth)
    }
}

impl From<LogId> for String {
    fn from(id: LogId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for LogId {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for LogId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, nth) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self { at: at.parse()?, nth: nth.parse()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_survives_the_browser() {
        let id = LogId { at: 1_700_000_000_123_456_789, nth: 3 };
        assert_eq!(id.to_string().parse::<LogId>().unwrap(), id);
        assert!("abc-7".parse::<LogId>().is_err());
    }
}
