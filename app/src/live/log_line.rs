//! Line of a pod's log, and its severity.

use shared::log::LogKind;

/// Severity of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every single step.
    Trace,
    /// For debugging.
    Debug,
    /// Of possible interest to an operator.
    #[default]
    Info,
    /// Should be known to an operator.
    Warn,
    /// Needs an operator's attention.
    Error,
}

impl Level {
    /// All levels.
    pub const ALL: [Level; 5] = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];

    /// Returns the name, for styles.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// Detects the level of a line, among its first words or as a JSON field. Lines without one are [`Level::Info`].
    pub fn of(line: &str) -> Self {
        let start: String = line.chars().take(100).collect();
        let mut words = start.split(|character: char| !character.is_ascii_alphabetic());
        let level = |word: &str| match word {
            "TRACE" => Some(Level::Trace),
            "DEBUG" => Some(Level::Debug),
            "INFO" => Some(Level::Info),
            "WARN" => Some(Level::Warn),
            "ERROR" => Some(Level::Error),
            _ => None,
        };
        words.find_map(level).unwrap_or_default()
    }
}

/// Line of a pod's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time in ns since 1970, and index among the entries of that time.
    pub id: (i64, u32),
    /// Kind of entry.
    pub kind: LogKind,
    /// Severity.
    pub level: Level,
    /// When it was logged, in ms since 1970.
    pub at: i64,
    /// The log line, or the note.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_grave_it_is() {
        let of = |line: &str| Level::of(line).name();
        assert_eq!(of("2026-11-22T14:03:22.071Z  WARN evenlight::pod: killed pod=pod-1"), "warn");
        assert_eq!(of(r#"{"timestamp":"2026-11-22T14:03:22Z","level":"ERROR","fields":{}}"#), "error");
        assert_eq!(of("a line of something else, warned WARNING"), "info");
    }
}
