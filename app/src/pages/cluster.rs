//! Cluster page: live view of the array.

use leptos::prelude::*;
use leptos_meta::Title;
use shared::error::Problem;

use crate::api;
use crate::cluster::{self, Picture, Said};
use crate::components::ProblemLine;
use crate::format;
use crate::live::{Connection, Level, Live};
use crate::runtime::markup::{Element, Shown};
use crate::runtime::settled::Settled;

/// Log filters.
#[derive(Clone, Default)]
struct Wanted {
    search: String,
    least: Level,
}

/// Cluster page.
#[component]
pub fn ClusterPage() -> impl IntoView {
    let live = Live::expect();
    let problem = RwSignal::new(None::<Problem>);
    *live.listeners.write() += 1;
    on_cleanup(move || {
        let _ = live.listeners.try_update(|listeners| *listeners -= 1);
    });
    Settled::new(view! {
        <Title text="Cluster" />
        <h1>"Cluster"</h1>
        <ProblemLine problem />
        <div on:submit=move |event| send_in_place(event, problem)>
            {move || shown(live, "cluster", cluster::array)}
        </div>
        <Terminals />
        <p class="warn" role="status" data-testid="gap" hidden=move || live.gap.read().is_none()>
            "Live updates were interrupted at "
            {move || format::clock(live.gap.get().unwrap_or_default(), live.zone.get())}
            "; earlier events may be missing below."
        </p>
        {move || shown(live, "timeline", cluster::timeline)}
    })
}

/// Renders a part of the page from the live state; keeps the server's HTML while there is none.
fn shown(live: Live, class: &'static str, part: impl Fn(&Picture<'_>) -> Vec<Element>) -> Shown {
    let view = live.view.read();
    let Some(view) = view.as_ref() else { return Shown::kept(class) };
    let events = live.events.read();
    let is_old = live.connection.get() == Connection::Reconnecting;
    let now = live.now.get().unwrap_or(view.at);
    let picture = Picture { view, events: &events, now, zone: live.zone.get(), is_old };
    Shown::new(class, part(&picture))
}

/// Logs of all pods, with filters.
#[component]
fn Terminals() -> impl IntoView {
    let live = Live::expect();
    let wanted = RwSignal::new(Wanted::default());
    let held = RwSignal::new(None::<std::collections::BTreeMap<_, _>>);
    let pause = move |_| {
        let now = if held.read_untracked().is_some() { None } else { Some(live.logs.get_untracked()) };
        held.set(now);
    };
    let paused = Memo::new(move |_| held.read().is_some());
    let terminals = move || {
        let (wanted, logs, held) = (wanted.read(), live.logs.read(), held.read());
        let logs = held.as_ref().unwrap_or(&logs);
        let said = Said { logs, search: &wanted.search, least: wanted.least, paused: held.is_some() };
        shown(live, "terminals", |picture| cluster::terminals(picture, &said))
    };
    let levels = Level::ALL.map(|level| {
        let name = level.name();
        view! {
            <option value=name selected=level == Level::default()>
                {name}
            </option>
        }
    });
    let choose = move |event| {
        let name = event_target_value(&event);
        if let Some(level) = Level::ALL.into_iter().find(|level| level.name() == name) {
            wanted.write().least = level;
        }
    };
    view! {
        <section class="logs" aria-labelledby="logs-title">
            <h2 id="logs-title">"Logs"</h2>
            <div class="logs-controls needs-script">
                <label class="field">
                    <span class="visually-hidden">"Search logs"</span>
                    <input
                        type="search"
                        placeholder="Search logs"
                        data-testid="log-search"
                        on:input=move |event| wanted.write().search = event_target_value(&event)
                    />
                </label>
                <label class="field">
                    <span>"Minimum level"</span>
                    <select data-testid="log-level" on:change=choose>
                        {levels.collect_view()}
                    </select>
                </label>
                <button
                    type="button"
                    class="button quiet"
                    data-testid="log-pause"
                    aria-pressed=move || paused.get().to_string()
                    on:click=pause
                >
                    {move || if paused.get() { "Resume" } else { "Pause" }}
                </button>
            </div>
            {terminals}
        </section>
    }
}

/// Submits a form without leaving the page.
#[cfg(feature = "hydrate")]
fn send_in_place(event: leptos::ev::SubmitEvent, problem: RwSignal<Option<Problem>>) {
    use wasm_bindgen::JsCast;
    let form = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let Some(address) = form.and_then(|form| form.get_attribute("data-api")) else { return };
    event.prevent_default();
    leptos::task::spawn_local(async move {
        let outcome = api::act(&address).await;
        let _ = problem.try_set(outcome.err());
    });
}

#[cfg(not(feature = "hydrate"))]
fn send_in_place(_event: leptos::ev::SubmitEvent, _problem: RwSignal<Option<Problem>>) {
    let _ = api::act;
}
