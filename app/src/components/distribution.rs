//! Histogram and CDF of two pictures, as charts and as a table.

use std::fmt::Write;

use leptos::prelude::*;
use shared::distribution::Distribution;
use shared::number::Decimal;

use crate::format;

/// Height of a chart in its own units; its width is 256.
const HEIGHT: u32 = 96;
/// Levels per row of the table.
const ROW: usize = 32;

/// Histogram and CDF of the original and of the result.
#[component]
pub fn Distributions(
    /// Histogram of the original.
    #[prop(into)]
    before: Signal<Option<Distribution>>,
    /// Histogram of the result.
    #[prop(into)]
    after: Signal<Option<Distribution>>,
    /// Whether both are results, so that they are called left and right.
    #[prop(optional, into)]
    results: Signal<bool>,
) -> impl IntoView {
    let logarithmic = RwSignal::new(false);
    let title = move |side: usize| Signal::derive(move || names(results.get())[side]);
    view! {
        <div class="distributions" data-testid="distributions">
            <Drawing title=title(0) distribution=before logarithmic />
            <Drawing title=title(1) distribution=after logarithmic />
            <div class="distribution-foot">
                <label class="check needs-script">
                    <input
                        type="checkbox"
                        data-testid="logarithmic"
                        autocomplete="off"
                        on:change:target=move |event| logarithmic.set(event.target().checked())
                    />
                    "Logarithmic"
                </label>
                <details>
                    <summary>"As a table"</summary>
                    <div class="table-scroll" tabindex="0" role="region" aria-label="Distribution of levels">
                        <table data-testid="distribution-table">
                            <caption class="visually-hidden">"Pixels per range of levels, both images"</caption>
                            <thead inner_html=move || head(results.get(), &before.read(), &after.read())></thead>
                            <tbody inner_html=move || body(&before.read(), &after.read())></tbody>
                        </table>
                    </div>
                </details>
            </div>
        </div>
    }
}

/// Chart of the histogram, with the CDF drawn over it.
#[component]
fn Drawing(
    title: Signal<&'static str>,
    distribution: Signal<Option<Distribution>>,
    logarithmic: RwSignal<bool>,
) -> impl IntoView {
    let inside = move || distribution.read().as_ref().map(|it| paths(it, logarithmic.get())).unwrap_or_default();
    let words = move || {
        let title = title.get();
        distribution.read().as_ref().map_or_else(|| format!("{title}: not known yet"), |it| described(title, it))
    };
    view! {
        <figure class="distribution">
            <svg viewBox=format!("0 0 256 {HEIGHT}") preserveAspectRatio="none" role="img" aria-label=words inner_html=inside></svg>
            <figcaption>{move || title.get()}</figcaption>
        </figure>
    }
}

/// Returns the labels of the two pictures.
const fn names(results: bool) -> [&'static str; 2] {
    if results { ["Left", "Right"] } else { ["Before", "After"] }
}

/// Returns the name of a plane.
fn plane_name(planes: usize, plane: usize) -> &'static str {
    match (planes, plane) {
        (1, _) => "Gray",
        (_, 0) => "Red",
        (_, 1) => "Green",
        _ => "Blue",
    }
}

/// Returns the chart's SVG paths. They contain only numbers and fixed names, so nothing needs escaping.
fn paths(distribution: &Distribution, logarithmic: bool) -> String {
    let count = distribution.planes.len();
    let scale = |bin: u64| if logarithmic { (bin as f64).ln_1p() } else { bin as f64 };
    let most = distribution.planes.iter().flatten().copied().map(scale).fold(1.0, f64::max);
    let mut text = String::new();
    for (plane, bins) in distribution.planes.iter().enumerate() {
        let name = plane_name(count, plane).to_ascii_lowercase();
        let total = bins.iter().sum::<u64>().max(1) as f64;
        let height = f64::from(HEIGHT);
        let (mut columns, mut curve, mut sum) = (format!("M0 {HEIGHT}"), String::from("M"), 0);
        for (level, bin) in bins.iter().enumerate() {
            sum += bin;
            let (top, part) = (height * (1.0 - scale(*bin) / most), height * (1.0 - sum as f64 / total));
            // Writing to a String never fails.
            let _ = write!(columns, "V{:.1}H{}", Decimal(top), level + 1);
            let _ = write!(curve, "{} {:.1} ", level + 1, Decimal(part));
        }
        let _ = write!(
            text,
            r#"<path class="bins {name}" d="{columns}V{HEIGHT}Z"/><path class="cdf {name}" d="{}"/>"#,
            curve.trim_end()
        );
    }
    text
}

