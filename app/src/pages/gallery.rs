//! Gallery: all images with the state of their latest jobs.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use shared::gallery::{ImageQuery, Page};
use shared::route;

use crate::api;
use crate::components::{Card, Filters, ProblemNotice, UploadPanel};
use crate::live::Live;
use crate::runtime::settled::{IntoSettled, Settled};
use crate::undo::Undo;

mod book;
#[cfg(feature = "hydrate")]
mod browser;
mod choice;
#[cfg(feature = "hydrate")]
mod measure;
mod shelf;
#[cfg_attr(not(feature = "hydrate"), allow(dead_code, reason = "only a browser has a history"))]
mod spot;
mod window;
use choice::{Choice, ChoiceBar};
use shelf::{Shelf, Shown};

/// Gallery page.
#[component]
pub fn GalleryPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| params.with(parse));
    let first = Resource::<_, api::Handed>::new_with_options(move || query.get(), api::images, false);
    Settled::new(view! {
        <Title text="Gallery" />
        <h1 class="visually-hidden">"Gallery"</h1>
        <UploadPanel />
        <Filters query />
        <Offline />
        <Transition fallback=|| {
            view! {
                <p class="loading" role="status">
                    "Loading the gallery …"
                </p>
            }
        }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(page) => Either::Left(view! { <Gallery asked=query page /> }),
                    Err(problem) => {
                        api::set_status(problem.status);
                        Either::Right(
                            view! { <ProblemNotice problem again=Callback::new(move |()| first.refetch()) /> },
                        )
                    }
                }
            })}
        </Transition>
    })
}

/// Parses the query in the address; invalid fields are ignored.
fn parse(params: &ParamsMap) -> ImageQuery {
    let text = |name| params.get(name).filter(|text| !text.trim().is_empty());
    ImageQuery {
        limit: None,
        cursor: text("cursor"),
        state: text("state").and_then(|state| state.parse().ok()),
        format: text("format").and_then(|format| format.parse().ok()),
        depth: text("depth").and_then(|depth| depth.parse().ok()),
        method: text("method").and_then(|method| api::method_of(&method)),
        q: text("q"),
        sort: text("sort").and_then(|sort| api::sort_of(&sort)),
    }
}

#[component]
fn Gallery(asked: Memo<ImageQuery>, page: Page) -> impl IntoView {
    let undo = Undo::expect();
    let query = asked.get_untracked();
    let shelf = Shelf::new(query.clone(), page, asked);
    let choice = Choice::new(shelf);
    shelf.follow(Live::expect(), undo, attach);

    let is_empty = Memo::new(move |_| shelf.book.read().len() == 0);
    let more = shelf.book.read_untracked().more().cloned().map(|cursor| {
        let address = ImageQuery { cursor: Some(cursor), ..query.clone() };
        format!("{}?{}", route::GALLERY, api::query_string(&address))
    });
    view! {
        <Show when=move || is_empty.get()>
            <Empty narrowed=query.narrows() />
        </Show>
        <form method="post" class="gallery-form" action=route::DELETE_FORM on:submit=|event| event.prevent_default()>
            <ChoiceBar choice />
            <p class="bad" role="alert" hidden=move || shelf.problem.read().is_none()>
                {move || shelf.problem.get().map(|problem| problem.to_string()).unwrap_or_default()}
                " "
                <button type="button" class="button" on:click=move |_| shelf.resync()>
                    "Try again"
                </button>
            </p>
            <div class="gallery">
                <div
                    class="masonry"
                    class:choosing=move || !choice.images.read().is_empty()
                    style=move || shelf.container.get()
                    node_ref=shelf.element
                    on:keydown=move |event| pressed(shelf, choice, undo, &event)
                    on:focusin=move |event| shelf.focus(index_of(event.target()))
                    on:focusout=move |_| shelf.focus(None)
                    on:click=move |_| store_spot(shelf)
                >
                    <For each=move || shelf.shown.get() key=|shown| shown.key.clone() let:shown>
                        <Tile shown shelf choice />
                    </For>
                </div>
            </div>
        </form>
        // With scripts, all images are laid out and no link is needed.
        {more
            .map(|address| {
                view! {
                    <p class="more without-script">
                        <a class="button" href=address data-testid="more">
                            "Show more"
                        </a>
                    </p>
                }
            })}
    }
}

/// Tile of an image, or placeholder for one that isn't fetched yet.
#[component]
fn Tile(shown: Shown, shelf: Shelf, choice: Choice) -> impl IntoView {
    let key = shown.key;
    let place = Memo::new(move |_| shelf.places.read().get(&key).cloned().unwrap_or_default());
    let style = move || place.get().style;
    let Some(item) = shown.item else {
        return view! { <div class="tile tile-empty" style=style data-index=move || place.get().index></div> }.settle();
    };
    let chosen = {
        let id = item.id.clone();
        Memo::new(move |_| choice.images.read().contains(&id))
    };
    let id = item.id;
    let choose = Callback::new(move |(on, range)| choice.choose(&id, place.read_untracked().index, on, range));
    view! { <Card image=item.image place chosen choose /> }.settle()
}

/// Shown if there are no images.
#[component]
fn Empty(narrowed: bool) -> impl IntoView {
    if narrowed {
        Either::Left(view! {
            <section class="empty" data-testid="nothing-found">
                <h2>"No matching images."</h2>
                <p>
                    <a class="button" href=route::GALLERY>
                        "Show all images"
                    </a>
                </p>
            </section>
        })
    } else {
        Either::Right(view! {
            <section class="empty" data-testid="no-images">
                <div class="empty-bars" aria-hidden="true">
                    {(0..7).map(|_| view! { <i></i> }).collect_view()}
                </div>
                <h2>"No images yet."</h2>
                <p>"Drop some here. The pods split, equalize and stitch them."</p>
            </section>
        })
    }
}

/// Notice while this device is offline.
#[component]
fn Offline() -> impl IntoView {
    let off = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move || browser::watch_connection(off));
    view! {
        <p class="notice" role="status" data-testid="offline" hidden=move || !off.get()>
            "This device is offline. This page may be outdated; uploads resume when it is online."
        </p>
    }
}

/// Keys on tiles: arrows, Delete, and Escape to clear the selection.
#[cfg(feature = "hydrate")]
fn pressed(shelf: Shelf, choice: Choice, undo: Undo, event: &web_sys::KeyboardEvent) {
    match event.key().as_str() {
        "Escape" => choice.clear(),
        "Delete" => {
            let index = index_of(event.target());
            let focused = index.and_then(|index| Some(shelf.book.read_untracked().item(index)?.id.clone()));
            choice.delete(undo, focused);
        }
        _ => browser::pressed(shelf, event),
    }
}

#[cfg(feature = "hydrate")]
use browser::{attach, index_of, store_spot};

#[cfg(not(feature = "hydrate"))]
fn pressed(_shelf: Shelf, _choice: Choice, _undo: Undo, _event: &leptos::ev::KeyboardEvent) {}

#[cfg(not(feature = "hydrate"))]
fn attach(_shelf: Shelf) {}

#[cfg(not(feature = "hydrate"))]
fn store_spot(_shelf: Shelf) {}

#[cfg(not(feature = "hydrate"))]
fn index_of<T>(_target: T) -> Option<usize> {
    None
}
