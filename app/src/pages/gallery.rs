//! The gallery: what came in, and what became of it.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use shared::gallery::{ImageQuery, Page};
use shared::route;

use crate::api;
use crate::components::{Card, Filters, ProblemLine, ProblemNotice, UploadPanel, place};
use crate::dynamic::dynamic;
use crate::live::Live;
use crate::settled::Settled;

mod list;
use list::List;

/// The gallery.
#[component]
pub fn GalleryPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| params.with(parse));
    let first = Resource::new(move || query.get(), api::images);
    Settled::new(view! {
        <Title text="Gallery" />
        <h1 class="visually-hidden">"Gallery"</h1>
        <UploadPanel />
        <Filters query />
        <Transition fallback=|| {
            view! {
                <p class="loading" role="status">
                    "Loading the gallery …"
                </p>
            }
        }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(page) => Either::Left(view! { <Gallery query=query.get_untracked() page /> }),
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

/// What an address asks for; what can't be understood is passed over.
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
fn Gallery(query: ImageQuery, page: Page) -> impl IntoView {
    let live = Live::expect();
    let narrowed = query.narrows();
    let list = List::new(query.clone(), page);
    list.keep_fresh(live);

    let placed = Memo::new(move |_| {
        let sizes: Vec<(u32, u32)> =
            list.items.read().iter().map(|item| item.image.with_untracked(|it| (it.width, it.height))).collect();
        place(&sizes)
    });
    let style_of = move |id: shared::id::ImageId| {
        Signal::derive(move || {
            let index = list.items.read().iter().position(|item| item.id == id);
            index.and_then(|index| placed.read().tiles.get(index).cloned()).unwrap_or_default()
        })
    };
    let is_empty = Memo::new(move |_| list.items.read().is_empty());
    let more = {
        let query = query.clone();
        move || {
            list.next.get().map(|cursor| {
                let address = format!(
                    "{}?{}",
                    route::GALLERY,
                    api::query_string(&ImageQuery { cursor: Some(cursor), ..query.clone() })
                );
                view! {
                    <p class="more">
                        <a
                            class="button"
                            href=address
                            data-testid="more"
                            on:click=move |event| {
                                event.prevent_default();
                                list.load_more();
                            }
                        >
                            {dynamic(move || if list.loading.get() { "Loading …" } else { "Show more" })}
                        </a>
                    </p>
                }
            })
        }
    };
    view! {
        <Show when=move || is_empty.get()>
            {if narrowed {
                Either::Left(
                    view! {
                        <section class="empty">
                            <h2>"Nothing matches."</h2>
                            <p>
                                <a class="button" href=route::GALLERY>
                                    "Show all images"
                                </a>
                            </p>
                        </section>
                    },
                )
            } else {
                Either::Right(
                    view! {
                        <section class="empty">
                            <div class="empty-bars" aria-hidden="true">
                                <i></i>
                                <i></i>
                                <i></i>
                                <i></i>
                                <i></i>
                                <i></i>
                                <i></i>
                            </div>
                            <h2>"No images yet."</h2>
                            <p>"Drop some here. They are split among the pods, equalized, and put together again."</p>
                        </section>
                    },
                )
            }}
        </Show>
        <div class="gallery">
            <div class="masonry" style=dynamic(move || placed.read().container.clone())>
                <For each=move || list.items.get() key=|item| item.id.clone() let:item>
                    <Card image=item.image style=style_of(item.id) />
                </For>
            </div>
        </div>
        {more}
        <ProblemLine problem=list.problem />
    }
}
