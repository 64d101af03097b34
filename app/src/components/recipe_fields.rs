//! Form fields of a recipe. Without scripts, the server reads them with `Recipe::from_form`. The style sheet alone shows the
//! fields of the selected method.

use leptos::prelude::*;
use shared::equalize::{Color, Method, MethodKind, Recipe};
use shared::job::Format;
use shared::number::Decimal;
use shared::preset::PRESETS;
#[cfg(feature = "hydrate")]
use shared::preset::{Preset, RESET};

/// Field names and the entered values.
pub type Entered = Vec<(String, String)>;

/// Parses the entered recipe.
///
/// # Errors
/// A sentence for the user.
pub fn recipe_of(entered: &Entered) -> Result<Recipe, String> {
    let fields = entered.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Recipe::from_form(fields).map_err(|error| format!("Invalid recipe: {error}."))
}

/// Returns the label of a colour treatment.
pub const fn color_label(color: Color) -> &'static str {
    match color {
        Color::Luma => "Lightness only",
        Color::Oklab | Color::OklabClipped => "Perceived lightness",
        Color::Lab => "Lightness of CIELAB",
        Color::Hsv => "Value of HSV",
        Color::Channels => "Each channel",
        Color::Gray => "To gray",
    }
}

/// Returns the label of a method.
pub(super) const fn method_label(method: MethodKind) -> &'static str {
    match method {
        MethodKind::Global => "Whole image",
        MethodKind::Clahe => "Tiles (CLAHE)",
        MethodKind::Match => "Match another image",
        MethodKind::Stretch => "Stretch the range",
    }
}

/// Returns the label of a file format.
const fn format_label(format: Format) -> &'static str {
    match format {
        Format::Png => "PNG",
        Format::Jpeg => "JPEG",
        Format::Tiff => "TIFF",
        Format::Webp => "WebP",
    }
}

