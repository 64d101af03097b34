//! The pages: Leptos components, rendered on the server and hydrated in the browser.
//!
//! A page requests its data from [`api`]: on the server that is the [`backend::Backend`] provided by the server, in the browser
//! the public JSON API. Live updates come from [`live`].

// `view!` nests one generic type in another for each element.
#![recursion_limit = "256"]

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::{Lazy, ParamSegment, SsrMode, StaticSegment};

pub mod api;
pub mod backend;
mod cluster;
mod components;
mod format;
mod later;
pub mod live;
mod pages;
mod placeholder;
pub mod preview;
mod runtime;
mod undo;
pub mod upload;
pub mod zoom;

use components::{DropAnywhere, Header, HealthBanner, PreviewDialog, UndoBar, UploadTray};
use later::{ClusterRoute, ImageRoute};
use pages::{GalleryPage, NotFoundPage, StatusPage};

/// HTML document around [`App`]. Pass it to `leptos_routes_with_context` and as the fallback's shell. `at` returns the address
/// of a file of the site.
///
/// The page [`shared::route::STATUS`] gets no scripts: it is complete without them.
pub fn shell(at: fn(&str) -> String) -> impl IntoView {
    let scripted = !is_static_page();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-plain>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <script src=at("theme.js")></script>
                <link rel="stylesheet" href=at("pkg/evenlight.css") />
                <link rel="icon" href=at("favicon.svg") type="image/svg+xml" />
                {scripted.then(|| scripts(at))}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Scripts of a live page: the shared event stream, and the WebAssembly module, which hydrates the server's HTML.
fn scripts(at: fn(&str) -> String) -> impl IntoView {
    let (script, module) = (at("pkg/evenlight.js"), at("pkg/evenlight.wasm"));
    // The part that this page needs is loaded in parallel with the main module.
    let part = asked_path().and_then(|path| later::part_of(&path)).unwrap_or_default();
    // If Back or Forward has led to another page of the same document meanwhile, the server has to render that one.
    let start = format!(
        "const here = () => location.pathname + location.search, asked = here(); \
         import(\"{script}\").then((app) => {{ \
         app.prefetch?.(\"{part}\"); \
         return app.default({{ module_or_path: \"{module}\" }}) \
         .then(() => here() === asked ? app.hydrate() : location.reload()); }}) \
         .catch((error) => {{ document.documentElement.dataset.plain = \"\"; throw error; }})"
    );
    view! {
        <link rel="modulepreload" href=script />
        <link rel="preload" href=module r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
        <script src=at("stream-worker.js") defer></script>
        <script type="module" nonce=leptos::nonce::use_nonce() inner_html=start></script>
    }
}

/// Whether the page being rendered works without scripts.
fn is_static_page() -> bool {
    asked_path().is_some_and(|path| path == shared::route::STATUS)
}

/// Returns the path of the page being rendered; `None` in the browser.
fn asked_path() -> Option<String> {
    #[cfg(feature = "ssr")]
    return use_context::<leptos_router::location::RequestUrl>()
        .and_then(|url| url.parse().ok())
        .map(|url| url.path().to_owned());
    #[cfg(not(feature = "ssr"))]
    None
}

/// Everything inside the body: providers, header and the routed page.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    live::Live::provide();
    upload::Uploads::provide();
    undo::Undo::provide();
    view! {
        <Title formatter=|title: String| {
            if title.is_empty() { "Evenlight".to_owned() } else { format!("{title} · Evenlight") }
        } />
        <Router>
            <Header live=!is_static_page() />
            <HealthBanner />
            <main id="main">
                <FlatRoutes fallback=NotFoundPage>
                    <Route path=StaticSegment("") view=GalleryPage ssr=SsrMode::Async />
                    <Route path=(StaticSegment("images"), ParamSegment("id")) view={Lazy::<ImageRoute>::new()} ssr=SsrMode::Async />
                    <Route path=StaticSegment("cluster") view={Lazy::<ClusterRoute>::new()} ssr=SsrMode::Async />
                    <Route path=StaticSegment("status") view=StatusPage ssr=SsrMode::Async />
                </FlatRoutes>
            </main>
            <UndoBar />
            <UploadTray />
            <PreviewDialog />
            <DropAnywhere />
        </Router>
    }
}

/// Entry point of the WebAssembly module: hydrates the server's HTML. If the page's part can't be loaded, the page stays as
/// rendered by the server.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    // Leptos has no executor before it hydrates.
    wasm_bindgen_futures::spawn_local(async {
        let location = window().location();
        let path = location.pathname().unwrap_or_default();
        match later::load(&path).await {
            // Back or Forward has led to another page while this one's part was loading: the server has to render that one.
            Ok(()) if location.pathname().is_ok_and(|now| now != path) => drop(location.reload()),
            Ok(()) => leptos::mount::hydrate_body(App),
            Err(_) => drop(document().document_element().map(|root| root.set_attribute("data-plain", ""))),
        }
    });
}
