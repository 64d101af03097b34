//! Timeline of a job's tasks: a lane for each pod, and totals for each phase.

use std::fmt::Write;

use leptos::prelude::*;
use shared::number::Decimal;
use shared::timeline::{Stage, Timeline};

use super::phase_label;
use crate::format;

/// Width of a lane, in its own units.
const ACROSS: u32 = 1_000;

/// Timeline of a job's tasks; hidden while unknown.
#[component]
pub fn JobTimeline(
    /// The timeline, once known.
    #[prop(into)]
    timeline: Signal<Option<Timeline>>,
) -> impl IntoView {
    let lanes_of = move || timeline.read().as_ref().map(lanes).unwrap_or_default();
    let rows_of = move || timeline.read().as_ref().map(rows).unwrap_or_default();
    let summary = move || timeline.read().as_ref().map(summary).unwrap_or_default();
    view! {
        <section
            class="panel job-timeline"
            data-testid="timeline"
            aria-labelledby="timeline-title"
            hidden=move || timeline.read().is_none()
        >
            <h2 id="timeline-title">"How the job ran"</h2>
            <p class="muted">{summary}</p>
            <div class="lanes" inner_html=lanes_of></div>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Phases of the job">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"Phase"</th>
                            <th scope="col">"Tasks"</th>
                            <th scope="col">"Waited"</th>
                            <th scope="col">"Took"</th>
                            <th scope="col">"Total work"</th>
                            <th scope="col">"Written"</th>
                            <th scope="col">"Retries"</th>
                        </tr>
                    </thead>
                    <tbody inner_html=rows_of></tbody>
                </table>
            </div>
        </section>
    }
}

/// Formats a duration, with finer units for short ones.
fn lasting(ms: i64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{:.1} s", Decimal(ms as f64 / 1_000.0)),
        _ => format::span(ms),
    }
}

fn summary(timeline: &Timeline) -> String {
    let (tasks, pods) = (timeline.spans.len(), timeline.lanes().len());
    let word = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    format!("{} on {}, {}.", word(tasks, "task"), word(pods, "pod"), lasting(timeline.length()))
}

/// Returns the lanes as HTML. Everything inserted is a number or a validated name (pod names are DNS names), so nothing needs
/// escaping.
fn lanes(timeline: &Timeline) -> String {
    let length = timeline.length().max(1) as f64;
    let mut text = String::new();
    for (pod, spans) in timeline.lanes() {
        let worked: i64 = spans.iter().map(|span| span.finished - span.started).sum();
        // Writing to a String never fails.
        let _ = write!(
            text,
            r#"<div class="lane"><span class="lane-pod mono">{pod}</span><svg viewBox="0 0 {ACROSS} 14" preserveAspectRatio="none" role="img" aria-label="{pod}: {} tasks, {} of work">"#,
            spans.len(),
            lasting(worked)
        );
        for span in spans {
            let (x, end) = [span.started, span.finished].map(|at| at as f64 / length * f64::from(ACROSS)).into();
            let _ = write!(
                text,
                r#"<rect class="{}" x="{:.1}" y="0" width="{:.1}" height="14" data-attempt="{}"><title>{} {}, attempt {}: started after {}, took {}, wrote {}</title></rect>"#,
                span.phase,
                Decimal(x),
                Decimal((end - x).max(1.5)),
                span.attempt,
                phase_label(span.phase),
                span.index,
                span.attempt,
                lasting(span.started),
                lasting(span.finished - span.started),
                format::bytes(span.bytes)
            );
        }
        text += "</svg></div>";
    }
    text
}

fn rows(timeline: &Timeline) -> String {
    let row = |stage: Stage| {
        format!(
            r#"<tr><th scope="row"><i class="phase {}"></i>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"#,
            stage.phase,
            phase_label(stage.phase),
            stage.tasks,
            lasting(stage.waited),
            lasting(stage.took),
            lasting(stage.worked),
            format::bytes(stage.bytes),
            stage.repeated
        )
    };
    timeline.stages().into_iter().map(row).collect()
}