/// Describes the chart in a sentence.
fn described(title: &str, distribution: &Distribution) -> String {
    let count = distribution.planes.len();
    let of = |(plane, bins): (usize, &Vec<u64>)| {
        let (median, low, high) = (quantile(bins, 0.5), quantile(bins, 0.01), quantile(bins, 0.99));
        format!("{}: median {median}, 98 % of the pixels from {low} to {high}", plane_name(count, plane))
    };
    let planes: Vec<String> = distribution.planes.iter().enumerate().map(of).collect();
    format!("{title}, levels of 0 to 255. {}.", planes.join("; "))
}

/// Returns the first level at which the CDF reaches `part`.
fn quantile(bins: &[u64], part: f64) -> usize {
    let wanted = bins.iter().sum::<u64>() as f64 * part;
    let mut sum = 0;
    let enough = |bin: &u64| {
        sum += bin;
        sum as f64 >= wanted
    };
    bins.iter().position(enough).unwrap_or(0)
}

fn planes(of: &Option<Distribution>) -> &[Vec<u64>] {
    of.as_ref().map_or(&[][..], |it| &it.planes)
}

fn head(results: bool, before: &Option<Distribution>, after: &Option<Distribution>) -> String {
    let mut text = String::from(r#"<tr><th scope="col">Levels</th>"#);
    for (name, planes) in names(results).into_iter().zip([planes(before), planes(after)]) {
        for plane in 0..planes.len() {
            let _ = write!(
                text,
                r#"<th scope="col">{name}, {}</th>"#,
                plane_name(planes.len(), plane).to_ascii_lowercase()
            );
        }
    }
    text + "</tr>"
}

fn body(before: &Option<Distribution>, after: &Option<Distribution>) -> String {
    let mut text = String::new();
    for first in (0..Distribution::LEVELS).step_by(ROW) {
        let _ = write!(text, r#"<tr><th scope="row">{first} to {}</th>"#, first + ROW - 1);
        for bins in planes(before).iter().chain(planes(after)) {
            let sum = bins.get(first..first + ROW).map_or(0, |bins| bins.iter().sum());
            let _ = write!(text, "<td>{}</td>", format::count(sum));
        }
        text += "</tr>";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_levels() -> Distribution {
        let mut bins = vec![0; Distribution::LEVELS];
        (bins[0], bins[255]) = (3, 1);
        Distribution { planes: vec![bins] }
    }

    #[test]
    fn columns_and_curve_end_where_the_drawing_does() {
        let paths = paths(&two_levels(), false);
        assert!(paths.contains(r#"class="bins gray" d="M0 96V0.0H1V96.0H2"#), "{paths}");
        assert!(paths.contains("256 0.0\""), "the curve ends above: {paths}");
    }

    #[test]
    fn a_logarithmic_drawing_shows_what_is_rare() {
        let height = |logarithmic| {
            let paths = paths(&two_levels(), logarithmic);
            let (_, rest) = paths.split_once("H255V").map(|(a, b)| (a.len(), b.to_owned())).unwrap_or_default();
            rest.split('H').next().and_then(shared::number::parse).unwrap_or(f64::NAN)
        };
        assert!(height(true) < height(false));
    }

    #[test]
    fn the_drawing_is_said_in_words_and_the_table_counts_everything() {
        let words = described("Before", &two_levels());
        assert_eq!(words, "Before, levels of 0 to 255. Gray: median 0, 98 % of the pixels from 0 to 255.");
        let head = head(true, &Some(two_levels()), &None);
        assert!(head.contains(r#"<th scope="col">Left, gray</th>"#) && !head.contains("Right"), "{head}");
        let table = body(&Some(two_levels()), &None);
        assert!(table.contains("0 to 31</th><td>3</td>") && table.contains("224 to 255</th><td>1</td>"), "{table}");
    }
}
