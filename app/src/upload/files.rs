//! Files from the browser: chosen, dropped or pasted, and those in folders.

use js_sys::{Array, Function, Promise};
use leptos::ev::{dragenter, dragleave, dragover, drop, paste};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::job::Format;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, DragEvent, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

use super::{File, Uploads};

/// Accepts files dropped or pasted anywhere, until the current owner is disposed of.
pub fn listen(uploads: Uploads, dragging: RwSignal<bool>) {
    // A drag enters an element before it leaves the surrounding one.
    let depth = StoredValue::new(0i32);
    let turned = move |event: &DragEvent, by: i32| {
        if has_files(event) {
            depth.update_value(|depth| *depth = (*depth + by).max(0));
            dragging.set(depth.get_value() > 0);
        }
    };
    let enter = window_event_listener(dragenter, move |event| turned(&event, 1));
    let leave = window_event_listener(dragleave, move |event| turned(&event, -1));
    let over = window_event_listener(dragover, |event| {
        if has_files(&event) {
            event.prevent_default();
        }
    });
    let dropped = window_event_listener(drop, move |event| {
        depth.set_value(0);
        dragging.set(false);
        if has_files(&event) {
            event.prevent_default();
            take(uploads, event.data_transfer());
        }
    });
    let pasted = window_event_listener(paste, move |event| {
        let data = event.clipboard_data();
        if data.as_ref().and_then(DataTransfer::files).is_some_and(|files| files.length() > 0) {
            event.prevent_default();
            take(uploads, data);
        }
    });
    on_cleanup(move || [enter, leave, over, dropped, pasted].into_iter().for_each(|listener| listener.remove()));
}

fn has_files(event: &DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0))
}

/// Adds files and folders. The entries must be read before the event handler returns.
fn take(uploads: Uploads, data: Option<DataTransfer>) {
    let Some(data) = data else { return };
    let items = data.items();
    let entries: Vec<FileSystemEntry> =
        (0..items.length()).filter_map(|index| items.get(index)?.webkit_get_as_entry().ok().flatten()).collect();
    if !entries.iter().any(FileSystemEntry::is_directory) {
        return uploads.add(listed(data.files()));
    }
    leptos::task::spawn_local(async move { uploads.add_folder(inside(entries).await) });
}

/// Converts a file list.
pub fn listed(files: Option<FileList>) -> Vec<File> {
    let Some(files) = files else { return Vec::new() };
    (0..files.length()).filter_map(|index| files.item(index)).map(SendWrapper::new).collect()
}

/// Returns all files, including those in nested folders.
async fn inside(mut entries: Vec<FileSystemEntry>) -> Vec<File> {
    let mut files = Vec::new();
    let mut next = 0;
    while let Some(entry) = entries.get(next).cloned() {
        next += 1;
        if !entry.is_directory() {
            let entry: FileSystemFileEntry = entry.unchecked_into();
            let file = called(|done, failed| entry.file_with_callback_and_callback(done, failed)).await;
            files.extend(file.map(|file| SendWrapper::new(file.unchecked_into())));
            continue;
        }
        let reader = entry.unchecked_into::<FileSystemDirectoryEntry>().create_reader();
        // Entries are returned in batches; an empty batch is the end.
        loop {
            let part = called(|done, failed| {
                let _ = reader.read_entries_with_callback_and_callback(done, failed);
            })
            .await;
            let part: Array = part.map(JsValue::unchecked_into).unwrap_or_default();
            if part.length() == 0 {
                break;
            }
            entries.extend(part.iter().map(JsValue::unchecked_into));
        }
    }
    files
}

/// Awaits a function with success and error callbacks.
async fn called(mut call: impl FnMut(&Function, &Function)) -> Option<JsValue> {
    JsFuture::from(Promise::new(&mut |done, failed| call(&done, &failed))).await.ok()
}

impl Uploads {
    /// Adds the images among a folder's files, and reports how many other files were skipped.
    pub fn add_folder(self, files: Vec<File>) {
        let all = files.len();
        let images: Vec<File> = files.into_iter().filter(|file| is_image(file)).collect();
        let left = all - images.len();
        self.notice.set((left > 0 || all == 0).then(|| match (all, left) {
            (0, _) => "This folder has no files.".to_owned(),
            (_, 1) => "1 file skipped: unsupported format.".to_owned(),
            _ => {
                format!("{left} files skipped: unsupported format.")
            }
        }));
        self.add(images);
    }
}

/// Whether a file is a supported image, by its media type or extension.
fn is_image(file: &web_sys::File) -> bool {
    let (kind, name) = (file.type_(), file.name());
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let says = |format: &Format| {
        kind == format.media_type()
            || [format.name(), format.extension()].iter().any(|it| extension.eq_ignore_ascii_case(it))
    };
    Format::ALL.iter().any(says)
}
