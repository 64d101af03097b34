//! What happened, in Lamport order, with the wall clocks beside.

use leptos::prelude::*;
use shared::event::{Event, What};

use crate::dynamic::dynamic;
use crate::format;
use crate::live::{Live, insert};

/// Events, latest first by `(clock, pod)`, so that no cause stands above its effect's place.
#[component]
pub fn Timeline(
    /// Events from before the page was opened.
    recent: Vec<Event>,
) -> impl IntoView {
    let live = Live::expect();
    let recent = StoredValue::new(recent);
    let events = Memo::new(move |_| {
        let mut events = live.events.get();
        recent.with_value(|recent| {
            for event in recent {
                insert(&mut events, event.clone());
            }
        });
        events
    });
    view! {
        <section class="panel timeline" aria-labelledby="timeline-title">
            <h2 id="timeline-title">"Events"</h2>
            <p class="muted">
                "In the order of Lamport clocks: a cause is always below its effect, whatever the wall clocks say."
            </p>
            <p class="warn" role="status" hidden=dynamic(move || live.gaps.get() == 0)>
                "Some events were missed while this page was away."
            </p>
            <p class="quiet-note" hidden=dynamic(move || !events.read().is_empty())>
                "Nothing has happened yet."
            </p>
            <ol class="events" tabindex="0" aria-labelledby="timeline-title">
                <For
                    each=move || events.get()
                    key=|event| (event.stamp.clone(), format!("{:?}", event.what))
                    let:event
                >
                    <EventLine event />
                </For>
            </ol>
        </section>
    }
}

#[component]
fn EventLine(event: Event) -> impl IntoView {
    let live = Live::expect();
    let (words, tone) = describe(&event.what);
    let at = event.at;
    view! {
        <li class="event" data-testid="event" data-tone=tone>
            <span class="event-clock mono" title="Lamport time">
                {event.stamp.clock}
            </span>
            <span class="event-pod">{event.stamp.pod.to_string()}</span>
            <span class="event-words">{words}</span>
            <time class="event-wall mono muted" datetime=format::rfc3339(at)>
                {dynamic(move || format::clock(at, live.zone.get()))}
            </time>
        </li>
    }
}

/// An event as words, and its tone: `plain`, `good`, `warn` or `bad`.
fn describe(what: &What) -> (String, &'static str) {
    match what {
        What::PodJoined { pod } => (format!("{pod} joined"), "good"),
        What::PodLeft { pod } => (format!("{pod} is gone"), "bad"),
        What::Elected { pod, epoch } => (format!("{pod} leads, epoch {epoch}"), "good"),
        What::LeaderLost { pod } => (format!("{pod} no longer leads"), "bad"),
        What::JobStarted { job, .. } => (format!("job {} started", job.short()), "plain"),
        What::TaskClaimed { job, phase, index, pod, attempt } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            (format!("{pod} claimed {}/{phase}/{index}{again}", job.short()), "plain")
        }
        What::TaskFreed { job, phase, index, pod } => {
            (format!("{}/{phase}/{index} of {pod} is free again", job.short()), "warn")
        }
        What::TaskDone { job, phase, index, pod } => {
            (format!("{pod} finished {}/{phase}/{index}", job.short()), "plain")
        }
        What::JobEnded { job, .. } => (format!("job {} ended", job.short()), "good"),
        What::GalleryChanged => ("the gallery changed".to_owned(), "plain"),
        What::Connection { connected: true } => ("connected to the coordinator".to_owned(), "good"),
        What::Connection { connected: false } => ("lost the coordinator".to_owned(), "bad"),
    }
}
