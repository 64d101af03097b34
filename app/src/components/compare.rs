//! Two pictures on top of each other, separated by a movable line, with zoom and pan.

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use shared::distribution::Distribution;
use shared::id::{ImageId, JobId};
use shared::number::{Decimal, parse};

use crate::zoom::Sight;

/// A picture of an image: a job's result, or the original if `None`.
pub type Side = Option<JobId>;

/// Comparison of two pictures of the same size. Without scripts they are shown side by side.
#[component]
pub fn Compare(
    /// The image.
    id: ImageId,
    /// Left picture.
    #[prop(into)]
    left: Signal<Side>,
    /// Right picture.
    #[prop(into)]
    right: Signal<Side>,
    /// Name of the image, for alternative texts.
    name: String,
    /// Width in pixels, as displayed.
    width: u32,
    /// Height in pixels, as displayed.
    height: u32,
    /// Style of the placeholder shown until the pictures have loaded.
    blurred: Option<String>,
    /// Position of the line, in percent.
    split: RwSignal<f64>,
    /// Visible part of the pictures.
    sight: RwSignal<Sight>,
    /// Histograms of both pictures, once known.
    distributions: [RwSignal<Option<Distribution>>; 2],
) -> impl IntoView {
    let stage = NodeRef::<Div>::new();
    let canvases = [NodeRef::<Canvas>::new(), NodeRef::<Canvas>::new()];
    let missing = RwSignal::new([String::new(), String::new()]);
    #[cfg(feature = "hydrate")]
    {
        let deep = deep::Deep::new(id.clone(), (width, height), stage, canvases, sight, distributions, missing);
        deep.follow([left, right]);
        deep.listen();
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = distributions;
    let address = {
        let id = id.clone();
        move |side: Side| match side {
            Some(job) => format!("{}?job={job}", shared::route::result_view(&id)),
            None => shared::route::view(&id),
        }
    };
    let (before, after) = (address.clone(), address);
    // Two results aren't before and after each other, so they are called left and right.
    let tag = move |before: &'static str, left_result: &'static str| {
        move || if left.read().is_some() { left_result } else { before }
    };
    let alt = move |before: &'static str, left_result: &'static str| {
        let name = name.clone();
        move || format!("{name} {}", if left.read().is_some() { left_result } else { before })
    };
    let (before_alt, after_alt) =
        (alt("before equalization", "equalized, on the left"), alt("after equalization", "equalized, on the right"));
    let why = move || missing.read().iter().find(|why| !why.is_empty()).cloned().unwrap_or_default();
    view! {
        <figure
            class="compare"
            style=move || {
                let Sight { zoom, x, y } = sight.get();
                let ratio = f64::from(width) / f64::from(height.max(1));
                let [split, ratio, zoom, x, y] = [split.get(), ratio, zoom, x * 100.0, y * 100.0].map(Decimal);
                format!("--split:{split}%;--ratio:{ratio};--zoom:{zoom};--x:{x}%;--y:{y}%")
            }
        >
            <div class="compare-stage" style=blurred data-testid="stage" data-zoom=move || format!("{:.2}", Decimal(sight.get().zoom)) node_ref=stage>
                <div class="compare-layer">
                    <img class="compare-before" data-testid="before" src=move || before(left.get()) alt=before_alt width=width height=height draggable="false" />
                    <canvas data-testid="tiles-before" aria-hidden="true" node_ref=canvases[0]></canvas>
                </div>
                <div class="compare-layer compare-after">
                    <img data-testid="after" src=move || after(right.get()) alt=after_alt width=width height=height draggable="false" />
                    <canvas data-testid="tiles-after" aria-hidden="true" node_ref=canvases[1]></canvas>
                </div>
                <span class="compare-line" aria-hidden="true"></span>
                <span class="compare-tag start" aria-hidden="true">
                    {tag("Before", "Left")}
                </span>
                <span class="compare-tag end" aria-hidden="true">
                    {tag("After", "Right")}
                </span>
                <p class="compare-why" data-testid="no-zoom" role="status" hidden=move || why().is_empty()>
                    {why}
                </p>
                <input
                    class="compare-range needs-script"
                    type="range"
                    min="0"
                    max="100"
                    step="0.5"
                    value="50"
                    data-testid="split"
                    aria-label="Line between before and after"
                    prop:value=move || Decimal(split.get()).to_string()
                    on:input:target=move |event| split.set(parse(&event.target().value()).unwrap_or(50.0))
                />
            </div>
        </figure>
    }
}

#[cfg(feature = "hydrate")]
mod deep {
    //! Browser-only part: pointers, wheel and tiles.

    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;
    use std::rc::Rc;
    use std::time::Duration;

    use leptos::ev;
    use leptos::html::{Canvas, Div};
    use leptos::prelude::*;
    use send_wrapper::SendWrapper;
    use shared::distribution::Distribution;
    use shared::id::ImageId;
    use shared::pyramid::DeepZoom;
    use shared::route;
    use wasm_bindgen::JsCast;
    use web_sys::{HtmlElement, PointerEvent};

    use super::Side;
    use crate::api;
    use crate::zoom::Sight;
    use crate::zoom::tiles::{Tiles, fresh};

    /// Longer side of a view, in pixels. Up to this size no tiles are needed.
    const VIEW_SIDE: f64 = 2_048.0;
    /// Maximum zoom: screen pixels per image pixel.
    const CLOSEST: f64 = 8.0;
    /// Interval between requests for a pyramid that isn't built yet.
    const PAUSE: Duration = Duration::from_secs(2);

    #[derive(Clone)]
    pub(super) struct Deep(SendWrapper<Rc<Inner>>);

    struct Inner {
        id: ImageId,
        size: (u32, u32),
        stage: NodeRef<Div>,
        canvases: [NodeRef<Canvas>; 2],
        sight: RwSignal<Sight>,
        distributions: [RwSignal<Option<Distribution>>; 2],
        /// Why a side has no tiles (yet), as a sentence.
        missing: RwSignal<[String; 2]>,
        tiles: [RefCell<Option<Tiles>>; 2],
        /// Number of the latest pyramid request of each side.
        wishes: [Cell<u32>; 2],
        due: Cell<bool>,
        /// Pressed pointers and their positions.
        pointers: RefCell<HashMap<i32, (f64, f64)>>,
    }

    impl Deep {
        pub(super) fn new(
            id: ImageId,
            size: (u32, u32),
            stage: NodeRef<Div>,
            canvases: [NodeRef<Canvas>; 2],
            sight: RwSignal<Sight>,
            distributions: [RwSignal<Option<Distribution>>; 2],
            missing: RwSignal<[String; 2]>,
        ) -> Self {
            Self(SendWrapper::new(Rc::new(Inner {
                id,
                size,
                stage,
                canvases,
                sight,
                distributions,
                missing,
                tiles: Default::default(),
                wishes: Default::default(),
                due: Cell::new(false),
                pointers: RefCell::default(),
            })))
        }

        /// Shows the tiles of the current sides and the visible part, and keeps them up to date.
        pub(super) fn follow(&self, sides: [Signal<Side>; 2]) {
            for (index, side) in sides.into_iter().enumerate() {
                let deep = self.clone();
                Effect::new(move || deep.choose(index, side.get()));
            }
            let deep = self.clone();
            Effect::new(move || {
                deep.0.sight.track();
                deep.draw_soon();
            });
            let deep = self.clone();
            let resized = window_event_listener(ev::resize, move |_| deep.draw_soon());
            on_cleanup(move || resized.remove());
        }

        fn choose(&self, index: usize, side: Side) {
            let inner = &self.0;
            let wish = inner.wishes[index].get() + 1;
            inner.wishes[index].set(wish);
            *inner.tiles[index].borrow_mut() = None;
            inner.distributions[index].set(None);
            inner.missing.update(|missing| missing[index] = String::new());
            self.draw_soon();
            let query = side.as_ref().map(|job| format!("?job={job}")).unwrap_or_default();
            self.ask(index, wish, query);
        }

        /// Requests a pyramid repeatedly, until it is built, is refused, or the side changes.
        fn ask(&self, index: usize, wish: u32, query: String) {
            let deep = self.clone();
            leptos::task::spawn_local(async move {
                let path = route::pyramid(&deep.0.id);
                let answer = api::get::<DeepZoom>(format!("{path}{query}")).await;
                if deep.0.wishes[index].get() != wish || deep.0.sight.is_disposed() {
                    return;
                }
                let why = match answer {
                    Ok(DeepZoom { pyramid: Some(pyramid), .. }) => {
                        let _ = deep.0.distributions[index].try_set(Some(pyramid.distribution.clone()));
                        let again = deep.clone();
                        let tiles = Tiles::new(pyramid, path, query, move || again.draw_soon());
                        *deep.0.tiles[index].borrow_mut() = Some(tiles);
                        deep.draw_soon();
                        String::new()
                    }
                    Ok(DeepZoom { reason: Some(reason), .. }) => {
                        format!("No close-up views or levels. {reason}")
                    }
                    // The view stays visible meanwhile.
                    other => {
                        let (width, height) = deep.0.size;
                        let needed = other.is_ok() && f64::from(width.max(height)) > VIEW_SIDE;
                        let again = deep.clone();
                        set_timeout(move || again.ask(index, wish, query), PAUSE);
                        if needed { "Preparing close-up views." } else { "" }.to_owned()
                    }
                };
                let _ = deep.0.missing.try_update(|missing| missing[index] = why);
            });
        }

        /// Schedules a redraw for the next frame, once for all changes.
        fn draw_soon(&self) {
            if self.0.due.replace(true) {
                return;
            }
            let deep = self.clone();
            request_animation_frame(move || {
                deep.0.due.set(false);
                deep.draw();
            });
        }

        fn draw(&self) {
            let inner = &self.0;
            let Some(sight) = inner.sight.try_get_untracked() else { return };
            for (canvas, tiles) in inner.canvases.iter().zip(&inner.tiles) {
                let Some(canvas) = canvas.try_get_untracked().flatten() else { continue };
                let Some(context) = fresh(&canvas) else { continue };
                let longer = f64::from(canvas.width().max(canvas.height())) * sight.zoom;
                let (width, height) = inner.size;
                let enough = longer <= VIEW_SIDE || f64::from(width.max(height)) <= VIEW_SIDE;
                if let (Some(tiles), false) = (&*tiles.borrow(), enough) {
                    tiles.draw(&canvas, &context, sight);
                }
            }
        }

        /// Returns the maximum zoom relative to the stage.
        fn most(&self) -> f64 {
            let wide = self.0.stage.get_untracked().map_or(1, |stage| stage.client_width()).max(1);
            let ratio = window().device_pixel_ratio();
            (f64::from(self.0.size.0) * CLOSEST / (f64::from(wide) * ratio)).max(1.0)
        }

        fn zoom(&self, factor: f64, at: (f64, f64)) {
            let most = self.most();
            self.0.sight.update(|sight| *sight = sight.zoomed(factor, at, most));
        }

        /// Returns a client position relative to the stage, 0 to 1 across and down.
        fn place(&self, x: i32, y: i32) -> (f64, f64) {
            let Some(stage) = self.0.stage.get_untracked() else { return (0.5, 0.5) };
            let rect = stage.get_bounding_client_rect();
            ((f64::from(x) - rect.left()) / rect.width().max(1.0), (f64::from(y) - rect.top()) / rect.height().max(1.0))
        }

        /// Listens to the stage: wheel, drag, pinch and double click.
        pub(super) fn listen(&self) {
            let deep = self.clone();
            self.0.stage.on_load(move |stage| {
                let stage: HtmlElement = stage.unchecked_into();
                let add = |name: &str, heard: wasm_bindgen::closure::Closure<dyn Fn(PointerEvent)>| {
                    // The closure is leaked to the listener; the browser frees it with the stage.
                    let _ = stage.add_event_listener_with_callback(name, heard.into_js_value().unchecked_ref());
                };
                let hears = |act: fn(&Deep, &PointerEvent)| {
                    let deep = deep.clone();
                    wasm_bindgen::closure::Closure::<dyn Fn(PointerEvent)>::new(move |event| act(&deep, &event))
                };
                add("pointerdown", hears(Deep::down));
                add("pointermove", hears(Deep::moves));
                add("pointerup", hears(Deep::up));
                add("pointercancel", hears(Deep::up));
                add("dblclick", hears(Deep::twice));
                add("wheel", hears(Deep::wheel));
            });
        }

        fn wheel(&self, event: &PointerEvent) {
            let event: &web_sys::WheelEvent = event.unchecked_ref();
            // At the smallest zoom, scrolling down scrolls the page.
            if event.delta_y() > 0.0 && self.0.sight.read_untracked().zoom <= 1.0 {
                return;
            }
            event.prevent_default();
            // A line is about 16 pixels.
            let lines = if event.delta_mode() == web_sys::WheelEvent::DOM_DELTA_LINE { 16.0 } else { 1.0 };
            let by = (event.delta_y() * lines).clamp(-240.0, 240.0);
            self.zoom((-by / 320.0).exp2(), self.place(event.client_x(), event.client_y()));
        }

        fn twice(&self, event: &PointerEvent) {
            self.zoom(2.0, self.place(event.client_x(), event.client_y()));
        }

        fn down(&self, event: &PointerEvent) {
            let on_line = event.target().is_some_and(|target| target.has_type::<web_sys::HtmlInputElement>());
            if on_line || event.button() != 0 {
                return;
            }
            if let Some(stage) = self.0.stage.get_untracked() {
                // Fails if the pointer is already gone.
                let _ = stage.set_pointer_capture(event.pointer_id());
            }
            let at = self.place(event.client_x(), event.client_y());
            self.0.pointers.borrow_mut().insert(event.pointer_id(), at);
        }

        fn up(&self, event: &PointerEvent) {
            self.0.pointers.borrow_mut().remove(&event.pointer_id());
        }

        /// One pointer pans, two zoom.
        fn moves(&self, event: &PointerEvent) {
            let now = self.place(event.client_x(), event.client_y());
            let mut pointers = self.0.pointers.borrow_mut();
            let Some(before) = pointers.insert(event.pointer_id(), now) else {
                pointers.remove(&event.pointer_id());
                return;
            };
            let other = pointers.iter().find(|(id, _)| **id != event.pointer_id()).map(|(_, at)| *at);
            drop(pointers);
            match other {
                None => self.0.sight.update(|sight| *sight = sight.moved(now.0 - before.0, now.1 - before.1)),
                Some(other) => {
                    let apart = |at: (f64, f64)| (at.0 - other.0).hypot(at.1 - other.1).max(0.01);
                    self.zoom(apart(now) / apart(before), other);
                }
            }
        }
    }
}
