//! Preview of chosen files before upload: original and result, with the recipe's fields.

use leptos::prelude::*;
use shared::number::{Decimal, parse};

use super::{Distributions, RecipeFields, recipe_of};
use crate::preview::{Preview, State};
use crate::upload::{File, Uploads};

/// The dialog itself. Its code is loaded on first use.
#[component]
pub fn Dialog() -> impl IntoView {
    let uploads = Uploads::expect();
    let preview = Preview::default();
    let canvases = [NodeRef::new(), NodeRef::new()];
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    let at = RwSignal::new(0usize);
    let split = RwSignal::new(50.0f64);
    Effect::new(move || drop(dialog.get().map(|dialog| dialog.show_modal())));
    Effect::new(move || {
        let index = at.get();
        if let Some(file) = uploads.held.read_untracked().get(index) {
            preview.open(file, canvases);
        }
    });
    let is_open = Memo::new(move |_| matches!(*preview.state.read(), State::Open { .. }));
    let problem = Memo::new(move |_| recipe_of(&uploads.entered.read()).err());
    Effect::new(move || {
        if is_open.get()
            && let Ok(recipe) = recipe_of(&uploads.entered.read())
        {
            preview.look(&recipe);
        }
    });
    let send = move |_| {
        if let Ok(recipe) = recipe_of(&uploads.entered.read_untracked()) {
            uploads.enqueue(std::mem::take(&mut *uploads.held.write()), &recipe);
        }
    };
    let count = move || uploads.held.read().len();
    let name = move || uploads.held.read().get(at.get()).map(name_of).unwrap_or_default();
    let ratio = move || match preview.state.get() {
        State::Open { size: (width, height), .. } => f64::from(width) / f64::from(height.max(1)),
        _ => 1.5,
    };
    let told = move || match preview.state.get() {
        State::Opening => "Opening the file …".to_owned(),
        State::Closed(sentence) => sentence,
        State::Open { note, .. } => problem.get().or(preview.refused.get()).unwrap_or(note),
    };
    let kind = move || if preview.exact.get() { "Exact" } else { "Approximate" };
    view! {
        <dialog class="preview" data-testid="preview" aria-labelledby="preview-title" node_ref=dialog on:close=move |_| uploads.held.write().clear()>
            <header class="preview-head">
                <h2 id="preview-title">{name}</h2>
                <span class="preview-steps" hidden={move || count() < 2}>
                    <button type="button" class="button quiet" aria-label="Preview the previous file" disabled={move || at.get() == 0} on:click=move |_| at.update(|at| *at -= 1)>
                        "‹"
                    </button>
                    {move || format!("{} of {}", at.get() + 1, count())}
                    <button type="button" class="button quiet" aria-label="Preview the next file" disabled={move || at.get() + 1 >= count()} on:click=move |_| at.update(|at| *at += 1)>
                        "›"
                    </button>
                </span>
            </header>
            <div class="preview-body">
                <figure class="compare" style=move || format!("--split:{}%;--ratio:{}", Decimal(split.get()), Decimal(ratio()))>
                    <div class="compare-stage" class:blank=move || !is_open.get()>
                        <canvas class="compare-before" data-testid="preview-before" role="img" aria-label="Before" node_ref=canvases[0]></canvas>
                        <canvas class="compare-after" data-testid="preview-after" role="img" aria-label="After" node_ref=canvases[1]></canvas>
                        <span class="compare-line" aria-hidden="true"></span>
                        <span class="compare-tag start" data-testid="preview-kind" role="status">{kind}</span>
                        <input
                            class="compare-range"
                            type="range"
                            min="0"
                            max="100"
                            step="0.5"
                            value="50"
                            aria-label="Line between before and after"
                            on:input:target=move |event| split.set(parse(&event.target().value()).unwrap_or(50.0))
                        />
                    </div>
                </figure>
                <div class="preview-side">
                    <RecipeFields entered=uploads.entered sliders=true />
                    <Distributions before=preview.before after=preview.after />
                    <p class="muted" role="status" data-testid="preview-told">{told}</p>
                    <div class="actions">
                        <button type="button" class="button primary" data-testid="preview-send" disabled=move || problem.read().is_some() on:click=send>
                            {move || if count() == 1 { "Equalize".to_owned() } else { format!("Equalize all {}", count()) }}
                        </button>
                        <button type="button" class="button quiet" data-testid="preview-cancel" on:click=move |_| uploads.held.write().clear()>
                            "Cancel"
                        </button>
                    </div>
                </div>
            </div>
        </dialog>
    }
}

#[cfg(feature = "hydrate")]
fn name_of(file: &File) -> String {
    file.name()
}

#[cfg(not(feature = "hydrate"))]
fn name_of(_file: &File) -> String {
    String::new()
}
