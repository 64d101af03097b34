//! Code-split parts, loaded on first use: code that isn't needed to show the gallery.
//!
//! `wasm-split` cuts the page's module at the functions in this file (`scripts/site.sh`). On the server, which contains
//! everything, they are plain functions.

// The macro declares the functions as `extern`, provided by another module.
#![allow(unsafe_code)]

use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_meta::Title;
use leptos_router::LazyRoute;

use crate::components::Dialog;
use crate::pages::{ClusterPage, ImagePage};
use crate::runtime::settled::IntoSettled;

/// Part that contains [`ImagePage`].
pub const IMAGE: &str = "image";

/// Part that contains [`ClusterPage`].
pub const CLUSTER: &str = "cluster";

/// Returns the part needed by the page at a path.
pub fn part_of(path: &str) -> Option<&'static str> {
    match path.split('/').nth(1) {
        Some("images") => Some(IMAGE),
        Some("cluster") => Some(CLUSTER),
        _ => None,
    }
}

/// Route of [`ImagePage`].
pub struct ImageRoute;

/// Route of [`ClusterPage`].
pub struct ClusterRoute;

impl LazyRoute for ImageRoute {
    fn data() -> Self {
        Self
    }

    async fn view(_: Self) -> AnyView {
        image_page().await.unwrap_or_else(|_| not_loaded())
    }
}

impl LazyRoute for ClusterRoute {
    fn data() -> Self {
        Self
    }

    async fn view(_: Self) -> AnyView {
        cluster_page().await.unwrap_or_else(|_| not_loaded())
    }
}

#[wasm_split(image, wasm_split_path = leptos::wasm_split, fallible, preload(load_image_page))]
fn image_page() -> Result<AnyView, SplitLoaderError> {
    Ok(ImagePage().into_any())
}

#[wasm_split(cluster, wasm_split_path = leptos::wasm_split, fallible, preload(load_cluster_page))]
fn cluster_page() -> Result<AnyView, SplitLoaderError> {
    Ok(ClusterPage().into_any())
}

/// Returns the constructor of the preview dialog.
#[wasm_split(preview, wasm_split_path = leptos::wasm_split, fallible)]
pub fn preview_dialog() -> Result<fn() -> AnyView, SplitLoaderError> {
    Ok(|| Dialog().settle())
}

/// Loads the part needed by the page at a path, so that it can be hydrated in one go.
///
/// # Errors
/// If the part can't be loaded at present.
#[cfg(feature = "hydrate")]
pub async fn load(path: &str) -> Result<(), SplitLoaderError> {
    match part_of(path) {
        Some(IMAGE) => load_image_page().await,
        Some(CLUSTER) => load_cluster_page().await,
        _ => Ok(()),
    }
}

/// Shown instead of a page whose code can't be loaded: the connection is down, or a newer version of the site was deployed.
fn not_loaded() -> AnyView {
    view! {
        <Title text="Not loaded" />
        <section class="empty" role="alert">
            <h1>"This page could not be loaded."</h1>
            <p>"The connection may be down, or Evenlight was updated since you opened it."</p>
            <p>
                <a class="button primary" href="" rel="external">"Reload"</a>
            </p>
        </section>
    }
    .settle()
}
