//! Before and after, one over the other, with a line between that can be moved.

use leptos::prelude::*;

use crate::dynamic::dynamic;

/// Two pictures of one size. Without scripts they stand side by side.
#[component]
pub fn Compare(
    /// Address of the original's view.
    #[prop(into)]
    before: Signal<String>,
    /// Address of the result's view.
    #[prop(into)]
    after: Signal<String>,
    /// The image's name, for the descriptions.
    name: String,
    /// Pixels in a row, as displayed.
    width: u32,
    /// Rows, as displayed.
    height: u32,
) -> impl IntoView {
    let split = RwSignal::new(50.0f64);
    view! {
        <figure
            class="compare"
            style=dynamic(move || format!("--split:{}%;--ratio:{}", split.get(), f64::from(width) / f64::from(height.max(1))))
        >
            <div class="compare-stage">
                <img
                    class="compare-before"
                    data-testid="before"
                    src=before
                    alt=format!("{name} before equalization")
                    width=width
                    height=height
                />
                <img
                    class="compare-after"
                    data-testid="after"
                    src=after
                    alt=format!("{name} after equalization")
                    width=width
                    height=height
                />
                <span class="compare-line" aria-hidden="true"></span>
                <span class="compare-tag start" aria-hidden="true">
                    "Before"
                </span>
                <span class="compare-tag end" aria-hidden="true">
                    "After"
                </span>
                <input
                    class="compare-range needs-script"
                    type="range"
                    min="0"
                    max="100"
                    step="0.5"
                    value="50"
                    data-testid="split"
                    aria-label="Line between before and after"
                    prop:value=dynamic(move || split.get().to_string())
                    on:input:target=move |event| split.set(event.target().value().parse().unwrap_or(50.0))
                />
            </div>
        </figure>
    }
}
