//! What pods say, line by line, as a browser gets it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::PodName;

/// One entry of a pod's log: the data of a server-sent event that is named as its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// What it is.
    pub kind: LogKind,
    /// When it was said, in ms since 1970, by the clock of the machine where the pod runs.
    pub at: i64,
    /// The line, or the sentence.
    pub text: String,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// What the pod said.
    Line,
    /// What is said about the pod's log: it was started again, or lines are missing.
    Note,
}

impl LogKind {
    /// The server-sent event's name.
    pub const fn name(self) -> &'static str {
        match self {
            LogKind::Line => "line",
            LogKind::Note => "note",
        }
    }
}

/// An entry of one of many pods' logs: a message `log` of `GET /api/events?logs=true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLine {
    /// The pod.
    pub pod: PodName,
    /// Which entry of its log it is. A note has that of the line before it.
    pub id: LogId,
    /// What it is.
    pub kind: LogKind,
    /// When it was said, in ms since 1970.
    pub at: i64,
    /// The line, or the sentence.
    pub text: String,
}

/// Which entry of a pod's log it is, whoever passes it on: its time, and its place among those of the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogId {
    /// ns since 1970.
    pub at: i64,
    /// From 0.
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
