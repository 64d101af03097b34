//! Image page: before and after, properties, and jobs.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};
use shared::error::Problem;
use shared::gallery::Image;
use shared::id::{ImageId, JobId};
use shared::job::JobState;
use shared::number::Decimal;
use shared::route;
use shared::timeline::Timeline;

use self::keys::{Action, Help};
use self::sides::{Choice, Sides};
use crate::api;
use crate::components::{
    Compare, Distributions, Entered, Fact, Facts, JobTimeline, Jobs, ProblemLine, ProblemNotice, ProgressBar,
    RecipeFields, recipe_of,
};
use crate::format;
use crate::live::Live;
use crate::placeholder;
use crate::runtime::settled::{IntoSettled, Settled};
use crate::undo::Undo;
use crate::zoom::Sight;

mod keys;
mod sides;

/// Maximum zoom by keyboard, relative to the stage.
const MAX_ZOOM: f64 = 64.0;

/// Image page.
#[component]
pub fn ImagePage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").and_then(|id| id.parse::<ImageId>().ok()));
    let image = Resource::<_, api::Handed>::new_with_options(
        move || id.get(),
        |id| async move {
            match id {
                Some(id) => api::image(id).await,
                None => Err(api::no_such_image()),
            }
        },
        false,
    );
    Settled::new(view! {
        <Transition fallback=|| view! { <p class="loading" role="status">"Loading the image …"</p> }>
            {move || Suspend::new(async move {
                match image.await {
                    Ok(image) => Either::Left(view! { <Shown image /> }),
                    Err(problem) => {
                        api::set_status(problem.status);
                        Either::Right(
                            view! {
                                <Title text="Image not found" />
                                <h1 class="visually-hidden">"Image not found"</h1>
                                <ProblemNotice problem />
                            },
                        )
                    }
                }
            })}
        </Transition>
    })
}

