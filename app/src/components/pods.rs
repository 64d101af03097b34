//! Who leads and who works.

use leptos::prelude::*;
use shared::cluster::{ClusterView, Health, Leader, PodState, PodView};
use shared::error::Problem;
use shared::id::PodName;

use super::{Fact, Facts, ProblemLine, health_sentence, lasting};
use crate::api;
use crate::dynamic::dynamic;
use crate::live::Live;

/// The master, its epoch, since when it leads, and how the array is.
#[component]
pub fn LeaderCard(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let live = Live::expect();
    let seen = Signal::derive(move || view.read().at);
    let health = move || health_sentence(&view.read());
    view! {
        <section class="panel leader" aria-labelledby="leader-title">
            <h2 id="leader-title">"Master"</h2>
            <p class="leader-name" data-testid="leader">
                {dynamic(move || view.read().leader.as_ref().map_or("none".to_owned(), |leader| leader.pod.to_string()))}
            </p>
            {dynamic(move || view.read().leader.clone().map(|leader| leader_facts(live, leader, seen)))}
            <p class="health" data-ok=dynamic(move || (view.read().health == Health::Ok).to_string())>
                <strong>{dynamic(move || health().0)}</strong>
                ". "
                {dynamic(move || health().1)}
            </p>
            <p class="muted">
                "Coordinator: " {dynamic(move || view.read().coordinator.clone())} ". Seen by "
                {dynamic(move || view.read().seen.pod.to_string())} " at Lamport time "
                {dynamic(move || view.read().seen.clock)} "."
            </p>
        </section>
    }
}

fn leader_facts(live: Live, leader: Leader, seen: Signal<i64>) -> impl IntoView {
    let mut rows = vec![Fact::fixed("Epoch", leader.epoch.map_or("being taken".to_owned(), |epoch| epoch.to_string()))];
    if let Some(since) = leader.since {
        rows.push(Fact::new("Leads for", move || lasting(live, since, seen.get())));
    }
    if let Some(label) = leader.label {
        rows.push(Fact::fixed("Label role=master", label.into()));
    }
    rows.push(Fact::code("Address", move || leader.address.clone()));
    rows.push(Fact::code("Election node", move || leader.node.clone()));
    view! { <Facts rows /> }
}

/// A card for each pod.
#[component]
pub fn Pods(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    view! {
        <section class="panel" aria-labelledby="pods-title">
            <h2 id="pods-title">
                "Pods "
                <span class="muted">
                    {dynamic(move || format!("{} of {} up", view.read().live(), view.read().pods.len()))}
                </span>
            </h2>
            <ProblemLine problem />
            <ul class="pods">
                <For each=move || view.read().pods.clone() key=|pod| pod.pod.clone() let:pod>
                    <PodCard pod view problem />
                </For>
            </ul>
        </section>
    }
}

#[component]
fn PodCard(pod: PodView, view: Signal<ClusterView>, problem: RwSignal<Option<Problem>>) -> impl IntoView {
    let name = pod.pod.clone();
    let pod = {
        let name = name.clone();
        Memo::new(move |_| {
            view.read().pods.iter().find(|other| other.pod == name).cloned().unwrap_or_else(|| pod.clone())
        })
    };
    let up = Memo::new(move |_| pod.read().state == PodState::Up);
    let leads = Memo::new(move |_| pod.read().leads);
    let live = Live::expect();
    let age = move || if up.get() { lasting(live, pod.read().started, view.read().at) } else { "—".to_owned() };
    let rows = vec![
        Fact::new("Holds", move || tasks(pod.read().holds)),
        Fact::code("Session", move || pod.read().session.clone()),
        Fact::new("Lease", move || format!("{} s", pod.read().lease_ms as f64 / 1_000.0)),
        Fact::new("Up for", age),
        Fact::code("Address", move || pod.read().address.clone()),
        Fact::new("Version", move || format!("{}, {}", pod.read().version, threads(pod.read().cores))),
    ];
    let state = move || if up.get() { "up" } else { "down" };
    let (title, label) = (name.to_string(), name.to_string());
    let role = move || if leads.get() { "master" } else { "worker" };
    view! {
        <li
            class="pod"
            data-testid="pod"
            data-pod=title
            data-state=state
            data-leads=dynamic(move || leads.get().to_string())
        >
            <div class="pod-head">
                <span class="pod-dot" aria-hidden="true"></span>
                <strong class="pod-name">{label}</strong>
                <span class="chip" data-role=role>
                    {dynamic(move || if up.get() { role() } else { "down" })}
                </span>
            </div>
            <Facts rows small=true />
            <Show when=move || pod.read().faults>
                <FaultButton pod=name.clone() up problem />
            </Show>
        </li>
    }
}

fn tasks(number: usize) -> String {
    match number {
        0 => "no task".to_owned(),
        1 => "1 task".to_owned(),
        more => format!("{more} tasks"),
    }
}

fn threads(number: usize) -> String {
    if number == 1 { "1 thread".to_owned() } else { format!("{number} threads") }
}

/// Kills the pod or starts it again.
#[component]
fn FaultButton(pod: PodName, up: Memo<bool>, problem: RwSignal<Option<Problem>>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let label = pod.to_string();
    let act = move |_| {
        let (pod, kill) = (pod.clone(), up.get_untracked());
        busy.set(true);
        leptos::task::spawn_local(async move {
            let outcome = if kill { api::kill(&pod).await } else { api::start(&pod).await };
            let _ = problem.try_set(outcome.err());
            let _ = busy.try_set(false);
        });
    };
    view! {
        <button
            type="button"
            class="button quiet pod-fault needs-script"
            class:danger=dynamic(move || up.get())
            data-testid=dynamic(move || if up.get() { "kill-pod" } else { "start-pod" })
            aria-label=dynamic(move || format!("{} {label}", if up.get() { "Kill" } else { "Start" }))
            disabled=busy
            on:click=act
        >
            {dynamic(move || if up.get() { "Kill" } else { "Start" })}
        </button>
    }
}
