//! Upload list and drop target, available on every page.

use std::collections::HashMap;

use leptos::prelude::*;
use shared::cluster::JobProgress;
use shared::id::JobId;
use shared::route;

use super::phase_label;
use crate::format;
use crate::live::Live;
use crate::runtime::markup::{Element, Shown, el, of};
use crate::upload::{Deed, Stage, Upload, Uploads};

/// Above this number of uploads, finished ones aren't listed, and at most this many others are.
const LISTED: usize = 100;

/// Drop target for the whole page: overlay while files are dragged, upload on drop or paste.
#[component]
pub fn DropAnywhere() -> impl IntoView {
    let uploads = Uploads::expect();
    let dragging = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    Effect::new(move || crate::upload::listen(uploads, dragging));
    #[cfg(not(feature = "hydrate"))]
    let _ = uploads;
    // Last element of the page; `theme.js` waits for it.
    view! {
        <div id="end" class="veil" class:shown=dragging aria-hidden="true">
            <p>"Drop to equalize"</p>
        </div>
    }
}

/// List of uploads; hidden while there are none.
#[component]
pub fn UploadTray() -> impl IntoView {
    let uploads = Uploads::expect();
    let live = Live::expect();
    #[cfg(feature = "hydrate")]
    crate::upload::follow(uploads);
    let folded = RwSignal::new(false);
    let shown = move || {
        let (items, notice, progress) = (uploads.items.read(), uploads.notice.read(), live.progress.read());
        Shown::new("tray-live", tray(&items, notice.as_deref(), &progress, folded.get()))
    };
    view! {
        <div class="tray-place" aria-live="polite" on:click=move |event| clicked(uploads, folded, &event)>
            {shown}
        </div>
    }
}

/// Renders the list. Folded, only its head and the total progress are shown: on a phone the list would cover half the page.
fn tray(
    items: &[Upload],
    notice: Option<&str>,
    progress: &HashMap<JobId, JobProgress>,
    folded: bool,
) -> Option<Element> {
    if items.is_empty() && notice.is_none() {
        return None;
    }
    let head = of("header", "tray-head").add(el("h2").text(summary(items))).add(for_all(items, folded));
    let mut tray = of("section", "tray").attr("aria-label", "Uploads").add(head);
    if let Some(notice) = notice {
        tray = tray.add(of("p", "tray-notice").test("upload-notice").text(notice.to_owned()));
    }
    tray = tray.all(total(items));
    if folded {
        return Some(tray);
    }
    // Announcing every step of every file would overwhelm screen readers.
    let list = of("ul", "tray-list").attr("aria-live", "off");
    let few = items.len() <= LISTED;
    let (rows, hidden) = {
        let mut rows: Vec<&Upload> =
            items.iter().filter(|upload| few || !matches!(upload.stage, Stage::Done(_))).collect();
        let hidden = rows.len().saturating_sub(LISTED);
        rows.truncate(LISTED);
        (rows, hidden)
    };
    let more = (hidden > 0).then(|| of("li", "tray-item muted").text(format!("… and {}", images(hidden))));
    Some(tray.add(list.all(rows.into_iter().map(|upload| row(upload, progress))).all(more)))
}

fn summary(items: &[Upload]) -> String {
    let count = |is: fn(&Stage) -> bool| items.iter().filter(|upload| is(&upload.stage)).count();
    let (all, ended) = (items.len(), count(Stage::has_ended));
    match count(|stage| matches!(stage, Stage::Refused(_) | Stage::Failed(..))) {
        0 if all == 0 => "Nothing to upload".to_owned(),
        0 if all == ended => format!("{} equalized", images(all)),
        bad if all == ended => format!("{} equalized, {bad} failed", images(all - bad)),
        _ => format!("{ended} of {} ready", images(all)),
    }
}

