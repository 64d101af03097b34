//! Parser of log lines as sent by Kubernetes: `2026-01-02T03:04:05.123456789Z text`.

use std::io;

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::jiff::Timestamp;
use logs::LONGEST_LINE;

use super::pods::nanoseconds;

/// Maximum length kept of a line, in bytes: a line may arrive in any number of pieces, and may be larger than memory.
const MAX_LINE_BYTES: usize = LONGEST_LINE + 64;

/// A line of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Time, in ns since 1970.
    pub(super) at: i64,
    pub(super) text: &'a str,
}

/// Reads the next line into `line`, without its line break. Returns `false` at the end of the stream.
///
/// # Cancellation
/// Not safe: a partially read line is lost. Abandon the stream.
pub(super) async fn next(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut begun = false;
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok(begun);
        }
        begun = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let (taken, used) = end.map_or((piece.len(), piece.len()), |end| (end, end + 1));
        line.extend_from_slice(&piece[..taken.min(MAX_LINE_BYTES.saturating_sub(line.len()))]);
        reader.consume_unpin(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Parses time and text; returns `None` if the line has no time, as in messages that Kubernetes sends when it can't read the
/// log.
pub(super) fn parse(line: &str) -> Option<Line<'_>> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    Some(Line { at: nanoseconds(time.parse::<Timestamp>().ok()?), text })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond_in_any_zone() {
        let line = parse("2026-01-02T03:04:05.000000007Z said  twice").unwrap();
        assert_eq!(line, Line { at: 1_767_323_045_000_000_007, text: "said  twice" });
        assert_eq!(parse("2026-01-02T04:04:05.000000007+01:00 said  twice").unwrap(), line);
        assert_eq!(parse("2026-01-02T03:04:05Z").unwrap().text, "");
        assert_eq!(parse("unable to retrieve container logs for containerd://x"), None);
    }

    #[tokio::test]
    async fn a_line_without_end_takes_no_more_memory_than_a_long_one() {
        let mut log = vec![b'a'; 1 << 20];
        log.extend_from_slice(b"\nnext\n\nlast");
        let mut reader = futures::io::BufReader::with_capacity(7, futures::io::Cursor::new(log));
        let mut line = Vec::new();
        assert!(next(&mut reader, &mut line).await.unwrap());
        assert_eq!(line.len(), MAX_LINE_BYTES);
        for expected in ["next", "", "last"] {
            assert!(next(&mut reader, &mut line).await.unwrap());
            assert_eq!(line, expected.as_bytes());
        }
        assert!(!next(&mut reader, &mut line).await.unwrap());
    }
}
