//! What becomes of the files that were dropped or chosen, on whatever page one is.

use leptos::prelude::*;
use shared::job::JobState;
use shared::route;

use super::{ProgressBar, phase_label};
use crate::dynamic::dynamic;
use crate::settled::IntoSettled;
use crate::upload::{Stage, Upload, Uploads};
use crate::{api, format, live::Live};

/// A veil over the page while files are dragged over it; takes them when they are dropped.
#[component]
pub fn DropAnywhere() -> impl IntoView {
    let uploads = Uploads::expect();
    let dragging = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| dropping::listen(uploads, dragging));
    #[cfg(not(feature = "hydrate"))]
    let _ = uploads;
    view! {
        <div class="veil" class:shown=dragging aria-hidden="true">
            <p>"Let go to equalize"</p>
        </div>
    }
}

#[cfg(feature = "hydrate")]
mod dropping {
    use leptos::ev::{dragenter, dragleave, dragover, drop};
    use leptos::prelude::*;
    use web_sys::DragEvent;

    use crate::upload::Uploads;

    fn has_files(event: &DragEvent) -> bool {
        event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0))
    }

    /// Listens on the window until the present owner ends.
    pub fn listen(uploads: Uploads, dragging: RwSignal<bool>) {
        // A drag enters each element before it leaves the one around it.
        let depth = StoredValue::new(0i32);
        let enter = window_event_listener(dragenter, move |event| {
            if has_files(&event) {
                depth.update_value(|depth| *depth += 1);
                dragging.set(true);
            }
        });
        let leave = window_event_listener(dragleave, move |event| {
            if has_files(&event) {
                depth.update_value(|depth| *depth = (*depth - 1).max(0));
                dragging.set(depth.get_value() > 0);
            }
        });
        let over = window_event_listener(dragover, |event| {
            if has_files(&event) {
                event.prevent_default();
            }
        });
        let dropped = window_event_listener(drop, move |event| {
            depth.set_value(0);
            dragging.set(false);
            if has_files(&event) {
                event.prevent_default();
                uploads.add(event.data_transfer().and_then(|data| data.files()));
            }
        });
        on_cleanup(move || {
            enter.remove();
            leave.remove();
            over.remove();
            dropped.remove();
        });
    }
}

/// The list of uploads, while there are any.
#[component]
pub fn UploadTray() -> impl IntoView {
    let uploads = Uploads::expect();
    let counts = Memo::new(move |_| {
        uploads.items.with(|items| {
            let ended = items.iter().filter(|upload| upload.stage.read().has_ended()).count();
            let refused =
                items.iter().filter(|upload| matches!(upload.stage.get(), Stage::Refused(_) | Stage::Failed(..)));
            (items.len(), ended, refused.count())
        })
    });
    let summary = move || match counts.get() {
        (all, ended, 0) if all == ended => format!("{} equalized", images(all)),
        (all, ended, bad) if all == ended => format!("{} equalized, {bad} not", images(all - bad)),
        (all, ended, _) => format!("{ended} of {} ready", images(all)),
    };
    let some = Memo::new(move |_| counts.get().0 > 0);
    view! {
        <div class="tray-place" aria-live="polite">
            <Show when=move || some.get()>
                <section class="tray" aria-label="Uploads">
                    <header class="tray-head">
                        <h2>{summary}</h2>
                        <button
                            type="button"
                            class="button quiet"
                            disabled=dynamic(move || counts.get().1 == 0)
                            on:click=move |_| uploads.clear()
                        >
                            "Clear"
                        </button>
                    </header>
                    // Each step of each file would be too much to be read out.
                    <ul class="tray-list" aria-live="off">
                        <For each=move || uploads.items.get() key=|upload| upload.id let:upload>
                            <TrayItem upload />
                        </For>
                    </ul>
                </section>
            </Show>
        </div>
    }
}

fn images(number: usize) -> String {
    if number == 1 { "1 image".to_owned() } else { format!("{number} images") }
}

