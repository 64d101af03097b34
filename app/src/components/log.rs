//! What a pod says, live: also what it said before it crashed.

use leptos::prelude::*;
use shared::cluster::ClusterView;
use shared::log::{LogEntry, LogKind};
use shared::route;

use crate::dynamic::dynamic;
use crate::format;
use crate::live::Live;

/// Entries that the page keeps.
const KEPT: usize = 500;

/// An entry, numbered as it came.
type Numbered = (u64, LogEntry);

/// The log of the pod that is chosen.
#[component]
pub fn PodLog(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let chosen = RwSignal::new(String::new());
    let entries = RwSignal::new(Vec::<Numbered>::new());
    let away = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        entries.set(Vec::new());
        away.set(false);
        if let Ok(pod) = chosen.get().parse() {
            crate::live::log::follow(&pod, move |entry| take(entries, entry), away);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = take;
    let names = Memo::new(move |_| view.read().pods.iter().map(|pod| pod.pod.clone()).collect::<Vec<_>>());
    view! {
        <section class="panel pod-log" aria-labelledby="log-title" data-testid="pod-log">
            <h2 id="log-title">"Log"</h2>
            <label class="needs-script">
                "Pod "
                <select
                    data-testid="log-pod"
                    on:change=move |event| chosen.set(event_target_value(&event))
                >
                    <option value="">"choose one"</option>
                    <For each=move || names.get() key=|name| name.clone() let:name>
                        <option value=name.to_string()>{name.to_string()}</option>
                    </For>
                </select>
            </label>
            <p class="muted log-links">
                "As text: "
                <For each=move || names.get() key=|name| name.clone() let:name>
                    <a href=route::logs(&name) rel="external">{name.to_string()}</a>
                    " "
                </For>
            </p>
            <p class="warn" role="status" hidden=dynamic(move || !away.get())>
                "This log can't be had just now; trying again."
            </p>
            <ol class="log-lines mono" tabindex="0" aria-labelledby="log-title" hidden=dynamic(move || entries.read().is_empty())>
                <For each=move || entries.get() key=|(number, _)| *number let:entry>
                    <Line entry=entry.1 />
                </For>
            </ol>
        </section>
    }
}

#[component]
fn Line(entry: LogEntry) -> impl IntoView {
    let live = Live::expect();
    let (at, kind) = (entry.at, entry.kind);
    view! {
        <li data-testid="log-line" data-kind=kind.name()>
            <time class="muted" datetime=format::rfc3339(at) hidden=kind == LogKind::Note>
                {dynamic(move || format::clock(at, live.zone.get()))}
            </time>
            " "
            {entry.text}
        </li>
    }
}

/// Takes an entry in, and forgets the oldest above [`KEPT`].
fn take(entries: RwSignal<Vec<Numbered>>, entry: LogEntry) {
    let Some(mut entries) = entries.try_write() else { return };
    let number = entries.last().map_or(0, |(number, _)| number + 1);
    entries.push((number, entry));
    let over = entries.len().saturating_sub(KEPT);
    entries.drain(..over);
}
