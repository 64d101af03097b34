//! What is a module of its own, loaded when a person first needs it: code that the gallery can be seen without.
//!
//! `wasm-split` cuts the page's module at the functions here (`scripts/site.sh`). On the server, which has all of it, they are
//! plain functions.

// The macro declares a function here as one that another module gives.
#![allow(unsafe_code)]

use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_meta::Title;
use leptos_router::LazyRoute;

use crate::components::Dialog;
use crate::pages::{ClusterPage, ImagePage};
use crate::settled::IntoSettled;

/// The part of [`ImagePage`].
pub const IMAGE: &str = "image";

/// The part of [`ClusterPage`].
pub const CLUSTER: &str = "cluster";

/// The part that the page at an address needs.
pub fn part_of(path: &str) -> Option<&'static str> {
    match path.split('/').nth(1) {
        Some("images") => Some(IMAGE),
        Some("cluster") => Some(CLUSTER),
        _ => None,
    }
}

/// The route of [`ImagePage`].
pub struct ImageRoute;

/// The route of [`ClusterPage`].
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

/// What makes the dialog of the preview.
#[wasm_split(preview, wasm_split_path = leptos::wasm_split, fallible)]
pub fn preview_dialog() -> Result<fn() -> AnyView, SplitLoaderError> {
    Ok(|| Dialog().settle())
}

/// Loads what the page at an address needs beside the first module: what the server wrote can then be taken over at once.
///
/// # Errors
/// It can't be had just now.
#[cfg(feature = "hydrate")]
pub async fn load(path: &str) -> Result<(), SplitLoaderError> {
    match part_of(path) {
        Some(IMAGE) => load_image_page().await,
        Some(CLUSTER) => load_cluster_page().await,
        _ => Ok(()),
    }
}

/// In place of a page whose code can't be had: the connection is down, or the site is of another version by now.
fn not_loaded() -> AnyView {
    view! {
        <Title text="Not loaded" />
        <section class="empty" role="alert">
            <h1>"This page could not be loaded."</h1>
            <p>"The connection may be down, or Evenlight was brought up to date since you opened it."</p>
            <p>
                <a class="button primary" href="" rel="external">"Load it again"</a>
            </p>
        </section>
    }
    .settle()
}