/// One upload: sent bytes first, then the job's phases, then the result or what went wrong.
#[component]
fn TrayItem(upload: Upload) -> impl IntoView {
    let uploads = Uploads::expect();
    let stage = RwSignal::from(upload.stage.clone());
    follow(stage);
    let (name, title, bytes) = (upload.name.clone(), upload.name.clone(), format::bytes(upload.bytes));
    let again = move |_| uploads.retry(&upload);
    view! {
        <li class="tray-item" data-testid="upload-item" data-state=dynamic(move || stage.read().name())>
            <span class="tray-name" title=title>
                {dynamic(move || match stage.read().accepted().cloned() {
                    Some(accepted) => {
                        view! { <a href=route::image_page(&accepted.image_id)>{name.clone()}</a> }.settle()
                    }
                    None => name.clone().settle(),
                })}
            </span>
            <span class="tray-state">
                {dynamic(move || match stage.get() {
                    Stage::Waiting => view! { <span class="muted">"Waiting · "{bytes.clone()}</span> }.settle(),
                    Stage::Sending(part) => {
                        view! {
                            <span class="progress">
                                <progress max="100" value=format!("{:.0}", part * 100.0) aria-label="Sent"></progress>
                                <span class="progress-label">{format!("Sending {:.0} %", part * 100.0)}</span>
                            </span>
                        }
                            .settle()
                    }
                    Stage::Broken => view! { <span class="warn">"The connection broke. Trying again …"</span> }.settle(),
                    Stage::Postponed(sentence) => {
                        view! { <span class="warn">{sentence}" Trying again by itself …"</span> }.settle()
                    }
                    Stage::Accepted(accepted) => view! { <JobLine job=accepted.job_id /> }.settle(),
                    Stage::Done(_) => view! { <span class="good">"Equalized"</span> }.settle(),
                    Stage::Failed(_, reason) => view! { <span class="bad">{reason}</span> }.settle(),
                    Stage::Refused(sentence) => view! { <span class="bad">{sentence}</span> }.settle(),
                })}
            </span>
            <button
                type="button"
                class="button quiet"
                hidden=dynamic(move || !matches!(stage.get(), Stage::Refused(_)))
                on:click=again
            >
                "Retry"
            </button>
        </li>
    }
}

/// The accepted job's progress, live.
#[component]
fn JobLine(job: shared::id::JobId) -> impl IntoView {
    let live = Live::expect();
    let progress = Signal::derive(move || live.progress.read().get(&job).copied());
    move || match progress.get() {
        Some(now) => view! {
            <span title=phase_label(now.phase)>
                <ProgressBar progress />
            </span>
        }
        .settle(),
        None => view! { <span class="muted">"Accepted, waiting for its turn"</span> }.settle(),
    }
}

/// Looks how the job stands when it is accepted, when an end is announced, and now and then in case an
/// announcement was missed.
fn follow(stage: RwSignal<Stage>) {
    /// Seconds between looks that nothing announced.
    const LOOK: i64 = 10;
    let live = Live::expect();
    let image = Memo::new(move |_| match stage.get() {
        Stage::Accepted(accepted) => Some(accepted),
        _ => None,
    });
    let announced =
        Memo::new(move |_| image.get().map(|accepted| live.ended.read().get(&accepted.image_id).copied().unwrap_or(0)));
    let turn = Memo::new(move |_| image.get().and(live.now.get()).map(|now| now / 1_000 / LOOK));
    Effect::new(move |_| {
        announced.get();
        turn.get();
        let Some(accepted) = image.get() else { return };
        leptos::task::spawn_local(async move {
            let Ok(found) = api::image(accepted.image_id.clone()).await else { return };
            match found.jobs.iter().find(|job| job.id == accepted.job_id).map(|job| (job.state, job.reason.clone())) {
                Some((JobState::Done, _)) => drop(stage.try_set(Stage::Done(accepted))),
                Some((JobState::Failed, reason)) => {
                    drop(stage.try_set(Stage::Failed(accepted, reason.unwrap_or_default())));
                }
                _ => {}
            }
        });
    });
}
