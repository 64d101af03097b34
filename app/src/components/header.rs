//! Page header: name, navigation, state of the event stream, and colour theme.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::later;
use crate::live::Live;

/// Page header.
#[component]
pub fn Header(
    /// Whether the page has scripts.
    live: bool,
) -> impl IntoView {
    let path = use_location().pathname;
    let current = move |place: &'static str| move || (*path.read() == place).then_some("page");
    view! {
        <a class="skip" href="#main">
            "Skip to content"
        </a>
        <header class="header">
            <a class="brand" href=shared::route::GALLERY>
                <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
                    <rect class="brand-a" x="3" y="17" width="6" height="12" rx="2" />
                    <rect class="brand-b" x="13" y="11" width="6" height="18" rx="2" />
                    <rect class="brand-c" x="23" y="3" width="6" height="26" rx="2" />
                </svg>
                "Evenlight"
            </a>
            <nav class="nav" aria-label="Main">
                <a href=shared::route::GALLERY aria-current=current(shared::route::GALLERY)>
                    "Gallery"
                </a>
                <a href=shared::route::CLUSTER data-part=later::CLUSTER aria-current=current(shared::route::CLUSTER)>
                    "Cluster"
                </a>
                <a href=shared::route::STATUS rel="external" aria-current=current(shared::route::STATUS)>
                    "Status"
                </a>
            </nav>
            {live
                .then(|| {
                    view! {
                        <div class="header-end">
                            <LiveState />
                            <ThemeButton />
                        </div>
                    }
                })}
        </header>
    }
}

/// Connection state of the event stream.
#[component]
fn LiveState() -> impl IntoView {
    let live = Live::expect();
    view! {
        <span class="live" data-state=move || live.connection.get().name() title="Live updates from the server">
            <span class="live-dot" aria-hidden="true"></span>
            <span data-testid="live-state" role="status">
                {move || live.connection.get().name()}
            </span>
        </span>
    }
}

/// Colour theme.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    const fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    const fn next(self) -> Self {
        match self {
            Theme::Auto => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::Auto,
        }
    }
}

/// Cycles through auto, light and dark. `theme.js` applies the choice before the first paint.
#[component]
fn ThemeButton() -> impl IntoView {
    let theme = RwSignal::new(Theme::Auto);
    Effect::new(move || theme.set(stored()));
    let step = move |_| {
        theme.update(|theme| *theme = theme.next());
        store(theme.get_untracked());
    };
    view! {
        <button
            type="button"
            class="icon-button needs-script"
            data-testid="theme"
            data-theme-choice=move || theme.get().name()
            title=move || format!("Colours: {}", theme.get().name())
            aria-label=move || format!("Colours: {}. Change.", theme.get().name())
            on:click=step
        >
            <svg class="theme-auto" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
                <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
            </svg>
            <svg class="theme-light" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <circle cx="10" cy="10" r="3.6" fill="currentColor" />
                <path
                    d="M10 1.5v2.4M10 16.100v2.4M1.500 10h2.4M16.100 10h2.4M4 4l1.700 1.700M14.300 14.300l1.700 1.700M4 16l1.700-1.700M14.300 5.700L16 4"
                    stroke="currentColor"
                    stroke-width="1.6"
                    stroke-linecap="round"
                />
            </svg>
            <svg class="theme-dark" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
                <path d="M16.500 12.200A7 7 0 0 1 7.800 3.500a7 7 0 1 0 8.700 8.700z" fill="currentColor" />
            </svg>
        </button>
    }
}

#[cfg(feature = "hydrate")]
fn stored() -> Theme {
    let text = window().local_storage().ok().flatten().and_then(|storage| storage.get_item("theme").ok().flatten());
    match text.as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::Auto,
    }
}

#[cfg(not(feature = "hydrate"))]
fn stored() -> Theme {
    Theme::Auto
}

#[cfg(feature = "hydrate")]
fn store(theme: Theme) {
    if let Ok(Some(storage)) = window().local_storage() {
        // If storage is forbidden, the choice lasts until the page is left.
        let _ = storage.set_item("theme", theme.name());
    }
    if let Some(root) = document().document_element() {
        let _ = match theme {
            Theme::Auto => root.remove_attribute("data-theme"),
            chosen => root.set_attribute("data-theme", chosen.name()),
        };
    }
}

#[cfg(not(feature = "hydrate"))]
fn store(_theme: Theme) {}