/// Describes a recipe in a few words.
pub fn recipe_label(recipe: &Recipe) -> String {
    let method = match &recipe.method {
        Method::Global => None,
        Method::Plateau { clip_limit } => Some(format!("Clip limit {}", Decimal(clip_limit.value()))),
        Method::Clahe { clip_limit, tiles: [columns, rows] } => {
            Some(format!("{columns} × {rows} tiles, clip limit {}", Decimal(clip_limit.value())))
        }
        Method::Match { .. } => Some("Matched to another image".to_owned()),
        Method::Stretch { cut, tone } => {
            let (ends, unit) = match tone.points() {
                Some(points) => (points.numbers(), ""),
                None => ([cut.low_percent(), cut.high_percent()], " %"),
            };
            Some(format!(
                "Stretched from {} to {}{unit}, gamma {}",
                Decimal(ends[0]),
                Decimal(ends[1]),
                Decimal(tone.gamma())
            ))
        }
    };
    let strength = recipe.strength.value();
    let parts = [
        method,
        Some(color_label(recipe.color).to_owned()),
        (strength < 1.0).then(|| format!("{:.0} %", Decimal(strength * 100.0))),
        recipe.nodata.map(|nodata| format!("without {}", Decimal(nodata.value()))),
        recipe.range.map(|range| format!("range {} to {}", Decimal(range.numbers()[0]), Decimal(range.numbers()[1]))),
        recipe.mask.is_some().then(|| "with a mask".to_owned()),
        recipe.target.format.map(|format| format!("as {}", format_label(format))),
        recipe.target.depth.map(|_| "8 bits".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The fields: method and colour, the method's own fields, and the less common ones, which are folded.
#[component]
pub fn RecipeFields(
    /// Entered values; fields without an entry have their default value.
    entered: RwSignal<Entered>,
    /// Whether to use sliders for values that are found by trying.
    #[prop(optional)]
    sliders: bool,
) -> impl IntoView {
    let formats = [SAME].into_iter().chain(Format::ALL.map(|format| (format.name(), format_label(format))));
    let formats: Vec<_> = formats.collect();
    let tried = if sliders { "range" } else { "number" };
    let fields = NodeRef::<leptos::html::Fieldset>::new();
    #[cfg(feature = "hydrate")]
    Effect::new(move || recall(fields, entered));
    view! {
        <fieldset class="recipe" data-testid="recipe" node_ref=fields on:input=move |event| note(entered, &event)>
            <legend class="visually-hidden">"Recipe"</legend>
            <label class="field preset">
                <span class="field-label">"Preset"</span>
                <select data-testid="preset" autocomplete="off">
                    <option></option>
                    {PRESETS.map(|preset| option(preset.name, preset.label, false)).collect_view()}
                </select>
            </label>
            {choice("method", "Method", &MethodKind::ALL.map(|kind| (kind.name(), method_label(kind))), entered)}
            {choice("color", "Colour", &Color::ALL.map(|kind| (kind.name(), color_label(kind))), entered)}
            <Number of="clahe" name="clip_limit" label="Clip limit" title="Limit of a tile's contrast gain; 0: none" max="40" step="0.1" value="2" kind=tried entered />
            <Number of="clahe" name="columns" label="Tiles across" title="" max="64" step="1" value="8" kind="number" entered />
            <Number of="clahe" name="rows" label="Tiles down" title="" max="64" step="1" value="8" kind="number" entered />
            <Number of="global" name="plateau" label="Clip limit" title="Limit of the contrast gain; 0: none" max="40" step="0.1" value="0" kind=tried entered />
            <Number of="stretch" name="low" label="Black below, %" title="The darkest pixels that may become black" max="100" step="0.1" value="2" kind=tried entered />
            <Number of="stretch" name="high" label="White above, %" title="The brightest pixels that may become white" max="100" step="0.1" value="98" kind=tried entered />
            <Number of="stretch" name="gamma" label="Gamma" title="Above 1: brighter" max="10" step="0.1" value="1" kind=tried entered />
            <Picture of="match" name="reference" label="Match to" title="The other image's id, or its page's address" entered />
            <Number of="all" name="strength" label="Strength" title="1: full effect, 0: none" max="1" step="0.05" value="1" kind=tried entered />
            <details class="recipe-more">
                <summary>"Excluded pixels"</summary>
                {any_number("nodata", "With this value", "Nodata: pixels with this value in every channel", entered)}
                <Picture of="all" name="mask" label="Where this image is black" title="The mask's id, or its page's address" entered />
            </details>
            <details class="recipe-more">
                <summary>"Format of the result"</summary>
                {choice("to", "Written as", &formats, entered)}
                {choice("depth", "Bits", &[SAME, ("8", "8")], entered)}
            </details>
            <details class="recipe-more">
                <summary>"Range of floating-point or 32-bit samples"</summary>
                {any_number("range_low", "From", "Minimum; lower values count as it. Empty: the image's", entered)}
                {any_number("range_high", "To", "Maximum; higher values count as it. Empty: the image's", entered)}
            </details>
        </fieldset>
    }
}

/// Returns the value entered into a field.
fn find<'a>(entered: &'a Entered, name: &str) -> Option<&'a str> {
    entered.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Returns the value entered into a field, or its default.
fn value_of(entered: RwSignal<Entered>, name: &str, usual: &str) -> String {
    find(&entered.read_untracked(), name).unwrap_or(usual).to_owned()
}

fn option(name: &'static str, label: &'static str, chosen: bool) -> impl IntoView {
    view! {
        <option value=name selected=chosen>
            {label}
        </option>
    }
}

/// Value and label of a choice that leaves a property what the original's is.
const SAME: (&str, &str) = ("", "Same as original");

/// List of values with their labels.
fn choice(
    name: &'static str,
    label: &'static str,
    choices: &[(&'static str, &'static str)],
    entered: RwSignal<Entered>,
) -> AnyView {
    let chosen = value_of(entered, name, "");
    let choices = choices.iter().map(|(value, label)| option(value, label, *value == chosen)).collect_view();
    view! {
        <label class="field">
            <span class="field-label">{label}</span>
            <select name=name data-testid=name autocomplete="off">
                {choices}
            </select>
        </label>
    }
    .into_any()
}

/// Number field without bounds; may be empty.
fn any_number(name: &'static str, label: &'static str, title: &'static str, entered: RwSignal<Entered>) -> AnyView {
    view! {
        <label class="field">
            <span class="field-label">{label}</span>
            <input type="number" name=name step="any" placeholder=" " autocomplete="off" title=title value=value_of(entered, name, "") />
        </label>
    }
    .into_any()
}

/// Bounded number field of a method, or of all methods.
#[component]
fn Number(
    of: &'static str,
    name: &'static str,
    label: &'static str,
    title: &'static str,
    max: &'static str,
    step: &'static str,
    value: &'static str,
    kind: &'static str,
    entered: RwSignal<Entered>,
) -> impl IntoView {
    let shown = (kind == "range").then(|| {
        view! { <output class="field-value">{move || find(&entered.read(), name).unwrap_or(value).to_owned()}</output> }
    });
    view! {
        <label class=format!("field of-{of}") title=title>
            <span class="field-label">{label} {shown}</span>
            <input
                type=kind
                name=name
                data-testid=name
                min="0"
                max=max
                step=step
                value=value_of(entered, name, value)
                autocomplete="off"
            />
        </label>
    }
}

/// Field for another image of the gallery.
#[component]
fn Picture(
    of: &'static str,
    name: &'static str,
    label: &'static str,
    title: &'static str,
    entered: RwSignal<Entered>,
) -> impl IntoView {
    view! {
        <label class=format!("field of-{of}") title=title>
            <span class="field-label">{label}</span>
            <input
                type="text"
                name=name
                data-testid=name
                placeholder="/images/…"
                autocomplete="off"
                value=value_of(entered, name, "")
            />
        </label>
    }
}

/// Stores the value entered into a field. `theme.js` keeps it for the next visit.
#[cfg(feature = "hydrate")]
fn note(entered: RwSignal<Entered>, event: &leptos::ev::Event) {
    // The cast also covers `select`, which has a name and a value as well.
    let field: web_sys::HtmlInputElement = event_target(event);
    let (name, value) = (field.name(), field.value());
    entered.update(|entered| {
        // Only the presets' field has no name.
        if name.is_empty() {
            let fields = Preset::named(&value).map_or(&[][..], |preset| preset.fields);
            for (name, value) in RESET.iter().chain(fields) {
                put(entered, (*name).to_owned(), (*value).to_owned());
            }
            return;
        }
        put(entered, name, value);
    });
}

#[cfg(feature = "hydrate")]
fn put(entered: &mut Entered, name: String, value: String) {
    entered.retain(|(other, _)| *other != name);
    entered.push((name, value));
}

#[cfg(not(feature = "hydrate"))]
fn note(_entered: RwSignal<Entered>, _event: &leptos::ev::Event) {}

/// Restores the values of an earlier visit, and keeps the fields in sync with the entered values: `theme.js` fills only fields
/// sent by the server, others may have been created here, and the same values may be edited in two places.
#[cfg(feature = "hydrate")]
fn recall(fields: NodeRef<leptos::html::Fieldset>, entered: RwSignal<Entered>) {
    use wasm_bindgen::JsCast;
    use web_sys::HtmlInputElement;

    let Some(fields) = fields.get() else { return };
    if entered.read().is_empty() {
        let storage = window().local_storage().ok().flatten();
        let kept = storage.and_then(|storage| storage.get_item("recipe").ok().flatten()).unwrap_or_default();
        let lines = kept.lines().filter_map(|line| line.split_once('='));
        let lines: Entered = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if !lines.is_empty() {
            entered.set(lines);
        }
        return;
    }
    let inputs = fields.elements();
    for index in 0..inputs.length() {
        let Some(field) = inputs.item(index) else { continue };
        // The cast also covers `select`, which has a name and a value as well.
        let field: HtmlInputElement = field.unchecked_into();
        // Set only if different: a number field with incomplete input reads as empty, and setting it would erase the input.
        if let Some(value) = find(&entered.read(), &field.name())
            && field.value() != value
        {
            field.set_value(value);
        }
    }
}