#[component]
fn Shown(image: Image) -> impl IntoView {
    let (id, name, width, height) = (image.id.clone(), image.name.clone(), image.width, image.height);
    let original = route::original(&id);
    let blurred = placeholder::of(&image);
    let image = RwSignal::new(image);
    let query = use_query_map();
    let sides = Sides::from_address(|name| query.read_untracked().get(name));
    keep_fresh(image);

    let right = Memo::new(move |_| {
        let chosen = sides.right.get();
        image.with(|image| {
            let finished = |job: &&shared::gallery::JobSummary| job.state == JobState::Done;
            let of_choice = image.jobs.iter().filter(finished).find(|job| Some(&job.id) == chosen.as_ref());
            of_choice.or(image.jobs.iter().find(finished)).map(|job| job.id.clone())
        })
    });
    let distributions = [RwSignal::new(None), RwSignal::new(None)];
    let compares = Memo::new(move |_| right.read().is_some());
    let picture = {
        let (id, name) = (id.clone(), name.clone());
        move || {
            if compares.get() {
                Either::Left(view! {
                    <Compare id=id.clone() left=sides.left right name=name.clone() width height blurred=blurred.clone() split=sides.split sight=sides.sight distributions />
                    <Choice image sides right />
                })
            } else {
                let alt = format!("{name} before equalization");
                Either::Right(view! {
                    <figure class="compare" style=format!("--ratio:{}", Decimal(f64::from(width) / f64::from(height.max(1))))>
                        <div class="compare-stage" style=blurred.clone()>
                            <img class="compare-before" data-testid="before" src=route::view(&id) alt=alt width=width height=height />
                            <Waiting image />
                        </div>
                    </figure>
                })
            }
        }
    };
    let help = RwSignal::new(false);
    let undo = Undo::expect();
    let delete = {
        let id = id.clone();
        move || undo.delete(vec![id.clone()])
    };
    let navigate = use_navigate();
    let go = {
        let id = id.clone();
        move |by: i8| {
            let (id, navigate) = (id.clone(), navigate.clone());
            leptos::task::spawn_local(async move {
                let Ok(beside) = api::neighbours(&id).await else { return };
                if let Some(other) = if by < 0 { beside.previous } else { beside.next } {
                    navigate(&route::image_page(&other), NavigateOptions::default());
                }
            });
        }
    };
    let (click, leave) = (delete.clone(), use_navigate());
    keys::listen(move |action| match action {
        Action::Go(by) => go(by),
        Action::Zoom(factor) => sides.sight.update(|sight| *sight = sight.zoomed(factor, (0.5, 0.5), MAX_ZOOM)),
        Action::Whole => sides.sight.set(Sight::default()),
        Action::Move(x, y) => sides.sight.update(|sight| *sight = sight.moved(x, y)),
        Action::Toggle => sides.split.update(|split| *split = if *split > 50.0 { 0.0 } else { 100.0 }),
        Action::Delete => delete(),
        Action::Help => help.set(true),
    });
    let timeline = timeline_of(image, right);
    Effect::new(move || {
        if undo.deleted.read().contains(&id) {
            leave(route::GALLERY, NavigateOptions::default());
        }
    });
    view! {
        <Title text=name.clone() />
        <div class="crumbs">
            <a href=route::GALLERY>"Gallery"</a>
            <Help open=help />
        </div>
        <h1 class="image-name">{name}</h1>
        <div class="image-page">
            <div class="image-main">
                {picture}
                <section
                    class="panel"
                    aria-labelledby="levels-title"
                    hidden=move || distributions.iter().all(|one| one.read().is_none())
                >
                    <h2 id="levels-title">"Levels"</h2>
                    <Distributions before=distributions[0] after=distributions[1] results=Signal::derive(move || sides.left.read().is_some()) />
                </section>
                <JobTimeline timeline />
            </div>
            <aside class="image-side">
                <section class="panel" aria-labelledby="jobs-title">
                    <h2 id="jobs-title">"Results"</h2>
                    <Jobs image shown=sides.right />
                    {move || {
                        let notes = timeline.read().as_ref().map(|timeline| timeline.notes.clone());
                        view! { <Keeping title="Notes on this result" list=notes.unwrap_or_default() /> }
                    }}
                    <Again image />
                </section>
                <section class="panel" aria-labelledby="about-title">
                    <h2 id="about-title">"About"</h2>
                    <About image=image.get_untracked() />
                    <div class="actions">
                        <a class="button quiet" href=original download rel="external">
                            "Download the original"
                        </a>
                        <button
                            type="button"
                            class="button quiet danger needs-script"
                            data-testid="delete"
                            on:click=move |_| click()
                        >
                            "Delete"
                        </button>
                    </div>
                </section>
            </aside>
        </div>
    }
}

/// Timeline of the job whose result is shown, or else of the latest job that has ended.
fn timeline_of(image: RwSignal<Image>, right: Memo<Option<JobId>>) -> RwSignal<Option<Timeline>> {
    let timeline = RwSignal::new(None);
    let job = Memo::new(move |_| {
        let ended = || image.read().jobs.iter().find(|job| job.state.has_ended()).map(|job| job.id.clone());
        right.get().or_else(ended)
    });
    Effect::new(move || {
        let Some(asked) = job.get() else { return };
        leptos::task::spawn_local(async move {
            let found = api::timeline(&asked).await.ok();
            if job.try_get_untracked().flatten() == Some(asked) {
                let _ = timeline.try_set(found);
            }
        });
    });
    timeline
}

/// Progress or failure, shown over the original while there is no result.
#[component]
fn Waiting(image: RwSignal<Image>) -> impl IntoView {
    let live = Live::expect();
    let progress =
        Signal::derive(move || image.with(|image| live.progress.read().get(&image.job_id).copied().or(image.progress)));
    move || {
        let (state, reason) = (image.read().state, image.read().reason.clone());
        match state {
            JobState::Failed => view! { <p class="compare-note bad">{reason}</p> }.settle(),
            _ => view! {
                <div class="compare-note">
                    <ProgressBar progress />
                </div>
            }
            .settle(),
        }
    }
}

