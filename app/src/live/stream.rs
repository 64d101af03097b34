//! The browser's side of the stream: an `EventSource` that is turned into signals and closed on cleanup.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use send_wrapper::SendWrapper;
use serde::de::DeserializeOwned;
use shared::event::Gap;
use shared::route;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{EventSource, MessageEvent};

use super::{Connection, Live};

/// An `EventSource` that gave up (an HTTP error, not a lost connection) is opened anew after this.
const REOPEN: Duration = Duration::from_secs(3);

type Source = Rc<RefCell<Option<EventSource>>>;

/// Opens the stream and starts the clock; both end with the present owner.
pub fn open(live: Live) {
    let tick = move || live.now.set(Some(js_sys::Date::now() as i64));
    tick();
    live.zone.set(Some(-js_sys::Date::new_0().get_timezone_offset() as i32));
    let ticking = set_interval_with_handle(tick, Duration::from_secs(1)).ok();

    let source: Source = Rc::default();
    connect(live, &source);
    let source = SendWrapper::new(source);
    on_cleanup(move || {
        if let Some(ticking) = ticking {
            ticking.clear();
        }
        if let Some(source) = source.borrow_mut().take() {
            source.close();
        }
    });
}

fn connect(live: Live, place: &Source) {
    let Ok(source) = EventSource::new(route::API_EVENTS) else { return };
    on(&source, "snapshot", move |view| live.snapshot(view));
    on(&source, "cluster", move |view| live.viewed(view));
    on(&source, "event", move |event| live.happened(event));
    on(&source, "progress", move |moved| live.moved(moved));
    on(&source, "gap", move |_: Gap| live.lost());

    let failed = {
        let place = Rc::downgrade(place);
        move || {
            live.connection.set(Connection::Reconnecting);
            let Some(place) = place.upgrade() else { return };
            let gave_up = place.borrow().as_ref().is_some_and(|it| it.ready_state() == EventSource::CLOSED);
            if gave_up {
                let place = Rc::downgrade(&place);
                set_timeout(
                    move || {
                        if let Some(place) = place.upgrade().filter(|place| place.borrow().is_some()) {
                            connect(live, &place);
                        }
                    },
                    REOPEN,
                );
            }
        }
    };
    source.set_onerror(Some(Closure::<dyn Fn()>::new(failed).into_js_value().unchecked_ref()));
    let opened = move || {
        if live.view.read_untracked().is_some() {
            live.connection.set(Connection::Live);
        }
    };
    source.set_onopen(Some(Closure::<dyn Fn()>::new(opened).into_js_value().unchecked_ref()));
    *place.borrow_mut() = Some(source);
}

/// Calls `then` with each message of that name. A message that can't be read (of a newer server) is passed over.
fn on<T: DeserializeOwned + 'static>(source: &EventSource, name: &str, then: impl Fn(T) + 'static) {
    let listener = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
        let text = message.data().as_string().unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(content) => then(content),
            Err(error) => leptos::logging::warn!("a message of the event stream can't be read: {error}"),
        }
    });
    // The source owns its listeners: the browser frees this one with it.
    let _ = source.add_event_listener_with_callback(name, listener.into_js_value().unchecked_ref());
}