/// Buttons that act on all uploads.
fn for_all(items: &[Upload], folded: bool) -> Element {
    let any = |is: fn(&Stage) -> bool| items.iter().any(|upload| is(&upload.stage));
    let button =
        |what: &'static str| of("button", "button quiet").attr("type", "button").attr("data-all", what).text(what);
    let pause = any(|stage| *stage == Stage::Waiting || stage.has_turn());
    let resume = !pause && any(|stage| *stage == Stage::Paused);
    let clear = items.is_empty() || any(Stage::has_ended);
    let buttons = [(pause, "Pause all"), (resume, "Resume all"), (clear, "Clear")];
    let fold = of("button", "button quiet tray-fold")
        .attr("type", "button")
        .attr("data-all", "Fold")
        .attr("aria-expanded", (!folded).to_string())
        .attr("aria-label", "List of uploads");
    let buttons = buttons.into_iter().filter(|(shown, _)| *shown).map(|(_, what)| button(what).key(what));
    of("span", "tray-all").all(buttons).all((!items.is_empty()).then(|| fold.key("Fold")))
}

/// Total progress, until everything was sent.
fn total(items: &[Upload]) -> Option<Element> {
    let counts = |upload: &&Upload| !matches!(upload.stage, Stage::Refused(_));
    let (sent, bytes) =
        items.iter().filter(counts).fold((0, 0), |(sent, bytes), upload| (sent + upload.sent, bytes + upload.bytes));
    let under_way = items.iter().any(|upload| upload.stage.accepted().is_none() && counts(&upload));
    let label = || format!("{} of {} sent", format::bytes(sent), format::bytes(bytes));
    under_way.then(|| bar(percent(sent, bytes), 100, label()).attr("aria-live", "off").test("upload-total"))
}

fn percent(sent: u64, bytes: u64) -> u64 {
    (sent * 100).checked_div(bytes).unwrap_or(0)
}

fn images(number: usize) -> String {
    if number == 1 { "1 image".to_owned() } else { format!("{number} images") }
}

/// One upload: bytes sent, then the phases of its job, then the result or an error.
fn row(upload: &Upload, progress: &HashMap<JobId, JobProgress>) -> Element {
    let name = of("span", "tray-name").attr("title", upload.name.clone());
    let name = match upload.stage.accepted() {
        Some(accepted) => {
            name.add(el("a").attr("href", route::image_page(&accepted.image_id)).text(upload.name.clone()))
        }
        None => name.text(upload.name.clone()),
    };
    let button = |(_, label): &(Deed, &'static str)| {
        of("button", "button quiet")
            .attr("type", "button")
            .attr("data-deed", *label)
            .attr("aria-label", format!("{label} {}", upload.name))
            .text(*label)
    };
    of("li", "tray-item")
        .key(upload.id.to_string())
        .attr("data-upload", upload.id.to_string())
        .attr("data-state", upload.stage.name())
        .test("upload-item")
        .add(name)
        .add(of("span", "tray-state").add(state(upload, progress)))
        .add(of("span", "tray-deeds").all(Deed::of(&upload.stage).iter().map(button)))
}

fn state(upload: &Upload, progress: &HashMap<JobId, JobProgress>) -> Element {
    let sent = percent(upload.sent, upload.bytes);
    match &upload.stage {
        Stage::Waiting => of("span", "muted").text(format!("Waiting · {}", format::bytes(upload.bytes))),
        Stage::Sending => bar(sent, 100, format!("Sending {sent} %")),
        Stage::Paused => of("span", "muted").text(format!("Paused at {sent} %")),
        Stage::Broken => of("span", "warn").text("Connection lost. Retrying …"),
        Stage::Postponed(sentence) => of("span", "warn").text(sentence.clone()).text(" Retrying …"),
        Stage::Accepted(accepted) => match progress.get(&accepted.job_id) {
            Some(JobProgress { phase, done, total }) => {
                bar((*done).into(), (*total).max(1).into(), format!("{} {done} of {total}", phase_label(*phase)))
            }
            None => of("span", "muted").text("Accepted and queued"),
        },
        Stage::Done(_) => of("span", "good").text("Equalized"),
        Stage::Failed(_, sentence) | Stage::Refused(sentence) => of("span", "bad").text(sentence.clone()),
    }
}

