//! Live updates: one stream of server-sent events shared by all tabs of a browser, exposed as signals to every page.

use std::collections::{BTreeMap, HashMap};

use leptos::prelude::*;
use shared::cluster::ClusterView;
use shared::event::Event;

mod log_line;
mod state;
#[cfg(feature = "hydrate")]
mod stream;

pub use log_line::{Level, LogLine};
pub use state::{Connection, Live, insert};

/// Initial state for rendering a page on the server, provided as a context.
#[derive(Clone)]
pub struct Known {
    /// View of the array.
    pub view: ClusterView,
    /// Events kept for replay, in any order.
    pub events: Vec<Event>,
}

impl Live {
    /// Provides the context and, in a browser, opens the stream once the page is hydrated.
    pub fn provide() -> Self {
        let known: Option<Known> = use_context();
        let mut events = Vec::new();
        let (view, recent) = known.map(|known| (known.view, known.events)).unzip();
        recent.unwrap_or_default().into_iter().for_each(|event| insert(&mut events, event));
        let live = Self {
            connection: RwSignal::new(Connection::Connecting),
            view: RwSignal::new(view),
            events: RwSignal::new(events),
            progress: RwSignal::new(HashMap::new()),
            ended: RwSignal::new(HashMap::new()),
            gallery: RwSignal::new(0),
            gap: RwSignal::new(None),
            logs: RwSignal::new(BTreeMap::new()),
            listeners: RwSignal::new(0),
            now: RwSignal::new(None),
            zone: RwSignal::new(None),
        };
        provide_context(live);
        #[cfg(feature = "hydrate")]
        Effect::new(move || stream::open(live));
        live
    }
}
