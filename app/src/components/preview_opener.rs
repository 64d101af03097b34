//! Opener of the preview dialog, which loads the dialog's code on first use.

use leptos::prelude::*;

use crate::later;
use crate::upload::Uploads;

/// Shown if the dialog's code can't be loaded.
const NOT_LOADED: &str = "The preview could not be loaded. Check the connection, or turn off \"Preview first\".";

/// Opens the dialog while files await a preview.
#[component]
pub fn PreviewDialog() -> impl IntoView {
    let uploads = Uploads::expect();
    let some = Memo::new(move |_| !uploads.held.read().is_empty());
    let dialog = RwSignal::new(None::<fn() -> AnyView>);
    Effect::new(move || {
        if some.get() && dialog.read_untracked().is_none() {
            leptos::task::spawn_local(async move {
                match later::preview_dialog().await {
                    Ok(made) => dialog.set(Some(made)),
                    Err(_) => {
                        uploads.held.write().clear();
                        uploads.notice.set(Some(NOT_LOADED.to_owned()));
                    }
                }
            });
        }
    });
    move || dialog.get().filter(|_| some.get()).map(|dialog| dialog())
}