fn bar(value: u64, max: u64, label: String) -> Element {
    let progress =
        el("progress").attr("max", max.to_string()).attr("value", value.to_string()).attr("aria-label", label.clone());
    of("span", "progress").add(progress).add(of("span", "progress-label").text(label))
}

/// Handles a click on a button of the list.
#[cfg(feature = "hydrate")]
fn clicked(uploads: Uploads, folded: RwSignal<bool>, event: &leptos::ev::MouseEvent) {
    use wasm_bindgen::JsCast;
    let button =
        event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()?.closest("button").ok()?);
    let Some(button) = button else { return };
    let deed = |label: &str| match label {
        "Pause" | "Pause all" => Deed::Pause,
        "Resume" | "Resume all" | "Retry" => Deed::Resume,
        _ => Deed::Cancel,
    };
    match (button.get_attribute("data-all").as_deref(), button.get_attribute("data-deed")) {
        (Some("Clear"), _) => uploads.clear(),
        (Some("Fold"), _) => folded.update(|folded| *folded = !*folded),
        (Some(all), _) => uploads.act_on_all(deed(all)),
        (None, Some(label)) => {
            let row = button.closest("[data-upload]").ok().flatten();
            let id = row.and_then(|row| row.get_attribute("data-upload")?.parse().ok());
            id.into_iter().for_each(|id| uploads.act(id, deed(&label)));
        }
        (None, None) => {}
    }
}

#[cfg(not(feature = "hydrate"))]
fn clicked(_uploads: Uploads, _folded: RwSignal<bool>, _event: &leptos::ev::MouseEvent) {}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    use super::*;
    use shared::equalize::Recipe;

    fn upload(id: u32, sent: u64, stage: Stage) -> Upload {
        Upload { id, name: format!("<b>{id}.png"), bytes: 1_000, sent, stage, recipe: Recipe::default() }
    }

    fn html(items: &[Upload]) -> String {
        tray(items, None, &HashMap::new(), false).map(|tray| tray.to_html()).unwrap_or_default()
    }

    #[test]
    fn the_tray_tells_how_much_of_each_file_and_of_all_was_sent() {
        let items = [upload(0, 250, Stage::Sending), upload(1, 0, Stage::Waiting), upload(2, 500, Stage::Paused)];
        let html = html(&items);
        for words in ["0 of 3 images ready", "750 B of 3.0 kB sent", "Sending 25 %", "Paused at 50 %", "&lt;b&gt;0.png"]
        {
            assert!(html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn what_can_be_done_follows_from_the_stage() {
        let deeds = |stage| html(&[upload(0, 0, stage)]).matches("data-deed=\"").count();
        assert_eq!(deeds(Stage::Sending), 2);
        assert!(html(&[upload(0, 0, Stage::Refused("Why.".into()))]).contains("data-deed=\"Retry\""));
        assert!(html(&[upload(0, 0, Stage::Paused)]).contains("Resume all"));
        assert!(!html(&[upload(0, 0, Stage::Paused), upload(1, 0, Stage::Sending)]).contains("Resume all"));
        assert_eq!(html(&[]), "");
    }

    #[test]
    fn folded_it_tells_of_all_and_lists_none() {
        let items = [upload(0, 250, Stage::Sending), upload(1, 0, Stage::Waiting)];
        let html = tray(&items, None, &HashMap::new(), true).unwrap().to_html();
        for words in ["0 of 2 images ready", "250 B of 2.0 kB sent", "Pause all", "aria-expanded=\"false\""] {
            assert!(html.contains(words), "{words}: {html}");
        }
        assert!(!html.contains("data-upload="), "{html}");
    }

    #[test]
    fn of_a_great_many_files_a_few_are_listed() {
        let items: Vec<Upload> = (0..1_000).map(|id| upload(id, 0, Stage::Waiting)).collect();
        let html = html(&items);
        assert_eq!(html.matches("data-upload=").count(), LISTED);
        assert!(html.contains("… and 900 images"));
    }
}
