//! The browser's side of a pod's log: an `EventSource` of its own, closed with its owner.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::id::PodName;
use shared::log::{LogEntry, LogKind};
use shared::route;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{EventSource, MessageEvent};

/// An `EventSource` that gave up (an HTTP error, not a lost connection) is opened anew after this.
const REOPEN: Duration = Duration::from_secs(3);

/// One log on its way to the page.
struct Following {
    address: String,
    take: Box<dyn Fn(LogEntry)>,
    away: RwSignal<bool>,
    /// The id of the last line: an `EventSource` that is opened anew doesn't remember it.
    last: RefCell<String>,
    source: RefCell<Option<EventSource>>,
}

/// Follows a pod's log until the present owner is cleaned up; `away` says whether it can't be had just now.
pub fn follow(pod: &PodName, take: impl Fn(LogEntry) + 'static, away: RwSignal<bool>) {
    let (address, take) = (route::logs(pod), Box::new(take));
    let following = Rc::new(Following { address, take, away, last: RefCell::default(), source: RefCell::default() });
    connect(&following);
    let following = SendWrapper::new(following);
    on_cleanup(move || {
        if let Some(source) = following.source.borrow_mut().take() {
            source.close();
        }
    });
}

fn connect(following: &Rc<Following>) {
    let address = format!("{}?last_event_id={}", following.address, following.last.borrow());
    let Ok(source) = EventSource::new(&address) else { return };
    for kind in [LogKind::Line, LogKind::Note] {
        let weak = Rc::downgrade(following);
        let listener = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            let (Some(following), Some(text)) = (weak.upgrade(), message.data().as_string()) else { return };
            following.last.replace(message.last_event_id());
            let _ = following.away.try_set(false);
            match serde_json::from_str(&text) {
                Ok(entry) => (following.take)(entry),
                Err(error) => leptos::logging::warn!("a line of a log can't be read: {error}"),
            }
        });
        // The source owns its listeners: the browser frees this one with it.
        let _ = source.add_event_listener_with_callback(kind.name(), listener.into_js_value().unchecked_ref());
    }
    let weak = Rc::downgrade(following);
    let failed = move || {
        let Some(following) = weak.upgrade() else { return };
        let _ = following.away.try_set(true);
        let gave_up = following.source.borrow().as_ref().is_some_and(|it| it.ready_state() == EventSource::CLOSED);
        if gave_up {
            let weak = Rc::downgrade(&following);
            set_timeout(
                move || {
                    if let Some(following) = weak.upgrade().filter(|it| it.source.borrow().is_some()) {
                        connect(&following);
                    }
                },
                REOPEN,
            );
        }
    };
    source.set_onerror(Some(Closure::<dyn Fn()>::new(failed).into_js_value().unchecked_ref()));
    *following.source.borrow_mut() = Some(source);
}