#[component]
fn About(image: Image) -> impl IntoView {
    let layout = match image.channels {
        _ if image.inks => "Inks (CMYK)",
        1 => "Gray",
        2 => "Gray with alpha",
        3 => "Colour",
        4 => "Colour with alpha",
        _ => "Bands",
    };
    let megapixels = f64::from(image.width) * f64::from(image.height) / 1e6;
    let orientation = match image.orientation {
        1 => "Upright",
        3 => "Rotated 180°",
        6 => "Rotated 90° clockwise",
        8 => "Rotated 90° counterclockwise",
        _ => "Mirrored",
    };
    let live = Live::expect();
    let (width, height) = (format::count(image.width.into()), format::count(image.height.into()));
    let uploaded = move || match live.now.get() {
        Some(now) => format!("{}, {}", format::date(image.created, live.zone.get()), format::ago(now - image.created)),
        None => format::date(image.created, None),
    };
    let file = format!("{}, {}", image.format.name().to_ascii_uppercase(), format::bytes(image.bytes));
    let rows = vec![
        Fact::fixed("Size", format!("{width} × {height} pixels, {:.1}\u{a0}MP", Decimal(megapixels))),
        Fact::fixed("Samples", format!("{layout}, {} bit", image.depth)),
        Fact::fixed("File", file),
        Fact::fixed("Orientation", orientation.to_owned()),
        Fact::new("Uploaded", uploaded),
    ];
    view! {
        <Facts rows />
        <Keeping title="Kept in results" list=image.keeping.kept />
        <Keeping title="Changed or left out" list=image.keeping.changed />
    }
}

/// What results keep or change of the structure and metadata; hidden if there is nothing to list.
#[component]
fn Keeping(title: &'static str, list: Vec<String>) -> impl IntoView {
    (!list.is_empty()).then(|| {
        let items = list.into_iter().map(|sentence| view! { <li>{sentence}</li> }).collect_view();
        view! {
            <h3>{title}</h3>
            <ul class="keeping" data-testid="keeping">
                {items}
            </ul>
        }
    })
}

/// Applies another recipe, or retries a failed job.
#[component]
fn Again(image: RwSignal<Image>) -> impl IntoView {
    let entered = RwSignal::new(Entered::new());
    let problem = RwSignal::new(None::<Problem>);
    let busy = RwSignal::new(false);
    let run = move |retry: bool| {
        let id = image.read_untracked().id.clone();
        let recipe = match recipe_of(&entered.read_untracked()) {
            Err(sentence) if !retry => return problem.set(Some(Problem::new(400, "Bad Request", sentence))),
            recipe => recipe.unwrap_or_default(),
        };
        busy.set(true);
        leptos::task::spawn_local(async move {
            let outcome = if retry { api::retry(&id).await } else { api::add_job(&id, recipe).await.map(drop) };
            let _ = busy.try_set(false);
            let _ = problem.try_set(outcome.err());
            if let Ok(fresh) = api::image(id).await {
                let _ = image.try_set(fresh);
            }
        });
    };
    let failed = Memo::new(move |_| image.read().state == JobState::Failed);
    view! {
        <form
            class="again"
            method="post"
            action=route::jobs_form(&image.read_untracked().id)
            on:submit=move |event| {
                event.prevent_default();
                run(false);
            }
        >
            <button
                type="button"
                class="button primary needs-script"
                data-testid="retry"
                hidden=move || !failed.get()
                disabled=busy
                on:click=move |_| run(true)
            >
                "Try again"
            </button>
            <RecipeFields entered />
            <button class="button" data-testid="equalize-again" disabled=busy>
                "Equalize again"
            </button>
            <ProblemLine problem />
        </form>
    }
}

/// Refetches the image when one of its jobs has ended, and periodically while one is unfinished.
fn keep_fresh(image: RwSignal<Image>) {
    /// Poll interval in seconds, without notifications.
    const POLL_SECONDS: i64 = 5;
    let live = Live::expect();
    let id = image.read_untracked().id.clone();
    let ended = {
        let id = id.clone();
        Memo::new(move |_| live.ended.read().get(&id).copied())
    };
    let turn = Memo::new(move |_| {
        let unfinished = image.read().jobs.iter().any(|job| !job.state.has_ended());
        if unfinished { live.now.get().map(|now| now / 1_000 / POLL_SECONDS) } else { None }
    });
    let mut first = true;
    Effect::new(move || {
        ended.get();
        turn.get();
        if !std::mem::take(&mut first) {
            let id = id.clone();
            leptos::task::spawn_local(async move {
                if let Ok(fresh) = api::image(id).await {
                    let _ = image.try_set(fresh);
                }
            });
        }
    });
}
