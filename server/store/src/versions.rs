//! Versions of the objects that this process wrote itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum number of objects that are remembered; the oldest are forgotten.
const MAX_OBJECTS: usize = 4_096;

/// How long an object counts as just written. Later its bytes may no longer come from memory but from a disk, which may have
/// changed them without a trace.
const FRESH: Duration = Duration::from_secs(600);

/// The versions of the latest objects that were written.
#[derive(Debug, Default)]
pub(super) struct Versions(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    by_key: HashMap<String, (String, Instant)>,
    order: VecDeque<String>,
}

impl Versions {
    /// Enters an object that was just written, with its version if the store told it. Keys are never reused.
    pub(super) fn enter(&self, key: &str, version: Option<String>) {
        let Some(version) = version else { return };
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.by_key.insert(key.to_owned(), (version, Instant::now())).is_none() {
            latest.order.push_back(key.to_owned());
        }
        while latest.order.len() > MAX_OBJECTS {
            let Some(oldest) = latest.order.pop_front() else { break };
            latest.by_key.remove(&oldest);
        }
    }

    /// Returns the version of an object that was written just now.
    pub(super) fn fresh(&self, key: &str) -> Option<String> {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, since) = latest.by_key.get(key)?;
        (since.elapsed() < FRESH).then(|| version.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_forgotten_after_a_while_and_beyond_a_number() {
        let known = Versions::default();
        known.enter("old", Some("1".to_owned()));
        tokio::time::advance(FRESH).await;
        assert_eq!(known.fresh("old"), None);
        for n in 0..=MAX_OBJECTS {
            known.enter(&n.to_string(), Some("1".to_owned()));
        }
        assert_eq!(known.fresh("0"), None);
        assert!(known.fresh("1").is_some());
        assert_eq!(known.0.lock().unwrap().by_key.len(), MAX_OBJECTS);
    }
}
