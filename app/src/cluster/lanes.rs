//! Lanes: each pod's recent and running tasks on a common time axis.

use std::collections::BTreeMap;

use shared::id::PodName;
use shared::number::Decimal;

use super::panel::{panel, quiet};
use super::picture::Picture;
use super::spans::{self, End, Span, WINDOW};
use crate::format;
use crate::runtime::markup::{Element, of};

/// Maximum attempts per lane; the latest are shown.
const MAX_BARS: usize = 150;
/// Maximum rows per lane for simultaneous attempts.
const MAX_ROWS: usize = 8;

/// Renders the lanes of all pods that worked on something.
pub fn lanes(picture: &Picture<'_>) -> Element {
    let spans = spans::of(picture);
    let panel = panel("lanes", "Recent tasks", "");
    if spans.is_empty() {
        return panel.add(quiet("No tasks in the last 3 minutes."));
    }
    let mut lanes: BTreeMap<&PodName, Vec<&Span>> = BTreeMap::new();
    for span in &spans {
        lanes.entry(&span.pod).or_default().push(span);
    }
    let began = spans.iter().map(|span| span.began).min().unwrap_or(picture.now).max(picture.now - WINDOW);
    let scale = Scale { began, length: (picture.now - began).max(1_000) };
    let lane = |(pod, spans): (&PodName, Vec<&Span>)| lane(picture, scale, pod, &spans);
    let axis = of("p", "lane-axis muted")
        .add(of("span", "").text(format!("{} ago", format::span(scale.length))))
        .add(of("span", "").text("now"));
    panel.add(of("ul", "lanes").all(lanes.into_iter().map(lane))).add(axis)
}

/// Time range of the lanes.
#[derive(Clone, Copy)]
struct Scale {
    began: i64,
    length: i64,
}

impl Scale {
    /// Returns the position of a time in per cent.
    fn place(self, at: i64) -> f64 {
        ((at - self.began) as f64 * 100.0 / self.length as f64).clamp(0.0, 100.0)
    }
}

fn lane(picture: &Picture<'_>, scale: Scale, pod: &PodName, spans: &[&Span]) -> Element {
    let shown = &spans[spans.len().saturating_sub(MAX_BARS)..];
    let mut free: Vec<i64> = Vec::new();
    let bars: Vec<Element> = shown
        .iter()
        .map(|span| {
            let row = free.iter().position(|until| *until <= span.began).unwrap_or(free.len()).min(MAX_ROWS - 1);
            let until = span.began + span.lasted(picture.now);
            if row < free.len() {
                free[row] = until
            } else {
                free.push(until)
            }
            bar(picture, scale, span, row)
        })
        .collect();
    of("li", "lane")
        .key(pod.to_string())
        .test("lane")
        .attr("data-pod", pod.to_string())
        .add(of("span", "lane-pod").text(pod.to_string()))
        .add(of("ol", "lane-bars").attr("style", format!("--rows:{}", free.len().max(1))).all(bars))
}

fn bar(picture: &Picture<'_>, scale: Scale, span: &Span, row: usize) -> Element {
    let from = scale.place(span.began);
    let to = scale.place(span.began + span.lasted(picture.now));
    let state = match span.ended {
        None => "running",
        Some((_, End::Done)) => "done",
        Some((_, End::Freed)) => "freed",
        Some((_, End::Over)) => "ended with its job",
    };
    let words = format!(
        "{}, attempt {}: {state}, {} ms",
        span.task(),
        span.attempt,
        format::count(span.lasted(picture.now) as u64)
    );
    of("li", "bar")
        .key(format!("{}.{}", span.task(), span.attempt))
        .test("bar")
        .attr("data-state", state)
        .attr("data-again", (span.attempt > 1).to_string())
        .attr("title", words.clone())
        .attr("style", format!("--from:{:.2};--for:{:.2};--row:{row}", Decimal(from), Decimal(to - from)))
        .add(of("span", "visually-hidden").text(words))
}
