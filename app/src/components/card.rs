//! An image in the gallery.

use leptos::prelude::*;
use shared::gallery::Image;
use shared::job::JobState;
use shared::route;

use super::{Ago, Place, ProgressBar, StateChip};
use crate::format;
use crate::later;
use crate::live::Live;
use crate::placeholder;
use crate::runtime::settled::IntoSettled;

/// Tile of an image: thumbnail, name, and the state of its latest job.
#[component]
pub fn Card(
    /// The image; updated while its job runs.
    image: ArcRwSignal<Image>,
    /// Position of the tile.
    place: Memo<Place>,
    /// Whether it is selected.
    chosen: Memo<bool>,
    /// Selects or deselects it: `(selected, range)`, where `range` extends to all images since the last selected one.
    choose: Callback<(bool, bool)>,
) -> impl IntoView {
    let live = Live::expect();
    let image = RwSignal::from(image);
    let shown = image.get_untracked();
    let (id, name, created) = (shown.id.clone(), shown.name.clone(), shown.created);
    let size = format!("{} × {}", shown.width, shown.height);
    let kind = format!("{} · {}", shown.format.name().to_ascii_uppercase(), format::bytes(shown.bytes));

    let progress = Signal::derive(move || {
        image.with(|image| {
            live.progress.read().get(&image.job_id).copied().or(image.progress).filter(|_| !image.state.has_ended())
        })
    });
    let state = Memo::new(move |_| {
        let state = image.read().state;
        if state == JobState::Queued && progress.read().is_some() { JobState::Running } else { state }
    });
    let thumbnail = Memo::new(move |_| {
        image.with(|image| {
            let result = image.jobs.iter().find(|job| job.state == JobState::Done);
            match result {
                // The address changes once there is a result, so that no cache serves the original's thumbnail.
                Some(job) => format!("{}?job={}", route::thumbnail(&image.id), job.id),
                None => route::thumbnail(&image.id),
            }
        })
    });
    let reason = Memo::new(move |_| image.read().reason.clone().filter(|_| state.get() == JobState::Failed));

    let blurred = placeholder::of(&shown);
    let label = format!("Select {name}");
    // A click on the label carries no modifier keys, so the checkbox's own click is handled.
    let picked = move |event: leptos::ev::MouseEvent| {
        choose.run((event_target_checked(&event.clone().into()), event.shift_key()));
    };

    view! {
        <article
            class="tile"
            class:chosen=chosen
            style=move || place.get().style
            data-index=move || place.get().index
            data-testid="gallery-item"
            data-id=id.to_string()
            data-state=move || state.get().name()
        >
            <label class="tile-choice" title="Select; with Shift, a range">
                <input
                    type="checkbox"
                    name="image"
                    value=id.to_string()
                    aria-label=label
                    data-testid="choose"
                    prop:checked=chosen
                    on:click=picked
                />
            </label>
            <a class="tile-link" href=route::image_page(&id) data-part=later::IMAGE>
                <span class="tile-picture" style=blurred>
                    <img src=thumbnail alt="" loading="lazy" decoding="async" width=shown.width height=shown.height />
                    {move || {
                        reason
                            .get()
                            .map(|reason| {
                                view! {
                                    <span class="tile-reason" data-testid="reason">
                                        {reason}
                                    </span>
                                }
                            })
                    }}
                </span>
                <span class="tile-name" title=name.clone()>
                    {name.clone()}
                </span>
            </a>
            <div class="tile-line">
                {move || match state.get() {
                    JobState::Done => {
                        view! {
                            <span class="tile-meta">{size.clone()}" · "{kind.clone()}</span>
                        }
                            .settle()
                    }
                    JobState::Running => view! { <ProgressBar progress /> }.settle(),
                    JobState::Queued | JobState::Failed => {
                        view! {
                            <StateChip state />
                            <span class="tile-meta">
                                <Ago at=created />
                            </span>
                        }
                            .settle()
                    }
                }}
            </div>
        </article>
    }
}
